/** Rooms, byte for byte: JOIN, LEAVE, ROOMS, WHO, HISTORY, and their NOTICEs. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  bytes,
  forward,
  headerOf,
  RawClient,
  steady,
} from "../tools/net/raw_client.ts";
import { fullServerTest, startTestServer } from "../tools/net/test_server.ts";
import { needsOfWine } from "../tools/system/skips.ts";

Deno.test("JOIN is answered with who is there, and the others are told", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");

  const first = await alice.ask("JOIN #default\n\n");
  const second = await bob.ask("JOIN #default\n\n");

  const rest = "Last-id: 0\nTime: T\n\n";
  assertEquals(steady(first), `JOINED #default\nMembers: 1\n${rest}`);
  assertEquals(steady(second), `JOINED #default\nMembers: 2\n${rest}`);
  assertEquals(
    steady(await alice.frame()),
    `NOTICE joined\nRoom: #default\nUser: bob\nFrom: ${bob.address}\nMembers: 2\nTime: T\n\n`,
  );
});

Deno.test("JOIN of a room one is in is answered, and nobody is told", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await alice.next("NOTICE joined");

  assertMatch(await bob.ask("JOIN #R\n\n"), /^JOINED #r\nMembers: 2\n/);

  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("LEAVE is answered LEFT, and the others are told", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await alice.next("NOTICE joined");

  const left = await bob.ask("LEAVE #R\n\n");

  assertEquals(steady(left), "LEFT #r\nTime: T\n\n");
  assertEquals(
    steady(await alice.frame()),
    "NOTICE left\nRoom: #r\nUser: bob\nMembers: 1\nTime: T\n\n",
  );
});

const NOT_IN_ROOM = [
  "LEAVE #nowhere",
  "LEAVE room",
  "LEAVE #",
  "JOIN room",
  "JOIN #",
  "JOIN ALL",
  `JOIN #${"x".repeat(33)}`,
  "JOIN #a.b",
  "JOIN #\u{e9}",
  "WHO bob",
  "WHO #a/b",
  "HISTORY ALL",
  "HISTORY #",
];

for (const line of NOT_IN_ROOM) {
  Deno.test(`${line} is answered 109`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    assertMatch(
      await alice.ask(`${line}\n\n`),
      new RegExp(`^ERROR 109 Not in room\nFor: ${line}\nReason: .+\n\n$`),
    );
  });
}

fullServerTest("one can be in so many rooms and not in one more", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  const rooms = Array.from({ length: 101 }, (_, i) => `JOIN #room-${i}\n\n`);
  await alice.send(rooms.join(""));
  const answers = await alice.frames(101);

  assertMatch(answers[99]!, /^JOINED #room-99\n/);
  assertMatch(answers[100]!, /^ERROR 109 Not in room\n[^]*^Limit: 100\n/m);
});

Deno.test("ROOMS has #default first, also when nobody is in it", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#b", "#a");
  using _bob = await RawClient.enter(server.port, "bob", "#a");
  await alice.next("NOTICE");

  const body = "#default 0\n#b 1\n#a 2\n";

  assertEquals(
    await alice.ask("ROOMS\n\n"),
    `ROOMS\nContent-length: ${body.length}\n\n${body}`,
  );
});

fullServerTest(
  "ROOMS keeps a room that has history, and forgets one that has none",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice", "#kept", "#gone");
    await alice.say("#kept", "x");
    await alice.frame();

    await alice.send("LEAVE #kept\n\nLEAVE #gone\n\n");
    await alice.frames(2);

    assertMatch(await alice.ask("ROOMS\n\n"), /\n\n#default 0\n#kept 0\n$/);
  },
);

Deno.test("a room keeps its name for whoever writes it in another way", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#Lab-1");
  using bob = await RawClient.enter(server.port, "bob");

  assertMatch(await bob.ask("JOIN #lab-l\n\n"), /^JOINED #Lab-1\nMembers: 2\n/);
  await alice.next("NOTICE");
  await bob.say("#LAB-1", "hi");

  assertEquals(
    steady(await alice.frame()),
    forward("bob", "#Lab-1", 1, "hi"),
  );
});

for (const name of ["#DEFAULT", "#defau1t", "#defauIt"]) {
  Deno.test(`${name} is #default, also while nobody is in it`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    assertMatch(await alice.ask(`JOIN ${name}\n\n`), /^JOINED #default\n/);
    assertMatch(await alice.ask("ROOMS\n\n"), /\n\n#default 1\n$/);
  });
}

Deno.test("WHO lists a room in the order of coming, and ALL", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r");
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using carol = await RawClient.enter(server.port, "carol");

  const inRoom = `bob ${bob.address} guest\nalice ${alice.address} guest\n`;
  const all = `${inRoom}carol ${carol.address} guest\n`;

  assertEquals(
    await carol.ask("WHO #R\n\n"),
    `WHO #r\nContent-length: ${inRoom.length}\n\n${inRoom}`,
  );
  assertEquals(
    await carol.ask("WHO all\n\n"),
    `WHO ALL\nContent-length: ${all.length}\n\n${all}`,
  );
});

Deno.test("WHO of a room that is not there finds nobody", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  assertEquals(
    await alice.ask("WHO #nowhere\n\n"),
    "WHO #nowhere\nContent-length: 0\n\n",
  );
});

/** A server where #r has ten messages, 1 to 10, and somebody to ask. */
async function withHistory(history = 3) {
  const server = startTestServer({ history });
  const alice = await RawClient.enter(server.port, "alice", "#r");
  for (let i = 1; i <= 10; i++) await alice.say("#r", `m${i}`);
  await alice.frames(10);
  return {
    alice,
    [Symbol.asyncDispose]: async () => {
      alice.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const PAGES: readonly [headers: string, ids: number[]][] = [
  ["", [8, 9, 10]],
  ["Limit: 2\n", [9, 10]],
  ["Limit: 0\n", []],
  ["LIMIT: 0002\n", [9, 10]],
  ["Limit: 999999\n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ["Limit: 100\nAfter: 7\n", [8, 9, 10]],
  ["After: 10\n", []],
  ["After: 999999999999999\n", []],
  ["Before: 3\n", [1, 2]],
  ["Before: 1\n", []],
  ["Limit: 2\nBefore: 6\n", [4, 5]],
  ["Limit: 100\nAfter: 2\nBefore: 5\n", [3, 4]],
];

for (const [headers, ids] of PAGES) {
  fullServerTest(
    `HISTORY with ${JSON.stringify(headers)} gives ${ids}`,
    async () => {
      await using given = await withHistory();
      const { alice } = given;

      await alice.send(`HISTORY #R\n${headers}\n`);
      const frames = (await alice.frames(ids.length + 1)).map(steady);

      assertEquals(
        frames.slice(0, -1),
        ids.map((id) => forward("alice", "#r", id, `m${id}`)),
      );
      assertEquals(frames.at(-1), `HISTORY #r\nCount: ${ids.length}\n\n`);
    },
  );
}

for (
  const header of [
    "Limit: x",
    "Limit: -1",
    "Limit: 1.5",
    "Limit:",
    "After: 1e3",
    "Before: 0x10",
    "After: 99999999999999999999",
  ]
) {
  fullServerTest(`HISTORY with ${header} is answered 105`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    assertMatch(
      await alice.ask(`HISTORY #r\n${header}\n\n`),
      /^ERROR 105 Unknown command\nFor: HISTORY #r\nReason: .+\n\n$/,
    );
  });
}

Deno.test("HISTORY of a room that never was is empty", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  assertEquals(
    await alice.ask("HISTORY #nowhere\n\n"),
    "HISTORY #nowhere\nCount: 0\n\n",
  );
});

fullServerTest(
  "HISTORY has neither ALL nor what is said to a user",
  async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice", "#r");
    await alice.say("ALL", "a");
    await alice.say("alice", "b");
    await alice.say("#r", "c");
    await alice.frames(4);

    await alice.send("HISTORY #r\n\n");

    assertEquals(steady(await alice.frame()), forward("alice", "#r", 3, "c"));
    assertEquals(await alice.frame(), "HISTORY #r\nCount: 1\n\n");
  },
);

fullServerTest("HISTORY gives at most a thousand", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  const one = "SEND #r\nContent-length: 1\n\nx";
  await alice.send(one.repeat(1_005));
  await alice.frames(1_005);

  await alice.send("HISTORY #r\nLimit: 5000\n\n");
  const frames = await alice.frames(1_001);

  assertEquals(headerOf(frames[0]!, "Id"), "6");
  assertEquals(frames.at(-1), "HISTORY #r\nCount: 1000\n\n");
});

fullServerTest(
  "a room of over a hundred is told of comers once a second, all together",
  async () => {
    await using server = startTestServer();
    using watcher = await RawClient.enter(server.port, "watcher", "#r");
    using crowd = new DisposableStack();
    const enter = async (name: string) =>
      crowd.use(await RawClient.enter(server.port, name, "#r"));
    const first = Array.from({ length: 98 }, (_, i) => enter(`u${i + 1}`));
    await Promise.all(first); // one after the other, they may be idle too long
    await enter("u99");
    let single = "";
    for (let i = 1; i < 100; i++) single = await watcher.next("NOTICE joined");

    const late: RawClient[] = [];
    for (const name of ["x", "y", "z"]) {
      late.push(await enter(name));
    }
    // Whether a tick falls between them is chance: gather until all are told.
    let told = "";
    while (told.split("\n").length <= 3) {
      const notice = await watcher.next("NOTICE joined");
      assertMatch(
        notice,
        /^NOTICE joined\nRoom: #r\nCount: \d\nMembers: 10\d\nTime: .+\nContent-length: /,
      );
      told += notice.split("\n\n")[1];
    }

    assertMatch(single, /^NOTICE joined\nRoom: #r\nUser: u99\nFrom: /);
    assertEquals(
      told,
      ["x", "y", "z"].map((name, i) => `${name} ${late[i]!.address}\n`).join(
        "",
      ),
    );
    assertEquals(bytes(told).length, told.length);
  },
  (test) => needsOfWine("fast sockets", test),
);
