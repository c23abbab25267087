/** A clock that jumps, and what grows old by it. */
import { assertEquals } from "@std/assert";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/database_file.ts";
import { MAX_KEYED } from "../../../server/journal/retention.ts";
import {
  ageClock,
  BELIEVED_AFTER_MS,
  SqliteJournal,
} from "../../../server/journal/sqlite_journal.ts";
import { bytes, told } from "../../tools/net/raw_client.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Two clocks in the test's hand, and the one that is made of them. */
function clocks() {
  const time = { wall: 1_000_000_000_000, steady: 5 };
  const now = ageClock(() => time.wall, () => time.steady);
  return {
    time,
    now,
    pass(ms: number) {
      time.wall += ms;
      time.steady += ms;
    },
  };
}

Deno.test("ageClock() follows a clock that goes, and one that is set a little", () => {
  const { time, now, pass } = clocks();

  const start = now();
  pass(DAY_MS);
  const later = now();
  time.wall += 60_000;

  assertEquals([start, later, now()], [
    1_000_000_000_000,
    1_000_000_000_000 + DAY_MS,
    1_000_000_060_000 + DAY_MS,
  ]);
});

Deno.test("ageClock() does not follow a jump forward that is taken back", () => {
  const { time, now, pass } = clocks();

  time.wall += 365 * DAY_MS;
  const jumped = now();
  pass(BELIEVED_AFTER_MS - 1);
  const waited = now();
  time.wall -= 365 * DAY_MS;

  const after = 1_000_000_000_000 + BELIEVED_AFTER_MS - 1;
  assertEquals([jumped, waited, now()], [1_000_000_000_000, after, after]);
});

Deno.test("ageClock() follows a jump forward that lasts", () => {
  const { time, now, pass } = clocks();

  time.wall += 365 * DAY_MS;
  now();
  pass(BELIEVED_AFTER_MS);

  assertEquals(now(), time.wall);
});

Deno.test("ageClock() goes back at once", () => {
  const { time, now } = clocks();

  time.wall -= 365 * DAY_MS;

  assertEquals(now(), time.wall);
});

/** A journal that keeps everything for 30 days, and its clocks. */
function openJournal() {
  const database = new Database(IN_MEMORY);
  const { time, now, pass } = clocks();
  const journal = new SqliteJournal(
    database,
    {
      forMs: 30 * DAY_MS,
      messages: Infinity,
      now: () => time.wall,
      ageNow: now,
    },
  );
  return {
    journal,
    time,
    pass,
    async tidy() {
      journal.tidy();
      await database.write(() => {});
    },
    async kept() {
      const history = journal.history("#r", { limit: 100 });
      return told(await Array.fromAsync(history));
    },
    [Symbol.dispose]: () => database.close(),
  };
}

Deno.test("a journal deletes nothing because the clock has jumped a year", async () => {
  using opened = openJournal();
  const { journal, time } = opened;
  await journal.append("a", [{ to: "#r", body: bytes("x"), key: "k" }]);

  time.wall += 365 * DAY_MS;
  await opened.tidy();
  const [again] = await journal.append("a", [
    { to: "#r", body: bytes("x"), key: "k" },
  ]);
  await journal.append("a", [{ to: "#r", body: bytes("y") }]);

  assertEquals(again?.firstId, 1);
  assertEquals(await opened.kept(), ["1 x", "2 y"]);
  opened.pass(BELIEVED_AFTER_MS);
  await opened.tidy();
  assertEquals(await opened.kept(), ["2 y"]);
});

Deno.test("ids go on when the clock is set back, and so does the history", async () => {
  using opened = openJournal();
  const { journal, time } = opened;

  for (const body of ["x", "y"]) {
    await journal.append("a", [{ to: "#r", body: bytes(body) }]);
    time.wall -= DAY_MS;
    await opened.tidy();
  }

  assertEquals(await opened.kept(), ["1 x", "2 y"]);
  assertEquals(journal.lastId, 2);
});

Deno.test("a journal forgets keys when a million messages have followed", async () => {
  using opened = openJournal();
  const { journal } = opened;
  const first = { to: "#r", body: bytes("x"), key: "k" };
  const many = Array.from({ length: 10_000 }, () => ({
    to: "#s",
    body: bytes(""),
  }));

  await journal.append("a", [first]);
  for (let sent = 0; sent < MAX_KEYED; sent += many.length) {
    await journal.append("a", many);
  }
  await opened.tidy();

  assertEquals(journal.repeated("k"), undefined);
});
