/**
 * Lockouts: too many wrong passwords lock an account for a while.
 *
 * A lock holds for the pair of an account and an address: a stranger cannot lock
 * out the owner. An address that has locked many accounts is locked for all of
 * them. The counts are held in memory, where parallel guesses are counted at
 * once, and stored: they survive a restart. Over {@linkcode MAX_LOCKOUTS} the
 * oldest counts that are no locks are forgotten.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";

/** Wrong passwords in a row that lock an account. */
export const MAX_FAILURES = 3;

/** Locked accounts after which an address is locked for all accounts. */
export const MAX_LOCKED_PER_ADDRESS = 100;

/** Limit of stored pairs of account and address. */
export const MAX_LOCKOUTS = 100_000;

/** Wrong passwords in a row. */
interface Failures {
  readonly account: string;
  readonly address: string;
  readonly count: number;
  /** Time of the last one, in milliseconds since the epoch. */
  readonly at: number;
}

/** Settings of {@linkcode Lockouts}. */
export interface LockoutOptions {
  /** How long a lock lasts, in milliseconds; Infinity: until the operator ends it. */
  readonly lockoutMs: number;
  /** Milliseconds since the epoch, since a lock survives a restart. */
  readonly now: () => number;
  /** Default {@linkcode MAX_LOCKOUTS}. */
  readonly maxLockouts?: number;
}

/** The lockouts of one database. */
export class Lockouts {
  readonly #database: Database;
  readonly #options: Required<LockoutOptions>;
  readonly #failures = new Map<string, Failures>(); // the newest last
  readonly #locked = new Map<string, Set<Failures>>(); // by address
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: Database, options: LockoutOptions) {
    this.#database = database;
    this.#options = { maxLockouts: MAX_LOCKOUTS, ...options };
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

  /** How long the account stays locked for the address, in milliseconds. */
  remainingMs(account: string, address: string): number {
    const failures = this.#current(account, address);
    if (failures && isLock(failures)) return this.#leftOf(failures);
    const locked = this.#locked.get(address);
    if (!locked || locked.size < MAX_LOCKED_PER_ADDRESS) return 0;
    const [oldest] = locked;
    return Math.max(0, this.#leftOf(oldest!)); // there are many
  }

  /**
   * Counts a wrong password at once; resolves when that is stored.
   *
   * @returns The attempts left.
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

  /** The right password resets the count. */
  async succeeded(account: string, address: string): Promise<void> {
    if (!this.#drop(account, address)) return;
    await this.#store(() => this.#delete.run(account, address));
  }

  /**
   * Ends the locks of an account.
   *
   * @returns The number of addresses that were locked.
   */
  async clear(account: string): Promise<number> {
    const cleared = [...this.#failures.values()]
      .filter((failures) => failures.account === account);
    for (const one of cleared) this.#drop(one.account, one.address);
    await this.#store(() => {
      for (const one of cleared) this.#delete.run(one.account, one.address);
    });
    return cleared.length;
  }

  #hold(failures: Failures): void {
    const { account, address } = failures;
    this.#failures.set(keyOf(account, address), failures);
    if (!isLock(failures)) return;
    const locked = this.#locked.get(address) ?? new Set();
    this.#locked.set(address, locked.add(failures));
  }

  /** @returns Whether there was a count. */
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

  /** The failures that have not expired. */
  #current(account: string, address: string): Failures | undefined {
    const failures = this.#failures.get(keyOf(account, address));
    return failures && this.#leftOf(failures) > 0 ? failures : undefined;
  }

  /** How long it still counts. A clock that is set back does not prolong it. */
  #leftOf({ at }: Failures): number {
    const { lockoutMs, now } = this.#options;
    return Math.min(at + lockoutMs - now(), lockoutMs);
  }

  /** Removes expired counts, and one more if the limit is reached. */
  #makeRoom(): Failures[] {
    const forgotten: Failures[] = [];
    for (const failures of this.#failures.values()) {
      if (this.#leftOf(failures) > 0) break;
      forgotten.push(failures);
    }
    if (this.#failures.size - forgotten.length >= this.#options.maxLockouts) {
      const [oldest] = this.#failures.values();
      // Locks stay: or guesses at other names would end them.
      const one = this.#failures.values().find((one) => !isLock(one));
      forgotten.push(one ?? oldest!); // there are many
    }
    for (const one of forgotten) this.#drop(one.account, one.address);
    return forgotten;
  }

  /** A lock that cannot be stored holds until a restart. */
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

/** Neither part has a space. */
function keyOf(account: string, address: string): string {
  return `${account} ${address}`;
}
