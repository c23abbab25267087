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
import type { Journal } from "./journal/journal.ts";
import type { Keep } from "./journal/retention.ts";
import type { Log } from "./journal/log.ts";
import { SqliteJournal } from "./journal/sqlite_journal.ts";
import { DEFAULT_KEEP } from "./limits/rates.ts";
import { CLOCK, type Clock } from "./net/clock.ts";
import { Floods } from "./session/floods.ts";

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
  /** How it takes part in a chat of several servers; default: it is alone. */
  readonly membership?: Membership;
}

/** How a server takes part in a chat of several. */
export interface Membership {
  /** The name of this server; the others have other names. */
  readonly server: string;
  /** The log that orders what all of them store. */
  entriesOf(database: Database): Log;
  /** Whether another server serves its users now. */
  isUp(server: string): boolean;
}

/** Tables that are read at the start if they have rows. */
export type ReadAtStart = "accounts" | "bans" | "mutes";

/** An open file. */
export interface Storage extends Disposable {
  readonly file: string;
  readonly keep: Keep;
  readonly database: Database;
  /** Orders the entries of all that is stored. */
  readonly entries: Log;
  readonly journal: Journal;
  readonly membership: Membership | undefined;
  readonly resumables: ResumableSessionTable;
  readonly floods: Floods;
  /** Whether a table has rows, or other servers can give it some. */
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
  {
    db,
    keep,
    log = console.log,
    clock = CLOCK,
    membership,
  }: StorageOptions,
): Storage {
  using opened = new DisposableStack();
  const database = opened.use(new Database(db, log));
  const { bytes = DEFAULT_KEEP.bytes } = keep ?? {};
  const whole = { ...DEFAULT_KEEP, ...keep, bytes };
  try {
    const entries = membership?.entriesOf(database) ?? database;
    const journal = new SqliteJournal(database, { ...whole, log, entries });
    const resumables = new ResumableSessionTable(database, entries);
    opened.move();
    return {
      ...{ file: db, keep: whole, database, entries, journal, resumables },
      membership,
      floods: new Floods(() => journal.lastId, clock),
      // What others have not stored yet is applied here, too.
      has: (table) =>
        membership !== undefined ||
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
