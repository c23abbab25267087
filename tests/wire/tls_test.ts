/** TLS on the wire: the same sessions, and what goes wrong before there is one. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { RawClient, steady } from "../tools/net/raw_client.ts";
import { enterTls, startTlsServer } from "../tools/net/tls_tools.ts";

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

Deno.test("who speaks no TLS on its port is answered without", async () => {
  await using server = await startTlsServer();
  using alice = await RawClient.connect(server.tlsPort);

  await alice.send("REGISTER alice\n\n", "x".repeat(100_000));

  assertEquals(
    await alice.rest(),
    "ERROR 103 Header Incomplete\n" +
      "Reason: Cannot read head: this port is for TLS alone\n\n",
  );
  await server.logged(`<${alice.address}> disconnected: header incomplete`);
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
  await server.logged(`<${alice.address}> disconnected: header incomplete`);
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
