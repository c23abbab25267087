/** Stopping: NOTICE closing to everybody, and the end, on a clock that the tests hold. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { LAST_FRAME_MS } from "../../server/net/connection.ts";
import { PAUSE_MS } from "../../server/session/two_socket/users.ts";
import { passWhileWaiting, round, TestClock } from "../tools/test_clock.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import {
  fullServerTest,
  lastingPort,
  listenHere,
  startTestServer,
  type TestOptions,
} from "../tools/net/test_server.ts";
import { within } from "../tools/net/within.ts";

const CLOSING = "NOTICE closing\nRetry-after: 5\n\n";

/** A server whose time stands still, so that it waits for nothing to pass. */
function startFrozen(options: TestOptions = {}) {
  const clock = new TestClock();
  const server = startTestServer({ ...options, clock });
  /** Disposes the server; `until` waits for that, and fails if it hangs. */
  const close = () => {
    const state = { closed: false };
    const done = (async () => {
      await server[Symbol.asyncDispose]();
      state.closed = true;
    })();
    return {
      get closed(): boolean {
        return state.closed;
      },
      until: () => within(done, () => "the server's end"),
    };
  };
  return { clock, server, close };
}

fullServerTest(
  "a server that closes says so to every user, and ends every connection",
  async () => {
    const { server, close } = startFrozen();
    using alice = await RawClient.enter(server.port, "alice", "#a");
    using bob = await RawClient.enter(server.port, "bob", "#b");
    using carol = await RawClient.classic(server.port, "carol");
    using stranger = await RawClient.connect(server.port);
    await stranger.ask("PING\n\n"); // it is served by now

    const closing = close();
    const rests = await Promise.all([alice.rest(), bob.rest()]);

    assertEquals(rests, [CLOSING, CLOSING]);
    assertEquals(await stranger.rest(), "");
    assertEquals(await carol.in.rest(), "");
    assertEquals(await carol.out.rest(), "");
    for (const client of [alice, bob, carol.in, carol.out, stranger]) {
      client.close();
    }
    await closing.until();
    assert(
      server.log.some((line) =>
        line.endsWith("alice disconnected: server closing")
      ),
      server.log.join("\n"),
    );
  },
);

Deno.test("members of a room are not told that all others go", async () => {
  const { server, close } = startFrozen();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await alice.frame();

  const closing = close();

  assertEquals(await alice.rest(), CLOSING);
  assertEquals(await bob.rest(), CLOSING);
  alice.close();
  bob.close();
  await closing.until();
});

Deno.test("a server that closes waits for nobody who is still in line to come in", async () => {
  const { server, close } = startFrozen();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  await alice.say("#r", "so that the others give way");
  const crowd = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const client = await RawClient.connect(server.port);
      await client.send(`REGISTER user${index}\n\n`);
      return client;
    }),
  );

  const closing = close();
  for (const client of [alice, ...crowd]) {
    await client.rest().catch(() => {}); // or it was not yet accepted
    client.close();
  }

  await closing.until();
});

fullServerTest(
  "what is queued when a server closes is flushed before the end",
  async () => {
    const { clock, server, close } = startFrozen({ maxUnreadBytes: Infinity });
    using alice = await RawClient.enter(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob");
    const body = "x".repeat(60_000);
    const sending = async () => {
      for (let i = 0; i < 100; i++) await alice.say("bob", body);
      await alice.frames(100);
    };
    await passWhileWaiting(clock, sending()); // it waits for bob, a while

    const closing = close();
    const rest = await bob.rest();
    bob.close();
    alice.close();
    await closing.until();

    assertEquals(rest.split(body).length - 1, 100);
    assert(rest.endsWith(CLOSING));
  },
);

fullServerTest(
  "a server closes after a second, though clients do not read, answer or close",
  async () => {
    const { clock, server, close } = startFrozen();
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
    clock.pass(PAUSE_MS);
    await dave.in.frame();
    const asking = stuck.send("HISTORY #r\nLimit: 1000\n\n".repeat(500))
      .catch(() => {});
    await alice.next("FORWARD flood");

    const closing = close();
    assertMatch(await silent.rest(), /^$/);
    clock.pass(LAST_FRAME_MS - 1);
    for (let rounds = 0; rounds < 100; rounds++) await round();
    const closedBefore = closing.closed;
    clock.pass(1);
    await closing.until();
    stuck.close();
    flood.close();
    await flooding;
    await asking;

    assertEquals(closedBefore, false);
  },
);

Deno.test("a server can be stopped while connections arrive", async () => {
  for (let round = 0; round < 20; round++) {
    const { clock, server, close } = startFrozen();
    const { port } = server;
    const arriving = Array.from({ length: 50 }, async () => {
      using peer = await RawClient.connect(port);
      await peer.send("REGISTER a\n\n");
      await peer.rest();
    });
    const all = Promise.allSettled(arriving);
    if (round % 2) await server.logged("connected");

    const closing = close();
    await all;
    clock.pass(LAST_FRAME_MS); // for those of which the server knows no end yet
    await closing.until();
  }
});

Deno.test("a port is free again after its server has closed", async () => {
  const port = lastingPort();
  const first = startFrozen({ tcp: listenHere(port) });
  using alice = await RawClient.enter(port, "alice");
  const closing = first.close();
  await alice.rest();
  alice.close();
  await closing.until();

  await using _second = startTestServer({ tcp: listenHere(port) });
  using again = await RawClient.enter(port, "alice");

  assertEquals(await again.ask("PING\n\n"), "PONG\n\n");
});
