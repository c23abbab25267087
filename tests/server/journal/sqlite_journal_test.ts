/** The journal in a file: what outlives the process, and what is deleted. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { releaseSpent } from "../../../core/net/memory.ts";
import type { Draft } from "../../../server/chat/batch.ts";
import { Database } from "../../../server/journal/database.ts";
import type { Keep } from "../../../server/journal/retention.ts";
import { SqliteJournal } from "../../../server/journal/sqlite_journal.ts";
import { MemoryJournal } from "../../../server/journal/memory_journal.ts";
import { ChatError } from "../../../protocol.ts";
import { bytes, told } from "../../tools/net/raw_client.ts";
import { tempFolder } from "../../tools/temp.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** A journal, what it handed on, and a clock that stands until it is set. */
function open(path: string, keep: Partial<Keep> = {}) {
  const database = new Database(path);
  const forwarded: Uint8Array[] = [];
  const clock = { now: 1_000_000_000_000 };
  const journal = new SqliteJournal(database, {
    forMs: Infinity,
    messages: Infinity,
    bytes: Infinity,
    ...keep,
    now: () => clock.now,
    steady: () => clock.now,
  });
  journal.connect({
    deliver: (_batch, forwards) => {
      forwarded.push(forwards);
      return { recipients: 2, acknowledged: [], congested: [] };
    },
  });
  return {
    journal,
    database,
    forwarded,
    clock,
    [Symbol.dispose]: () => database.close(),
  };
}

function draft(to: string, body: string, key?: string): Draft {
  return { to, body: bytes(body), ...(key === undefined ? {} : { key }) };
}

async function historyOf(journal: SqliteJournal, room = "#r") {
  return told(await Array.fromAsync(journal.history(room, { limit: 1_000 })));
}

Deno.test("SqliteJournal has the very frames, ids and rooms again after a restart", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  let before: Uint8Array[] = [];
  {
    using opened = open(file);
    await opened.journal.append("alice", [
      draft("#Room", "\u{1f600}"),
      draft("#Room", ""),
      draft("#Room", "x".repeat(70_000)),
    ]);
    await opened.journal.append("bob", [draft("#Room", "h\u00e9llo")]);
    await opened.journal.append("bob", [draft("alice", "psst")]);
    before = opened.forwarded.slice(0, 2);
  }
  using opened = open(file);
  const { journal } = opened;

  const history = await Array.fromAsync(journal.history("#Room", { limit: 9 }));

  const joined = (parts: Uint8Array[]) => new Blob(parts as BlobPart[]).bytes();
  assertEquals(await joined(history), await joined(before));
  assertEquals(journal.lastId, 5);
  assertEquals([...journal.rooms()], ["#Room"]);
  assertEquals(journal.roomName("#r00m"), "#Room");
  assertEquals(
    (await journal.append("bob", [draft("#r", "x")]))[0]?.firstId,
    6,
  );
});

Deno.test("SqliteJournal knows a key after a restart", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  {
    using opened = open(file);
    await opened.journal.append("a", [draft("#r", "x", "k")]);
  }
  using opened = open(file);

  const [again, other] = await opened.journal.append("a", [
    draft("#r", "x", "k"),
    draft("#r", "y", "k2"),
  ]);

  assertEquals([again?.firstId, other?.firstId], [1, 2]);
  assertEquals(await historyOf(opened.journal), ["1 x", "2 y"]);
});

Deno.test("SqliteJournal knows of the newest thousands of keys how many they went to", async () => {
  using opened = open(":memory:");
  const { journal } = opened;
  const drafts = Array.from(
    { length: 10_001 },
    (_, i) => draft("#r", "x", `${i}`),
  );
  await journal.append("a", drafts);

  const again = await journal.append("a", [
    drafts[0]!,
    ...drafts.slice(-9_000),
  ]);

  const recipients = again.map(({ delivery }) => delivery.recipients);
  assertEquals(recipients, [0, ...Array<number>(9_000).fill(2)]);
});

Deno.test("SqliteJournal gives ids in the order of the appends of a tick", async () => {
  using opened = open(":memory:");
  const { journal, forwarded } = opened;

  const stored = await Promise.all(
    Array.from(
      { length: 100 },
      (_, i) => journal.append(`u${i}`, [draft("#r", `${i}`)]),
    ),
  );

  assertEquals(
    stored.map(([run]) => run?.firstId),
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
  assertEquals(
    told(forwarded),
    Array.from({ length: 100 }, (_, i) => `${i + 1} ${i}`),
  );
});

Deno.test("SqliteJournal refuses what the disk has no room for, and uses no id for it", async () => {
  using opened = open(":memory:");
  const { journal, database, forwarded } = opened;
  await journal.append("a", [draft("#r", "before")]);
  const pages = database.prepare("PRAGMA page_count").get()?.["page_count"];
  database.prepare(`PRAGMA max_page_count = ${pages}`).get();

  const refused = await Promise.allSettled([
    journal.append("a", [draft("#r", "small", "k")]),
    journal.append("b", [draft("#new", "x".repeat(50_000))]),
  ]);
  const codes = refused.map((result) =>
    result.status === "rejected" && (result.reason as ChatError).code
  );
  database.prepare("PRAGMA max_page_count = 10000").get();
  await journal.append("a", [draft("#r", "after", "k")]);

  assertEquals(codes, [119, 119]);
  assertEquals(await historyOf(journal), ["1 before", "2 after"]);
  assertEquals(forwarded.length, 2);
  assertEquals([...journal.rooms()], ["#r"]);
});

Deno.test("SqliteJournal goes on after an output that failed once", async () => {
  using opened = open(":memory:");
  const { journal } = opened;
  let failures = 1;
  journal.connect({
    deliver() {
      if (failures-- > 0) throw new Error("a bug");
      return { recipients: 1, acknowledged: [], congested: [] };
    },
  });

  await assertRejects(
    () => journal.append("a", [draft("#r", "x"), draft("#other", "y")]),
    Error,
    "a bug",
  );
  const [stored] = await journal.append("a", [draft("#r", "z")]);

  assertEquals(stored?.firstId, 3);
  assertEquals(await historyOf(journal), ["1 x", "3 z"]);
  assertEquals(journal.lastId, 3);
});

Deno.test("SqliteJournal does not show what was not handed on yet", async () => {
  using opened = open(":memory:");
  const { journal } = opened;
  let seen: Promise<string[]> | undefined;

  const appended = journal.append("a", [draft("#r", "x")]);
  const between = opened.database.write(() => seen = historyOf(journal));
  await Promise.all([appended, between]);

  assertEquals(await seen, []);
  assertEquals(await historyOf(journal), ["1 x"]);
});

Deno.test("SqliteJournal keeps as many messages as it is told, and the rooms of those", async () => {
  using opened = open(":memory:", { messages: 10 });
  const { journal, database } = opened;
  await journal.append("a", [draft("#old", "first")]);

  for (let i = 0; i < 1_000; i++) {
    await journal.append("a", [draft("#r", `${i}`)]);
  }
  journal.tidy();
  await database.write(() => {}); // so that it is done

  assertEquals(
    await historyOf(journal),
    Array.from({ length: 10 }, (_, i) => `${992 + i} ${990 + i}`),
  );
  assertEquals([...journal.rooms()], ["#r"]);
  assertEquals(journal.oldestId, 992);
});

Deno.test("SqliteJournal keeps up with many runs a tick", async () => {
  using opened = open(":memory:", { messages: 100 });
  const { journal, database } = opened;

  for (let tick = 0; tick < 20; tick++) {
    await Promise.all(
      Array.from(
        { length: 500 },
        () => journal.append("a", [draft("#r", "x")]),
      ),
    );
    journal.tidy();
  }
  await database.write(() => {});

  assertEquals((await historyOf(journal)).length, 100);
});

Deno.test("SqliteJournal forgets a long past in pieces, and keeps the rest", async () => {
  using opened = open(":memory:", { forMs: 30 * DAY_MS });
  const { journal, database, clock } = opened;
  const old = Array.from(
    { length: 20_000 },
    (_, i) => draft(`#old${i % 2}`, "x", `${i}`),
  );
  await journal.append("a", old);
  clock.now += 30 * DAY_MS + 1;
  const count = database.prepare(`
    SELECT (SELECT count(*) FROM messages) AS runs,
           (SELECT count(*) FROM keys) AS keys`);

  await journal.append("a", [draft("#r", "kept", "k")]);
  journal.tidy();
  const left: number[] = [];
  do {
    await database.write(() => {});
    const { runs, keys } = count.get()!;
    assertEquals(runs, keys);
    left.push(Number(runs));
  } while (left.at(-1) !== left.at(-2));

  assert(left[0]! > 10_000, `${left}`);
  assert(left.length >= 10, `${left}`);
  assertEquals(left.at(-1), 1);
  assertEquals(await historyOf(journal), ["20001 kept"]);
  assertEquals([...journal.rooms()], ["#r"]);
  assertEquals(journal.lastId, 20_001);
});

Deno.test("SqliteJournal deletes what is too old, and never gives an id twice", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  let id = "";
  {
    using opened = open(file, { forMs: 30 * DAY_MS });
    const { journal, database, clock } = opened;
    id = journal.id;
    await journal.append("a", [draft("#r", "x", "k")]);
    clock.now += 30 * DAY_MS;
    journal.tidy();
    await database.write(() => {});
    assertEquals(await historyOf(journal), ["1 x"]);

    clock.now += 1;
    journal.tidy();
    await database.write(() => {});
    assertEquals(await historyOf(journal), []);
    assertEquals([...journal.rooms()], []);
  }
  using opened = open(file);
  const { journal, database } = opened;

  assertEquals([journal.id, journal.oldestId, journal.lastId], [id, 2, 1]);
  assertEquals((await journal.append("a", [draft("#r", "y")]))[0]?.firstId, 2);
  assertEquals(database.prepare("SELECT * FROM keys").all(), []);
});

for (const [count, parts] of [[63, 0], [64, 1], [300, 4]] as const) {
  Deno.test(`SqliteJournal reads a history of ${count} batches with ${parts} pauses before the first`, async () => {
    using opened = open(":memory:");
    const { journal } = opened;
    for (let id = 1; id <= count; id++) {
      await journal.append("alice", [draft("#r", `${id}`)]);
    }

    const frames = await Array.fromAsync(journal.history("#r", { limit: 300 }));

    assertEquals(frames.findIndex(({ length }) => length > 0), parts);
    assertEquals(
      told(frames),
      Array.from({ length: count }, (_, at) => `${at + 1} ${at + 1}`),
    );
  });
}

Deno.test("SqliteJournal spends the frames of a history, which share a buffer", async () => {
  using opened = open(":memory:");
  const { journal } = opened;
  const long = "x".repeat(10_000);
  await journal.append("alice", [draft("#r", long)]);
  await journal.append("alice", [draft("#r", long), draft("#r", long)]);

  const held: number[] = [];
  for await (const frame of journal.history("#r", { limit: 3 })) {
    releaseSpent(frame);
    held.push(frame.length);
  }

  assertEquals(held, [0, 10_081, 0]); // the second is of the buffer of the third
});

Deno.test("SqliteJournal reads history as it is taken, without what is deleted meanwhile", async () => {
  using opened = open(":memory:", { messages: 3 });
  const { journal, database } = opened;
  for (const text of ["a", "b", "c"]) {
    await journal.append("a", [draft("#r", text)]);
  }

  const frames = journal.history("#r", { limit: 3 });
  const first = await frames.next();
  await journal.append("a", [draft("#r", "d"), draft("#r", "e")]);
  journal.tidy();
  await database.write(() => {}); // so that the oldest two are gone
  const rest = await Array.fromAsync(frames);

  assertEquals(told([first.value]), ["1 a"]);
  assertEquals(told(rest), ["3 c"]);
});

Deno.test("SqliteJournal replays a long absence whole and in order", async () => {
  using opened = open(":memory:");
  const { journal } = opened;
  for (let i = 0; i < 1_500; i += 3) {
    await journal.append("bob", [
      draft(`#r${i % 5}`, `${i}`),
      draft("alice", `${i + 1}`),
      draft("#other", `${i + 2}`),
    ]);
  }
  const rooms = new Map(Array.from({ length: 5 }, (_, i) => [`#r${i}`, 0]));
  const query = { after: 10, upTo: 1_490, user: "alice", since: 0, rooms };

  const frames = await Array.fromAsync(journal.missed(query));

  assertEquals(
    told(frames),
    Array.from({ length: 1_480 }, (_, i) => i + 10).filter((i) => i % 3 !== 2)
      .map((i) => `${i + 1} ${i}`),
  );
});

Deno.test("SqliteJournal replays a hundred rooms as MemoryJournal does", async () => {
  using opened = open(":memory:");
  const inMemory = new MemoryJournal();
  const targets = [
    ...Array.from({ length: 100 }, (_, i) => `#r${i}`),
    ...["#other", "alice", "ALL", "bob"],
  ];
  for (let i = 0; i < 5_000; i++) {
    // A busy room, many that are not, one's own messages, and runs of several.
    const target = i % 2 ? "#r7" : targets[(i / 2) * 31 % targets.length]!;
    const drafts = Array.from(
      { length: 1 + i % 3 },
      (_, part) => draft(target, `${i}.${part}`),
    );
    const from = i % 5 ? "bob" : "Alice";
    await opened.journal.append(from, drafts);
    await inMemory.append(from, drafts);
  }
  const rooms = new Map(
    Array.from({ length: 100 }, (_, i) => [`#r${i}`, i * 70]),
  );
  const user = "alice";
  const queries = [
    { after: 0, upTo: inMemory.lastId, user, since: 0, rooms },
    { after: 1_001, upTo: 9_001, user, since: 3_000, rooms },
    { after: 5, upTo: 9_001, user, since: 9, rooms: new Map(), alone: true },
  ];

  for (const query of queries) {
    const got = await Array.fromAsync(opened.journal.missed(query));
    const expected = await Array.fromAsync(inMemory.missed(query));

    assert(expected.length > 10);
    assertEquals(told(got), told(expected));
  }
});

Deno.test("SqliteJournal refuses when its file is closed, and nothing breaks", async () => {
  const opened = open(":memory:");
  opened[Symbol.dispose]();

  await assertRejects(
    () => opened.journal.append("a", [draft("#r", "x")]),
    ChatError,
  );
});
