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
  readonly id: number;
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
      "SELECT id, at FROM keys WHERE key = ? AND at > ?",
    );
    this.#insert = database.prepare(
      "INSERT OR REPLACE INTO keys VALUES (?,?,?)",
    );
    this.#oldest = database.prepare("SELECT id, at FROM keys ORDER BY id");
    this.#delete = database.prepare("DELETE FROM keys WHERE id <= ?");
  }

  /** The message with that key, if it is newer than `after`. */
  find(key: string, after: number): Keyed | undefined {
    const row = this.#find.get(key, after);
    return row && keyedOf(row);
  }

  /** Adds the key of a message, in the place of an older message's same key. */
  insert(key: string, { id, at }: Keyed): void {
    this.#insert.run(id, at, key);
  }

  /** The oldest message with a key; undefined if there is none. */
  oldest(): Keyed | undefined {
    const [oldest] = this.#oldestFirst();
    return oldest;
  }

  /** Deletes the oldest, at most so many, up to the first that is not old. */
  deleteOld(isOld: (keyed: Keyed) => boolean, most: number): void {
    let last: Keyed | undefined;
    let count = 0;
    for (const keyed of this.#oldestFirst()) {
      if (!isOld(keyed) || count === most) break;
      last = keyed;
      count++;
    }
    if (last) this.#delete.run(last.id);
  }

  *#oldestFirst(): Generator<Keyed> {
    for (const row of this.#oldest.iterate()) yield keyedOf(row);
  }
}

function keyedOf(row: Record<string, unknown>): Keyed {
  return { id: Number(row["id"]), at: Number(row["at"]) };
}
