/**
 * How far the owner of an account has read each conversation: one device tells, and
 * the others are told, also those that connect later.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Account } from "../../accounts/accounts.ts";
import type { Database } from "../../journal/database.ts";
import type { ReadEntry } from "../../journal/entries.ts";
import type { Append, Log } from "../../journal/log.ts";

/** Limit of the conversations of one account; the one read longest ago is forgotten. */
export const MAX_READ_MARKS = 100;

/** Up to which id a conversation is read. */
export interface ReadMark {
  /** A room, a user, or `ALL`. */
  readonly target: string;
  readonly id: number;
}

/** Settings of {@linkcode ReadMarks}. */
export interface ReadMarkOptions {
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
  /** More is read, on whatever server that was told. */
  changed?(entry: ReadEntry): void;
}

/** See the top of the file. */
export class ReadMarks {
  readonly #append: Append<ReadEntry, void>;
  readonly #changed: ReadMarkOptions["changed"];
  readonly #one: StatementSync;
  readonly #all: StatementSync;

  constructor(database: Database, options: ReadMarkOptions = {}) {
    const { entries = database, changed } = options;
    this.#changed = changed;
    this.#one = database.prepare(
      "SELECT id FROM read_marks WHERE account = ? AND target = ?",
    );
    this.#all = database.prepare(
      "SELECT target, id FROM read_marks WHERE account = ? ORDER BY id DESC",
    );
    const put = database.prepare(`
      INSERT INTO read_marks SELECT key, ?2, ?3 FROM accounts
      WHERE key = ?1 AND created_at = ?4
      ON CONFLICT DO UPDATE SET id = ?3 WHERE id < ?3`);
    const trim = database.prepare(`
      DELETE FROM read_marks WHERE account = ?1 AND target IN (
        SELECT target FROM read_marks WHERE account = ?1
        ORDER BY id DESC, target LIMIT -1 OFFSET ${MAX_READ_MARKS})`);
    this.#append = entries.register("read", {
      change: (entry) => {
        const { createdAt, target, id } = entry;
        const { changes } = put.run(keyOf(entry), target, id, createdAt);
        if (changes > 0) trim.run(keyOf(entry));
        return changes > 0;
      },
      applied: (entry, hasChanged) => {
        if (hasChanged) changed?.(entry);
      },
    });
  }

  /** Up to which id the owner has read a conversation; 0 if that is not known. */
  of(account: Pick<Account, "name">, target: string): number {
    return Number(this.#one.get(keyOf(account), target)?.["id"] ?? 0);
  }

  /** All that is known of an account, the newest first. */
  all(account: Pick<Account, "name">): ReadMark[] {
    return this.#all.all(keyOf(account)).map((row) => ({
      target: String(row["target"]),
      id: Number(row["id"]),
    }));
  }

  /**
   * Stores how far a device of the account has read. A conversation that was read
   * longer ago than all that are stored is not stored: only the devices of this
   * server are told.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  async put(
    { name, createdAt }: Account,
    { target, id }: ReadMark,
    device: number | undefined,
  ): Promise<void> {
    const known = this.of({ name }, target);
    if (id <= known) return;
    const entry = { name, createdAt, target, id, device };
    const oldest = this.all({ name })[MAX_READ_MARKS - 1];
    const isForgotten = known === 0 && oldest && id < oldest.id;
    if (isForgotten) this.#changed?.(entry);
    else await this.#append(entry);
  }
}

function keyOf({ name }: { readonly name: string }): string {
  return name.toLowerCase();
}
