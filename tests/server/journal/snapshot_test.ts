/** Snapshots: what one database has is in another one, as a whole or not at all. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { BackupError } from "../../../server/journal/backup.ts";
import { Database } from "../../../server/journal/database.ts";
import { MIGRATIONS } from "../../../server/journal/schema.ts";
import {
  createSnapshot,
  loadSnapshot,
  makeSnapshot,
  snapshotPath,
  whyNoSnapshot,
} from "../../../server/journal/snapshot.ts";
import { StartError } from "../../../server/journal/start_error.ts";
import { tempFolder } from "../../tools/temp.ts";

const PLACE = { mark: "m", sequence: 7, hash: "h" };

/** A database that is at {@linkcode PLACE}, with a ban and some messages. */
function filled(path: string, bytes = 1_000): Database {
  const database = new Database(path);
  database.prepare("INSERT INTO cluster VALUES ('m', 7, 'h', 'g')").run();
  database.prepare("INSERT INTO bans VALUES ('name', 'x', 1, '', NULL)").run();
  const insert = "INSERT INTO messages VALUES " +
    `(?, 1, 1, 'a', '#r', NULL, NULL, zeroblob(${bytes}), NULL)`;
  for (let id = 1; id <= 100; id++) database.prepare(insert).run(id);
  return database;
}

/** How many bans, messages and places a database has. */
function counts(database: Database): unknown[] {
  return ["bans", "messages", "cluster"].map((table) =>
    database.prepare(`SELECT count(*) AS n FROM ${table}`).get()!["n"]
  );
}

for (const from of ["file", "memory"]) {
  for (const to of ["file", "memory"]) {
    Deno.test(`a snapshot of a database in ${from} is loaded into one in ${to}`, async () => {
      using folder = tempFolder();
      const db = from === "file" ? `${folder.path}/a.db` : ":memory:";
      const path = `${folder.path}/snapshot`;
      using database = filled(db);
      using other = new Database(
        to === "file" ? `${folder.path}/b.db` : ":memory:",
      );
      other.prepare("INSERT INTO bans VALUES ('name', 'y', 1, '', NULL)").run();
      createSnapshot(path).close();

      const snapshot = await makeSnapshot(database, { db, path });
      await loadSnapshot(other, { path, wanted: snapshot });

      assertEquals({ ...snapshot, sha256: "", bytes: 0 }, {
        ...{ ...PLACE, sha256: "", bytes: 0 },
      });
      assertEquals(snapshot.bytes, Deno.statSync(path).size);
      assertEquals(counts(other), [1, 100, 1]);
      const ban = other.prepare("SELECT value FROM bans").get();
      assertEquals(ban?.["value"], "x");
      const [journal, same] = [database, other].map((one) =>
        one.prepare("SELECT id FROM journal").get()
      );
      assertEquals(same, journal);
    });
  }
}

Deno.test("a snapshot of another place, or one that is damaged or newer, changes nothing", async () => {
  using folder = tempFolder();
  const [db, path] = [`${folder.path}/a.db`, `${folder.path}/snapshot`];
  using database = filled(db);
  using other = new Database(":memory:");
  other.prepare("INSERT INTO bans VALUES ('name', 'y', 1, '', NULL)").run();
  const load = () => loadSnapshot(other, { path, wanted: PLACE });
  const make = async () => {
    createSnapshot(path).close();
    await makeSnapshot(database, { db, path });
  };

  for (const wrong of [{ sequence: 8 }, { hash: "x" }, { mark: "x" }]) {
    await make();
    const wanted = { ...PLACE, ...wrong };
    await assertRejects(
      () => loadSnapshot(other, { path, wanted }),
      BackupError,
      "it is not what its server has told",
    );
  }
  // A page in the middle: the transaction has begun when it is read.
  const { size } = Deno.statSync(path);
  {
    using file = Deno.openSync(path, { write: true });
    file.seekSync(Math.floor(size / 8192) * 4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(16 * 4096).fill(0xff));
  }
  const error = await assertRejects(load);
  assertMatch(whyNoSnapshot(error)!, /^it is damaged/);
  await make();
  {
    using newer = new DatabaseSync(path);
    newer.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  }
  await assertRejects(load, StartError, "a newer version");

  assertEquals(counts(other), [1, 0, 0]);
  await make();
  await load();
  assertEquals(counts(other), [1, 100, 1]);
});

Deno.test("a database in memory that would be copied for long is not", async () => {
  const path = snapshotPath(":memory:");
  using database = filled(":memory:", 700_000);
  await assertRejects(
    () => makeSnapshot(database, { db: ":memory:", path }),
    BackupError,
    "larger than 64 MiB",
  );
  Deno.removeSync(path);
});
