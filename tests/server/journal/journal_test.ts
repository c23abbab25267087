/** What every journal does: order, pages, keys, and what was missed. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Journal,
  KEY_LIFE_MS,
  type Missed,
  type Page,
  type Stored,
} from "../../../server/journal/journal.ts";
import { Database } from "../../../server/journal/database.ts";
import { SqliteJournal } from "../../../server/journal/sqlite_journal.ts";
import { MemoryJournal } from "../../../server/journal/memory_journal.ts";
import type { Batch, Draft } from "../../../server/chat/batch.ts";
import { bytes, told } from "../../tools/net/raw_client.ts";

const KEEP = { forMs: Infinity, messages: Infinity, bytes: Infinity };

/** Makes a journal, and what it stands on. */
type Make = (now: () => number) => { journal: Journal } & Disposable;

const JOURNALS: readonly [name: string, make: Make][] = [
  ["MemoryJournal", (now) => ({
    journal: new MemoryJournal({ now }),
    [Symbol.dispose]() {},
  })],
  ["SqliteJournal", (now) => {
    const database = new Database(":memory:");
    return {
      journal: new SqliteJournal(database, { ...KEEP, now, steady: now }),
      [Symbol.dispose]: () => database.close(),
    };
  }],
];

/** A journal, what it handed on, and a clock that stands until it is set. */
function arrange(make: Make) {
  const delivered: Batch[] = [];
  const clock = { now: 1_000_000_000_000 };
  const parts = make(() => clock.now);
  parts.journal.connect({
    deliver: (batch) => {
      const bodies = batch.bodies.map((body) => body.slice());
      delivered.push({ ...batch, bodies });
      return { recipients: 2, acknowledged: [], congested: [] };
    },
  });
  return { ...parts, delivered, clock };
}

function draft(to: string, body: string, key?: string): Draft {
  return { to, body: bytes(body), ...(key === undefined ? {} : { key }) };
}

function idsOf(stored: readonly Stored[]): number[] {
  return stored.flatMap(({ firstId, count }) =>
    Array.from({ length: count }, (_, i) => firstId + i)
  );
}

const PAGES: readonly [page: Page, expected: number[]][] = [
  [{ limit: 3 }, [8, 9, 10]],
  [{ limit: 0 }, []],
  [{ limit: 100 }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  [{ limit: 100, after: 8 }, [9, 10]],
  [{ limit: 1, after: 8 }, [10]],
  [{ limit: 100, after: 10 }, []],
  [{ limit: 100, after: 999 }, []],
  [{ limit: 2, before: 5 }, [3, 4]],
  [{ limit: 100, before: 1 }, []],
  [{ limit: 100, before: 0 }, []],
  [{ limit: 100, after: 3, before: 6 }, [4, 5]],
  [{ limit: 1, after: 3, before: 6 }, [5]],
  [{ limit: 100, after: 6, before: 3 }, []],
];

/** What alice missed of a day's messages, with some of the query changed. */
async function missed(
  make: Make,
  query: Partial<Missed> = {},
): Promise<string[]> {
  using arranged = arrange(make);
  const { journal } = arranged;
  await journal.append("bob", [
    draft("#r", "1"),
    draft("#r", "2"),
    draft("#other", "3"),
    draft("ALL", "4"),
    draft("alice", "5"),
    draft("carol", "6"),
  ]);
  await journal.append("alice", [draft("#r", "7"), draft("ALL", "8")]);
  await journal.append("bob", [draft("alice", "9"), draft("#r", "10")]);
  return told(
    await Array.fromAsync(journal.missed({
      after: 0,
      upTo: 100,
      user: "alice",
      since: 0,
      rooms: new Map([["#r", 0]]),
      ...query,
    })),
  ).map((line) => line.split(" ")[0]!);
}

for (const [name, make] of JOURNALS) {
  Deno.test(`${name} hands on runs of one target, in order, with one result a draft`, async () => {
    using arranged = arrange(make);
    const { journal, delivered } = arranged;

    const stored = await journal.append("alice", [
      draft("#r", "a"),
      draft("#r", "b"),
      draft("bob", "c"),
      draft("#r", "d"),
    ]);

    assertEquals(idsOf(stored), [1, 2, 3, 4]);
    assertEquals(
      delivered.map(({ to, firstId, bodies }) => [to, firstId, bodies.length]),
      [["#r", 1, 2], ["bob", 3, 1], ["#r", 4, 1]],
    );
    assertEquals(journal.lastId, 4);
  });

  Deno.test(`${name} has an id of its own, and knows its oldest message`, async () => {
    using arranged = arrange(make);
    using other = arrange(make);
    const { journal } = arranged;

    const empty = journal.oldestId;
    await journal.append("alice", [draft("#r", "a"), draft("#r", "b")]);

    assertMatch(journal.id, /^[0-9a-f]{32}$/);
    assertEquals(journal.id === other.journal.id, false);
    assertEquals([empty, journal.oldestId], [1, 1]);
  });

  Deno.test(`${name} keeps the bytes though the sender's buffer changes`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;
    const body = bytes("abc");

    await journal.append("alice", [{ to: "#r", body }]);
    body.fill(0);

    assertEquals(
      told(await Array.fromAsync(journal.history("#r", { limit: 9 }))),
      ["1 abc"],
    );
  });

  for (const [page, expected] of PAGES) {
    Deno.test(`${name} pages ${JSON.stringify(page)}`, async () => {
      using arranged = arrange(make);
      const { journal } = arranged;
      await journal.append("a", Array.from("1234", (n) => draft("#r", n)));
      await journal.append("a", [draft("#r", "5")]);
      await journal.append("a", Array.from("67890", (n) => draft("#r", n)));

      const frames = await Array.fromAsync(journal.history("#r", page));

      assertEquals(told(frames).map((line) => parseInt(line)), expected);
    });
  }

  Deno.test(`${name} keeps rooms apart, and knows them by look-alikes`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;

    await journal.append("a", [
      draft("#One", "x"),
      draft("bob", "y"),
      draft("ALL", "z"),
    ]);

    assertEquals([...journal.rooms()], ["#One"]);
    assertEquals(journal.roomName("#one"), "#One");
    assertEquals(journal.roomName("#0ne"), "#One");
    assertEquals(journal.roomName("#two"), undefined);
    assertEquals(
      told(await Array.fromAsync(journal.history("#two", { limit: 9 }))),
      [],
    );
  });

  Deno.test(`${name} gives what two users sent to each other, by page, and not what is forgotten`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;
    for (
      const [from, to, text] of [
        ["alice", "bob", "1"],
        ["Bob", "alice", "2"],
        ["carol", "alice", "3"],
        ["alice", "ALL", "4"],
        ["alice", "#bob", "5"],
        ["bob", "ALICE", "6"],
        ["alice", "alice", "7"],
        ["alice", "bob", "8"],
      ] as const
    ) await journal.append(from, [draft(to, text)]);
    const talk = async (users: [string, string], page: Partial<Page> = {}) =>
      told(
        await Array.fromAsync(journal.history(users, { limit: 9, ...page })),
      ).map((line) => parseInt(line));

    assertEquals(await talk(["alice", "bob"]), [1, 2, 6, 8]);
    assertEquals(await talk(["BOB", "Alice"]), [1, 2, 6, 8]);
    assertEquals(await talk(["alice", "bob"], { limit: 3 }), [2, 6, 8]);
    assertEquals(
      await talk(["alice", "bob"], { limit: 1, before: 8 }),
      [6],
    );
    assertEquals(await talk(["alice", "bob"], { after: 2 }), [6, 8]);
    assertEquals(await talk(["alice", "alice"]), [7]);
    assertEquals(await talk(["alice", "carol"]), [3]);
    assertEquals(await talk(["bob", "carol"]), []);

    await journal.forget("bob");
    assertEquals(await talk(["alice", "bob"]), [2, 6]);
    await journal.append("alice", [draft("bob", "9")]);
    assertEquals(await talk(["alice", "bob"]), [2, 6, 9]);
    await journal.forget("alice");
    assertEquals(await talk(["alice", "bob"]), [9]);
    assertEquals(await talk(["alice", "alice"]), []);
  });

  Deno.test(`${name} gives a long talk of two users whole, and its end`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;
    for (let i = 0; i < 200; i++) {
      await journal.append("alice", [draft(i % 3 ? "bob" : "carol", "x")]);
      await journal.append("bob", [draft("alice", "y"), draft("alice", "z")]);
    }
    const page = (limit: number) =>
      Array.fromAsync(journal.history(["bob", "alice"], { limit }));

    const [all, last] = [told(await page(1_000)), told(await page(301))];

    assertEquals(all.length, 400 + 133);
    assertEquals(all.toSorted((a, b) => parseInt(a) - parseInt(b)), all);
    assertEquals(last, all.slice(-301));
  });

  Deno.test(`${name} stores a repeated key once, and answers with the first`, async () => {
    using arranged = arrange(make);
    const { journal, delivered } = arranged;

    const twice = await journal.append("alice", [
      draft("#r", "a", "k"),
      draft("#r", "a", "k"),
    ]);
    const later = await journal.append("alice", [draft("#r", "b", "k")]);
    const other = await journal.append("bob", [draft("#r", "c", "k2")]);

    assertEquals([twice, later, other].flatMap(idsOf), [1, 1, 1, 2]);
    assertEquals(twice[1]?.at, twice[0]?.at);
    assertEquals(later[0]?.delivery.recipients, 2);
    assertEquals(delivered.length, 2);
  });

  Deno.test(`${name} says what a key was stored as, for a day`, async () => {
    using arranged = arrange(make);
    const { journal, clock } = arranged;
    await journal.append("alice", [draft("#r", "a"), draft("#r", "b", "k")]);

    const known = journal.repeated("k");
    const unknown = journal.repeated("a");
    clock.now += KEY_LIFE_MS;
    const late = journal.repeated("k");

    assertEquals(known?.firstId, 2);
    assertEquals(known?.count, 1);
    assertEquals(known?.delivery.recipients, 2);
    assertEquals([unknown, late], [undefined, undefined]);
  });

  Deno.test(`${name} stores drafts with and without keys in their order`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;
    await journal.append("alice", [draft("#r", "first", "k")]);

    const stored = await journal.append("alice", [
      draft("#r", "a"),
      draft("#r", "b"),
      draft("#r", "first", "k"),
      draft("#r", "c"),
    ]);

    assertEquals(idsOf(stored), [2, 3, 1, 4]);
  });

  Deno.test(`${name} hands drafts with keys on as one run, and knows each again`, async () => {
    using arranged = arrange(make);
    const { journal, delivered } = arranged;
    const drafts = ["a", "b", "c"].map((text) => draft("#r", text, text));

    const stored = await journal.append("alice", drafts);
    const again = await journal.append("alice", [
      draft("#r", "new", "d"),
      ...drafts.toReversed(),
    ]);

    assertEquals(delivered.map(({ bodies }) => bodies.length), [3, 1]);
    assertEquals(idsOf(stored), [1, 2, 3]);
    assertEquals(idsOf(again), [4, 3, 2, 1]);
    assertEquals(again.at(-1)?.delivery.recipients, 2);
  });

  Deno.test(`${name} forgets a key after a day`, async () => {
    using arranged = arrange(make);
    const { journal, clock } = arranged;
    const again = async () =>
      (await journal.append("a", [draft("#r", "x", "k")]))[0]?.firstId;

    const first = await again();
    clock.now += KEY_LIFE_MS - 1;
    const within = await again();
    clock.now += 1;
    const after = await again();

    assertEquals([first, within, after], [1, 1, 2]);
  });

  Deno.test(`${name} replays what was meant for a user, oldest first`, async () => {
    assertEquals(await missed(make), ["1", "2", "4", "5", "9", "10"]);
  });

  Deno.test(`${name} replays only what is newer than one id, up to another`, async () => {
    assertEquals(await missed(make, { after: 4 }), ["5", "9", "10"]);
    assertEquals(await missed(make, { after: 4, upTo: 9 }), ["5", "9"]);
    assertEquals(await missed(make, { after: 10 }), []);
  });

  Deno.test(`${name} replays a room from when one was in it, the rest from the visit's begin`, async () => {
    assertEquals(await missed(make, { rooms: new Map([["#r", 1]]) }), [
      "2",
      "4",
      "5",
      "9",
      "10",
    ]);
    assertEquals(await missed(make, { rooms: new Map() }), ["4", "5", "9"]);
    assertEquals(await missed(make, { since: 5 }), ["1", "2", "9", "10"]);
  });

  Deno.test(`${name} says so often when a replay finds nothing, and reads nothing from before the user came`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;
    const say = async (from: string, to: string, count: number) => {
      for (let i = 0; i < count; i++) {
        await journal.append(from, [draft(to, "x")]);
      }
    };
    const replay = async (since: number) => {
      const rooms = new Map([["#r", since], ["#s", since]]);
      const upTo = journal.lastId;
      const query = { after: 0, upTo, user: "alice", since, rooms };
      return await Array.fromAsync(journal.missed(query));
    };
    await say("bob", "#r", 1);
    await say("alice", "#r", 1_000);
    await say("alice", "#s", 1_000);
    await say("bob", "#r", 1);

    const all = await replay(0);
    const none = await replay(journal.lastId);
    const last = await replay(journal.lastId - 1);

    assertEquals(told(all), ["1 x", "2002 x"]);
    assert(all.length - 2 >= 6, `${all.length}`); // at most 256 batches in each
    assertEquals(none, []);
    assertEquals(told(last), ["2002 x"]);
  });

  Deno.test(`${name} replays to a user however the case of the name is`, async () => {
    assertEquals(await missed(make, { user: "ALICE" }), [
      "1",
      "2",
      "4",
      "5",
      "9",
      "10",
    ]);
  });

  Deno.test(`${name} replays a room that another user wrote in another case`, async () => {
    const rooms = new Map([["#R", 0], ["#OTHER", 2]]);

    assertEquals(await missed(make, { rooms }), [
      "1",
      "2",
      "3",
      "4",
      "5",
      "9",
      "10",
    ]);
  });

  Deno.test(`${name} forgets a room at once, and what is sent to it later counts`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;
    const frames = (room: string) =>
      Array.fromAsync(journal.history(room, { limit: 10 }));
    const missedOf = (after: number) =>
      Array.fromAsync(journal.missed({
        ...{ after, upTo: 100, user: "carol", since: 0 },
        rooms: new Map([["#r", 0], ["#other", 0]]),
      }));
    await journal.append("alice", [draft("#r", "1"), draft("#other", "2")]);
    await journal.append("bob", [draft("#r", "3")]);

    const forgetting = journal.forget("#r");
    const atOnce = [...journal.rooms()];
    const gone = told(await frames("#r"));
    await forgetting;
    await journal.append("alice", [draft("#R", "4")]);

    assertEquals(atOnce, ["#other"]);
    assertEquals(gone, []);
    assertEquals(told(await frames("#R")), ["4 4"]);
    assertEquals(told(await frames("#other")), ["2 2"]);
    assertEquals(told(await missedOf(0)), ["2 2", "4 4"]);
    assertEquals(journal.roomName("#r"), "#R");
    assertEquals(journal.lastId, 4);
  });

  Deno.test(`${name} forgets a room without history, and one again, and nothing happens`, async () => {
    using arranged = arrange(make);
    const { journal } = arranged;
    await journal.append("alice", [draft("#r", "1"), draft("#other", "2")]);

    await journal.forget("#none");
    await journal.forget("#r");
    await journal.forget("#r");

    assertEquals([...journal.rooms()], ["#other"]);
  });
}
