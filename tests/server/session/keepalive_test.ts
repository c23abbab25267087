/**
 * Those who are silent or do not read, with a clock of the test's own.
 */
import { assert, assertEquals } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { arrange } from "../../tools/net/fake_peers.ts";
import { bytes } from "../../tools/net/raw_client.ts";

const HELLO = "SEND alice\nContent-length: 2\n\nhi";

Deno.test("no client is given up because the server itself stood still", async () => {
  const { clock, connect, wait } = arrange();
  const alice = connect();
  alice.wire.say("REGISTER alice\n\n");
  await alice.wire.heard("REGISTERED alice");
  const stuck = connect();
  stuck.wire.say("REGISTER stuck\n\n");
  await stuck.wire.heard("REGISTERED stuck");
  stuck.wire.stuck = true;
  stuck.connection.outbox.push(bytes("NOTICE server\n\n"));

  clock.pass(300_000);
  wait(14_900);
  const endings = [alice, stuck].map(({ connection }) => connection.ending);
  wait(1_100);

  assertEquals(endings, [undefined, undefined]);
  assertEquals(alice.connection.ending, undefined);
  assertCode(stuck.connection.ending, 115);
  wait(15_000);
  await alice.wire.heard("PING\n\n");
  wait(60_000);
  assertCode(alice.connection.ending, 116);
  for (const { wire, done } of [alice, stuck]) {
    wire.close();
    await done;
  }
});

Deno.test("idle clients are given up one after the other while messages are sent", async () => {
  const { context, connect, wait } = arrange();
  const alice = connect();
  alice.wire.say("REGISTER alice\n\n");
  await alice.wire.heard("REGISTERED alice");
  const silent = connect();

  wait(9_900);
  alice.wire.say(HELLO);
  await alice.wire.heard("SENT alice");
  wait(1_000);
  assertEquals(silent.connection.ending, undefined);

  await silent.wire.heard("ERROR 116");
  for (const { wire, done } of [alice, silent]) {
    wire.end();
    await done;
  }
  await context.admission[Symbol.asyncDispose]();
});

Deno.test("clients that send do not wait until a crowd is checked", async () => {
  const { connect, wait } = arrange();
  const crowd = Array.from({ length: 250 }, () => connect());
  for (const [index, { wire }] of crowd.entries()) {
    wire.say(`REGISTER user${index}\n\n`);
    await wire.heard("REGISTERED");
  }
  const pinged = () => crowd.filter((one) => !one.connection.outbox.empty);

  wait(30_000);
  const atOnce = pinged().length;
  wait(1_000);

  assert(atOnce > 0 && atOnce < 100, `${atOnce} in one moment`);
  for (const { wire, done } of crowd) {
    await wire.heard("PING\n\n");
    wire.end();
    await done;
  }
});

function assertCode(ending: unknown, code: number): void {
  assert(ending instanceof ChatError);
  assertEquals(ending.code, code);
}
