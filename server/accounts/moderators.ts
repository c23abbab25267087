/**
 * Moderators: accounts whose owners may use the operator's commands about users
 * and rooms, from any client.
 *
 * @module
 */
import type { Database } from "../journal/database.ts";
import type { ModeratorEntry } from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import type { Account } from "./accounts.ts";

/** What identifies an account: its name may have had another before. */
type Identity = Pick<Account, "name" | "createdAt">;

/** Settings of {@linkcode Moderators}. */
export interface ModeratorOptions {
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
  /** The account of that name, as it is now. */
  accountOf(name: string): Identity | undefined;
  /** An account has become a moderator, or is none any more, on any server. */
  changed?(account: Identity, isModerator: boolean): void;
}

/** All moderators of one database. */
export class Moderators {
  /** By key, when the account was created; perhaps it is deleted by now. */
  readonly #since = new Map<string, number>();
  readonly #accountOf: ModeratorOptions["accountOf"];
  readonly #append: Append<ModeratorEntry, void>;

  constructor(database: Database, options: ModeratorOptions) {
    const { entries = database } = options;
    this.#accountOf = (name) => options.accountOf(name);
    const add = database.prepare(
      "INSERT OR REPLACE INTO moderators SELECT key, created_at FROM accounts " +
        "WHERE key = ? AND created_at = ?",
    );
    const remove = database.prepare(
      "DELETE FROM moderators WHERE account = ? AND created_at = ?",
    );
    this.#append = entries.register("moderator", {
      change: (entry) => {
        const statement = entry.isModerator ? add : remove;
        return statement.run(keyOf(entry), entry.createdAt).changes > 0;
      },
      applied: (entry, hasChanged) => {
        const wasModerator = this.has(entry);
        if (!hasChanged || wasModerator === entry.isModerator) return;
        if (entry.isModerator) {
          this.#since.set(keyOf(entry), entry.createdAt);
        } else this.#since.delete(keyOf(entry));
        options.changed?.(entry, entry.isModerator);
      },
    });
    for (const row of database.prepare("SELECT * FROM moderators").all()) {
      this.#since.set(String(row["account"]), Number(row["created_at"]));
    }
  }

  /** Whether the account is that of a moderator. */
  has(account: Identity): boolean {
    return this.#since.get(keyOf(account)) === account.createdAt;
  }

  /** Whether the owner of an account of that very name is a moderator. */
  isModerator(name: string): boolean {
    const key = keyOf({ name });
    if (!this.#since.has(key)) return false; // saves a query for most
    const account = this.#accountOf(name);
    return account !== undefined && keyOf(account) === key && this.has(account);
  }

  /**
   * Makes those of `names` moderators that have an account; returns the others. What
   * cannot be stored now is done the next time.
   */
  async appoint(names: readonly string[]): Promise<string[]> {
    const without: string[] = [];
    for (const name of names) {
      const account = this.#accountOf(name);
      const isMeant = account && keyOf(account) === keyOf({ name });
      if (!isMeant) without.push(name);
      else if (!this.has(account)) {
        await this.set(account, true).catch(unlessNotStored);
      }
    }
    return without;
  }

  /**
   * Makes an account that of a moderator, or of none; resolves when it is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then nothing has changed.
   */
  set({ name, createdAt }: Identity, isModerator: boolean): Promise<void> {
    return this.#append({ name, createdAt, isModerator });
  }
}

/** What of a name identifies it. */
function keyOf({ name }: Pick<Identity, "name">): string {
  return name.toLowerCase();
}
