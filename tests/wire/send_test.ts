/** SEND byte for byte: to a room, a user, ALL and oneself; the order. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  bytes,
  forward,
  headerOf,
  join,
  RawClient,
  sent,
  steady,
} from "../tools/net/raw_client.ts";
import { fullServerTest, startTestServer } from "../tools/net/test_server.ts";
import { NO_RATES } from "../../server/limits/rates.ts";

Deno.test("SEND to a room goes to its other members, the same bytes to all", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  using carol = await RawClient.enter(server.port, "carol", "#r");
  using _elsewhere = await RawClient.enter(server.port, "dave", "#other");
  await alice.frames(2);
  await bob.frame();

  await alice.say("#R", "h\u{e9}llo\n\nPING\n\n");

  assertEquals(steady(await alice.frame()), sent("#r", 1, 2));
  const got = await bob.frame();
  assertEquals(
    steady(got),
    forward("alice", "#r", 1, "h\u{e9}llo\n\nPING\n\n"),
  );
  assertEquals(await carol.frame(), got);
});

Deno.test("SEND to a user goes to that user, under its own name", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "Bob");

  await alice.say("bOB", "hi");

  assertEquals(steady(await alice.frame()), sent("Bob", 1, 1));
  assertEquals(steady(await bob.frame()), forward("alice", "Bob", 1, "hi"));
});

Deno.test("SEND to ALL goes to everybody else in whatever room", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#other");
  using carol = await RawClient.enter(server.port, "carol");
  using _nobody = await RawClient.connect(server.port);

  await alice.say("all", "hi");

  assertEquals(steady(await alice.frame()), sent("ALL", 1, 2));
  for (const other of [bob, carol]) {
    assertEquals(steady(await other.frame()), forward("alice", "ALL", 1, "hi"));
  }
});

Deno.test("SEND to oneself comes back", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  await alice.say("alice", "note");
  const frames = (await alice.frames(2)).map(steady);

  assertEquals(frames.sort(), [
    forward("alice", "alice", 1, "note"),
    sent("alice", 1, 1),
  ]);
});

Deno.test("SEND to a room or ALL with nobody else in it is no error", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");

  await alice.say("#r", "");
  await alice.say("ALL", "");

  assertEquals((await alice.frames(2)).map(steady), [
    sent("#r", 1, 0),
    sent("ALL", 2, 0),
  ]);
});

for (const target of ["nobody", "ToSend", "a11", "bob!", "\u{e9}", "@bob"]) {
  const test = target === "\u{e9}" ? fullServerTest : Deno.test;
  test(`SEND ${target} is answered 102`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    await alice.say(target, "hi");

    assertMatch(
      await alice.frame(),
      new RegExp(
        `^ERROR 102 Unable to send\nFor: SEND ${target}\nReason: no user "[\x20-\x7e]+" is connected\n\n$`,
      ),
    );
  });
}

for (const target of ["#r", "#nowhere", "#", "#a.b"]) {
  Deno.test(`SEND ${target} by somebody who is not in it is answered 109`, async () => {
    await using server = startTestServer();
    using bob = await RawClient.enter(server.port, "bob", "#r");
    using alice = await RawClient.enter(server.port, "alice");

    await alice.say(target, "hi");

    assertMatch(
      await alice.frame(),
      new RegExp(
        `^ERROR 109 Not in room\nFor: SEND ${target}\nReason: .+\n\n$`,
      ),
    );
    assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
  });
}

const NO_TEXT: readonly number[][] = [
  [0xff],
  [0x68, 0x69, 0x80],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xe2, 0x82],
];

for (const body of NO_TEXT) {
  Deno.test(`SEND of ${body.map((n) => n.toString(16))} is answered 107 and forwarded to nobody`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    await alice.send(
      join(
        `SEND alice\nContent-length: ${body.length}\n\n`,
        new Uint8Array(body),
      ),
      "PING\n\n",
    );

    assertMatch(
      await alice.frame(),
      /^ERROR 107 Not UTF-8\nFor: SEND alice\nReason: .+\n\n$/,
    );
    assertEquals(await alice.frame(), "PONG\n\n");
  });
}

Deno.test("SEND carries any text as it is", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  const texts = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\u{feff}",
    "\x1b[31m",
    "\u{1f468}\u{200d}\u{1f469}",
    "FORWARD bob\n\n",
  ];

  for (const text of texts) {
    await alice.say("alice", text);
    const frames = await alice.frames(2);
    const got = frames.find((frame) => frame.startsWith("FORWARD"))!;
    assertEquals(bytes(got.slice(got.indexOf("\n\n") + 2)), bytes(text));
  }
});

fullServerTest(
  "requests in one write are answered in their order",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");
    const one = (target: string) => `SEND ${target}\nContent-length: 1\n\nx`;

    await alice.send(
      "PING\n\n" + one("#r") + "JOIN #r\n\n" + one("#r") + one("ALL") +
        one("nobody") + one("#r") + "FLY\n\n" + "LEAVE #r\n\n" + one("#r") +
        "PONG\n\n" + "HISTORY #r\nLimit: 1\n\n" + "PING\n\n",
    );
    const answers = (await alice.frames(13)).map((f) => f.split("\n")[0]);

    assertEquals(answers, [
      "PONG",
      "ERROR 109 Not in room",
      "JOINED #r",
      "SENT #r",
      "SENT ALL",
      "ERROR 102 Unable to send",
      "SENT #r",
      "ERROR 105 Unknown command",
      "LEFT #r",
      "ERROR 109 Not in room",
      "FORWARD alice",
      "HISTORY #r",
      "PONG",
    ]);
  },
);

fullServerTest(
  "a head that repeats in one write holds only while it is allowed",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice", "#r");
    const one = "SEND #r\nContent-length: 1\n\n";
    const keyed = "SEND #r\nKey: k\nContent-length: 1\n\n";

    await alice.send(
      one + "a",
      one + "b",
      one,
      new Uint8Array([0xff]),
      one + "c",
      keyed + "d",
      keyed + "e",
      "LEAVE #r\n\n",
      one + "f",
    );
    const answers = await alice.frames(8);

    assertEquals(
      answers.map((frame) => headerOf(frame, "Id") || frame.split("\n")[0]),
      [
        "1",
        "2",
        "ERROR 107 Not UTF-8",
        "3",
        "4",
        "4",
        "LEFT #r",
        "ERROR 109 Not in room",
      ],
    );
  },
);

Deno.test("ten thousand frames in one write are answered and forwarded in order", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await alice.frame();
  const count = 10_000;
  const frames = Array.from(
    { length: count },
    (_, i) => `SEND #r\nContent-length: ${`${i}`.length}\n\n${i}`,
  );

  const sending = alice.send(frames.join(""));
  const answers = await alice.bytes(
    Array.from(
      { length: count },
      (_, i) =>
        `SENT #r\nId: ${
          i + 1
        }\nTime: 2026-11-21T07:32:56.120Z\nRecipients: 1\n\n`.length,
    ).reduce((a, b) => a + b),
  );
  await sending;
  await bob.send("LOGOUT\n\n");
  const got = await bob.rest();

  assertEquals(
    answers.match(/(?<=^Id: )\d+$/gm)?.map(Number),
    Array.from({ length: count }, (_, i) => i + 1),
  );
  assertEquals(
    got.match(/\n\n\d+(?=FORWARD|BYE)/g)?.map(Number),
    Array.from({ length: count }, (_, i) => i),
  );
});

Deno.test("ten thousand frames of many kinds in one write are all answered", async () => {
  await using server = startTestServer({ rates: NO_RATES });
  using alice = await RawClient.enter(server.port, "alice");
  const kinds = ["PING\n\n", "JOIN #r\n\n", "FLY\n\n", "LEAVE #r\n\n"];

  const sending = alice.send(kinds.join("").repeat(2_500), "LOGOUT\n\n");
  const answers = await alice.rest();
  await sending;

  const count = (verb: string) => answers.split(`${verb}`).length - 1;
  assertEquals(
    ["PONG\n", "JOINED #r\n", "ERROR 105 ", "LEFT #r\n", "BYE\n"].map(count),
    [2_500, 2_500, 2_500, 2_500, 1],
  );
});

Deno.test("frames that come byte by byte are the same frames", async () => {
  await using server = startTestServer();
  using alice = await RawClient.connect(server.port);

  for (
    const char
      of "REGISTER alice\r\n\r\n\nSEND alice\r\nContent-length: 3\r\n\r\na\n\n"
  ) {
    await alice.send(char);
  }
  const frames = (await alice.frames(3)).map(steady);

  assertMatch(frames[0]!, /^REGISTERED alice\n/);
  assertEquals(frames.slice(1).sort(), [
    forward("alice", "alice", 1, "a\n\n"),
    sent("alice", 1, 1),
  ]);
});

Deno.test("ids rise through the whole server, whoever sends to whomever", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#a");
  using bob = await RawClient.enter(server.port, "bob", "#b");
  const ids: string[] = [];

  for (
    const [client, target] of [[alice, "#a"], [bob, "#b"], [alice, "ALL"], [
      bob,
      "bob",
    ]] as const
  ) {
    await client.say(target, "x");
    ids.push(headerOf(await client.next("SENT"), "Id"));
  }

  assertEquals(ids, ["1", "2", "3", "4"]);
});
