/**
 * Lockouts: who guesses a password wrong too often has to wait.
 *
 * They count for the pair of an account and an address, so that nobody can lock
 * out somebody else. The counts are held in memory, where a decision is made at
 * once however many guess together, and stored, so that a restart does not
 * forget them. There can be so many; of more, the oldest go.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError } from "../protocol.ts";
import type { Database } from "./database.ts";

/** So many wrong passwords in a row lock. */
export const MAX_FAILURES = 3;

/** How many pairs of account and address are remembered. */
export const MAX_LOCKOUTS = 100_000;

/** Wrong passwords in a row. */
interface Failures {
  readonly account: string;
  readonly address: string;
  count: number;
  /** When the last one was, in milliseconds since the epoch. */
  at: number;
}

/** What {@linkcode Lockouts} needs. */
export interface LockoutOptions {
  /** How long a lock lasts, in milliseconds; Infinity until it is lifted. */
  readonly lockoutMs: number;
  /** Milliseconds since the epoch: a lock survives a restart. */
  readonly now: () => number;
  /** So many are remembered. Default {@linkcode MAX_LOCKOUTS}. */
  readonly most?: number;
}

/** See the top of the file. */
export class Lockouts {
  readonly #database: Database;
  readonly #options: Required<LockoutOptions>;
  readonly #failures = new Map<string, Failures>(); // the last one to fail last
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  /** Reads those that are stored. */
  constructor(database: Database, options: LockoutOptions) {
    this.#database = database;
    this.#options = { most: MAX_LOCKOUTS, ...options };
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO lockouts (account, address, failures, at) VALUES (?, ?, ?, ?)",
    );
    this.#delete = database.prepare(
      "DELETE FROM lockouts WHERE account = ? AND address = ?",
    );
    const rows = database.prepare("SELECT * FROM lockouts ORDER BY at").all();
    for (const { account, address, failures, at } of rows) {
      const pair = { account: String(account), address: String(address) };
      const counted = { count: Number(failures), at: Number(at) };
      this.#failures.set(keyOf(pair.account, pair.address), {
        ...pair,
        ...counted,
      });
    }
  }

  /** How long the account is still locked for the address, in milliseconds. */
  remainingMs(account: string, address: string): number {
    const failures = this.#current(account, address);
    return failures && failures.count >= MAX_FAILURES
      ? this.#leftOf(failures)
      : 0;
  }

  /**
   * Counts a wrong password, at once, and resolves when that is stored.
   *
   * @returns How many more there may be.
   */
  async failed(account: string, address: string): Promise<number> {
    const failures = this.#current(account, address) ??
      { account, address, count: 0, at: 0 };
    failures.count++;
    failures.at = this.#options.now();
    const key = keyOf(account, address);
    this.#failures.delete(key);
    this.#failures.set(key, failures);
    const { count, at } = failures;
    const forgotten = this.#forget();
    await this.#store(() => {
      for (const old of forgotten) this.#delete.run(old.account, old.address);
      this.#put.run(account, address, count, at);
    });
    return Math.max(0, MAX_FAILURES - count);
  }

  /** Forgets what was wrong before the right password. */
  async succeeded(account: string, address: string): Promise<void> {
    if (!this.#failures.delete(keyOf(account, address))) return;
    await this.#store(() => this.#delete.run(account, address));
  }

  /** Ends all locks of an account; says how many addresses may try again. */
  async lift(account: string): Promise<number> {
    const lifted = [...this.#failures.values()]
      .filter((failures) => failures.account === account);
    for (const one of lifted) {
      this.#failures.delete(keyOf(one.account, one.address));
    }
    await this.#store(() => {
      for (const one of lifted) this.#delete.run(one.account, one.address);
    });
    return lifted.length;
  }

  /** What counts: too long ago does not. */
  #current(account: string, address: string): Failures | undefined {
    const failures = this.#failures.get(keyOf(account, address));
    return failures && this.#leftOf(failures) > 0 ? failures : undefined;
  }

  /** For how long it counts. A clock that was set back makes it no longer. */
  #leftOf({ at }: Failures): number {
    const { lockoutMs, now } = this.#options;
    return Math.min(at + lockoutMs - now(), lockoutMs);
  }

  /** Takes out what counts no more, at the old end, and what is too much. */
  #forget(): Failures[] {
    const forgotten: Failures[] = [];
    for (const [key, failures] of this.#failures) {
      const tooMany = this.#failures.size > this.#options.most;
      if (!tooMany && this.#leftOf(failures) > 0) break;
      this.#failures.delete(key);
      forgotten.push(failures);
    }
    return forgotten;
  }

  /** A lock that cannot be stored holds nevertheless, until a restart. */
  async #store(change: () => void): Promise<void> {
    try {
      await this.#database.write(change);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
    }
  }
}

/** Neither has a space. */
function keyOf(account: string, address: string): string {
  return `${account} ${address}`;
}
