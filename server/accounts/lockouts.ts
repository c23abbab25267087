/**
 * Lockouts: who guesses a password wrong too often has to wait.
 *
 * They count for the pair of an account and an address, so that nobody can lock
 * out somebody else. An address that has locked many accounts may try no more
 * of them. The counts are held in memory, where a decision is made at once
 * however many guess together, and stored, so that a restart does not forget
 * them. There can be so many; of more, the oldest go that are no locks.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";

/** So many wrong passwords in a row lock. */
export const MAX_FAILURES = 3;

/** An address that has locked so many accounts is locked for all others. */
export const MAX_LOCKED_PER_ADDRESS = 100;

/** How many pairs of account and address are remembered. */
export const MAX_LOCKOUTS = 100_000;

/** Wrong passwords in a row. */
interface Failures {
  readonly account: string;
  readonly address: string;
  readonly count: number;
  /** When the last one was, in milliseconds since the epoch. */
  readonly at: number;
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
  readonly #locked = new Map<string, Set<Failures>>(); // by address
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
      this.#hold({
        account: String(account),
        address: String(address),
        count: Number(failures),
        at: Number(at),
      });
    }
  }

  /** How long the account is still locked for the address, in milliseconds. */
  remainingMs(account: string, address: string): number {
    const failures = this.#current(account, address);
    if (failures && isLock(failures)) return this.#leftOf(failures);
    const locked = this.#locked.get(address);
    if (!locked || locked.size < MAX_LOCKED_PER_ADDRESS) return 0;
    const [oldest] = locked;
    return Math.max(0, this.#leftOf(oldest!)); // there are many
  }

  /**
   * Counts a wrong password, at once, and resolves when that is stored.
   *
   * @returns How many more there may be.
   */
  async failed(account: string, address: string): Promise<number> {
    const count = 1 + (this.#current(account, address)?.count ?? 0);
    const at = this.#options.now();
    this.#drop(account, address);
    const forgotten = this.#makeRoom();
    this.#hold({ account, address, count, at });
    await this.#store(() => {
      for (const old of forgotten) this.#delete.run(old.account, old.address);
      this.#put.run(account, address, count, at);
    });
    return Math.max(0, MAX_FAILURES - count);
  }

  /** Forgets what was wrong before the right password. */
  async succeeded(account: string, address: string): Promise<void> {
    if (!this.#drop(account, address)) return;
    await this.#store(() => this.#delete.run(account, address));
  }

  /** Ends all locks of an account; says how many addresses may try again. */
  async lift(account: string): Promise<number> {
    const lifted = [...this.#failures.values()]
      .filter((failures) => failures.account === account);
    for (const one of lifted) this.#drop(one.account, one.address);
    await this.#store(() => {
      for (const one of lifted) this.#delete.run(one.account, one.address);
    });
    return lifted.length;
  }

  /** As the newest. */
  #hold(failures: Failures): void {
    const { account, address } = failures;
    this.#failures.set(keyOf(account, address), failures);
    if (!isLock(failures)) return;
    const locked = this.#locked.get(address) ?? new Set();
    this.#locked.set(address, locked.add(failures));
  }

  /** @returns Whether there was something. */
  #drop(account: string, address: string): boolean {
    const key = keyOf(account, address);
    const failures = this.#failures.get(key);
    if (!failures) return false;
    this.#failures.delete(key);
    const locked = this.#locked.get(address);
    if (locked?.delete(failures) && locked.size === 0) {
      this.#locked.delete(address);
    }
    return true;
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

  /** For one more: takes out what counts no more, and one if there are many. */
  #makeRoom(): Failures[] {
    const forgotten: Failures[] = [];
    for (const failures of this.#failures.values()) {
      if (this.#leftOf(failures) > 0) break;
      forgotten.push(failures);
    }
    if (this.#failures.size - forgotten.length >= this.#options.most) {
      const [oldest] = this.#failures.values();
      // No lock, if that can be: or guesses at other names would lift it.
      const one = this.#failures.values().find((one) => !isLock(one));
      forgotten.push(one ?? oldest!); // there are many
    }
    for (const one of forgotten) this.#drop(one.account, one.address);
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

function isLock({ count }: Failures): boolean {
  return count >= MAX_FAILURES;
}

/** Neither has a space. */
function keyOf(account: string, address: string): string {
  return `${account} ${address}`;
}
