/**
 * The table of keys: which drafts were stored already, for as long as they may
 * be repeated.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Database } from "./database.ts";

/** A message that was stored with a key. */
export interface Keyed {
  /** Its id. */
  readonly firstId: number;
  /** In milliseconds since the epoch. */
  readonly at: number;
}

/** See the top of the file. Every change belongs into `Database.write`. */
export class KeyTable {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #delete: StatementSync;

  /** The table in `database`. */
  constructor(database: Database) {
    this.#find = database.prepare(
      "SELECT first_id, at FROM keys WHERE key = ? AND at > ?",
    );
    this.#insert = database.prepare(
      "INSERT OR REPLACE INTO keys VALUES (?,?,?)",
    );
    this.#oldest = database.prepare(
      "SELECT at FROM keys ORDER BY first_id LIMIT 1",
    );
    this.#delete = database.prepare(`
      DELETE FROM keys WHERE first_id IN (
        SELECT first_id FROM (
          SELECT first_id, at FROM keys ORDER BY first_id LIMIT ?
        ) WHERE at <= ?
      )`);
  }

  /** The message with that key, if it is newer than `after`. */
  find(key: string, after: number): Keyed | undefined {
    const row = this.#find.get(key, after);
    return row && { firstId: Number(row["first_id"]), at: Number(row["at"]) };
  }

  /** Adds the key of a message, in the place of an older message's same key. */
  insert(key: string, { firstId, at }: Keyed): void {
    this.#insert.run(firstId, at, key);
  }

  /** When the oldest message came into being; undefined if there is none. */
  oldestAt(): number | undefined {
    const row = this.#oldest.get();
    return row && Number(row["at"]);
  }

  /** Deletes keys up to a time, at most so many. */
  deleteOld(upTo: number, most: number): void {
    this.#delete.run(most, upTo);
  }
}
