/**
 * Lockouts: too many wrong passwords lock an account for a while.
 *
 * A lock holds for the pair of an account and a network, which is an IPv4 address
 * or 64 bits of IPv6: a stranger cannot lock out the owner. A client with the
 * token of the owner's session counts as a network of its own. A network that has
 * locked many accounts, or has failed for very many, is locked for all accounts;
 * so no network fills the table with its failures.
 *
 * The counts are held in memory, where parallel guesses are counted at once, and
 * stored: they survive a restart. Over {@linkcode MAX_LOCKOUTS} the oldest counts
 * that are no locks are forgotten.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import {
  covers,
  type Network,
  networkOf,
  parseNetwork,
} from "../../core/net/ip_address.ts";
import { ChatError } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import type {
  LocksEndedEntry,
  Pair,
  WrongPasswordEntry,
} from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import { timeText } from "../../core/net/connection_error.ts";
import { endOf, timeOf } from "./targets.ts";

/** Wrong passwords in a row that lock an account. */
export const MAX_FAILURES = 3;

/** Locked accounts after which a network is locked for all accounts. */
export const MAX_LOCKED_PER_NETWORK = 100;

/** Accounts with wrong passwords after which it is, too. */
export const MAX_PAIRS_PER_NETWORK = 1_000;

/** Limit of stored pairs of account and network. */
export const MAX_LOCKOUTS = 100_000;

/** What locks: failures for the account, or those of a network for many. */
export interface Lock {
  readonly kind: "account" | "session" | "locked" | "pairs";
  /** How long it lasts, in milliseconds; Infinity until the operator ends it. */
  readonly leftMs: number;
}

/** A lock as the operator sees it. */
export interface ListedLock {
  /** In lower case; undefined for all accounts. */
  readonly account: string | undefined;
  /** A network, or `session` and a token. */
  readonly address: string;
  readonly leftMs: number;
}

/** Wrong passwords in a row. */
interface Failures {
  readonly account: string;
  /** A network, or `session` and a token. */
  readonly address: string;
  readonly count: number;
  /** Time of the last one, in milliseconds since the epoch. */
  readonly at: number;
}

/** The failures of one network, the newest last. */
interface Share {
  readonly pairs: Set<Failures>;
  /** Those that lock their accounts. */
  readonly locked: Set<Failures>;
}

/** Settings of {@linkcode Lockouts}. */
export interface LockoutOptions {
  /** How long a lock lasts, in milliseconds; Infinity: until the operator ends it. */
  readonly lockoutMs: number;
  /** Milliseconds since the epoch, since a lock survives a restart. */
  readonly now: () => number;
  /** Default {@linkcode MAX_LOCKOUTS}. */
  readonly maxLockouts?: number;
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
}

/**
 * The lockouts of one database. An `address` is an address without a port, or
 * `session` and a token.
 */
export class Lockouts {
  readonly #database: Database;
  readonly #options: Required<Omit<LockoutOptions, "entries">>;
  readonly #wrong: Append<WrongPasswordEntry, number>;
  readonly #ended: Append<LocksEndedEntry, void>;
  // The newest last; apart, so that counts are found that can be forgotten.
  readonly #counts = new Map<string, Failures>();
  readonly #locks = new Map<string, Failures>();
  readonly #shares = new Map<string, Share>(); // by network
  /** Accounts that no lock of a network concerns, until the server stops. */
  readonly #freed = new Set<string>();
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteOf: StatementSync;

  constructor(
    database: Database,
    { entries = database, ...options }: LockoutOptions,
  ) {
    this.#database = database;
    this.#options = { maxLockouts: MAX_LOCKOUTS, ...options };
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO lockouts (account, address, failures, at) VALUES (?, ?, ?, ?)",
    );
    this.#delete = database.prepare(
      "DELETE FROM lockouts WHERE account = ? AND address = ?",
    );
    this.#deleteOf = database.prepare("DELETE FROM lockouts WHERE account = ?");
    const ofAccount = database.prepare(
      "SELECT * FROM lockouts WHERE account = ?",
    );
    this.#wrong = entries.register("wrong-password", {
      change: (entry) => {
        const key = keyOf(entry.account, entry.address);
        const same = ofAccount.all(entry.account).map(failuresOf)
          .filter(({ account, address }) => keyOf(account, address) === key);
        for (const one of same) this.#delete.run(one.account, one.address);
        for (const pair of entry.gone) this.#delete.run(...pair);
        return this.#countOneMore(entry, same);
      },
      applied: (entry, count) => this.#count(entry, count),
    });
    this.#ended = entries.register("locks-ended", {
      change: ({ account, gone }) => {
        if (account !== undefined) this.#deleteOf.run(account);
        for (const pair of gone) this.#delete.run(...pair);
      },
      applied: ({ account, gone }) => {
        if (account !== undefined) this.#free(account);
        for (const pair of gone) this.#dropPair(pair);
      },
    });
    this.#load();
  }

  /** What locks the account for the address; undefined if nothing does. */
  lockOf(account: string, address: string): Lock | undefined {
    const network = networkOf(address);
    const failures = this.#current(account, network);
    if (failures && isLock(failures)) {
      const kind = isSession(network) ? "session" : "account";
      return { kind, leftMs: this.#leftOf(failures) };
    }
    return this.#freed.has(account) ? undefined : this.#lockOfAll(network);
  }

  /**
   * Counts a wrong password at once; resolves when that is stored.
   *
   * @returns The attempts left.
   */
  async failed(account: string, address: string): Promise<number> {
    const network = networkOf(address);
    const count = 1 + (this.#current(account, network)?.count ?? 0);
    const failures = { account, address: network, count, at: this.#now() };
    // Of sessions, only the newest of an account can still be used.
    const before = this.#failuresOf(account, network);
    if (before) this.#drop(before);
    const surplus = this.#surplus();
    for (const one of surplus) this.#drop(one);
    this.#hold(failures);
    const gone = before ? [before, ...surplus] : surplus;
    const lockoutMs = endOf(this.#options.lockoutMs);
    const entry = { account, address: network, at: failures.at, lockoutMs };
    const counting = this.#wrong({ ...entry, gone: gone.map(pairOf) });
    // A lock that cannot be stored holds until a restart.
    const known = await counting.catch((error) => {
      unlessNotStored(error);
      return count;
    });
    return Math.max(0, MAX_FAILURES - known);
  }

  /** The right password resets the count. */
  async succeeded(account: string, address: string): Promise<void> {
    const network = networkOf(address);
    const failures = this.#failuresOf(account, network);
    if (failures?.address === network) await this.#forget([failures]);
  }

  /**
   * Ends the locks of an account, and lets its owner sign in from networks that
   * are locked for all accounts.
   *
   * @returns How many addresses had failed for it.
   */
  async clear(account: string): Promise<number> {
    const count = this.#free(account);
    await this.#ended({ account, gone: [] }).catch(unlessNotStored);
    return count;
  }

  /**
   * Ends all locks of a network and of those in it.
   *
   * @returns How many accounts it had failed for.
   */
  async clearNetwork(network: Network): Promise<number> {
    const cleared = this.#all().filter(({ address }) => {
      const part = parseNetwork(address);
      return part !== undefined && covers(network, part);
    });
    await this.#forget(cleared);
    return cleared.length;
  }

  /** Inside of a change: the account is deleted. See {@linkcode deleted}. */
  deleteOf(account: string): void {
    this.#deleteOf.run(account);
  }

  /** An account is deleted: nothing of it is left for the next of that name. */
  deleted(account: string): void {
    this.#free(account);
    this.#freed.delete(account);
  }

  /** All locks that hold, those of whole networks first. */
  list(): ListedLock[] {
    const networks = this.#shares.keys().map((address) => {
      const leftMs = this.#lockOfAll(address)?.leftMs ?? 0;
      return { account: undefined, address, leftMs };
    });
    const accounts = this.#locks.values().map((failures) => {
      const { account, address } = failures;
      return { account, address, leftMs: this.#leftOf(failures) };
    });
    return [...networks, ...accounts].filter(({ leftMs }) => leftMs > 0);
  }

  /** What is stored; networks are stored as addresses by versions before. */
  #load(): void {
    const rows = this.#database.prepare("SELECT * FROM lockouts ORDER BY at")
      .all();
    const replaced: Failures[] = [];
    const replacing: Failures[] = [];
    for (const row of rows) {
      const stored = failuresOf(row);
      const network = networkOf(stored.address);
      const before = this.#failuresOf(stored.account, network);
      if (before) this.#drop(before);
      const count = Math.max(stored.count, before?.count ?? 0);
      const held = { ...stored, address: network, count };
      this.#hold(held);
      if (network === stored.address) continue;
      replaced.push(stored);
      replacing.push(held);
    }
    if (replaced.length === 0) return;
    // No entry: other servers do the same. If it fails, the next start does it.
    this.#database.write(() => {
      for (const one of replaced) this.#delete.run(...pairOf(one));
      for (const one of replacing) this.#insert(one);
    }).catch(unlessNotStored);
  }

  #insert({ account, address, count, at }: Failures): void {
    this.#put.run(account, address, count, at);
  }

  /** Inside of a change: stores one more than those that still count. */
  #countOneMore(
    { account, address, at, lockoutMs }: WrongPasswordEntry,
    same: readonly Failures[],
  ): number {
    const before = same.find((one) =>
      one.address === address && leftOf(one, timeOf(lockoutMs), at) > 0
    );
    const count = 1 + (before?.count ?? 0);
    this.#insert({ account, address, count, at });
    return count;
  }

  /**
   * So many are stored; guesses that were counted here since then count, too.
   *
   * @returns How many count.
   */
  #count({ account, address, at, gone }: WrongPasswordEntry, stored: number) {
    for (const pair of gone) this.#dropPair(pair);
    const before = this.#failuresOf(account, address);
    const current = this.#current(account, address);
    if (before) this.#drop(before);
    const count = Math.max(stored, current?.count ?? 0);
    this.#hold({ account, address, count, at: Math.max(at, current?.at ?? 0) });
    return count;
  }

  /** Drops what is held of an account. @returns How many addresses had failed. */
  #free(account: string): number {
    const held = this.#all().filter((one) => one.account === account);
    for (const one of held) this.#drop(one);
    this.#freed.add(account);
    return held.length;
  }

  #dropPair([account, address]: Pair): void {
    const held = this.#failuresOf(account, address);
    if (held?.address === address) this.#drop(held);
  }

  #all(): Failures[] {
    return [...this.#counts.values(), ...this.#locks.values()];
  }

  #now(): number {
    return this.#options.now();
  }

  #hold(failures: Failures): void {
    const { account, address } = failures;
    const list = isLock(failures) ? this.#locks : this.#counts;
    list.set(keyOf(account, address), failures);
    if (isSession(address)) return;
    const share = this.#shares.get(address) ??
      { pairs: new Set(), locked: new Set() };
    this.#shares.set(address, share);
    share.pairs.add(failures);
    if (isLock(failures)) share.locked.add(failures);
  }

  #drop(failures: Failures): void {
    const { account, address } = failures;
    this.#counts.delete(keyOf(account, address));
    this.#locks.delete(keyOf(account, address));
    const share = this.#shares.get(address);
    share?.locked.delete(failures);
    share?.pairs.delete(failures);
    if (share?.pairs.size === 0) this.#shares.delete(address);
  }

  #failuresOf(account: string, network: string): Failures | undefined {
    const key = keyOf(account, network);
    return this.#counts.get(key) ?? this.#locks.get(key);
  }

  /** The failures that have not expired, and are of this very session. */
  #current(account: string, network: string): Failures | undefined {
    const failures = this.#failuresOf(account, network);
    const counts = failures?.address === network && this.#leftOf(failures) > 0;
    return counts ? failures : undefined;
  }

  /** What locks a network for all accounts. */
  #lockOfAll(network: string): Lock | undefined {
    const share = this.#shares.get(network);
    if (!share) return undefined;
    const locked = this.#leftOfMany(share.locked, MAX_LOCKED_PER_NETWORK);
    if (locked > 0) return { kind: "locked", leftMs: locked };
    const pairs = this.#leftOfMany(share.pairs, MAX_PAIRS_PER_NETWORK);
    return pairs > 0 ? { kind: "pairs", leftMs: pairs } : undefined;
  }

  /** How long there are still so many; 0 if there are fewer. */
  #leftOfMany(failures: Set<Failures>, many: number): number {
    if (failures.size < many) return 0;
    const [last] = failures.values().drop(failures.size - many);
    return Math.max(0, this.#leftOf(last!)); // there are many
  }

  /** How long they still count. */
  #leftOf(failures: Failures): number {
    return leftOf(failures, this.#options.lockoutMs, this.#now());
  }

  /** Expired counts, and one more if the limit is reached. */
  #surplus(): Failures[] {
    const old = [this.#counts, this.#locks].flatMap((list) =>
      list.values().take(MAX_EXPIRED)
        .filter((one) => this.#leftOf(one) <= 0).toArray()
    );
    const count = this.#counts.size + this.#locks.size - old.length;
    if (count < this.#options.maxLockouts) return old;
    // Locks stay: or guesses at other names would end them.
    const [oldest = this.#locks.values().next().value] = this.#counts.values();
    return [...old, oldest!]; // there are many
  }

  async #forget(failures: readonly Failures[]): Promise<void> {
    if (failures.length === 0) return;
    for (const one of failures) this.#drop(one);
    await this.#ended({ gone: failures.map(pairOf) }).catch(unlessNotStored);
  }
}

function pairOf({ account, address }: Failures): Pair {
  return [account, address];
}

function failuresOf(row: Readonly<Record<string, unknown>>): Failures {
  return {
    account: String(row["account"]),
    address: String(row["address"]),
    count: Number(row["failures"]),
    at: Number(row["at"]),
  };
}

/** How long they count from `now`. A clock that is set back does not prolong it. */
function leftOf({ at }: Failures, lockoutMs: number, now: number): number {
  return Math.min(at + lockoutMs - now, lockoutMs);
}

/** The error for a sign-in as `name`, which `lock` forbids. */
export function lockedOut(name: string, { kind, leftMs }: Lock): ChatError {
  const passes = leftMs < Infinity;
  const isAll = kind === "locked" || kind === "pairs";
  const what = isAll ? "your address" : "the account";
  const next = passes
    ? `try again in ${timeText(leftMs)}, or ask the operator to unlock ${what}`
    : `only the operator can unlock ${what}`;
  return new ChatError(
    112,
    `Cannot sign in as "${name}" from your address: ${WHY[kind]}; ${next}`,
    { headers: { "Retry-after": passes ? Math.ceil(leftMs / 1_000) : [] } },
  );
}

const WHY: Readonly<Record<Lock["kind"], string>> = {
  account: `${MAX_FAILURES} wrong passwords in a row`,
  session: `${MAX_FAILURES} wrong passwords in a row with your session`,
  locked: `${MAX_LOCKED_PER_NETWORK} accounts are locked for it`,
  pairs: `wrong passwords for ${MAX_PAIRS_PER_NETWORK} accounts`,
};

/** Limit of the expired counts that one failure removes. */
const MAX_EXPIRED = 100;

function isLock({ count }: Failures): boolean {
  return count >= MAX_FAILURES;
}

function isSession(address: string): boolean {
  return address.startsWith("session ");
}

/** All sessions of an account have one key. */
function keyOf(account: string, address: string): string {
  return `${account} ${isSession(address) ? "session" : address}`;
}
