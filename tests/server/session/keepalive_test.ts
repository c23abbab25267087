/**
 * Those who are silent or do not read, with a clock of the test's own.
 */
import { createSecureContext } from "node:tls";
import { assert, assertEquals } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { Connection } from "../../../server/net/connection.ts";
import { TlsWire } from "../../../server/net/tls.ts";
import { serve } from "../../../server/session/serve.ts";
import { arrange, FakeWire, turn } from "../../tools/net/fake_peers.ts";
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

Deno.test("a half of a two-socket user is given up after 90 seconds, and its name is free", async () => {
  const { context, connect, wait } = arrange();
  const half = connect();
  wait(9_000); // it may take its time to register
  half.wire.say("REGISTER TOSEND alice\n\n");
  await half.wire.heard("REGISTERED TOSEND alice");

  wait(89_000);
  assertEquals(half.connection.ending, undefined);
  wait(2_000);
  await half.wire.heard("ERROR 116 Idle\n\n");
  const other = connect();
  other.wire.say("REGISTER TORECV alice\n\n"); // it is the first of another
  await other.wire.heard("REGISTERED TORECV alice");
  assertEquals(context.hub.userNamed("alice"), undefined);
  wait(80_000);
  const completing = connect();
  completing.wire.say("REGISTER TOSEND alice\n\n");
  await completing.wire.heard("REGISTERED TOSEND alice");
  wait(200_000); // a complete user may be silent

  assertEquals(context.hub.userNamed("alice")?.name, "alice");
  for (const { wire, done } of [half, other, completing]) {
    wire.end();
    await done;
  }
  await context.admission[Symbol.asyncDispose]();
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

Deno.test("over TLS the wait for a handshake's turn does not count as the client's time", async () => {
  const { clock, context, wait } = arrange();
  const asked = Promise.withResolvers<void>();
  const passed = Promise.withResolvers<void>();
  const below = Object.assign(new FakeWire(), {
    remoteAddr: { transport: "tcp", hostname: "10.0.0.1", port: 1 },
  });
  const wire = new TlsWire(
    below as unknown as Deno.TcpConn, // the cast: no more of it is used
    createSecureContext(),
    {
      turn() {
        asked.resolve();
        return passed.promise;
      },
      meter: () => () => undefined,
    },
  );
  const remote = "10.0.0.1:1";
  const options = { remote, now: 0, transport: "TLS", clock } as const;
  const connection = new Connection(wire, options);
  const done = serve(connection, context);

  wait(9_000);
  below.say("\x16\x03\x01"); // the beginning of a handshake
  await asked.promise;
  wait(60_000);
  passed.resolve();
  await turn();
  wait(900); // of the second that the client has left
  assertEquals(connection.ending, undefined);
  wait(1_100);

  assertCode(connection.ending, 116);
  wait(2_000); // for its last frame
  await done;
});

function assertCode(ending: unknown, code: number): void {
  assert(ending instanceof ChatError);
  assertEquals(ending.code, code);
}
