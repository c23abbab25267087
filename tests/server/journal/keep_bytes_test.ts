/** The bytes that the journal in a file keeps: what is deleted, and the file. */
import { assert, assertEquals, assertLess } from "@std/assert";
import type { Draft } from "../../../server/chat/batch.ts";
import { Database } from "../../../server/journal/database.ts";
import { USED } from "../../../server/journal/retention.ts";
import { SqliteJournal } from "../../../server/journal/sqlite_journal.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

const MB = 1_000_000;

/** A journal with a limit of bytes, and a clock that stands. */
function open(path: string, bytes: number) {
  const database = new Database(path);
  const query = database.prepare(USED);
  const lines: string[] = [];
  const journal = new SqliteJournal(database, {
    forMs: Infinity,
    messages: Infinity,
    bytes,
    now: () => 1_000_000_000_000,
    steady: () => 0,
    log: (line) => lines.push(line),
  });
  return {
    journal,
    lines,
    get used() {
      return Number(query.get()?.["bytes"]);
    },
    /** Appends `count` messages, some at a time. */
    async write(count: number, draft: (i: number) => Draft) {
      for (let i = 0; i < count; i += 5) {
        const drafts = Array.from({ length: 5 }, (_, k) => draft(i + k));
        await journal.append("alice", drafts);
      }
    },
    /** Deletes all that is to be deleted. */
    async tidy() {
      journal.tidy();
      // A turn that deletes short rows may free no page.
      for (let used = 0, same = 0; same < 10; same++) {
        if (this.used !== used) same = 0;
        used = this.used;
        await database.write(() => {});
      }
    },
    [Symbol.dispose]: () => database.close(),
  };
}

for (
  const [what, bodyBytes, keyed] of [
    ["long messages", 60_000, false],
    ["short messages in one room", 20, false],
    ["short messages with keys", 20, true],
    ["empty messages with keys", 0, true],
  ] as const
) {
  Deno.test(`the file of ${what} stays as large as --keep-bytes, whatever is written`, async () => {
    using folder = tempFolder();
    const path = `${folder.path}/chat.db`;
    const limit = MB;
    using journal = open(path, limit);
    const body = new Uint8Array(bodyBytes).fill(97);
    let id = 0;
    const draft = (): Draft =>
      keyed
        ? { to: `#r${id % 7}`, body, key: `${crypto.randomUUID()} ${id++}` }
        : { to: "#r", body };
    let written = 0;
    const sizes: number[] = [];

    // Five times as much as is kept, and a second's tick after each quarter.
    while (written < 5 * limit) {
      const count = Math.ceil(limit / 4 / (bodyBytes + (keyed ? 250 : 50)));
      await journal.write(count, draft);
      written += limit / 4;
      await journal.tidy();
      assertLess(journal.used, limit + 4_096);
      assertLess(Deno.statSync(`${path}-wal`).size, 9 * MB);
      sizes.push(Deno.statSync(path).size);
    }

    const [before, end] = [sizes.at(-5)!, sizes.at(-1)!];
    assertLess(end, limit + MB); // with what one tick brought
    assertLess(end, before * 1.1, "it is flat");
    assert(journal.journal.oldestId > 1);
    const last = await Array.fromAsync(
      journal.journal.history(keyed ? `#r${(id - 1) % 7}` : "#r", { limit: 1 }),
    );
    assertEquals(last.length, 1, "the newest are kept");
  });
}

Deno.test("the log tells what is deleted beyond --keep-bytes", async () => {
  using folder = tempFolder();
  using journal = open(`${folder.path}/chat.db`, 2 * MB);
  const body = new Uint8Array(60_000);

  await journal.write(50, () => ({ to: "#r", body }));
  await journal.tidy();
  await journal.tidy();

  assertEquals(journal.lines.length, 1, `${journal.lines}`);
  assert(/^Deleted \d+ messages beyond 2 MB$/.test(journal.lines[0]!));
});

Deno.test("--keep-bytes limits the journal in memory, too", async () => {
  const keep = { forMs: Infinity, messages: Infinity, bytes: 100_000 };
  await using server = startTestServer({ keep });
  const { journal } = server.context;
  const body = new Uint8Array(10_000);

  for (let i = 0; i < 50; i++) await journal.append("a", [{ to: "#r", body }]);

  assertEquals([journal.oldestId, journal.lastId], [42, 50]);
});
