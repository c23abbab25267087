/**
 * Opens the database file for this server alone, brings it to the present schema,
 * and says what is wrong if that fails.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { isFolder } from "../../platform/local_path.ts";
import { commandFor } from "../../platform/program.ts";
import { ChatError } from "../../protocol.ts";
import { IN_MEMORY } from "./journal.ts";
import { MIGRATIONS } from "./schema.ts";
import { StartError } from "./start_error.ts";

/** Marks a file as ours: `Prly` in ASCII. */
const APPLICATION_ID = 0x50726c79;

/** Why what is on a damaged page cannot be read or stored. */
export const DAMAGED =
  "the server's file is damaged; the operator must restore a backup";

/** What of SQLite's results is not our fault, by its primary code. */
const FAILURES: Readonly<Record<number, string>> = {
  5: "another program writes to the server's file",
  7: "the server is out of memory",
  8: "the server may not write to its file",
  10: "the server's disk fails",
  11: DAMAGED,
  13: "the server's disk is full",
  14: "the server cannot open its file",
  26: DAMAGED,
};

/** Why nothing can be stored, if that is what `error` of SQLite says. */
export function failure(error: unknown): string | undefined {
  return FAILURES[resultCode(error)];
}

/** A damaged page. */
export const CORRUPT = 11;
const BUSY = 5;
const READ_ONLY = 8;
const IO_ERROR = 10;

/**
 * SQLite's primary result code, also of an error of ours that has it as its
 * cause; NaN if there is none.
 */
function resultCode(error: unknown): number {
  if (error instanceof ChatError) return resultCode(error.cause);
  if (!(error instanceof Error) || !("errcode" in error)) return NaN;
  return Number(error.errcode) & 0xff;
}

/**
 * Opens the file at `path`, or makes it; {@linkcode IN_MEMORY} is none.
 *
 * @throws {StartError} If it cannot be used, and why.
 */
export function openFile(path: string): DatabaseSync {
  let db: DatabaseSync;
  try {
    if (path !== IN_MEMORY) create(path);
    db = new DatabaseSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw cannotUse(path, NO_PERMISSION, allow());
    }
    throw notOpened(path); // SQLite itself does not say why
  }
  try {
    db.exec(`PRAGMA busy_timeout = ${PATIENCE_MS}`);
    check(db, path);
    lock(db, path);
    prepare(db);
    db.exec("PRAGMA busy_timeout = 0"); // from now on, users would wait
    return db;
  } catch (error) {
    db.close();
    if (resultCode(error) === READ_ONLY) removeEmptyWal(path);
    if (error instanceof StartError) throw error;
    throw notUsed(path, error as Error); // SQLite throws no other
  }
}

/** Makes the file, if there is none; other users of this computer cannot read it. */
function create(path: string): void {
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
  } catch {
    // It is there, or cannot be: then SQLite fails as well.
  }
}

/** A program that reads the file, or a server that stops, has so long to end. */
const PATIENCE_MS = 4_000;

/** Removes what SQLite leaves beside a file that it may only read. */
function removeEmptyWal(path: string): void {
  try {
    if (Deno.statSync(`${path}-wal`).size > 0) return;
    for (const end of ["-wal", "-shm"]) Deno.removeSync(`${path}${end}`);
  } catch {
    // There is none, or it may not be removed: it is empty, and harms nothing.
  }
}

/** Takes the file for this process, until it closes it or ends. */
function lock(db: DatabaseSync, path: string): void {
  try {
    db.prepare("PRAGMA journal_mode = WAL").run();
    share(db); // a WAL that begins shared can be shared again later
    setLocking(db, "EXCLUSIVE");
    const version = number(db, VERSION);
    db.prepare(`${VERSION} = ${version}`).run(); // fails if we may not write
  } catch (error) {
    if (resultCode(error) !== BUSY) throw error;
    // A server would not even let us read.
    const advice = `close that program, or ${ELSEWHERE}`;
    throw cannotUse(path, "another program reads it", advice);
  }
}

/** Lets other connections read the file; see {@linkcode reclaim}. */
export function share(db: DatabaseSync): void {
  setLocking(db, "NORMAL");
}

/** Takes a shared file back, unless another program uses it by now. */
export function reclaim(db: DatabaseSync): void {
  try {
    setLocking(db, "EXCLUSIVE");
  } catch (error) {
    if (resultCode(error) !== BUSY) throw error;
    db.exec("PRAGMA locking_mode = NORMAL");
  }
}

/** A change of the mode has its effect with the next change of the file. */
function setLocking(db: DatabaseSync, mode: "EXCLUSIVE" | "NORMAL"): void {
  for (
    const sql of [`PRAGMA locking_mode = ${mode}`, "BEGIN IMMEDIATE", "COMMIT"]
  ) {
    db.prepare(sql).run(); // `exec` would not give SQLite's result code
  }
}

/** @throws {StartError} If the file is not ours, or ahead of us. */
function check(db: DatabaseSync, path: string): void {
  const owner = number(db, "PRAGMA application_id");
  const empty = number(db, "SELECT count(*) FROM sqlite_schema") === 0;
  if (owner !== APPLICATION_ID && !empty) {
    throw cannotUse(path, "it belongs to another program", ELSEWHERE);
  }
  if (number(db, VERSION) > MIGRATIONS.length) {
    const advice = `use that version, or ${ELSEWHERE}`;
    throw cannotUse(path, "a newer version of the server wrote it", advice);
  }
}

/** Sets up the file, and brings it to the present schema. */
function prepare(db: DatabaseSync): void {
  db.exec("PRAGMA synchronous = NORMAL");
  // After a large transaction, or a backup, the WAL becomes small again.
  db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`);
  const version = number(db, VERSION);
  if (version === MIGRATIONS.length) return;
  db.exec(`
    BEGIN IMMEDIATE;
    PRAGMA application_id = ${APPLICATION_ID};
    ${MIGRATIONS.slice(version).join("\n")}
    ${VERSION} = ${MIGRATIONS.length};
    COMMIT`);
}

const VERSION = "PRAGMA user_version";

/** The WAL stays as long as that; a checkpoint comes every 4 MB. */
const WAL_BYTES = 8 * 1024 * 1024;

/** The number that a query gives. */
function number(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
}

const ELSEWHERE = "choose another file with --db";

/** What SQLite can find in a file, and what to do about it. */
const FOUND: Readonly<Record<number, { why: string; advice: string }>> = {
  5: {
    why: "another server uses it",
    advice: `stop that one, or ${ELSEWHERE}`,
  },
  11: {
    why: "it is damaged",
    advice: `put a copy in its place, or ${ELSEWHERE}`,
  },
  26: { why: "it is not a database", advice: ELSEWHERE },
  7: { why: "the server is out of memory", advice: "end other programs" },
  10: { why: "its disk fails", advice: `check the disk, or ${ELSEWHERE}` },
  13: { why: "its disk is full", advice: `make room, or ${ELSEWHERE}` },
};

/**
 * What else SQLite says where locks do not work: IOERR_RDLOCK,
 * IOERR_CHECKRESERVEDLOCK, IOERR_LOCK, IOERR_SHMLOCK, IOERR_SHMMAP and PROTOCOL.
 */
const LOCK_CODES = new Set([2_314, 3_594, 3_850, 5_130, 5_386, 15]);
const NO_LOCKS =
  "its disk cannot lock files; a network drive may be the reason";
const AT_HOME = "choose a file on a disk of this computer with --db";

/** What to do without Deno's permission. */
function allow(): string {
  return `start the server with \`${commandFor("server")}\`, or see ` +
    "--allow-read and --allow-write in docs/security.md";
}

const ASK = `see to its permissions, or ${ELSEWHERE}`;

function cannotUse(
  path: string,
  why: string,
  advice: string,
  options?: ErrorOptions,
): StartError {
  const message = `Cannot use the file ${path}: ${why}; ${advice}`;
  return new StartError(message, options);
}

/** `error` in words for the operator, if SQLite threw it. */
export function explained(path: string, error: unknown): unknown {
  return Number.isNaN(resultCode(error))
    ? error
    : notUsed(path, error as Error);
}

function notOpened(path: string): StartError {
  const folder = path.replace(/[^/\\]*$/, "") || ".";
  if (!isFolder(folder)) {
    const why = `there is no folder ${folder}`;
    return cannotUse(path, why, `make it, or ${ELSEWHERE}`);
  }
  if (isFolder(path)) return cannotUse(path, "it is a folder", ELSEWHERE);
  return cannotUse(path, NOT_ALLOWED, ASK);
}

/** Why a file cannot be written: the operating system, and Deno. */
export const NOT_ALLOWED = "the system does not let the server write there";
export const NO_PERMISSION = "the server has no permission to write there";

/** SQLite itself takes a lock that it cannot get for an error of the disk. */
function isWritable(path: string): boolean {
  try {
    Deno.openSync(path, { write: true }).close();
    return true;
  } catch {
    return false; // the one thing that was asked
  }
}

/** A server that runs has written to its file. */
function isEmpty(path: string): boolean {
  try {
    return Deno.statSync(path).size === 0;
  } catch {
    return false;
  }
}

/** Whether locks do not work on the disk of `path`, as `cause` tells. */
function cannotLock(path: string, cause: Error): boolean {
  if (resultCode(cause) === BUSY) return isEmpty(path);
  return "errcode" in cause && LOCK_CODES.has(Number(cause.errcode)) &&
    isWritable(path);
}

/** What SQLite found when it first looked into the file, in our terms. */
function notUsed(path: string, cause: Error): StartError {
  if (cannotLock(path, cause)) {
    return cannotUse(path, NO_LOCKS, AT_HOME, { cause });
  }
  const code = resultCode(cause);
  if (code === READ_ONLY || code === IO_ERROR && !isWritable(path)) {
    return cannotUse(path, NOT_ALLOWED, ASK, { cause });
  }
  const known = FOUND[code];
  if (known) return cannotUse(path, known.why, known.advice, { cause });
  return cannotUse(path, failure(cause) ?? cause.message, ASK, { cause });
}
