/**
 * Accounts: names that belong to somebody.
 *
 * A password is known to its owner alone: what is stored is a SCRAM verifier
 * (scram.ts). Whoever guesses wrong three times in a row is locked out for a
 * while (lockouts.ts). To log in to an account that does not exist fails in the
 * same way, and as slowly, as with a wrong password.
 *
 * @module
 */
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import { ChatError, lookAlike } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import { Lockouts, MAX_FAILURES } from "./lockouts.ts";
import { NameMap } from "../chat/name_map.ts";
import {
  type Challenge,
  challenge,
  fakeVerifier,
  parseVerifier,
  prepareScram,
  prove,
  randomWord,
  type Verifier,
} from "./scram.ts";

/** So many accounts there can be. */
export const MAX_ACCOUNTS = 100_000;

/** A name that belongs to somebody. */
export interface Account {
  /** As it is shown. */
  readonly name: string;
  /** The newest message when it began to be somebody's. */
  readonly since: number;
  /** Makes the keys of its messages unlike those of all others. */
  readonly keyScope: string;
  /** The newest message of which it is sure that its owner has it. */
  readonly seen: number;
  /** When it was made, in milliseconds since the epoch. */
  readonly createdAt: number;
}

/** What is known of an account that is to be. */
export type NewAccount =
  & Pick<Account, "name" | "since" | "keyScope">
  & { readonly verifier: string };

/** A LOGIN that waits for its PROVE. */
export interface PendingLogin {
  /** The name that was given. */
  readonly name: string;
  /** Where it comes from, without the port. */
  readonly address: string;
  /** What the client was asked. */
  readonly challenge: Challenge;
  /** What its answer is checked with. */
  readonly verifier: Verifier;
  /** Undefined if there is none, which nobody is told. */
  readonly account: Account | undefined;
}

/** A login that was successful. */
export interface Proved {
  /** Whose it is. */
  readonly account: Account;
  /** The server's final message, with which it proves itself. */
  readonly signature: string;
}

/** What {@linkcode Accounts} may be told. */
export interface AccountOptions {
  /** How long a lock lasts, in milliseconds; Infinity until it is lifted. */
  readonly lockoutMs: number;
  /** Milliseconds since the epoch. Tests pass their own. */
  readonly now?: () => number;
  /** So many there can be. Default {@linkcode MAX_ACCOUNTS}. */
  readonly most?: number;
}

/** See the top of the file. */
export class Accounts {
  readonly #database: Database;
  readonly #lockouts: Lockouts;
  readonly #now: () => number;
  readonly #most: number;
  readonly #secret: Uint8Array;
  readonly #names = new NameMap<string>(); // asked for each guest who comes in
  readonly #byName: StatementSync;
  readonly #byLook: StatementSync;
  readonly #all: StatementSync;
  readonly #insert: StatementSync;
  readonly #see: StatementSync;

  /** The accounts of `database`. */
  constructor(database: Database, options: AccountOptions) {
    const { lockoutMs, now = Date.now, most = MAX_ACCOUNTS } = options;
    this.#most = most;
    this.#database = database;
    this.#now = now;
    this.#lockouts = new Lockouts(database, { lockoutMs, now });
    this.#secret = secretOf(database);
    this.#byName = database.prepare("SELECT * FROM accounts WHERE key = ?");
    this.#byLook = database.prepare(
      "SELECT * FROM accounts WHERE look_alike = ?",
    );
    this.#all = database.prepare("SELECT * FROM accounts ORDER BY key");
    this.#insert = database.prepare(
      "INSERT INTO accounts (key, look_alike, name, verifier, created_at, since, seen, key_scope) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#see = database.prepare(
      "UPDATE accounts SET seen = ? WHERE key = ? AND seen < ?",
    );
    for (const { name } of this.all()) this.#names.add(name, name);
  }

  /** The account of that name, or of one that looks like it. */
  named(name: string): Account | undefined {
    const row = this.#row(name);
    return row && accountOf(row);
  }

  /** Whether there is an account of that very name with that verifier. */
  has(name: string, verifier: string): boolean {
    return this.#row(name)?.["verifier"] === verifier;
  }

  /** Gets ready for logins, if there are accounts; to be called now and then. */
  prepare(): void {
    if (this.#names.size > 0) prepareScram();
  }

  /** All accounts, by name. */
  all(): Account[] {
    return this.#all.all().map(accountOf);
  }

  /**
   * Makes an account, and resolves when it is stored.
   *
   * @throws {ChatError} 113 if there is one, 119 if it cannot be stored, or there
   * are too many.
   */
  async create(account: NewAccount): Promise<Account> {
    const { name, verifier, since, keyScope } = account;
    const createdAt = this.#now();
    await this.#database.write(() => {
      if (this.#stored(name)) throw exists(name);
      if (this.#names.size >= this.#most) throw tooMany(this.#most);
      const key = name.toLowerCase();
      this.#insert.run(
        ...[key, lookAlike(name), name, verifier, createdAt],
        ...[since, since, keyScope],
      );
    });
    this.#names.add(name, name);
    return { name, since, keyScope, seen: since, createdAt };
  }

  /**
   * Begins a login with the client's first message.
   *
   * @throws {ChatError} 105 if that is malformed, 112 if the account is locked
   * for the address.
   */
  begin(name: string, address: string, message: string): PendingLogin {
    const row = this.#row(name);
    const account = row && accountOf(row);
    const locked = this.#lockouts.remainingMs(lockKey(name, account), address);
    if (locked > 0) throw lockedOut(name, locked);
    // Made in any case, so that the time it takes tells nothing.
    const fake = fakeVerifier(this.#secret, lookAlike(name));
    const verifier = row ? parseVerifier(String(row["verifier"])) : fake;
    const asked = { message, verifier, random: randomWord() };
    return {
      name,
      address,
      challenge: challenge(name, asked),
      verifier,
      account,
    };
  }

  /**
   * Ends a login with the client's final message.
   *
   * @throws {ChatError} 105 if the message is malformed, 111 if the password is
   * wrong, 112 if that was once too often.
   */
  async prove(
    { name, address, challenge, verifier, account }: PendingLogin,
    message: string,
  ): Promise<Proved> {
    const key = lockKey(name, account);
    const locked = this.#lockouts.remainingMs(key, address);
    if (locked > 0) throw lockedOut(name, locked); // by another connection
    const signature = prove(challenge, verifier, message);
    if (signature && account) {
      await this.#lockouts.succeeded(key, address);
      return { account: this.named(account.name) ?? account, signature };
    }
    const left = await this.#lockouts.failed(key, address);
    if (left === 0) {
      throw lockedOut(name, this.#lockouts.remainingMs(key, address));
    }
    throw new ChatError(111, `Cannot log in as "${name}": wrong password`, {
      headers: { "Attempts-left": left },
    });
  }

  /** Makes a note that the owner has everything up to `id`. */
  async received({ name, seen }: Account, id: number): Promise<void> {
    if (id <= seen) return;
    try {
      await this.#database.write(() =>
        this.#see.run(id, name.toLowerCase(), id)
      );
    } catch (error) {
      // What cannot be noted now is forwarded once more: better than lost.
      if (!(error instanceof ChatError)) throw error;
    }
  }

  /**
   * Lets everybody try again who is locked out from the account.
   *
   * @returns How many addresses that are.
   */
  unblock(name: string): Promise<number> {
    return this.#lockouts.lift(lockKey(name, this.named(name)));
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

function accountOf(row: Row): Account {
  return {
    name: String(row["name"]),
    since: Number(row["since"]),
    keyScope: String(row["key_scope"]),
    seen: Number(row["seen"]),
    createdAt: Number(row["created_at"]),
  };
}

/** The name under which wrong passwords are counted. */
function lockKey(name: string, account: Account | undefined): string {
  return account?.name.toLowerCase() ?? lookAlike(name);
}

/** What fake verifiers are made from; nobody outside of the database has it. */
function secretOf(database: Database): Uint8Array {
  const row = database.prepare(
    "SELECT value FROM secrets WHERE name = 'accounts'",
  ).get();
  return row!["value"] as Uint8Array; // a BLOB that the schema puts there
}

/** Refuses a name that has an account. */
export function exists(name: string): ChatError {
  return new ChatError(
    113,
    `Cannot sign up as "${name}": this name, or one that looks like it, has an account`,
  );
}

function tooMany(limit: number): ChatError {
  return new ChatError(
    119,
    `Cannot store that: there are ${limit} accounts, which is the most`,
    { headers: { Limit: limit } },
  );
}

function lockedOut(name: string, forMs: number): ChatError {
  const what =
    `Cannot log in as "${name}" from your address: ${MAX_FAILURES} wrong passwords in a row`;
  if (forMs === Infinity) {
    return new ChatError(112, `${what}; only the operator can unblock it`);
  }
  const minutes = Math.ceil(forMs / 60_000);
  const wait = minutes === 1 ? "1 minute" : `${minutes} minutes`;
  return new ChatError(112, `${what}; it is locked for ${wait}`, {
    headers: { "Retry-after": Math.ceil(forMs / 1_000) },
  });
}
