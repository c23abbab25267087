/** A Key makes SEND safe to repeat: a message is stored and forwarded once. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  forward,
  headerOf,
  RawClient,
  sent,
  steady,
} from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";

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
