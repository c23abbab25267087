/** SEND byte for byte: to a room, a user, ALL and oneself; Key; the order. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  bytes,
  forward,
  fullServerTest,
  headerOf,
  join,
  RawClient,
  sent,
  startTestServer,
  steady,
} from "../tools/net/raw_client.ts";
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
  Deno.test(`SEND ${target} is answered 102`, async () => {
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
  "SEND with a repeated Key is forwarded once, and answered with the first",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice", "#r");
    using bob = await RawClient.enter(server.port, "bob", "#r");
    await alice.frame();

    await alice.say("#r", "hi", "Key: a b\n");
    const first = await alice.frame();
    await alice.say("#r", "hi", "Key: a b\n");
    await alice.say("#r", "hi", "Key:   a b \n");
    const again = await alice.frames(2);
    await alice.say("#r", "end", "Key: other\n");

    assertEquals(again, [first, first]);
    assertEquals(steady(await bob.frame()), forward("alice", "#r", 1, "hi"));
    assertEquals(steady(await bob.frame()), forward("alice", "#r", 2, "end"));
  },
);

fullServerTest(
  "SEND with a repeated Key is answered SENT though its target is gone",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice", "#r");
    using bob = await RawClient.enter(server.port, "bob");
    await alice.say("bob", "hi", "Key: 1\n");
    await alice.say("#r", "hi", "Key: 2\n");
    const [toBob, toRoom] = await alice.frames(2);
    await bob.send("LOGOUT\n\n");
    await bob.rest();
    await server.logged("bob disconnected");
    await alice.ask("LEAVE #r\n\n");

    await alice.say("bob", "hi", "Key: 1\n");
    await alice.say("#r", "hi", "Key: 2\n");
    await alice.say("ALL", "next", "Key: 3\n");
    const again = await alice.frames(3);

    assertEquals(again.slice(0, 2), [toBob, toRoom]);
    assertEquals(steady(again[2]!), sent("ALL", 3, 0));
  },
);

fullServerTest(
  "SEND with a repeated Key is answered SENT though one is muted since",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");
    await alice.say("ALL", "hi", "Key: 1\n");
    const first = await alice.frame();
    await server.console.run("mute alice");

    await alice.say("ALL", "hi", "Key: 1\n");
    await alice.say("ALL", "hi", "Key: 2\n");
    const frames = await alice.frames(2);

    assertEquals(frames[0], first);
    assertMatch(frames[1]!, /^ERROR 120 /);
  },
);

const UNSENT: readonly [target: string, again: RegExp][] = [
  ["bob", /^SENT bob\nId: 1\n/],
  ["#r", /^SENT #r\nId: 1\n/],
  ["\u{e9}", /^ERROR 102 /],
  ["#a.b", /^ERROR 109 /],
];

for (const [target, expected] of UNSENT) {
  fullServerTest(
    `SEND ${target} that is not allowed is not sent, whatever its Key`,
    async () => {
      await using server = startTestServer();
      using alice = await RawClient.enter(server.port, "alice");
      using carol = await RawClient.enter(server.port, "carol", "#r");
      const keyed = (to: string, key: number) =>
        `SEND ${to}\nKey: ${key}\nContent-length: 1\n\nk`;

      await alice.send(
        keyed("carol", 1) + keyed(target, 1) + keyed(target, 2) + "PING\n\n",
      );
      const [first, again, refused] = await alice.frames(4);
      await alice.say("carol", "end");

      assertMatch(first!, /^SENT carol\nId: 1\n/);
      assertMatch(again!, expected);
      assertMatch(refused!, /^ERROR (102|109) /);
      assertEquals((await carol.frames(2)).map(steady), [
        forward("alice", "carol", 1, "k"),
        forward("alice", "carol", 2, "end"),
      ]);
    },
  );
}

fullServerTest(
  "SEND with a Key twice in one read is forwarded once",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob");
    const keyed = "SEND bob\nKey: 1\nContent-length: 1\n\nk";
    const plain = "SEND bob\nContent-length: 1\n\np";

    await alice.send(plain + keyed + plain + keyed + plain);
    const ids = (await alice.frames(5)).map((frame) => headerOf(frame, "Id"));
    const got = (await bob.frames(4)).map(steady);

    assertEquals(ids, ["1", "2", "3", "2", "4"]);
    assertEquals(
      got,
      ["p", "k", "p", "p"].map((body, i) =>
        forward("alice", "bob", i + 1, body)
      ),
    );
  },
);

Deno.test("SEND with a Key that another user has used is another message", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");

  await alice.say("ALL", "a", "Key: 1\n");
  await alice.frame();
  await bob.frame();
  await bob.say("ALL", "b", "Key: 1\n");

  assertEquals(steady(await bob.frame()), sent("ALL", 2, 1));
});

Deno.test("SEND with a Key of whoever had the name before is another message", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  using first = await RawClient.enter(server.port, "alice");
  await first.say("bob", "mine", "Key: 1\n");
  await first.send("LOGOUT\n\n");
  await first.rest();
  await server.logged("alice disconnected");

  using second = await RawClient.enter(server.port, "alice");
  await second.say("bob", "another's", "Key: 1\n");

  assertEquals(headerOf(await second.frame(), "Id"), "2");
  assertEquals(
    (await bob.frames(2)).map(steady),
    [
      forward("alice", "bob", 1, "mine"),
      forward("alice", "bob", 2, "another's"),
    ],
  );
});

for (const key of ["", "x".repeat(65), "\u{e9}", "a\tb"]) {
  fullServerTest(
    `SEND with the Key ${JSON.stringify(key)} is answered 105`,
    async () => {
      await using server = startTestServer();
      using alice = await RawClient.enter(server.port, "alice");

      await alice.say("ALL", "hi", `Key: ${key}\n`);

      assertMatch(
        await alice.frame(),
        /^ERROR 105 Unknown command\nFor: SEND ALL\n/,
      );
      await alice.say("ALL", "hi", `Key: ${"x".repeat(64)}\n`);
      assertMatch(await alice.frame(), /^SENT ALL\nId: 1\n/);
    },
  );
}

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
