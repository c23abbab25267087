/**
 * Opens the database file for this server alone, brings it to the present schema,
 * and says what is wrong if that fails.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "./schema.ts";
import { StartError } from "./start_error.ts";

/** Marks a file as ours: `Prly` in ASCII. */
const APPLICATION_ID = 0x50726c79;

/** The path that means: no file. */
export const IN_MEMORY = ":memory:";

/** What of SQLite's results is not our fault, by its primary code. */
const FAILURES: Readonly<Record<number, string>> = {
  7: "the server is out of memory",
  8: "the server may not write to its file",
  10: "the server's disk fails",
  11: "the server's file is damaged",
  13: "the server's disk is full",
  14: "the server cannot open its file",
  26: "the server's file is damaged",
};

/** Why nothing can be stored, if that is what `error` of SQLite says. */
export function failure(error: unknown): string | undefined {
  return FAILURES[resultCode(error)];
}

const READ_ONLY = 8;
const IO_ERROR = 10;

/** SQLite's primary result code, or NaN if it is none of its errors. */
function resultCode(error: unknown): number {
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
      throw cannotUse(path, error.message, ELSEWHERE);
    }
    throw notOpened(path); // SQLite itself does not say why
  }
  try {
    lock(db);
    check(db, path);
    prepare(db);
    return db;
  } catch (error) {
    db.close();
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

/** Takes the file for this process, until it closes it or ends. */
function lock(db: DatabaseSync): void {
  for (
    const sql of [
      "PRAGMA locking_mode = EXCLUSIVE",
      "BEGIN EXCLUSIVE",
      "COMMIT",
    ]
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
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  const version = number(db, VERSION);
  if (version === MIGRATIONS.length) return;
  db.exec(`
    BEGIN IMMEDIATE;
    PRAGMA application_id = ${APPLICATION_ID};
    ${MIGRATIONS.slice(version).join("")}
    ${VERSION} = ${MIGRATIONS.length};
    COMMIT`);
}

const VERSION = "PRAGMA user_version";

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
};
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

const NOT_ALLOWED = "this system does not let us write there";

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // it is missing, or out of our reach: no use as a folder
  }
}

/** SQLite itself takes a lock that it cannot get for an error of the disk. */
function isWritable(path: string): boolean {
  try {
    Deno.openSync(path, { write: true }).close();
    return true;
  } catch {
    return false; // the one thing that was asked
  }
}

/** What SQLite found when it first looked into the file, in our terms. */
function notUsed(path: string, cause: Error): StartError {
  const code = resultCode(cause);
  const known = FOUND[code];
  if (known) return cannotUse(path, known.why, known.advice, { cause });
  if (code === READ_ONLY || code === IO_ERROR && !isWritable(path)) {
    return cannotUse(path, NOT_ALLOWED, ASK, { cause });
  }
  return cannotUse(path, failure(cause) ?? cause.message, ASK, { cause });
}
