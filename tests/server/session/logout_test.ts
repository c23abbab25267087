/** LOGOUT while its end is being stored, on sockets that the test plays itself. */
import { assertEquals } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { request, verifierFor } from "../../tools/account_tools.ts";
import { arrange, send, slowSessions } from "../../tools/net/fake_peers.ts";

/** Sessions whose end is stored when the test says so. */
function slowToEnd() {
  const storing = Promise.withResolvers<void>();
  const forgetting = Promise.withResolvers<void>();
  const visits = slowSessions((kind) => {
    if (kind !== "sessions-ended") return Promise.resolve();
    forgetting.resolve();
    return storing.promise;
  });
  return { forgetting, storing, visits };
}

Deno.test("LOGOUT is answered after its end is stored, and also if that fails", async () => {
  const { forgetting, storing, visits } = slowToEnd();
  const { connect } = arrange(undefined, visits);
  const { wire, done } = connect();
  wire.say("REGISTER alice\n\n");
  await wire.heard("REGISTERED alice");
  const { token } = visits.newest("alice")!;

  wire.say("LOGOUT\n\n");
  await forgetting.promise;
  const before = wire.got.includes("BYE");
  const meanwhile = visits.find("alice", token);
  storing.reject(new ChatError(119, "Cannot store that: the disk is full"));
  await wire.heard("BYE\n\n");
  wire.end();
  await done;

  assertEquals([before, meanwhile], [false, undefined]);
  assertEquals(visits.newest("alice"), undefined);
});

Deno.test("a connection that is lost while LOGOUT is stored has not received what comes then", async () => {
  const { forgetting, storing, visits } = slowToEnd();
  const { context, connect } = arrange(undefined, visits);
  const alice = connect();
  alice.wire.say(request("SIGNUP alice", await verifierFor("pencil")));
  await alice.wire.heard("REGISTERED alice");
  const bob = connect();
  bob.wire.say("REGISTER bob\n\n");
  await bob.wire.heard("REGISTERED bob");

  alice.wire.say("LOGOUT\n\n");
  await forgetting.promise;
  alice.connection.end("connection lost");
  bob.wire.say(send("ALL", "for later"));
  await bob.wire.heard("SENT ALL");
  storing.resolve();
  for (const { wire, done } of [alice, bob]) {
    wire.end();
    await done;
  }

  const { lastId } = context.journal;
  assertEquals([lastId, context.accounts.loaded?.named("alice")?.seen], [1, 0]);
});
