/**
 * Reconnecting: Token takes a name back, After replays what was missed, Key makes
 * SEND safe to repeat.
 */
import { assertEquals, assertMatch } from "@std/assert";
import {
  forward,
  headerOf,
  RawClient,
  sent,
  startTestServer,
  steady,
} from "../tools/net/raw_client.ts";

/** Registers, and gives the token too. */
async function enter(
  port: number,
  name: string,
  headers = "",
): Promise<{ client: RawClient; answer: string; token: string }> {
  const client = await RawClient.connect(port);
  const answer = await client.ask(`REGISTER ${name}\n${headers}\n`);
  return { client, answer, token: headerOf(answer, "Token") };
}

Deno.test("Token takes the name back from a living connection, which gets 117", async () => {
  await using server = startTestServer();
  const { client: old, token } = await enter(server.port, "alice");
  using _old = old;
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await old.ask("JOIN #r\n\n");
  await bob.next("NOTICE joined");

  const { client, answer } = await enter(
    server.port,
    "alice",
    `Token: ${token}\n`,
  );
  using _client = client;

  assertMatch(answer, /^REGISTERED alice\n/);
  assertEquals(headerOf(answer, "Token"), token);
  assertMatch(await old.rest(), /^ERROR 117 Removed\nReason: .+\n\n$/);
  assertMatch(
    await bob.frame(),
    /^NOTICE offline\nRoom: #r\nUser: alice\nReason: removed\nMembers: 1\n\n$/,
  );
  await client.ask("JOIN #r\n\n");
  assertMatch(await bob.frame(), /^NOTICE joined\nRoom: #r\nUser: alice\n/);
});

Deno.test("Token takes the name back after the connection is gone", async () => {
  await using server = startTestServer();
  const { client: old, token } = await enter(server.port, "alice");
  old.close();
  await server.logged("alice disconnected");

  const { client, answer } = await enter(
    server.port,
    "alice",
    `token: ${token}\n`,
  );
  using _client = client;

  assertEquals(headerOf(answer, "Token"), token);
});

for (
  const token of [
    "",
    "x",
    "0".repeat(31),
    "0".repeat(32),
    "\u{e9}".repeat(16),
    "0".repeat(1_000),
  ]
) {
  Deno.test(`a Token of ${JSON.stringify(token.slice(0, 40))} takes nothing from anybody`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    const { client, answer } = await enter(
      server.port,
      "alice",
      `Token: ${token}\n`,
    );
    using _client = client;

    assertMatch(answer, /^ERROR 104 Name in use\nFor: REGISTER alice\n/);
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  });
}

Deno.test("a Token is good for its own name only", async () => {
  await using server = startTestServer();
  const { client: alice, token } = await enter(server.port, "alice");
  using _alice = alice;
  using bob = await RawClient.enter(server.port, "bob");

  const { client, answer } = await enter(
    server.port,
    "bob",
    `Token: ${token}\n`,
  );
  using _client = client;

  assertMatch(answer, /^ERROR 104 /);
  assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("After replays what was missed, oldest first, before anything new", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r", "#other");
  const { client: old, token } = await enter(server.port, "alice");
  await old.ask("JOIN #r\n\n");
  await bob.next("NOTICE joined");
  await bob.say("#r", "heard");
  await bob.frame();
  await old.frame();
  await bob.say("#r", "sent but not read");
  await bob.next("SENT");
  old.close();
  await bob.next("NOTICE offline");
  for (const [target, body] of [["#r", "a"], ["#other", "b"], ["ALL", "c"]]) {
    await bob.say(target!, body!);
    await bob.next("SENT");
  }

  const { client, answer } = await enter(
    server.port,
    "alice",
    `Token: ${token}\nAfter: 1\n`,
  );
  using _client = client;
  await bob.say("alice", "new");

  assertEquals(headerOf(answer, "Last-id"), "5");
  assertEquals((await client.frames(4)).map(steady), [
    forward("bob", "#r", 2, "sent but not read"),
    forward("bob", "#r", 3, "a"),
    forward("bob", "ALL", 5, "c"),
    forward("bob", "alice", 6, "new"),
  ]);
});

Deno.test("After replays nothing of a room that was left, or from before it was joined", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#left", "#late");
  await bob.say("#late", "before");
  await bob.frame();
  const { client: old, token } = await enter(server.port, "alice");
  await old.send("JOIN #left\n\nLEAVE #left\n\nJOIN #late\n\n");
  await old.frames(3);
  old.close();
  await bob.next("NOTICE offline");
  await bob.say("#left", "x");
  await bob.say("#late", "y");
  await bob.frames(2);

  const { client } = await enter(
    server.port,
    "alice",
    `Token: ${token}\nAfter: 0\n`,
  );
  using _client = client;

  assertEquals(steady(await client.frame()), forward("bob", "#late", 3, "y"));
  assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("After without a Token replays nothing: the name may have had other owners", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old } = await enter(server.port, "alice");
  await bob.say("alice", "secret");
  await bob.frame();
  old.close();
  await server.logged("alice disconnected");

  const { client } = await enter(server.port, "alice", "After: 0\n");
  using _client = client;

  assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("a new visit of the name is told nothing of the one before", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const first = await enter(server.port, "alice");
  await first.client.ask("JOIN #r\n\n");
  await bob.say("alice", "secret");
  await bob.next("SENT");
  first.client.close();
  await bob.next("NOTICE offline");
  const second = await enter(server.port, "alice");
  await second.client.ask("JOIN #r\n\n");
  second.client.close();
  await bob.next("NOTICE offline");

  for (const token of [first.token, second.token]) {
    const { client } = await enter(
      server.port,
      "alice",
      `Token: ${token}\nAfter: 0\n`,
    );
    assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
    await client.ask("JOIN #r\n\n");
    client.close();
    await bob.next("NOTICE offline");
  }
});

Deno.test("a Token is good for its name in another case, which is then the name", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old, token } = await enter(server.port, "Alice");
  using _old = old;

  const { client, answer } = await enter(
    server.port,
    "aLICE",
    `Token: ${token}\n`,
  );
  using _client = client;
  await bob.say("alice", "hi");

  // REGISTERED, SENT, FORWARD and WHO agree on it.
  assertMatch(answer, /^REGISTERED aLICE\n/);
  assertMatch(await bob.frame(), /^SENT aLICE\n/);
  assertEquals(steady(await client.frame()), forward("bob", "aLICE", 1, "hi"));
  assertMatch(await bob.ask("WHO ALL\n\n"), /\naLICE /);
});

Deno.test("After replays to every spelling of the name", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old, token } = await enter(server.port, "Alice");
  await bob.say("Alice", "one");
  await bob.frame();
  old.close();
  await server.logged("Alice disconnected");

  const { client } = await enter(
    server.port,
    "alice",
    `Token: ${token}\nAfter: 0\n`,
  );
  using _client = client;

  assertEquals(steady(await client.frame()), forward("bob", "Alice", 1, "one"));
});

Deno.test("After replays nothing of a room that was left on a later connection", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const first = await enter(server.port, "alice");
  await first.client.ask("JOIN #r\n\n");
  first.client.close();
  await bob.next("NOTICE offline");
  const again = `Token: ${first.token}\nAfter: 0\n`;
  const second = await enter(server.port, "alice", again);
  await second.client.ask("JOIN #r\n\n");
  await second.client.ask("LEAVE #r\n\n");
  await second.client.send("LOGOUT\n\n");
  await second.client.rest();
  second.client.close();
  await bob.say("#r", "not for alice");
  await bob.next("SENT");

  const { client } = await enter(server.port, "alice", again);
  using _client = client;

  assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
});

for (const after of ["x", "-1", "", "1.5"]) {
  Deno.test(`REGISTER with After: ${after} is answered 105, and one may try again`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);

    assertMatch(
      await client.ask(`REGISTER alice\nAfter: ${after}\n\n`),
      /^ERROR 105 Unknown command\nFor: REGISTER alice\nReason: .+\n\n$/,
    );
    assertMatch(await client.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
  });
}

Deno.test("a client whose name is taken over in mid-flood leaves nothing behind", async () => {
  await using server = startTestServer();
  using slow = await RawClient.enter(server.port, "slow", "#r"); // never reads
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old, token } = await enter(server.port, "alice");
  using _old = old;
  await old.ask("JOIN #r\n\n");
  const flood = `SEND #r\nContent-length: 4000\n\n${"x".repeat(4_000)}`;
  for (let round = 0; round < 30; round++) {
    await old.send(flood.repeat(100), "JOIN #ghost\n\nLEAVE #ghost\n\n");
    if (round === 20) break;
  }
  await old.send(flood.repeat(15), "JOIN #ghost\n\n".repeat(50));

  const { client } = await enter(server.port, "alice", `Token: ${token}\n`);
  using _client = client;
  await old.rest();
  await client.send("LOGOUT\n\n");
  await client.rest();
  await server.logged("alice disconnected: logged out");

  assertEquals(
    await bob.ask("WHO #ghost\n\n"),
    "WHO #ghost\nContent-length: 0\n\n",
  );
  slow.close();
});

Deno.test(
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

Deno.test(
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

Deno.test(
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
  Deno.test(
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

Deno.test(
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
  Deno.test(
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
