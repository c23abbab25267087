/** What silence leads to: the deadline of registration, PING, and 116. */
import { assertEquals, assertMatch } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { CHECK_EVERY_MS } from "../../../server/session/keepalive.ts";
import { RawClient, steady } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { round, TestClock } from "../../tools/test_clock.ts";

const IDLE = /^ERROR 116 Idle\nReason: .+\n\n$/;

const REGISTER_WITHIN_MS = 1_000;
const PING_AFTER_MS = 1_000;
const IDLE_AFTER_MS = 3_000;

/**
 * A server that checks all connections every second, for which no time passes but
 * what the test lets pass: clients are as fast as they must be.
 */
function startSilent() {
  const clock = new TestClock();
  const server = startTestServer({
    registerWithinMs: REGISTER_WITHIN_MS,
    pingAfterMs: PING_AFTER_MS,
    idleAfterMs: IDLE_AFTER_MS,
    clock,
  });
  return { clock, server };
}

Deno.test("a client that connects and sends nothing is told 116, and ended", async () => {
  const { clock, server } = startSilent();
  await using _server = server;
  using client = await RawClient.connect(server.port);
  await server.logged("connected");

  clock.pass(REGISTER_WITHIN_MS);

  assertMatch(await client.rest(), IDLE);
  assertMatch(await server.logged("disconnected"), /disconnected: idle$/);
});

Deno.test("a client that sends without registering has no longer", async () => {
  const { clock, server } = startSilent();
  await using _server = server;
  using client = await RawClient.connect(server.port);

  await client.send("REGISTER ALL\n\nFLY\n\nPI");
  const answers = await client.frames(2);
  clock.pass(REGISTER_WITHIN_MS);

  assertMatch(answers.join(""), /^ERROR 100 [^]*ERROR 105 /);
  assertMatch(await client.rest(), /^ERROR 116 Idle\n/);
});

Deno.test("half a frame and silence is 116, registered or not", async () => {
  const { clock, server } = startSilent();
  await using _server = server;
  using stranger = await RawClient.connect(server.port);
  using alice = await RawClient.enter(server.port, "alice");

  assertMatch(await stranger.ask("PING\n\nREGISTER al"), /^ERROR 101 /);
  const half = "SEND ALL\nContent-length: 10\n\nhal";
  assertEquals(await alice.ask(`PING\n\n${half}`), "PONG\n\n");
  clock.pass(IDLE_AFTER_MS);

  assertMatch(await stranger.rest(), IDLE);
  assertMatch(await alice.rest(), IDLE);
});

Deno.test("an idle client is sent PING once, and stays if anything comes", async () => {
  const { clock, server } = startSilent();
  await using _server = server;
  using alice = await RawClient.enter(server.port, "alice");
  const [session] = server.context.sessions;

  for (const answer of ["PONG\n\n", "\n", "PONG\n\n"]) {
    clock.pass(PING_AFTER_MS);
    assertEquals(await alice.bytes(6), "PING\n\n");
    clock.pass(1);
    await alice.send(answer);
    while (session!.connection.idleSince < clock.now()) await round();
  }

  await alice.send("PING\n\n");
  assertEquals(await alice.bytes(6), "PONG\n\n");
});

Deno.test("a client that does not answer PING is told 116 and leaves its rooms", async () => {
  const { clock, server } = startSilent();
  await using _server = server;
  using bob = await RawClient.enter(server.port, "bob", "#r");
  using alice = await RawClient.enter(server.port, "alice", "#r");
  await bob.next("NOTICE joined");

  clock.pass(PING_AFTER_MS);
  assertEquals(await alice.bytes(6), "PING\n\n");
  await bob.next("PING");
  assertEquals(await bob.ask("PONG\n\nPING\n\n"), "PONG\n\n");
  clock.pass(IDLE_AFTER_MS - PING_AFTER_MS);

  assertMatch(await alice.rest(), IDLE);
  assertEquals(
    steady(await bob.frame()),
    "NOTICE offline\nRoom: #r\nUser: alice\nReason: idle\nMembers: 1\nTime: T\n\n",
  );
});

Deno.test(
  "a classic user is never sent PING, nor ended for silence",
  async () => {
    const { clock, server } = startSilent();
    await using _server = server;
    using carol = await RawClient.classic(server.port, "carol");

    // After two who were silent too long, carol was checked, too.
    for (const name of ["first", "second"]) {
      using silent = await RawClient.enter(server.port, name);
      const ended = silent.rest().then(() => true);
      // A slow server is still at a request that was answered: it counts from there.
      do {
        clock.pass(IDLE_AFTER_MS);
      } while (!await Promise.race([ended, delay(CHECK_EVERY_MS, false)]));
    }
    await carol.out.send("SEND carol\nContent-length: 2\n\nhi");

    assertEquals(
      await carol.in.frame(),
      "FORWARD carol\nContent-length: 2\n\nhi",
    );
  },
);
