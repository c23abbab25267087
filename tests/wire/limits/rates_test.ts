/**
 * Rates and ceilings through real sockets: who goes too fast is slowed down and
 * loses nothing, and who cannot come in is told why.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { LAST_FRAME_MS } from "../../../server/net/connection.ts";
import { SIGN_UPS } from "../../../server/limits/limits.ts";
import {
  ADDRESS_SHARE,
  BURST_SECONDS,
  DEFAULT_RATES,
  NO_RATES,
} from "../../../server/limits/rates.ts";
import { signedUp, signUp } from "../../tools/account_tools.ts";
import { passWhileWaiting, TestClock } from "../../tools/test_clock.ts";
import { runClient } from "../../tools/client_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { PAUSE_MS } from "../../../server/session/two_socket/users.ts";
import { within } from "../../tools/net/within.ts";
import { needsOfWine } from "../../tools/system/skips.ts";

/** What `count` clients are asked to do at the same time. */
function all<T>(count: number, task: (i: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => task(i)));
}

/** A class that sits behind one address, each with five connections. */
const CLASS = 40;

Deno.test("a class behind one address arrives, joins and says hello without a limit", async () => {
  await using server = startTestServer();
  using room = new DisposableStack();

  const errors = await all(CLASS, async (i) => {
    const client = room.use(await RawClient.connect(server.port));
    await client.send(`REGISTER pupil${i}\n\n`, "JOIN #default\n\n");
    await client.send("HISTORY #default\n\n", "ROOMS\n\n", "WHO ALL\n\n");
    await client.say("#default", "hello");
    await client.send("PING\n\n");
    const frames: string[] = [];
    while (frames.at(-1) !== "PONG\n\n") frames.push(await client.frame());
    return frames.filter((frame) => frame.startsWith("ERROR"));
  });

  assertEquals(errors.flat(), []);
});

Deno.test("five hundred messages in one write are within every rate", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  const lines = Array.from(
    { length: 500 },
    (_, i) => `SEND #r\nContent-length: ${`${i}`.length}\n\n${i}`,
  );

  await alice.send(lines.join(""));
  const answers = await alice.frames(500);

  assertEquals(
    answers.map((frame) => headerOf(frame, "Id")),
    lines.map((_, i) => `${i + 1}`),
  );
});

/** What is done faster than a rate allows, and how long it takes to earn that. */
const SLOWED: readonly [
  what: string,
  rates: Partial<typeof NO_RATES>,
  owedMs: number,
  act: (alice: RawClient) => Promise<void>,
][] = [
  [
    "messages",
    { messages: 100 },
    200,
    async (alice) => {
      const count = 100 * BURST_SECONDS + 20;
      await alice.send("SEND #r\nContent-length: 1\n\nx".repeat(count));
      const answers = await alice.frames(count);
      assert(answers.every((frame) => frame.startsWith("SENT #r\n")));
    },
  ],
  [
    "bytes",
    { bytes: 10_000 },
    1_000,
    async (alice) => {
      const body = "x".repeat(10_000);
      for (let i = 0; i <= BURST_SECONDS; i++) await alice.say("#r", body);
      await alice.frames(BURST_SECONDS + 1);
    },
  ],
  [
    "joins",
    { joins: 10 },
    200,
    async (alice) => {
      const count = 10 * BURST_SECONDS + 2;
      await alice.send("JOIN #r\n\n".repeat(count));
      await alice.frames(count);
    },
  ],
  [
    "requests",
    { requests: 10 },
    200,
    async (alice) => {
      const count = 10 * BURST_SECONDS + 2;
      await alice.send("PING\n\n".repeat(count));
      await alice.frames(count);
    },
  ],
  [
    "requests that cost much",
    { requests: 10 },
    100,
    async (alice) => {
      await alice.send("WHO ALL\n\n".repeat(BURST_SECONDS + 1));
      await alice.frames(BURST_SECONDS + 1);
    },
  ],
  [
    "nonsense",
    { requests: 10 },
    200,
    async (alice) => {
      const count = 10 * BURST_SECONDS + 2;
      await alice.send("FLY\n\n".repeat(count));
      await alice.frames(count);
    },
  ],
];

for (const [what, rates, owedMs, act] of SLOWED) {
  Deno.test(`who sends ${what} too fast is slowed down, and loses nothing`, async () => {
    const clock = new TestClock();
    await using server = startTestServer({
      rates: { ...NO_RATES, ...rates },
      clock,
    });
    using alice = await RawClient.enter(server.port, "alice", "#r");

    let passed = 0;
    const acting = (async () => {
      await act(alice);
      assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
      passed = clock.now();
      assertEquals(await alice.ask("LOGOUT\n\n"), "BYE\n\n");
    })();
    await passWhileWaiting(clock, acting);

    assert(passed >= owedMs, `it was let through in ${passed} ms`);
  });
}

Deno.test("nobody waits for whoever is slowed down, and it hears them at once", async () => {
  await using server = startTestServer({
    rates: { ...NO_RATES, messages: 1 },
    clock: new TestClock(),
  });
  using flooder = await RawClient.enter(server.port, "flooder", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");

  await flooder.send("SEND #r\nContent-length: 1\n\nx".repeat(1_000));
  for (let i = 0; i < BURST_SECONDS; i++) await bob.next("FORWARD flooder");
  await bob.say("#r", "calm");
  await flooder.next("FORWARD bob");

  assertMatch(await bob.next("SENT"), /^SENT #r\n/);
});

Deno.test("who is slowed down and hangs up is gone at once", async () => {
  await using server = startTestServer({
    rates: { ...NO_RATES, messages: 1 },
    clock: new TestClock(),
  });
  using flooder = await RawClient.enter(server.port, "flooder", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await flooder.send("SEND #r\nContent-length: 1\n\nx".repeat(1_000));
  await bob.next("FORWARD");

  server.console.run("kick flooder");

  await bob.next("NOTICE offline\nRoom: #r\nUser: flooder\n");
});

/** Many of one address, each within its rate, but not all together. */
async function crowded(port: number, count: number) {
  const crowd = new DisposableStack();
  const clients = await all(count, async (i) => {
    return crowd.use(await RawClient.enter(port, `u${i}`, "#r"));
  });
  return {
    /** Makes the address owe some seconds. */
    async exhaust(): Promise<void> {
      const messages = "SEND #r\nContent-length: 1\n\nx".repeat(BURST_SECONDS);
      await Promise.all(clients.map(async (client) => {
        await client.send(messages);
        await client.next("SENT");
      }));
    },
    [Symbol.dispose]: () => crowd.dispose(),
  };
}

Deno.test("our client waits when it is told to slow down, and then sends all in order", async () => {
  await using server = startTestServer({
    rates: { ...NO_RATES, messages: 1 },
  });
  using crowd = await crowded(server.port, ADDRESS_SHARE + 5);
  using bob = await RawClient.enter(server.port, "bob", "#s");
  const lines = Array.from({ length: 15 }, (_, i) => `line ${i}`);

  await crowd.exhaust();
  const { code, err } = await runClient(
    ["alice", `127.0.0.1:${server.port}`, "--room", "s"],
    lines.join("\n"),
  );
  const heard: string[] = [];
  while (heard.length < lines.length) {
    const [, text] = (await bob.next("FORWARD alice")).split("\n\n");
    heard.push(text!);
  }

  assertEquals([code, err], [0, ""]);
  assertEquals(heard, lines);
});

Deno.test("requests of an address that owes much are refused, and say for how long", async () => {
  await using server = startTestServer({
    rates: { ...NO_RATES, messages: 1 },
    clock: new TestClock(),
  });
  using crowd = await crowded(server.port, ADDRESS_SHARE + 8);
  using alice = await RawClient.enter(server.port, "alice");
  await crowd.exhaust();

  await alice.ask("PING\n\n"); // after which it is found
  const refusal = await alice.ask("JOIN #s\n\n");
  await alice.say("ALL", "hi");
  await alice.send("PING\n\n", "LOGOUT\n\n");
  const answers = await alice.frames(3);

  assertMatch(
    refusal,
    /^ERROR 108 Slow down\nFor: JOIN #s\nReason: .* 10 messages per second\nLimit: 10\nRetry-after: \d+\n\n$/,
  );
  assertMatch(answers[0]!, /^ERROR 108 Slow down\nFor: SEND ALL\n/);
  assertEquals(answers.slice(1), ["PONG\n\n", "BYE\n\n"]);
});

Deno.test("connections over a ceiling are told 114 and when to come again", async () => {
  await using server = startTestServer({ maxConnectionsPerAddress: 2 });
  using first = await RawClient.connect(server.port);
  using second = await RawClient.enter(server.port, "second");

  using third = await RawClient.connect(server.port);
  await third.send("REGISTER third\n\n");
  const refusal = await third.rest();
  await second.send("LOGOUT\n\n");
  await second.rest();
  second.close();
  await server.logged("second disconnected");

  assertEquals(
    refusal,
    "ERROR 114 Server full\nReason: Cannot connect: connection limit reached: 2 from your address\nLimit: 2\nRetry-after: 10\n\n",
  );
  assertMatch(await first.ask("REGISTER first\n\n"), /^REGISTERED first\n/);
  await until(async () => {
    using fourth = await RawClient.connect(server.port);
    await fourth.send("REGISTER fourth\n\n");
    return (await fourth.frame()).startsWith("REGISTERED");
  });
});

/** Tries until it works. */
async function until(works: () => Promise<boolean>): Promise<void> {
  let given = false;
  await within(
    (async () => {
      while (!given && !await works());
    })(),
    () => "what never works",
  ).finally(() => given = true);
}

const ceiling =
  "connections over the ceiling of the server are told 114, and not logged one by one";

Deno.test(needsOfWine("fast sockets", { name: ceiling, fn: fillUp }));

async function fillUp(): Promise<void> {
  await using server = startTestServer({ maxConnections: 1 });
  using alice = await RawClient.enter(server.port, "alice");

  const refusals = await all(300, async () => {
    using client = await RawClient.connect(server.port);
    return await client.rest().catch(() => "reset");
  });

  for (const refusal of refusals) {
    assertMatch(refusal, /^ERROR 114 Server full\n[^]*\nLimit: 1\n/);
  }
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  assertEquals(
    server.log.map((line) => line.replaceAll(/\d+\.\d+\.\d+\.\d+:\d+/g, "A")),
    [
      "<A> connected",
      "alice registered from <A>",
      "Refused <A>: Cannot connect: connection limit reached: 1",
    ],
  );
}

const refused =
  "a crowd that is refused is told why, however busy the server is meanwhile";

// With Wine, a write of the last frame may take longer than the pause that is made here.
Deno.test(needsOfWine("fast sockets", { name: refused, fn: refuseCrowd }));

async function refuseCrowd(): Promise<void> {
  const clock = new TestClock();
  await using server = startTestServer({
    maxConnections: 1,
    clock,
    log: (line) => {
      // As it seems to the server, it stands still for a second when it has
      // begun to tell them, and before the system has taken anything.
      if (line.startsWith("Refused <")) {
        setImmediate(() => clock.pass(LAST_FRAME_MS));
      }
    },
  });
  using _alice = await RawClient.enter(server.port, "alice");

  const refusals = await all(300, async () => {
    using client = await RawClient.connect(server.port);
    return await client.rest().catch(() => "reset");
  });

  for (const refusal of refusals) {
    assertMatch(refusal, /^ERROR 114 Server full\n/);
  }
}

Deno.test("who connects too often is told 108 and when to come again", async () => {
  await using server = startTestServer({
    rates: { ...NO_RATES, connects: 1 },
    clock: new TestClock(),
  });
  const refused: string[] = [];

  for (let i = 0; i < BURST_SECONDS + 5; i++) {
    using client = await RawClient.connect(server.port);
    await client.send("PING\n\n");
    const answer = await client.frame();
    if (answer.startsWith("ERROR 108")) refused.push(answer);
  }

  assertEquals(refused.length, 4); // one is let in on credit
  assertMatch(refused[0]!, /\nLimit: 1\nRetry-after: 1\n\n$/);
});

Deno.test("an address makes so many accounts, and attempts in vain do not count", async () => {
  await using server = startTestServer({
    rates: { ...DEFAULT_RATES, connects: Infinity, requests: 1e6 },
    clock: new TestClock(), // one more is allowed every minute
  });
  using _alice = await signedUp(server.port, "alice");
  using guest = await RawClient.enter(server.port, "guest");
  using stranger = await RawClient.connect(server.port);
  const attempt = await signUp("guest");
  await stranger.send(attempt.repeat(SIGN_UPS.burst));
  for (let i = 0; i < SIGN_UPS.burst; i++) await stranger.next("ERROR 104");

  for (let i = 1; i <= SIGN_UPS.burst; i++) {
    using client = await RawClient.connect(server.port);
    const frame = attempt.replace("guest", `u${i}`);
    assertMatch(await client.ask(frame), /^REGISTERED /);
  }
  const asStranger = await stranger.ask(attempt.replace("guest", "bob"));
  const asGuest = await guest.ask(attempt);

  for (const answer of [asStranger, asGuest]) {
    assertMatch(answer, /^ERROR 108 Slow down\nFor: SIGNUP \w+\n/);
    assertMatch(answer, /\nLimit: 60\nRetry-after: \d+\n\n$/);
  }
  assertMatch(await stranger.ask("REGISTER bob\n\n"), /^REGISTERED bob\n/);
});

Deno.test("a classic receiver acknowledges in time, whatever others of its address do", async () => {
  const clock = new TestClock();
  await using server = startTestServer({
    rates: { ...NO_RATES, messages: 1 },
    clock,
  });
  using bob = await RawClient.classic(server.port, "bob");
  clock.pass(PAUSE_MS);
  using alice = await RawClient.enter(server.port, "alice");
  using crowd = await crowded(server.port, ADDRESS_SHARE + 8);
  await crowd.exhaust();

  // No time passes: what waited for the address would never come.
  await alice.send("SEND bob\nContent-length: 1\n\nx".repeat(4));
  for (let i = 0; i < 4; i++) {
    assertEquals(
      await bob.in.frame(),
      "FORWARD alice\nContent-length: 1\n\nx",
    );
    await bob.in.send("RECEIVED alice\n\n");
  }
});

Deno.test("a reader that is stuck is given up, and no other", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ rates: NO_RATES, clock });
  using stuck = await RawClient.enter(server.port, "stuck", "#r");
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const body = "x".repeat(60_000);
  let sends = 0;
  const flood = (async () => {
    while (!server.log.some((line) => line.includes("stuck disconnected"))) {
      await alice.say("#r", body);
      await alice.next("SENT");
      sends++;
      assert(sends < 3_000, "nobody stops a peer that does not read");
    }
  })();
  const reading = (async () => {
    for (;;) if ((await bob.frame()).startsWith("PONG")) return;
  })();

  await passWhileWaiting(clock, flood); // a second of it is for last words
  const told = await stuck.rest();
  await bob.send("PING\n\n");
  await reading;

  assertMatch(told.slice(-200), /ERROR 115 Too slow\n/);
});
