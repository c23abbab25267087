/** A clock that jumps, and what grows old by it. */
import { assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";
import { MAX_KEYED } from "../../../server/journal/retention.ts";
import {
  ageClock,
  BELIEVED_AFTER_MS,
} from "../../../server/journal/age_clock.ts";
import { SqliteJournal } from "../../../server/journal/sqlite_journal.ts";
import { bytes, RawClient, told } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Two clocks in the test's hand, and the one that is made of them. */
function clocks(start?: number) {
  const time = { wall: 1_000_000_000_000, steady: 5 };
  const now = ageClock({
    wall: () => time.wall,
    steady: () => time.steady,
    start,
  });
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

Deno.test("ageClock() begins with an earlier time, and follows a clock that is steady", () => {
  const start = 1_000_000_000_000 - 31 * DAY_MS;
  const { time, now, pass } = clocks(start);

  pass(BELIEVED_AFTER_MS / 2);
  const early = now();
  time.wall += 365 * DAY_MS; // now the hour begins again
  now();
  pass(BELIEVED_AFTER_MS - 1);
  const late = now();
  pass(1);

  assertEquals(early, start + BELIEVED_AFTER_MS / 2);
  assertEquals(late, start + 1.5 * BELIEVED_AFTER_MS - 1);
  assertEquals(now(), time.wall);
});

Deno.test("ageClock() begins with no later time than the clock has", () => {
  const { time, now } = clocks(1_000_000_000_000 + 31 * DAY_MS);

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
  const { time, pass } = clocks();
  const journal = new SqliteJournal(
    database,
    {
      forMs: 30 * DAY_MS,
      messages: Infinity,
      bytes: Infinity,
      now: () => time.wall,
      steady: () => time.steady,
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

/**
 * A file of three messages of some ages in days; what a server with the default
 * `--keep` has of it after it has tidied, and what it has logged.
 */
async function restarted(days: readonly [number, number, number]) {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  {
    await using server = startTestServer({ db });
    using bob = await RawClient.enter(server.port, "bob", "#r");
    for (const text of ["x", "y", "z"]) {
      await bob.say("#r", text);
      await bob.next("SENT");
    }
  }
  const file = new DatabaseSync(db);
  const older = file.prepare(
    "UPDATE messages SET at = at - ? WHERE first_id = ?",
  );
  days.forEach((age, index) => older.run(age * DAY_MS, index + 1));
  file.close();
  await using server = startTestServer({ db });
  using bob = await RawClient.enter(server.port, "bob", "#r");
  server.context.journal.tidy();
  await bob.say("#r", "later"); // is committed after what is deleted
  await bob.next("SENT");
  await bob.send("HISTORY #r\n\n");
  const found = await bob.next("HISTORY");
  return { count: /Count: (\d+)/.exec(found)?.[1], log: server.log };
}

for (const days of [31, 365, 20_000]) {
  Deno.test(`a server whose clock is ${days} days ahead deletes nothing, and says why`, async () => {
    const { count, log } = await restarted([days, days, days]);

    assertEquals(count, "4");
    assertMatch(
      log.join("\n"),
      /Nothing older than 30d is deleted yet: [^]*newest message/,
    );
  });
}

for (const days of [[31, 31, 0], [31, 0, 0]] as const) { // the last: just now
  Deno.test(`a server that starts twice with a clock ahead deletes nothing: ${days}`, async () => {
    const { count } = await restarted([...days]);

    assertEquals(count, "4");
  });
}

Deno.test("a server deletes at once what is old beside its other messages, and says so", async () => {
  const { count, log } = await restarted([32, 1, 0]);

  assertEquals(count, "3");
  assertMatch(log.join("\n"), /Deleted 1 message older than 30d/);
});
