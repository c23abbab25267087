/**
 * Snapshots: copies of the database of one server of a cluster, which another one
 * loads in place of its own. A server loads this module when it needs one, or is
 * asked for one.
 *
 * A snapshot is loaded row by row, in one transaction. So it is there as a whole or
 * not at all, in a file as in memory, and a damaged index does not come along.
 *
 * @module
 */
import { BackupError, copyFile, inWorker, type WorkerTools } from "./backup.ts";
import { Database } from "./database.ts";
import { DAMAGED, failure, NO_PERMISSION } from "./database_file.ts";
import { IN_MEMORY } from "./journal.ts";
import { USED } from "./retention.ts";
import { StartError } from "./start_error.ts";

/** How far a snapshot is in the log of its cluster. */
export interface Place {
  /** The random word of the stream. */
  readonly mark: string;
  /** The sequence of the newest message of the stream that is applied. */
  readonly sequence: number;
  /** Of all messages up to it. */
  readonly hash: string;
}

/** A snapshot in a file. */
export interface Snapshot extends Place {
  /** Its size. */
  readonly bytes: number;
  /** Of the whole file, in hexadecimal digits. */
  readonly sha256: string;
}

/** A database in memory is copied in one go, while the chat waits. */
const MAX_BYTES_IN_MEMORY = 64 * 1024 * 1024;

/**
 * Where a snapshot of the database `db` is, while it is made or loaded: beside it,
 * or in the folder for temporary files.
 */
export function snapshotPath(db: string): string {
  if (db !== IN_MEMORY) return `${db}.snapshot`;
  return Deno.makeTempFileSync({ prefix: "parley-", suffix: ".snapshot" });
}

/**
 * Makes the file for a snapshot, empty. Other users of this computer cannot read
 * it. One that is left from before is replaced.
 */
export function createSnapshot(path: string): Deno.FsFile {
  removeSnapshot(path);
  const create = { read: true, write: true, createNew: true, mode: 0o600 };
  return Deno.openSync(path, create);
}

/** Removes a snapshot, and what SQLite made beside it. */
export function removeSnapshot(path: string): void {
  for (const end of ["", "-wal", "-shm", "-journal"]) {
    try {
      Deno.removeSync(path + end);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Copies `database`, which is the file `db`, to `path`, while the server runs.
 *
 * @throws {BackupError} Why it cannot.
 */
export async function makeSnapshot(
  database: Database,
  { db, path }: { db: string; path: string },
): Promise<Snapshot> {
  if (db !== IN_MEMORY) await copyFile(database, { from: db, to: path });
  else {
    const used = database.prepare(USED).get();
    if (Number(used?.["bytes"]) > MAX_BYTES_IN_MEMORY) {
      throw new BackupError("the database in memory is larger than 64 MiB");
    }
    database.prepare("VACUUM INTO ?").run(path);
  }
  return JSON.parse(await inWorker(describe, [path])); // as it says there
}

/** What is in the file, in JSON. */
async function describe(
  { sqlite: { DatabaseSync }, crypto: { createHash } }: WorkerTools,
  path: string,
): Promise<string> {
  const database = new DatabaseSync(path);
  let place;
  try {
    place = database.prepare("SELECT mark, sequence, hash FROM cluster").get();
  } finally {
    database.close(); // it is one file then
  }
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await Deno.open(path);
  for await (const part of file.readable) {
    hash.update(part);
    bytes += part.length;
  }
  return JSON.stringify({ ...place, bytes, sha256: hash.digest("hex") });
}

/**
 * Puts what is in the snapshot at `path` in the place of all that `database` has,
 * in one transaction. This server has not yet read anything of it.
 *
 * @throws {BackupError} If the snapshot is not `wanted`, or is damaged.
 * @throws {StartError} If a newer version has made it.
 * @throws {ChatError} 119 if it cannot be stored here.
 */
export async function loadSnapshot(
  database: Database,
  { path, wanted }: { path: string; wanted: Place },
): Promise<void> {
  new Database(path).close(); // brings it to the present schema
  database.prepare("ATTACH ? AS snapshot").run(path);
  try {
    const row = database.prepare("SELECT * FROM snapshot.cluster").get();
    const isWanted = row?.["mark"] === wanted.mark &&
      row["sequence"] === wanted.sequence && row["hash"] === wanted.hash;
    if (!isWanted) throw new BackupError("it is not what its server has told");
    await database.write(() => replaceAll(database));
  } finally {
    database.prepare("DETACH snapshot").run();
  }
}

function replaceAll(database: Database): void {
  const tables = database.prepare(
    "SELECT name FROM snapshot.sqlite_schema WHERE type = 'table'",
  ).all();
  for (const { name } of tables) {
    const table = `"${String(name)}"`;
    database.prepare(`DELETE FROM main.${table}`).run();
    const insert = `INSERT INTO main.${table} SELECT * FROM snapshot.${table}`;
    database.prepare(insert).run();
  }
}

/** Why a snapshot cannot be made or loaded, in words; undefined for a bug. */
export function whyNoSnapshot(error: unknown): string | undefined {
  if (error instanceof Deno.errors.NotCapable) return NO_PERMISSION;
  const cause = error instanceof StartError ? error.cause : error;
  if (failure(cause) === DAMAGED) { // also if that is found when it is opened
    return "it is damaged, or the file of this server is";
  }
  if (!(error instanceof Error)) return undefined;
  const isTold = error instanceof BackupError || error instanceof StartError ||
    "code" in error; // of the chat, or of the system
  return isTold ? error.message : failure(error);
}
