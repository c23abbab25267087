/**
 * Accounts: names that have an owner.
 *
 * Only the owner knows the password: the database stores a SCRAM verifier. After
 * three wrong passwords in a row the account is locked for that address for a
 * while (lockouts.ts). That a name has an account is not secret.
 *
 * @module
 */
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import type { Network } from "../../core/net/ip_address.ts";
import { ChatError, isUserName, lookAlike } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import type {
  AccountEntry,
  AccountLimits,
  AccountSeenEntry,
  SignUpEntry,
} from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { codeRequired, passwordChanged } from "./code_errors.ts";
import { Credentials, type StoredCode } from "./credentials.ts";
import { type ListedLock, lockedOut, Lockouts } from "./lockouts.ts";
import { NameMap } from "../chat/names/names.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import { endOf } from "./targets.ts";
import {
  type Challenge,
  challenge,
  nodeCrypto,
  parseVerifier,
  prove,
  type Verifier,
} from "./scram.ts";

/** Limit of accounts on one server. */
export const MAX_ACCOUNTS = 100_000;

/**
 * Limit of the accounts of one address that were never used after their first
 * day.
 */
export const MAX_UNUSED_PER_ADDRESS = 1_000;

/** Limit of all accounts of one address. */
export const MAX_ACCOUNTS_PER_ADDRESS = 5_000;

/** An account that is used later than this after its creation is in use. */
export const FIRST_DAY_MS = 24 * 60 * 60 * 1_000;

/** Settings of {@linkcode Accounts}. */
export interface AccountOptions {
  /** Default {@linkcode MAX_ACCOUNTS}. */
  readonly maxAccounts?: number;
  /** Default {@linkcode MAX_ACCOUNTS_PER_ADDRESS}. */
  readonly maxPerAddress?: number;
  /** Default {@linkcode MAX_UNUSED_PER_ADDRESS}. */
  readonly maxUnusedPerAddress?: number;
  /** Milliseconds since the epoch; default: the clock of the computer. */
  readonly now?: () => number;
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
  /**
   * Another server has changed the password of an account; or an account that
   * waits for its owner is made, on any server: nobody else is to be there.
   */
  changed?(account: AccountEntry, needsCode: boolean): void;
  /** Another server has deleted the account: ends its connections to this one. */
  deleted?(account: Account): void;
  /** An account is gone, on whatever server it was deleted; `own`: on this one. */
  gone?(account: Account, own: boolean): void;
}

/** A name that has an owner. */
export interface Account {
  /** As its owner writes it. */
  readonly name: string;
  /** Id of the newest message when the account was created. */
  readonly since: number;
  /** Keeps the `Key`s of its messages apart from those of other users. */
  readonly keyScope: string;
  /** Id of the newest message that its owner has certainly received. */
  readonly seen: number;
  /** In milliseconds since the epoch. */
  readonly createdAt: number;
  /** The network that it was created from; empty for accounts from before. */
  readonly network: string;
  /** Whether its owner has signed in after its first day. */
  readonly isUsed: boolean;
  /**
   * Its owner has no password, and needs a code that is good until then, in
   * milliseconds since the epoch; undefined: there is a password.
   */
  readonly waitsUntil: number | undefined;
}

/** An account to be created. */
export type NewAccount =
  & Pick<Account, "name" | "since" | "keyScope" | "network">
  & { readonly verifier: string; readonly code?: StoredCode };

/** A LOGIN that waits for its PROVE. */
export interface PendingLogin {
  /** As the client wrote it. */
  readonly name: string;
  /** The client's address without the port; or a session that it has proved. */
  readonly address: string;
  readonly challenge: Challenge;
  /** As it was stored then. */
  readonly verifier: string;
  readonly account: Account;
}

/** All accounts of one database. */
export class Accounts {
  readonly #database: Database;
  readonly #lockouts: Lockouts;
  readonly #now: () => number;
  readonly #limits: AccountLimits;
  readonly #names = new NameMap<string>({ findsSimilar: true }); // saves a query for each guest
  readonly #byName: StatementSync;
  readonly #byLook: StatementSync;
  readonly #all: StatementSync;
  readonly #counts: StatementSync;
  readonly #insert: StatementSync;
  readonly #signUp: Append<SignUpEntry, Account>;
  readonly #used: Append<AccountEntry, void>;
  readonly #seen: Append<AccountSeenEntry, void>;
  readonly #deleted: Append<AccountEntry, void>;
  /** Their passwords, and the codes of those that have none yet. */
  readonly credentials: Credentials;

  /** A lock lasts for `lockoutMs`; Infinity: until the operator ends it. */
  constructor(
    database: Database,
    lockoutMs: number,
    options: AccountOptions = {},
  ) {
    const {
      maxAccounts = MAX_ACCOUNTS,
      maxPerAddress = MAX_ACCOUNTS_PER_ADDRESS,
      maxUnusedPerAddress = MAX_UNUSED_PER_ADDRESS,
      now = Date.now,
      entries = database,
    } = options;
    this.#limits = {
      total: endOf(maxAccounts),
      perAddress: endOf(maxPerAddress),
      unusedPerAddress: endOf(maxUnusedPerAddress),
    };
    this.#database = database;
    this.#now = now;
    this.#lockouts = new Lockouts(database, { lockoutMs, now, entries });
    this.credentials = new Credentials(database, {
      ...{ lockouts: this.#lockouts, now, entries, changed: options.changed },
    });
    this.#byName = database.prepare("SELECT * FROM accounts WHERE key = ?");
    this.#byLook = database.prepare(
      "SELECT * FROM accounts WHERE look_alike = ?",
    );
    this.#all = database.prepare("SELECT * FROM accounts ORDER BY key");
    this.#insert = database.prepare(
      "INSERT INTO accounts (key, look_alike, name, verifier, created_at, since, seen, key_scope, network, code, code_until, used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
    );
    this.#counts = database.prepare(`
      SELECT (SELECT count(*) FROM accounts) AS total, count(*) AS per_address,
        total(used = 0) AS unused FROM accounts WHERE network = ?`);
    const use = database.prepare(
      "UPDATE accounts SET used = 1 WHERE key = ? AND created_at = ?",
    );
    const see = database.prepare(
      "UPDATE accounts SET seen = ? WHERE key = ? AND created_at = ? AND seen < ?",
    );
    const remove = database.prepare("DELETE FROM accounts WHERE key = ?");
    this.#signUp = entries.register("sign-up", {
      change: (entry) => this.#insertNew(entry),
      applied: (entry) => {
        const { name, since, keyScope, at: createdAt, network } = entry;
        this.#names.add(name, name);
        const identity = { name, since, keyScope, seen: since, createdAt };
        const waitsUntil = entry.code?.until;
        const account = { ...identity, network, isUsed: false, waitsUntil };
        if (waitsUntil !== undefined) options.changed?.(account, true);
        return account;
      },
    });
    this.#used = entries.register("account-used", {
      change: (entry) => void use.run(keyOf(entry), entry.createdAt),
      applied: () => {},
    });
    this.#seen = entries.register("account-seen", {
      change: (entry) => {
        const { createdAt, seen } = entry;
        see.run(seen, keyOf(entry), createdAt, seen);
      },
      applied: () => {},
    });
    this.#deleted = entries.register("account-deleted", {
      change: (entry) => {
        const row = this.#byName.get(keyOf(entry));
        const account = row && this.#accountOf(row);
        if (account?.createdAt !== entry.createdAt) return undefined;
        remove.run(keyOf(entry));
        this.#lockouts.deleteOf(keyOf(entry));
        return account;
      },
      applied: (_, account, own) => {
        if (!account) return;
        this.#names.delete(account.name);
        this.#lockouts.deleted(keyOf(account));
        if (!own) options.deleted?.(account);
        options.gone?.(account, own);
      },
    });
    for (const { name } of this.all()) this.#names.add(name, name);
  }

  /** The account of that name, or of a look-alike. */
  named(name: string): Account | undefined {
    const row = this.#row(name);
    return row && this.#accountOf(row);
  }

  /** The name of an account that is similar to `name`. */
  similar(name: string): string | undefined {
    return this.#names.similar(name);
  }

  /** Whether this account already has this verifier. */
  has(name: string, verifier: string): boolean {
    return this.#row(name)?.["verifier"] === verifier;
  }

  /** Prepares the next sign-in, if there are accounts. Call it now and then. */
  prepare(): void {
    if (this.#names.size > 0) nodeCrypto();
  }

  /** All accounts, sorted by name. */
  all(): Account[] {
    return this.#all.all().map((row) => this.#accountOf(row));
  }

  /**
   * Creates an account; resolves when it is stored.
   *
   * @throws {ChatError} 113 if it exists, 119 if it cannot be stored or a limit
   * is reached.
   */
  create(account: NewAccount): Promise<Account> {
    const { total } = this.#limits;
    // The operator's own count for no address.
    const limits = account.code
      ? { total, perAddress: null, unusedPerAddress: null }
      : this.#limits;
    return this.#signUp({ ...account, at: this.#now(), limits });
  }

  /** Stores that the owner has used the account, if its first day is over. */
  async used(account: Account): Promise<void> {
    const ageMs = this.#now() - account.createdAt;
    if (account.isUsed || ageMs <= FIRST_DAY_MS) return;
    await this.#used(entryOf(account)).catch(unlessNotStored); // then the next time
  }

  /**
   * Deletes an account, with its locks; resolves when that is stored. The name is
   * free, and messages stay.
   *
   * @throws {ChatError} 119 if that cannot be stored; then the account is there.
   */
  async delete({ name }: Pick<Account, "name">): Promise<void> {
    const account = this.named(name);
    if (account) await this.#deleted(entryOf(account));
  }

  /** The error 112 for a sign-in as `name`, if the account is locked for it. */
  locked(
    account: Account,
    name: string,
    address: string,
  ): ChatError | undefined {
    const lock = this.#lockouts.lockOf(keyOf(account), address);
    return lock && lockedOut(name, lock);
  }

  /**
   * Starts a sign-in with the client's first message.
   *
   * @throws {ChatError} 105 if the message is malformed, 112 if the account is
   * locked for the address, 121 if there is no account, 123 if its owner needs a
   * code.
   */
  begin(name: string, address: string, message: string): PendingLogin {
    const row = this.#row(name);
    if (!row) throw noAccount(name);
    const account = this.#accountOf(row);
    const locked = this.locked(account, name, address);
    if (locked) throw locked;
    if (account.waitsUntil !== undefined) throw codeRequired(name);
    const verifier = this.#verifierOf(row);
    return {
      name,
      address,
      challenge: challenge(name, { message, verifier }),
      verifier: String(row["verifier"]),
      account,
    };
  }

  /**
   * Completes a sign-in with the client's final message.
   *
   * @returns The account, and the server's final message, which proves that the
   * server has the verifier.
   * @throws {ChatError} 105 if the message is malformed, 111 if the password is
   * wrong, 112 if that locks the account, 121 if the account is deleted by now.
   */
  async prove(
    login: PendingLogin,
    message: string,
  ): Promise<{ account: Account; signature: string }> {
    const { name, address, challenge } = login;
    const account = this.#stillThere(login);
    const key = keyOf(account);
    const locked = this.locked(account, name, address);
    if (locked) throw locked; // by another connection
    const signature = prove(challenge, message);
    if (signature) {
      await this.#lockouts.succeeded(key, address);
      return { account: this.#stillThere(login), signature };
    }
    const left = await this.#lockouts.failed(key, address);
    const lock = left === 0 && this.#lockouts.lockOf(key, address);
    if (lock) throw lockedOut(name, lock);
    throw new ChatError(111, `Cannot sign in as "${name}": wrong password`, {
      headers: { "Attempts-left": left },
    });
  }

  /**
   * @throws {ChatError} 121 if the account was deleted meanwhile, 111 if it has
   * another password.
   */
  #stillThere({ name, account, verifier }: PendingLogin): Account {
    const found = this.named(account.name);
    // The name may have another owner by now.
    if (found?.keyScope !== account.keyScope) throw noAccount(name);
    if (!this.has(account.name, verifier)) throw passwordChanged(name);
    return found;
  }

  /** Stores that the owner has received everything up to `id`. */
  async received(account: Account, id: number): Promise<void> {
    if (id <= account.seen) return;
    const storing = this.#seen({ ...entryOf(account), seen: id });
    // Otherwise messages are forwarded once more, which is better than lost.
    await storing.catch(unlessNotStored);
  }

  /**
   * Ends the locks of an account.
   *
   * @returns The number of addresses that had failed for it.
   */
  unlock(account: Account): Promise<number> {
    return this.#lockouts.clear(keyOf(account));
  }

  /**
   * Ends the locks of a network, and of all networks in it.
   *
   * @returns The number of accounts for which it had failed.
   */
  unlockNetwork(network: Network): Promise<number> {
    return this.#lockouts.clearNetwork(network);
  }

  /** All locks that hold. */
  locks(): ListedLock[] {
    return this.#lockouts.list();
  }

  /** Inside of a change: stores an account, or throws why there is none. */
  #insertNew(entry: SignUpEntry): void {
    const { name, verifier, since, keyScope, network, at, code } = entry;
    if (this.#stored(name)) throw exists(name);
    this.#checkLimits(entry);
    this.#insert.run(
      ...[keyOf(entry), lookAlike(name), name, verifier, at],
      ...[since, since, keyScope, network],
      ...[code?.hash ?? null, code?.until ?? null],
    );
  }

  /** @throws {ChatError} 119 if a limit forbids one more of the network. */
  #checkLimits({ network, limits }: SignUpEntry): void {
    const { total, perAddress, unusedPerAddress } = limits;
    const row = this.#counts.get(network);
    const isReached = (limit: number | null, count: string): limit is number =>
      limit !== null && Number(row?.[count]) >= limit;
    if (isReached(total, "total")) {
      throw tooMany(total, "the limit of", `accounts is reached; ${ASK}`);
    }
    const which = "limit for your address:";
    if (isReached(perAddress, "per_address")) {
      throw tooMany(perAddress, which, `accounts; ${ASK}`);
    }
    if (!isReached(unusedPerAddress, "unused")) return;
    const what = "accounts that were not used after their first day";
    const next = `${what}; use one of them, or ${ASK}`;
    throw tooMany(unusedPerAddress, which, next);
  }

  /** @throws {ChatError} 119 if it is not as it was stored. */
  #accountOf(row: Row): Account {
    const name = String(row["name"]);
    if (!isUserName(name)) throw this.#database.damage.ofRow();
    return {
      name,
      since: Number(row["since"]),
      keyScope: String(row["key_scope"]),
      seen: Number(row["seen"]),
      createdAt: Number(row["created_at"]),
      network: String(row["network"]),
      isUsed: row["used"] === 1,
      waitsUntil: row["code_until"] === null
        ? undefined
        : Number(row["code_until"]),
    };
  }

  /** @throws {ChatError} 119 if it is not as it was stored. */
  #verifierOf(row: Row): Verifier {
    const { damage } = this.#database;
    return damage.readRow(() => parseVerifier(String(row["verifier"])));
  }

  #row(name: string): Row | undefined {
    return this.#names.get(name) === undefined ? undefined : this.#stored(name);
  }

  #stored(name: string): Row | undefined {
    return this.#byName.get(name.toLowerCase()) ??
      this.#byLook.get(lookAlike(name));
  }
}

type Row = Record<string, SQLOutputValue>;

/** The key of an account in the tables. */
function keyOf({ name }: Pick<Account, "name">): string {
  return name.toLowerCase();
}

function entryOf({ name, createdAt }: Account): AccountEntry {
  return { name, createdAt };
}

function noAccount(name: string): ChatError {
  return new ChatError(121, `Cannot sign in: ${name} has no account`);
}

const ASK = "ask the operator to delete some";

function tooMany(limit: number, which: string, what: string): ChatError {
  const why = `${which} ${limit} ${what}`;
  return new ChatError(119, `Cannot create an account: ${why}`, {
    headers: { Limit: limit },
  });
}

/** The error for a name that has an account. */
export function exists(name: string): ChatError {
  return new ChatError(
    113,
    `Cannot sign up as "${name}": this name (or a similar one) has an account; sign in, or choose another name`,
  );
}
