/** Sessions of an address that took too much time: they wait, others do not. */
import { assertEquals } from "@std/assert";
import { Limits } from "../../../server/limits/limits.ts";
import type { Context } from "../../../server/session/session.ts";
import { PAUSE_MS } from "../../../server/session/two_socket/users.ts";
import { arrange, send, turn } from "../../tools/net/fake_peers.ts";

const FOE = "10.0.0.1";

/** Two users, of whom one is at an address that owes time. */
async function busy() {
  const { clock, context: all, connect, wait } = arrange();
  const limits = new Limits();
  const context: Context = Object.assign(all, { limits });
  const foe = connect(undefined, context, FOE);
  const user = connect(undefined, context, "10.0.0.2");
  foe.wire.say("REGISTER foe\n\nJOIN #r\n\n");
  await foe.wire.heard("JOINED #r");
  user.wire.say("REGISTER user\n\nJOIN #r\n\n");
  await user.wire.heard("JOINED #r");
  limits.addressOf(FOE, 0).buckets.time!.take(1_000, 0);
  const { turns } = context;
  const end = async () => {
    turns[Symbol.dispose]();
    for (const { wire } of [foe, user]) wire.end();
    await Promise.all([foe.done, user.done]);
  };
  return { clock, connect, context, foe, user, turns, end, wait };
}

Deno.test("a client of an address that took too much waits for its turn, another is answered at once", async () => {
  const { foe, user, turns, end } = await busy();
  await turns.enter("10.0.0.3"); // its turn

  foe.wire.say("PING\n\n");
  user.wire.say(`${send("#r", "hi")}PING\n\n`);
  await user.wire.heard("PONG");
  await turn();
  const before = foe.wire.got;
  turns.leave();

  await foe.wire.heard("PONG");
  assertEquals(before.includes("PONG"), false);
  assertEquals(before.includes("FORWARD"), true); // it is sent what others say
  await end();
});

Deno.test("a client that took too much gets long answers: it leaves its turn before it waits for theirs", async () => {
  const { foe, turns, end } = await busy();

  foe.wire.say("HISTORY #r\n\n".repeat(3) + "PING\n\n");
  await foe.wire.heard("PONG");
  await turns.enter("10.0.0.3");
  turns.leave();

  assertEquals(foe.wire.got.match(/HISTORY #r/g)?.length, 3);
  await end();
});

Deno.test("one that ends while it waits is over when its turn comes, and leaves that to others", async () => {
  const { context, foe, turns, end } = await busy();
  await turns.enter("10.0.0.3");
  foe.wire.say("PING\n\n");
  await turn();

  foe.connection.end("connection lost");
  foe.wire.end();
  turns.leave();
  await foe.done;

  assertEquals(context.sessions.size, 1);
  assertEquals(foe.wire.got.includes("PONG"), false);
  await turns.enter("10.0.0.4");
  turns.leave();
  await end();
});

Deno.test("a client that waits for its turn keeps its time to register", async () => {
  const { connect, context, turns, end, wait } = await busy();
  await turns.enter("10.0.0.3");
  const late = connect(undefined, context, FOE);
  wait(9_000);

  late.wire.say("REGISTER late\n\n");
  await turn();
  wait(20_000);
  assertEquals(late.connection.ending, undefined);
  turns.leave();
  await late.wire.heard("REGISTERED late");

  late.wire.end();
  await late.done;
  await end();
  await context.admission[Symbol.asyncDispose]();
});

Deno.test("a two-socket receiver does not wait for a turn: it would acknowledge too late", async () => {
  const { clock, connect, context, user, turns, end } = await busy();
  const [sender, receiver] = ["TOSEND", "TORECV"].map((role) => {
    const peer = connect(undefined, context, FOE);
    peer.wire.say(`REGISTER ${role} carol\n\n`);
    return peer;
  });
  await sender!.wire.heard("REGISTERED");
  await receiver!.wire.heard("REGISTERED");
  clock.pass(PAUSE_MS);
  await turns.enter("10.0.0.3");

  user.wire.say(send("carol", "one") + send("carol", "two"));
  await receiver!.wire.heard("one");
  receiver!.wire.say("RECEIVED user\n\n");
  await receiver!.wire.heard("two");

  for (const { wire, done } of [sender!, receiver!]) {
    wire.end();
    await done;
  }
  turns.leave();
  await end();
});
