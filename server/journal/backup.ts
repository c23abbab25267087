/**
 * Copies the database to another file while the server runs. This is loaded when
 * the operator asks for it, or another server; see snapshot.ts.
 *
 * SQLite copies in one go, which holds the thread that does it. So a worker
 * copies, over a connection of its own, from one state of the database; the
 * server goes on. The database file is never opened in another way than by SQLite:
 * closing it would drop SQLite's locks.
 *
 * @module
 */
import { format } from "@std/fmt/bytes";
import type { Database } from "./database.ts";
import { IN_MEMORY } from "./journal.ts";
import { NO_PERMISSION, NOT_ALLOWED } from "./database_file.ts";

/** A copy that cannot be made; the message says why, for the operator. */
export class BackupError extends Error {}

/**
 * Copies the database file `from` to the new file `to`. It is there when it is
 * whole, and not before.
 *
 * @returns What the operator is told.
 */
export async function backUp(
  database: Database,
  { from, to }: { from: string; to: string },
): Promise<string> {
  const part = `${to}.part`;
  try {
    if (SQLITE_FILES.some((end) => to.endsWith(end))) {
      throw new BackupError(`SQLite uses this ending. ${CHOOSE}`);
    }
    // Beside an old WAL, the copy would be opened as the old database.
    for (const end of ["", ...SQLITE_FILES]) await refuseExisting(to + end);
    await create(part);
    try {
      if (from === IN_MEMORY) copyMemory(database, part);
      else await copyFile(database, { from, to: part });
      await inWorker(giveOtherId, [part]);
      await refuseExisting(to); // another program may have made it meanwhile
      await Deno.rename(part, to);
    } catch (error) {
      await Deno.remove(part).catch(() => {}); // it is useless, nothing more
      throw error;
    }
  } catch (error) {
    const why = whyNot(error);
    if (why === undefined) throw error; // a bug of ours
    return `Cannot back up to ${to}: ${why}`;
  }
  const { size } = await Deno.stat(to);
  const path = await Deno.realPath(to);
  return `Copied all messages and accounts to ${path} (${format(size)}). ` +
    "To use the copy, start a server with it as --db.";
}

/** No worker can open the database in memory, so the chat waits meanwhile. */
function copyMemory(database: Database, to: string): void {
  try {
    database.prepare("VACUUM INTO ?").run(to);
  } catch (error) {
    throw inWords((error as Error).message);
  }
}

async function refuseExisting(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (found) throw new BackupError(`${path} exists already. ${CHOOSE}`);
}

/** Makes an empty file that other users of this computer cannot read. */
async function create(path: string): Promise<void> {
  try {
    const file = await Deno.open(path, {
      write: true,
      createNew: true,
      mode: 0o600,
    });
    file.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new BackupError(`${path} is left from before. Delete it first.`);
  }
}

/**
 * Copies the database file `from` to the file `to`, from one state. Copies are
 * made one after the other: the end of one takes the file back from the next.
 *
 * @throws {BackupError} Why it cannot.
 */
export function copyFile(
  database: Database,
  { from, to }: { from: string; to: string },
): Promise<unknown> {
  const before = copying.get(database) ?? Promise.resolve();
  const copied = before.catch(() => {}).then(() =>
    database.share(() => inWorker(copy, [from, to]))
  );
  copying.set(database, copied);
  return copied;
}

/** The last copy of a database. */
const copying = new WeakMap<Database, Promise<unknown>>();

/** What a worker gets beside its arguments: it knows nothing else of this file. */
export interface WorkerTools {
  readonly sqlite: typeof import("node:sqlite");
  readonly crypto: typeof import("node:crypto");
}

/**
 * Runs `task` in a worker, and resolves with what it returns, a text.
 *
 * @throws {BackupError} What it throws, in words for the operator.
 */
export async function inWorker(
  task: (tools: WorkerTools, ...args: string[]) => Promise<string> | string,
  args: readonly string[],
): Promise<string> {
  // A file of its own would be missing in a bundle.
  const source = `
    import * as sqlite from "node:sqlite";
    import * as crypto from "node:crypto";
    onmessage = async ({ data }) => {
      try {
        postMessage([await (${task})({ sqlite, crypto }, ...data)]);
      } catch (error) {
        postMessage(error.message);
      }
    };`;
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const worker = new Worker(url, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<
    [result: string] | string
  >();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  worker.postMessage(args);
  const told = await promise.finally(() => worker.terminate());
  if (typeof told !== "string") return told[0];
  throw inWords(told);
}

/** Of SQLite's words: what fails in a copy has no result code. */
function inWords(told: string): BackupError {
  const [, known] = KNOWN.find(([word]) => word.test(told)) ?? [];
  return new BackupError(known ?? `${told}.`);
}

async function copy(
  { sqlite: { backup, DatabaseSync } }: WorkerTools,
  from: string,
  to: string,
): Promise<string> {
  const database = new DatabaseSync(from);
  try {
    // All at once: it would begin again when the server changes something.
    await backup(database, to, { rate: 2 ** 31 - 1 });
  } finally {
    database.close();
  }
  return "";
}

/**
 * Ids of a copy and of the server mean different messages from now on, so the
 * copy is another journal.
 */
function giveOtherId(
  { sqlite: { DatabaseSync } }: WorkerTools,
  path: string,
): string {
  const made = new DatabaseSync(path);
  try {
    made.prepare("UPDATE journal SET id = lower(hex(randomblob(16)))").run();
  } finally {
    made.close();
  }
  return "";
}

/** How the names of the files end that SQLite makes beside a database. */
const SQLITE_FILES = ["-journal", "-wal", "-shm"];

/** What SQLite says, and what the operator is told. */
const KNOWN: readonly [word: RegExp, told: string][] = [
  [/full/, "the disk is full. Make room, or choose another disk."],
  [/malformed|not a database/, "the database is damaged. Restore a backup."],
];
const CHOOSE = "Choose another name.";

/** In words for the operator; undefined if it is none of the known faults. */
function whyNot(error: unknown): string | undefined {
  if (error instanceof BackupError) return error.message;
  if (error instanceof Deno.errors.NotFound) {
    return "there is no such folder. Make it, or choose another.";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${NOT_ALLOWED}. Choose another folder.`;
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `${NO_PERMISSION}. Choose a path in the server's folder, or start ` +
      "the server with --allow-read and --allow-write for that folder.";
  }
  // What else the system refuses has its own code, such as EROFS.
  return error instanceof Error && "code" in error ? error.message : undefined;
}
