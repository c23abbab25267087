/** What silence leads to: the deadline of registration, PING, and 116. */
import { assertEquals, assertMatch } from "@std/assert";
import { RawClient, steady } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { passWhileWaiting, TestClock } from "../../tools/test_clock.ts";

const IDLE = /^ERROR 116 Idle\nReason: .+\n\n$/;

Deno.test("a client that connects and sends nothing is told 116, and ended", async () => {
  await using server = startTestServer({ registerWithinMs: 1 });
  using client = await RawClient.connect(server.port);

  assertMatch(await client.rest(), IDLE);
  assertMatch(await server.logged("disconnected"), /disconnected: idle$/);
});

Deno.test("a client that sends without registering has no longer", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ registerWithinMs: 1, clock });
  using client = await RawClient.connect(server.port);

  await client.send("REGISTER ALL\n\nFLY\n\nPI");
  const [name, verb] = await client.frames(2);
  const rest = client.rest();
  await passWhileWaiting(clock, rest);

  assertMatch(`${name}${verb}`, /^ERROR 100 [^]*ERROR 105 /);
  assertMatch(await rest, IDLE);
});

Deno.test("half a frame and silence is 116, registered or not", async () => {
  await using server = startTestServer({ registerWithinMs: 1, idleAfterMs: 1 });
  using stranger = await RawClient.connect(server.port);
  using alice = await RawClient.enter(server.port, "alice");

  await stranger.send("REGISTER al");
  await alice.send("SEND ALL\nContent-length: 10\n\nhal");

  assertMatch(await stranger.rest(), IDLE);
  assertMatch(await alice.rest(), /ERROR 116 Idle\nReason: .+\n\n$/);
});

Deno.test("an idle client is sent PING once, and stays if anything comes", async () => {
  await using server = startTestServer({ pingAfterMs: 1, idleAfterMs: 60_000 });
  using alice = await RawClient.enter(server.port, "alice");

  const first = await alice.frame();
  await alice.send("PONG\n\n");
  const second = await alice.frame();
  await alice.send("\n");
  const third = await alice.frame();

  assertEquals([first, second, third], ["PING\n\n", "PING\n\n", "PING\n\n"]);
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("a client that does not answer PING is told 116 and leaves its rooms", async () => {
  await using server = startTestServer({
    pingAfterMs: 1,
    idleAfterMs: 2_500,
  });
  using bob = await RawClient.enter(server.port, "bob", "#r");
  using alice = await RawClient.enter(server.port, "alice", "#r");
  let told = "";
  const watching = (async () => {
    while (!told) {
      const frame = await bob.frame();
      if (frame === "PING\n\n") await bob.send("PONG\n\n");
      else if (frame.startsWith("NOTICE offline")) told = frame;
    }
  })();

  const rest = await alice.rest();
  await watching;

  assertMatch(rest, /^PING\n\nERROR 116 Idle\nReason: .+\n\n$/);
  assertEquals(
    steady(told),
    "NOTICE offline\nRoom: #r\nUser: alice\nReason: idle\nMembers: 1\nTime: T\n\n",
  );
});

Deno.test(
  "a classic user is never sent PING, nor ended for silence",
  async () => {
    await using server = startTestServer({
      registerWithinMs: 1,
      pingAfterMs: 1,
      idleAfterMs: 1,
    });
    using carol = await RawClient.classic(server.port, "carol");
    using stranger = await RawClient.connect(server.port);

    await stranger.rest(); // a tick has passed, perhaps two
    using later = await RawClient.connect(server.port);
    await later.rest();
    await carol.out.send("SEND carol\nContent-length: 2\n\nhi");

    assertEquals(
      await carol.in.frame(),
      "FORWARD carol\nContent-length: 2\n\nhi",
    );
  },
);
