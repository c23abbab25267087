/** TLS on the wire: the same sessions, and what goes wrong before there is one. */
import { once } from "node:events";
import { connect as connectOver } from "node:tls";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DEFAULT_RATES } from "../../server/limits/rates.ts";
import { nextTurn } from "../../server/net/clock.ts";
import { withTls } from "../../server/net/tls.ts";
import { connectFrom } from "../tools/net/connect_from.ts";
import { RawClient, steady } from "../tools/net/raw_client.ts";
import { listenHere } from "../tools/net/test_server.ts";
import {
  enterTls,
  newCertificate,
  startTlsServer,
} from "../tools/net/tls_tools.ts";
import { within } from "../tools/net/within.ts";
import { passWhileWaiting, TestClock } from "../tools/test_clock.ts";

Deno.test("who comes over TLS and who comes without sit in the same room", async () => {
  await using server = await startTlsServer();
  using alice = await enterTls(server, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  assertMatch(await alice.frame(), /^NOTICE joined\n/);

  await alice.say("#r", "from TLS");
  await bob.say("#r", "without");
  const [heardByBob, sentToBob] = (await bob.frames(2)).sort();
  const heardByAlice = await alice.next("FORWARD");

  assertMatch(steady(heardByBob!), /^FORWARD alice\n[^]*\n\nfrom TLS$/);
  assertMatch(sentToBob!, /^SENT #r\n/);
  assertMatch(heardByAlice, /^FORWARD bob\n[^]*\n\nwithout$/);
});

Deno.test("the log says who comes over TLS", async () => {
  await using server = await startTlsServer();
  using alice = await enterTls(server, "alice");
  using bob = await RawClient.enter(server.port, "bob");

  assertEquals(
    await server.logged(`<${alice.address}> conn`),
    `<${alice.address}> connected over TLS`,
  );
  assertEquals(
    await server.logged(`<${bob.address}> conn`),
    `<${bob.address}> connected`,
  );
});

Deno.test("last words arrive over TLS before the end", async () => {
  await using server = await startTlsServer();
  using alice = await enterTls(server, "alice");

  await alice.send("no header\nhere\n\n", "x".repeat(100_000));

  assertMatch(
    await alice.rest(),
    /^ERROR 103 Header Incomplete\n[^]*\nReason: [^\n]+\n\n$/,
  );
});

Deno.test("who ends their direction over TLS still gets the answers", async () => {
  await using server = await startTlsServer();
  using alice = await enterTls(server, "alice");

  await alice.send("PING\n\n".repeat(1_000));
  await alice.closeWrite();

  assertEquals(await alice.rest(), "PONG\n\n".repeat(1_000));
  await server.logged("alice disconnected: connection closed");
});

Deno.test("large bodies pass TLS both ways as they are", async () => {
  await using server = await startTlsServer();
  using alice = await enterTls(server, "alice");
  const body = "0123456789abcdef".repeat(4_096);

  const sending = alice.send(
    ...Array(50).fill(`SEND alice\nContent-length: ${body.length}\n\n${body}`),
  );
  for (let i = 0; i < 50; i++) {
    assert((await alice.next("FORWARD")).endsWith(`\n\n${body}`));
  }
  await sending;
});

for (
  const [what, bytes, owed] of [["one byte", 1, true], [
    "a line",
    60,
    false,
  ]] as const
) {
  Deno.test(`records of ${what} are ${owed ? "" : "not "}slowed down`, async () => {
    const clock = new TestClock();
    await using server = await startTlsServer({ clock });
    using alice = await enterTls(server, "alice");
    const count = 15_000;
    const head = `SEND nobody\nContent-length: ${bytes * count}\n\n`;
    const piece = new TextEncoder().encode("x".repeat(bytes));

    const acting = (async () => {
      await alice.send(head);
      for (let i = 0; i < count; i++) await alice.send(piece);
      await alice.next("ERROR");
      assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
    })();
    await passWhileWaiting(clock, acting);

    assertEquals(clock.now() > 3_000, owed, `after ${clock.now()} ms`);
  });
}

Deno.test("a handshake that stalls is given up in time, and keeps nobody waiting", async () => {
  await using server = await startTlsServer({ registerWithinMs: 1 });
  using silent = await RawClient.connect(server.tlsPort);
  using half = await RawClient.connect(server.tlsPort);
  await half.send(new Uint8Array([0x16, 3, 1, 0, 200, 1]));

  using alice = await enterTls(server, "alice");

  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  for (const { address } of [silent, half]) {
    assertEquals(
      await server.logged(`<${address}> disc`),
      `<${address}> disconnected: idle`,
    );
  }
  assertEquals([await silent.rest(), await half.rest()], ["", ""]);
});

Deno.test("an address that connects too often is told so fifty times, and then gets no handshake", async () => {
  const rates = { ...DEFAULT_RATES, connects: 1 }; // 20 at once, and one
  await using server = await startTlsServer({ rates, clock: new TestClock() });
  const { certificate: { cert }, tlsPort: port } = server;
  const connect = () =>
    Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [cert] });
  const answers: string[] = [];

  for (let count = 0; count < 21 + 51; count++) {
    using conn = await connect();
    answers.push(count < 21 ? "" : await new Response(conn.readable).text());
  }

  assert(answers.slice(21).every((one) => one.startsWith("ERROR 108 ")));
  await assertRejects(async () => {
    using conn = await connect();
    await conn.handshake();
  });
  const elsewhere = await connectFrom("127.0.0.2", port);
  const secure = connectOver({
    socket: elsewhere,
    ca: cert,
    host: "127.0.0.1",
  });
  await within(once(secure, "secureConnect"), () => "a handshake");
  secure.destroy();
});

Deno.test("a handshake is computed when its turn comes", async () => {
  const certificate = await newCertificate();
  // A copy, as the program has one.
  const listener = { ...withTls(listenHere(), certificate) };
  const turn = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  listener.limit({
    turn: () => {
      asked.resolve();
      return turn.promise;
    },
    meter: () => () => undefined,
  });
  const accepted = listener.accept();
  const state = { done: false };
  const connecting = Deno.connectTls({
    hostname: "127.0.0.1",
    port: listener.port,
    caCerts: [certificate.cert],
  });
  const shaken = connecting.then((conn) => conn.handshake()).then(() =>
    state.done = true
  );
  const wire = await accepted;
  const read = wire.read(new Uint8Array(1));

  await asked.promise;
  for (let round = 0; round < 100; round++) await nextTurn();
  const before = state.done;
  turn.resolve();
  await within(shaken, () => "the handshake");

  assertEquals(before, false);
  (await connecting).close();
  assertEquals(await read, null);
  wire.close();
  listener.close();
});

Deno.test("who speaks no TLS on its port is answered without", async () => {
  await using server = await startTlsServer();
  using alice = await RawClient.connect(server.tlsPort);

  await alice.send("REGISTER alice\n\n", "x".repeat(100_000));

  assertEquals(
    await alice.rest(),
    "ERROR 103 Header Incomplete\n" +
      "Reason: Cannot read head: this port is for TLS alone\n\n",
  );
  await server.logged(
    `<${alice.address}> disconnected: header incomplete ` +
      "(Cannot read head: this port is for TLS alone)",
  );
});

Deno.test("broken TLS is the end of that connection alone", async () => {
  await using server = await startTlsServer();
  using alice = await enterTls(server, "alice");
  using eve = await RawClient.connect(server.tlsPort);

  await eve.send(new Uint8Array([0x16, 3, 1, 0, 5, 9, 9, 9, 9, 9]));
  await eve.rest();

  await server.logged(`<${eve.address}> disconnected: TLS failed`);
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("TLS on the port without it is answered with a readable error", async () => {
  await using server = await startTlsServer();
  using alice = await RawClient.connect(server.port);

  await alice.send(new Uint8Array([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]));

  assertEquals(
    await alice.rest(),
    "ERROR 103 Header Incomplete\nReason: Cannot read head: it is TLS, " +
      "and this port is without TLS\n\n",
  );
  await server.logged(
    `<${alice.address}> disconnected: header incomplete ` +
      "(Cannot read head: it is TLS, and this port is without TLS)",
  );
});

Deno.test("a server that ends says so over TLS", async () => {
  const { [Symbol.asyncDispose]: stop, ...server } = await startTlsServer();
  using alice = await enterTls(
    { ...server, [Symbol.asyncDispose]: stop },
    "alice",
  );

  const [rest] = await Promise.all([alice.rest(), stop()]);

  assertEquals(rest, "NOTICE closing\nRetry-after: 5\n\n");
});
