/** What the file knows of rooms: what is forgotten, also across a restart. */
import { assertEquals } from "@std/assert";
import { Hub } from "../../../server/chat/hub.ts";
import { Database } from "../../../server/journal/database.ts";
import { SqliteJournal } from "../../../server/journal/sqlite_journal.ts";
import { bytes, told } from "../../tools/net/raw_client.ts";
import { tempFolder } from "../../tools/temp.ts";

const KEEP = { forMs: Infinity, messages: Infinity, bytes: Infinity };

/** A room with many batches, a portion of which is deleted in one turn. */
const BATCHES = 350;

async function fill(journal: SqliteJournal, room: string): Promise<void> {
  const sent = Array.from(
    { length: BATCHES },
    (_, i) =>
      journal.append(i % 2 ? "alice" : "bob", [{ to: room, body: bytes("x") }]),
  );
  await Promise.all(sent);
}

function countIn(database: Database, room: string): number {
  const sql = "SELECT count(*) AS n FROM messages WHERE target = ?";
  return Number(database.prepare(sql).get(room)?.["n"]);
}

async function historyOf(journal: SqliteJournal, room: string) {
  return told(await Array.fromAsync(journal.history(room, { limit: 1_000 })));
}

Deno.test("a room is forgotten in portions, between which others are served", async () => {
  using database = new Database(":memory:");
  const journal = new SqliteJournal(database, KEEP);
  await fill(journal, "#r");

  await journal.forget("#r");
  const left: number[] = [];
  while (left.at(-1) !== 0) {
    await database.write(() => {});
    left.push(countIn(database, "#r"));
  }

  assertEquals(left, [250, 150, 50, 0]);
  assertEquals(journal.lastId, BATCHES);
});

Deno.test("a restart goes on with what it was to forget, and shows nothing of it", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/chat.db`;
  {
    using database = new Database(file);
    const journal = new SqliteJournal(database, KEEP);
    await fill(journal, "#r");
    await journal.forget("#r");
  }

  using database = new Database(file);
  const journal = new SqliteJournal(database, KEEP);
  const rooms = [...journal.rooms()];
  const [stored] = await journal.append("alice", [
    { to: "#r", body: bytes("new") },
  ]);
  journal.tidy();
  while (countIn(database, "#r") > 1) await database.write(() => {});

  assertEquals(rooms, []);
  assertEquals(stored?.firstId, BATCHES + 1);
  assertEquals(await historyOf(journal, "#r"), [`${BATCHES + 1} new`]);
});

/** The rows of the table of rooms. */
function rowsIn(database: Database) {
  return database.prepare("SELECT * FROM rooms ORDER BY name").all()
    .map(({ name, network, shared }) => `${name} ${network} ${shared}`);
}

Deno.test("the file has the address of each room with messages, and of no other", async () => {
  using database = new Database(":memory:");
  const clock = { now: 1_000_000_000_000 };
  const journal = new SqliteJournal(database, {
    ...KEEP,
    forMs: 1_000,
    ...{ now: () => clock.now, steady: () => clock.now },
  });
  const hub = new Hub();
  const told: string[] = [];
  journal.connect(hub, {
    restore: () => {},
    ownerOf: (room) => ({ network: `of ${room}`, isShared: room === "#b" }),
    keep: (room, hasHistory) => void told.push(`${room} ${hasHistory}`),
    share: () => {},
  });
  for (const to of ["#a", "#b", "#c", "alice", "ALL"]) {
    await journal.append("bob", [{ to, body: bytes("x") }]);
  }
  journal.share("#a");
  await database.write(() => {});
  const before = rowsIn(database);

  await journal.forget("#a");
  clock.now += 2_000;
  await journal.append("bob", [{ to: "#c", body: bytes("x") }]);
  journal.tidy();
  for (let turn = 0; turn < 4; turn++) await database.write(() => {});

  assertEquals(before, ["#a of #a 1", "#b of #b 1", "#c of #c 0"]);
  assertEquals(rowsIn(database), ["#c of #c 0"]);
  assertEquals(told, [
    ...["#a true", "#b true", "#c true"],
    ...["#a false", "#b false"],
  ]);
});
