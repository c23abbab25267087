/**
 * Accounts: names that have an owner.
 *
 * Only the owner knows the password: the database stores a SCRAM verifier. After
 * three wrong passwords in a row the account is locked for that address for a
 * while (lockouts.ts). A sign-in to an account that does not exist fails in the
 * same way, and takes as long, as one with a wrong password.
 *
 * @module
 */
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import { ChatError, lookAlike } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import { Lockouts, MAX_FAILURES } from "./lockouts.ts";
import { NameMap } from "../chat/names.ts";
import {
  type Challenge,
  challenge,
  fakeVerifier,
  type Hashes,
  parseVerifier,
  prove,
  type Verifier,
} from "../../core/scram_server.ts";

/** Limit of accounts on one server. */
export const MAX_ACCOUNTS = 100_000;

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
}

/** An account to be created. */
export type NewAccount =
  & Pick<Account, "name" | "since" | "keyScope">
  & { readonly verifier: string };

/** A LOGIN that waits for its PROVE. */
export interface PendingLogin {
  /** As the client wrote it. */
  readonly name: string;
  /** The client's address, without the port. */
  readonly address: string;
  readonly challenge: Challenge;
  readonly verifier: Verifier;
  /** Undefined if there is none; the client must not notice that. */
  readonly account: Account | undefined;
}

/** A successful sign-in. */
export interface Proved {
  readonly account: Account;
  /** The server's final message, which proves that it has the verifier. */
  readonly signature: string;
}

/** All accounts of one database. */
export class Accounts {
  readonly #database: Database;
  readonly #lockouts: Lockouts;
  readonly #maxAccounts: number;
  readonly #secret: Uint8Array;
  readonly #names = new NameMap<string>(); // saves a query for each guest
  readonly #byName: StatementSync;
  readonly #byLook: StatementSync;
  readonly #all: StatementSync;
  readonly #insert: StatementSync;
  readonly #see: StatementSync;

  /** A lock lasts for `lockoutMs`; Infinity: until the operator ends it. */
  constructor(
    database: Database,
    lockoutMs: number,
    maxAccounts: number = MAX_ACCOUNTS,
  ) {
    this.#maxAccounts = maxAccounts;
    this.#database = database;
    this.#lockouts = new Lockouts(database, { lockoutMs, now: Date.now });
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

  /** The account of that name, or of a look-alike. */
  named(name: string): Account | undefined {
    const row = this.#row(name);
    return row && accountOf(row);
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
    return this.#all.all().map(accountOf);
  }

  /**
   * Creates an account; resolves when it is stored.
   *
   * @throws {ChatError} 113 if it exists, 119 if it cannot be stored or the limit
   * is reached.
   */
  async create(account: NewAccount): Promise<Account> {
    const { name, verifier, since, keyScope } = account;
    const createdAt = Date.now();
    await this.#database.write(() => {
      if (this.#stored(name)) throw exists(name);
      if (this.#names.size >= this.#maxAccounts) {
        throw tooMany(this.#maxAccounts);
      }
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
   * Starts a sign-in with the client's first message.
   *
   * @throws {ChatError} 105 if the message is malformed, 112 if the account is
   * locked for the address.
   */
  begin(name: string, address: string, message: string): PendingLogin {
    const row = this.#row(name);
    const account = row && accountOf(row);
    const locked = this.#lockouts.remainingMs(lockKey(name, account), address);
    if (locked > 0) throw lockedOut(name, locked);
    // Computed in any case: the time must not tell whether the account exists.
    const fake = fakeVerifier(this.#secret, lookAlike(name), HASHES);
    const verifier = row ? parseVerifier(String(row["verifier"])) : fake;
    return {
      name,
      address,
      challenge: challenge(name, { message, verifier }),
      verifier,
      account,
    };
  }

  /**
   * Completes a sign-in with the client's final message.
   *
   * @throws {ChatError} 105 if the message is malformed, 111 if the password is
   * wrong, 112 if that locks the account.
   */
  async prove(
    { name, address, challenge, verifier, account }: PendingLogin,
    message: string,
  ): Promise<Proved> {
    const key = lockKey(name, account);
    const locked = this.#lockouts.remainingMs(key, address);
    if (locked > 0) throw lockedOut(name, locked); // by another connection
    const signature = prove(challenge, message, { verifier, hashes: HASHES });
    if (signature && account) {
      await this.#lockouts.succeeded(key, address);
      return { account: this.named(account.name) ?? account, signature };
    }
    const left = await this.#lockouts.failed(key, address);
    if (left === 0) {
      throw lockedOut(name, this.#lockouts.remainingMs(key, address));
    }
    throw new ChatError(111, `Cannot sign in as "${name}": wrong password`, {
      headers: { "Attempts-left": left },
    });
  }

  /** Stores that the owner has received everything up to `id`. */
  async received({ name, seen }: Account, id: number): Promise<void> {
    if (id <= seen) return;
    try {
      await this.#database.write(() =>
        this.#see.run(id, name.toLowerCase(), id)
      );
    } catch (error) {
      // Then messages are forwarded once more, which is better than lost.
      if (!(error instanceof ChatError)) throw error;
    }
  }

  /**
   * Ends the locks of an account.
   *
   * @returns The number of addresses that were locked.
   */
  unlock(name: string): Promise<number> {
    return this.#lockouts.clear(lockKey(name, this.named(name)));
  }

  #row(name: string): Row | undefined {
    return this.#names.get(name) === undefined ? undefined : this.#stored(name);
  }

  #stored(name: string): Row | undefined {
    return this.#byName.get(name.toLowerCase()) ??
      this.#byLook.get(lookAlike(name));
  }
}

/** Without the wait of WebCrypto, which takes ten times as long. */
const HASHES: Hashes = {
  hmacSha256: (key, text) =>
    nodeCrypto().createHmac("sha256", key).update(text).digest(),
  sha256: (bytes) => nodeCrypto().createHash("sha256").update(bytes).digest(),
};

/** Takes some 30 ms the first time: too long during a chat, or at the start. */
function nodeCrypto() {
  return globalThis.process.getBuiltinModule("node:crypto");
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

/** The key under which wrong passwords are counted. */
function lockKey(name: string, account: Account | undefined): string {
  return account?.name.toLowerCase() ?? lookAlike(name);
}

/** The secret that fake verifiers are made from; it never leaves the database. */
function secretOf(database: Database): Uint8Array {
  const row = database.prepare(
    "SELECT value FROM secrets WHERE name = 'accounts'",
  ).get();
  return row!["value"] as Uint8Array; // a BLOB that the schema puts there
}

/** The error for a name that has an account. */
export function exists(name: string): ChatError {
  return new ChatError(
    113,
    `Cannot sign up as "${name}": this name (or a similar one) has an account`,
  );
}

function tooMany(limit: number): ChatError {
  return new ChatError(
    119,
    `Cannot create an account: the limit of ${limit} accounts is reached`,
    { headers: { Limit: limit } },
  );
}

function lockedOut(name: string, forMs: number): ChatError {
  const what =
    `Cannot sign in as "${name}" from your address: ${MAX_FAILURES} wrong passwords in a row`;
  if (forMs === Infinity) {
    return new ChatError(
      112,
      `${what}; only the operator can unlock the account`,
    );
  }
  const minutes = Math.ceil(forMs / 60_000);
  const wait = minutes === 1 ? "1 minute" : `${minutes} minutes`;
  return new ChatError(
    112,
    `${what}; try again in ${wait}, or ask the operator to unlock the account`,
    {
      headers: { "Retry-after": Math.ceil(forMs / 1_000) },
    },
  );
}
