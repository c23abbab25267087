/** The journal in memory: order, pages, keys, what was missed, and its limit. */
import { assert, assertEquals } from "@std/assert";
import {
  type Draft,
  KEY_LIFE_MS,
  type Missed,
  type Page,
  type Stored,
} from "../server/backbone.ts";
import { MemoryJournal } from "../server/memory.ts";
import type { Run } from "../server/run.ts";
import { bytes } from "./raw_client.ts";

const decoder = new TextDecoder();

/** A journal, what it handed on, and a clock that stands until it is set. */
function arrange({ maxBytes }: { maxBytes?: number } = {}) {
  const delivered: Run[] = [];
  const clock = { now: 1_000_000_000_000 };
  const journal = new MemoryJournal((run) => {
    delivered.push({ ...run, bodies: run.bodies.map((body) => body.slice()) });
    return { recipients: 2, acknowledged: [], congested: [] };
  }, { now: () => clock.now, ...(maxBytes ? { maxBytes } : {}) });
  return { journal, delivered, clock };
}

function draft(to: string, body: string, key?: string): Draft {
  return { to, body: bytes(body), ...(key === undefined ? {} : { key }) };
}

function idsOf(stored: readonly Stored[]): number[] {
  return stored.flatMap(({ firstId, count }) =>
    Array.from({ length: count }, (_, i) => firstId + i)
  );
}

/** Ids and bodies of FORWARD frames. */
function told(frames: readonly Uint8Array[]): string[] {
  return frames.map((frame) => {
    const [, id, body] = /\nId: (\d+)\n[^]*?\n\n([^]*)$/.exec(
      decoder.decode(frame),
    ) ?? [];
    return `${id} ${body}`;
  });
}

Deno.test("MemoryJournal hands on runs of one target, in order, with one result a draft", async () => {
  const { journal, delivered } = arrange();

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

Deno.test("MemoryJournal keeps the bytes though the sender's buffer changes", async () => {
  const { journal } = arrange();
  const body = bytes("abc");

  await journal.append("alice", [{ to: "#r", body }]);
  body.fill(0);

  assertEquals(told(await journal.history("#r", { limit: 9 })), ["1 abc"]);
});

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

for (const [page, expected] of PAGES) {
  Deno.test(`MemoryJournal pages ${JSON.stringify(page)}`, async () => {
    const { journal } = arrange();
    await journal.append("a", Array.from("1234", (n) => draft("#r", n)));
    await journal.append("a", [draft("#r", "5")]);
    await journal.append("a", Array.from("67890", (n) => draft("#r", n)));

    const frames = await journal.history("#r", page);

    assertEquals(told(frames).map((line) => parseInt(line)), expected);
  });
}

Deno.test("MemoryJournal keeps rooms apart, and knows them by look-alikes", async () => {
  const { journal } = arrange();

  await journal.append("a", [
    draft("#One", "x"),
    draft("bob", "y"),
    draft("ALL", "z"),
  ]);

  assertEquals([...journal.rooms()], ["#One"]);
  assertEquals(journal.roomName("#one"), "#One");
  assertEquals(journal.roomName("#0ne"), "#One");
  assertEquals(journal.roomName("#two"), undefined);
  assertEquals(told(await journal.history("#two", { limit: 9 })), []);
});

Deno.test("MemoryJournal stores a repeated key once, and answers with the first", async () => {
  const { journal, delivered } = arrange();

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

Deno.test("MemoryJournal stores drafts with and without keys in their order", async () => {
  const { journal } = arrange();
  await journal.append("alice", [draft("#r", "first", "k")]);

  const stored = await journal.append("alice", [
    draft("#r", "a"),
    draft("#r", "b"),
    draft("#r", "first", "k"),
    draft("#r", "c"),
  ]);

  assertEquals(idsOf(stored), [2, 3, 1, 4]);
});

Deno.test("MemoryJournal forgets a key after a day", async () => {
  const { journal, clock } = arrange();
  const again = async () =>
    (await journal.append("a", [draft("#r", "x", "k")]))[0]?.firstId;

  const first = await again();
  clock.now += KEY_LIFE_MS - 1;
  const within = await again();
  clock.now += 1;
  const after = await again();

  assertEquals([first, within, after], [1, 1, 2]);
});

Deno.test("MemoryJournal keeps what fits, the newest, and forgets rooms that are empty", async () => {
  const { journal } = arrange({ maxBytes: 5_000 });
  await journal.append("a", [draft("#old", "first")]);

  for (let i = 0; i < 100; i++) {
    await journal.append("a", [draft("#r", `${i}`)]);
  }

  const kept = told(await journal.history("#r", { limit: 1_000 }));
  assert(kept.length >= 5 && kept.length <= 20, `${kept.length}`);
  assertEquals(kept.at(-1), "101 99");
  assertEquals([...journal.rooms()], ["#r"]);
  assertEquals(journal.roomName("#old"), undefined);
});

Deno.test("MemoryJournal takes a message that is larger than all it may hold", async () => {
  const { journal, delivered } = arrange({ maxBytes: 1_000 });

  const [stored] = await journal.append("a", [draft("#r", "x".repeat(5_000))]);
  await journal.append("a", [draft("#r", "y")]);

  assertEquals(stored?.firstId, 1);
  assertEquals(delivered.length, 2);
  assertEquals(told(await journal.history("#r", { limit: 9 })), ["2 y"]);
});

/** What alice missed of a day's messages, with some of the query changed. */
async function missed(query: Partial<Missed>): Promise<string[]> {
  const { journal } = arrange();
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

Deno.test("MemoryJournal replays what was meant for a user, oldest first", async () => {
  assertEquals(await missed({}), ["1", "2", "4", "5", "9", "10"]);
});

Deno.test("MemoryJournal replays only what is newer than `after`, up to `upTo`", async () => {
  assertEquals(await missed({ after: 4 }), ["5", "9", "10"]);
  assertEquals(await missed({ after: 4, upTo: 9 }), ["5", "9"]);
  assertEquals(await missed({ after: 10 }), []);
});

Deno.test("MemoryJournal replays a room from when one was in it, the rest from the visit's begin", async () => {
  assertEquals(await missed({ rooms: new Map([["#r", 1]]) }), [
    "2",
    "4",
    "5",
    "9",
    "10",
  ]);
  assertEquals(await missed({ rooms: new Map() }), ["4", "5", "9"]);
  assertEquals(await missed({ since: 5 }), ["1", "2", "9", "10"]);
});

Deno.test("MemoryJournal replays to a user however the case of the name is", async () => {
  assertEquals(await missed({ user: "ALICE" }), [
    "1",
    "2",
    "4",
    "5",
    "9",
    "10",
  ]);
});
