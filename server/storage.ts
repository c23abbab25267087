/**
 * What a server with a file stores in it. A server in memory does not load this
 * module; of what it must know of accounts and bans it makes a database in memory
 * when there are any.
 *
 * @module
 */
import { ResumableSessionTable } from "./accounts/session_table.ts";
import { Database } from "./journal/database.ts";
import { explained } from "./journal/database_file.ts";
import { IN_MEMORY, type Journal } from "./journal/journal.ts";
import type { Log } from "./journal/log.ts";
import type { Keep } from "./journal/retention.ts";
import { StartError } from "./journal/start_error.ts";
import { SqliteJournal } from "./journal/sqlite_journal.ts";
import { DEFAULT_KEEP } from "./limits/rates.ts";
import { CLOCK, type Clock } from "./net/clock.ts";
import { Floods } from "./net/floods.ts";

/** Options of {@linkcode openStorage}. */
export interface StorageOptions {
  /** The database file. */
  readonly db: string;
  /** How many messages are kept; default: a million, for 30 days, in 2 GB. */
  readonly keep?: Omit<Keep, "bytes"> & { readonly bytes?: number | undefined };
  /** Gets the lines of the log; default: they are printed. */
  readonly log?: (line: string) => void;
  /** What waits are measured by; tests give their own. */
  readonly clock?: Clock;
  /** The open file, and the log that orders its entries with other servers. */
  readonly shared?: SharedLog | undefined;
}

/** A log that is applied to a database, which this closes. */
export interface SharedLog {
  readonly database: Database;
  readonly entries: Log;
  /** The name of this server; the others have other names. */
  readonly server: string;
  /** Whether another server serves its users, as far as the log is applied. */
  isUp(server: string): boolean;
}

/** Tables that are read at the start if they have rows. */
export type ReadAtStart =
  | "accounts"
  | "bans"
  | "mutes"
  | "moderators"
  | "read_marks"
  | "room_settings"
  | "private_rooms"
  | "nicks";

/** An open file. */
export interface Storage extends Disposable {
  /** Undefined if all is in memory. */
  readonly file: string | undefined;
  readonly keep: Keep;
  readonly database: Database;
  /** Orders the entries of all that is stored. */
  readonly entries: Log;
  /** The log, if it is that of several servers. */
  readonly shared: SharedLog | undefined;
  readonly journal: Journal;
  readonly resumables: ResumableSessionTable;
  readonly floods: Floods;
  /** Whether a table has rows. */
  has(table: ReadAtStart): boolean;
  /** Copies the file to a new one; returns what the operator is told. */
  backup(to: string): Promise<string>;
  /** `error` in words for the operator, if it is one of the file. */
  explained(error: unknown): unknown;
}

/**
 * Opens the file, or makes it.
 *
 * @throws {StartError} If it cannot be used, and why.
 */
export function openStorage(
  { db, keep, log = console.log, clock = CLOCK, shared }: StorageOptions,
): Storage {
  using opened = new DisposableStack();
  const database = opened.use(shared?.database ?? new Database(db, log));
  const entries = shared?.entries ?? database;
  const { bytes = DEFAULT_KEEP.bytes } = keep ?? {};
  const whole = { ...DEFAULT_KEEP, ...keep, bytes };
  try {
    if (!shared) checkAlone(database, db);
    const journal = new SqliteJournal(database, { ...whole, log, entries });
    const resumables = new ResumableSessionTable(database, entries);
    opened.move();
    return {
      file: db === IN_MEMORY ? undefined : db,
      ...{ keep: whole, database, entries, shared, journal, resumables },
      floods: new Floods(() => journal.chatted, clock),
      has: (table) =>
        database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined,
      async backup(to) {
        const { backUp } = await import("./journal/backup.ts");
        return await backUp(database, { from: db, to });
      },
      explained: (error) => explained(db, error),
      [Symbol.dispose]: () => database.close(),
    };
  } catch (error) {
    throw explained(db, error);
  }
}

/** @throws {StartError} If the file is that of a server of a cluster. */
function checkAlone(database: Database, db: string): void {
  if (!database.prepare("SELECT 1 FROM cluster").get()) return;
  throw new StartError(
    `Cannot use the file ${db} without --nats: it belongs to a chat on several ` +
      "servers; start the server with --nats, or choose another file with --db",
  );
}
