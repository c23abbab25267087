/**
 * The table of what is wrong with a frame (docs/protocol.md, "Frames") through
 * real sockets: what is answered, and whether the connection stays.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { passWhileWaiting, TestClock } from "../../tools/test_clock.ts";
import {
  bytes,
  forward,
  join,
  RawClient,
  sent,
  steady,
} from "../../tools/net/raw_client.ts";
import {
  fullServerTest,
  startTestServer,
} from "../../tools/net/test_server.ts";

const HEAD_TOO_LARGE =
  /^ERROR 106 Too large\nReason: .*4096.*\nLimit: 4096\n\n$/;

for (const registered of [false, true]) {
  const who = registered ? "a user" : "somebody unregistered";

  Deno.test(`a head of 4,096 bytes by ${who} is read, one more is 106 and the end`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);
    if (registered) await client.ask("REGISTER alice\n\n");
    const head = `FLY\nX: ${"y".repeat(4_096 - 9)}\n\n`;
    assertEquals(head.length, 4_096);

    const exact = await client.ask(head);
    await client.send(head.replace("y", "yy"), "PING\n\n");

    assertMatch(exact, /^ERROR 105 /);
    assertMatch(await client.rest(), HEAD_TOO_LARGE);
  });

  Deno.test(`a head by ${who} that never ends is 106 and the end`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);
    if (registered) await client.ask("REGISTER alice\n\n");

    await client.send("x".repeat(4_097));

    assertMatch(await client.rest(), HEAD_TOO_LARGE);
  });
}

Deno.test("a client that sends megabytes of head really receives the ERROR", async () => {
  // No second passes, after which the server would wait no longer for its end.
  await using server = startTestServer({ clock: new TestClock() });
  using client = await RawClient.connect(server.port);

  const sending = client.send("x".repeat(8 * 1024 * 1024)).catch(() => {});
  const answer = await client.rest();
  client.close();
  await sending;

  assertMatch(answer, HEAD_TOO_LARGE);
});

const UNREADABLE: readonly [what: string, head: string | Uint8Array][] = [
  ["no Content-length", "SEND bob"],
  ["a Content-length that is no number", "SEND bob\nContent-length: nine"],
  ["a negative Content-length", "SEND bob\nContent-length: -1"],
  ["two Content-lengths", "SEND bob\nContent-length: 1\nContent-length: 2"],
  ["a Content-length over 16 MiB", "SEND bob\nContent-length: 16777217"],
  ["an absurd Content-length", `SEND bob\nContent-length: ${"9".repeat(99)}`],
  ["a header without a colon", "PING\nhello"],
  ["a head with control characters", "SEND b\x07b\nContent-length: 1"],
  ["a head that is not UTF-8", join("PING ", new Uint8Array([0xff]))],
];

for (const [what, head] of UNREADABLE) {
  Deno.test(`${what} is 103 and the end`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    await alice.send("PING\n\n", head, "\n\n", "PING\n\n");

    assertMatch(
      await alice.rest(),
      /^PONG\n\nERROR 103 Header Incomplete\nFor: .+\nReason: .+\n\n$/,
    );
  });
}

fullServerTest(
  "a body over the limit is 106, is skipped, and the connection stays",
  async () => {
    await using server = startTestServer({ maxBodyBytes: 100 });
    using alice = await RawClient.enter(server.port, "alice");

    await alice.say("ALL", "x".repeat(100));
    await alice.say("ALL", "PING\n\n".repeat(17));
    await alice.send("PING\n\n");
    const answers = (await alice.frames(3)).map(steady);

    assertEquals(answers[0], sent("ALL", 1, 0));
    assertMatch(
      answers[1]!,
      /^ERROR 106 Too large\nFor: SEND ALL\nReason: .+\nLimit: 100\n\n$/,
    );
    assertEquals(answers[2], "PONG\n\n");
  },
);

Deno.test("a body over the limit is skipped in whatever pieces it comes", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  const size = 16 * 1024 * 1024;

  await alice.send(`SEND ALL\nContent-length: ${size}\n\n`);
  const answer = await alice.frame();
  for (let i = 0; i < 16; i++) await alice.send("\n".repeat(1024 * 1024));
  await alice.send("PING\n\n");

  assertMatch(answer, /^ERROR 106 Too large\nFor: SEND ALL\n/);
  assertEquals(await alice.frame(), "PONG\n\n");
});

Deno.test("the largest body arrives whole, and one byte more does not", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  const largest = "\u{1f600}".repeat(65_536 / 4);

  await alice.say("bob", largest);
  await alice.say("bob", `${largest}x`);
  await alice.say("bob", "end");

  assertEquals(steady(await bob.frame()), forward("alice", "bob", 1, largest));
  assertEquals(steady(await bob.frame()), forward("alice", "bob", 2, "end"));
  assertMatch((await alice.frames(2))[1]!, /^ERROR 106 /);
});

Deno.test("before registration a body may have 4,096 bytes, and afterwards the limit", async () => {
  await using server = startTestServer();
  using client = await RawClient.connect(server.port);
  const send = (count: number) =>
    `SEND ALL\nContent-length: ${count}\n\n${"x".repeat(count)}`;

  await client.send(
    send(4_096),
    send(4_097),
    "REGISTER alice\n\n",
    send(65_536),
  );
  const answers = await client.frames(4);

  assertMatch(answers[0]!, /^ERROR 101 /);
  assertMatch(answers[1]!, /^ERROR 106 Too large\n[^]*^Limit: 4096\n/m);
  assertMatch(answers[2]!, /^REGISTERED alice\n/);
  assertMatch(answers[3]!, /^SENT ALL\n/);
});

fullServerTest(
  "a message larger than the outbox may be reaches whoever reads",
  async () => {
    await using server = startTestServer({
      maxBodyBytes: 300_000,
      maxOutboxBytes: 100_000,
    });
    using alice = await RawClient.enter(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob");
    const body = "x".repeat(300_000);

    await alice.say("bob", body);

    assertEquals(steady(await bob.frame()), forward("alice", "bob", 1, body));
    assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
  },
);

fullServerTest(
  "a body limit of nothing allows frames without a body",
  async () => {
    await using server = startTestServer({ maxBodyBytes: 0 });
    using alice = await RawClient.enter(server.port, "alice");

    await alice.say("ALL", "");
    await alice.say("ALL", "x");
    await alice.send("x".repeat(4_096));
    const answers = await alice.frames(2);
    await alice.send("x");

    assertMatch(answers[0]!, /^SENT ALL\n/);
    assertMatch(answers[1]!, /^ERROR 106 Too large\n[^]*^Limit: 0\n/m);
    assertMatch(await alice.rest(), HEAD_TOO_LARGE);
  },
);

Deno.test("a client that does not read is told 115 and ended; all others go on unharmed", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ maxOutboxBytes: 1_000_000, clock });
  using stuck = await RawClient.enter(server.port, "stuck", "#r");
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const body = "x".repeat(60_000);
  const line = `SEND #r\nContent-length: ${body.length}\n\n${body}`;

  let count = 0;
  const reading = (async () => {
    for (;;) {
      const frame = await bob.frame();
      if (frame.startsWith("FORWARD")) count++;
      if (frame.includes("User: stuck")) return frame;
    }
  })();
  let sends = 0;
  const flood = async () => {
    while (!server.log.some((line) => line.includes("stuck disconnected"))) {
      await alice.send(line.repeat(5));
      for (let i = 0; i < 5; i++) await alice.next("SENT");
      sends += 5;
      assert(sends < 3_000, "nobody stops a peer that does not read");
    }
  };

  await passWhileWaiting(clock, flood()); // a second of it is for last words
  const told = await stuck.rest();

  assertMatch(
    told.slice(-200),
    /ERROR 115 Too slow\nReason: .+\nLimit: 1000000\n\n$/,
  );
  assertEquals(
    steady(await reading),
    "NOTICE offline\nRoom: #r\nUser: stuck\nReason: too slow\nMembers: 2\nTime: T\n\n",
  );
  assert(count > 0);
  await alice.send("PING\n\n");
  assertEquals(await alice.next("PONG"), "PONG\n\n");
});

fullServerTest("answers never count against who asked for them", async () => {
  await using server = startTestServer({ maxOutboxBytes: 1_000 });
  using alice = await RawClient.enter(server.port, "alice", "#r");
  for (let i = 0; i < 50; i++) {
    await alice.say("#r", "x".repeat(1_000));
    await alice.frame();
  }

  await alice.send("HISTORY #r\nLimit: 50\n\n".repeat(20));
  const frames = await alice.frames(51 * 20);

  assertEquals(frames.at(-1), "HISTORY #r\nCount: 50\n\n");
  assertEquals(bytes(await alice.ask("PING\n\n")), bytes("PONG\n\n"));
});
