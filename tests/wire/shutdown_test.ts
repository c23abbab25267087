/** Stopping: NOTICE closing to everybody, and the end within two seconds. */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import {
  fullServerTest,
  lastingPort,
  listenHere,
  RawClient,
  startTestServer,
} from "../tools/net/raw_client.ts";

const CLOSING = "NOTICE closing\nRetry-after: 5\n\n";

/** How long it takes to dispose `server`, in milliseconds. */
async function closing(server: AsyncDisposable): Promise<number> {
  const started = performance.now();
  await server[Symbol.asyncDispose]();
  return performance.now() - started;
}

fullServerTest(
  "a server that closes says so to every user, and ends every connection",
  async () => {
    const server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice", "#a");
    using bob = await RawClient.enter(server.port, "bob", "#b");
    using carol = await RawClient.classic(server.port, "carol");
    using stranger = await RawClient.connect(server.port);
    await stranger.ask("PING\n\n"); // it is served by now

    const done = closing(server);
    const rests = await Promise.all([alice.rest(), bob.rest()]);

    assertEquals(rests, [CLOSING, CLOSING]);
    assertEquals(await stranger.rest(), "");
    assertEquals(await carol.in.rest(), "");
    assertEquals(await carol.out.rest(), "");
    for (const client of [alice, bob, carol.in, carol.out, stranger]) {
      client.close();
    }
    assertLess(await done, 2_000);
    assert(
      server.log.some((line) =>
        line.endsWith("alice disconnected: server closing")
      ),
      server.log.join("\n"),
    );
  },
);

Deno.test("members of a room are not told that all others go", async () => {
  const server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await alice.frame();

  const done = closing(server);

  assertEquals(await alice.rest(), CLOSING);
  assertEquals(await bob.rest(), CLOSING);
  alice.close();
  bob.close();
  await done;
});

Deno.test("a server that closes waits for nobody who is still in line to come in", async () => {
  const server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  await alice.say("#r", "so that the others give way");
  const crowd = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const client = await RawClient.connect(server.port);
      await client.send(`REGISTER user${index}\n\n`);
      return client;
    }),
  );

  const done = closing(server);
  for (const client of [alice, ...crowd]) {
    await client.rest().catch(() => {}); // or it was not yet accepted
    client.close();
  }

  assertLess(await done, 2_000);
});

fullServerTest(
  "what is queued when a server closes is flushed before the end",
  async () => {
    const server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob");
    const body = "x".repeat(60_000);
    for (let i = 0; i < 100; i++) await alice.say("bob", body);
    await alice.frames(100);

    const done = closing(server);
    const rest = await bob.rest();
    bob.close();
    alice.close();
    await done;

    assertEquals(rest.split(body).length - 1, 100);
    assert(rest.endsWith(CLOSING));
  },
);

fullServerTest(
  "a server closes within two seconds, whoever does not read, answer or hang up",
  async () => {
    const server = startTestServer();
    using stuck = await RawClient.enter(server.port, "stuck", "#r");
    using alice = await RawClient.enter(server.port, "alice", "#r");
    using flood = await RawClient.enter(server.port, "flood", "#r");
    using carol = await RawClient.classic(server.port, "carol");
    using dave = await RawClient.classic(server.port, "dave");
    using half = await RawClient.connect(server.port);
    using silent = await RawClient.connect(server.port);
    await half.ask("REGISTER TORECV half\n\n");
    const line = `SEND #r\nContent-length: 60000\n\n${"x".repeat(60_000)}`;
    const flooding = flood.send(line.repeat(500)).catch(() => {});
    await carol.out.send("SEND dave\nContent-length: 2\n\nhi"); // never RECEIVED
    await dave.in.frame();
    const asking = stuck.send("HISTORY #r\nLimit: 1000\n\n".repeat(500))
      .catch(() => {});
    await alice.next("FORWARD flood");

    const took = await closing(server);
    stuck.close();
    flood.close();
    await flooding;
    await asking;

    assertLess(took, 2_000);
    assertMatch(await silent.rest(), /^$/);
  },
);

Deno.test("a server can be stopped while connections arrive", async () => {
  for (let round = 0; round < 20; round++) {
    const server = startTestServer();
    const { port } = server;
    const arriving = Array.from({ length: 50 }, async () => {
      using peer = await RawClient.connect(port);
      await peer.send("REGISTER a\n\n");
      await peer.rest();
    });
    const all = Promise.allSettled(arriving);
    if (round % 2) await server.logged("connected");

    assertLess(await closing(server), 2_000);
    await all;
  }
});

Deno.test("a port is free again after its server has closed", async () => {
  const port = lastingPort();
  const first = startTestServer({ tcp: listenHere(port) });
  using alice = await RawClient.enter(port, "alice");
  const done = closing(first);
  await alice.rest();
  alice.close();
  await done;

  await using _second = startTestServer({ tcp: listenHere(port) });
  using again = await RawClient.enter(port, "alice");

  assertEquals(await again.ask("PING\n\n"), "PONG\n\n");
});
