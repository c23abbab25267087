/**
 * What proves that a user owns an account: a password, or, until there is one, a
 * code that the operator hands out.
 *
 * A code is random, and good for a time and for one use: with it the owner signs
 * up. The server stores its hash. An account that waits for its code has no
 * password, and a wrong code counts as a wrong password.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { ChatError } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import type {
  AccountEntry,
  CodeEntry,
  PasswordEntry,
} from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { codeExpired, codeUsed, passwordChanged } from "./code_errors.ts";
import { lockedOut, type Lockouts } from "./lockouts.ts";
import { nodeCrypto } from "./scram.ts";

/** Stored in place of a verifier by an account without a password. */
export const NO_PASSWORD = "";

/** What identifies an account: its name may have had another before. */
type Identity = AccountEntry;

/** A code as it is stored. */
export interface StoredCode {
  /** See {@linkcode hashOf}. */
  readonly hash: string;
  /** Until when it is good, in milliseconds since the epoch. */
  readonly until: number;
}

/** Settings of {@linkcode Credentials}. */
export interface CredentialOptions {
  readonly lockouts: Lockouts;
  readonly now: () => number;
  readonly entries: Log;
  /** Another server has changed or ended the password of an account. */
  readonly changed:
    | ((account: Identity, needsCode: boolean) => void)
    | undefined;
}

/** The passwords and codes of the accounts of one database. */
export class Credentials {
  readonly #options: CredentialOptions;
  readonly #row: StatementSync;
  readonly #password: Append<PasswordEntry, void>;
  readonly #reset: Append<CodeEntry, void>;

  constructor(database: Database, options: CredentialOptions) {
    const { entries, lockouts } = options;
    this.#options = options;
    this.#row = database.prepare(
      "SELECT verifier, code, code_until FROM accounts WHERE key = ? AND created_at = ?",
    );
    const set = database.prepare(
      "UPDATE accounts SET verifier = ?, code = ?, code_until = ? WHERE key = ?",
    );
    // Whoever has a token has not proved the new password.
    const endSessions = database.prepare("DELETE FROM visits WHERE key = ?");
    const row = (entry: Identity) => {
      const found = this.#row.get(keyOf(entry), entry.createdAt);
      if (found) return found;
      throw new ChatError(121, `${entry.name} has no account any more`);
    };
    this.#password = entries.register("account-password", {
      change: (entry) => {
        const { verifier, code } = row(entry);
        const { name, before } = entry;
        const isByCode = entry.code !== undefined;
        if (isByCode && code !== entry.code) throw codeUsed(name);
        if (!isByCode && verifier !== before) throw passwordChanged(name);
        set.run(entry.verifier, null, null, keyOf(entry));
        endSessions.run(keyOf(entry));
      },
      applied: (entry, _, own) => {
        if (!own) options.changed?.(entry, false);
      },
    });
    this.#reset = entries.register("account-code", {
      change: (entry) => {
        row(entry);
        set.run(NO_PASSWORD, entry.code, entry.until, keyOf(entry));
        endSessions.run(keyOf(entry));
        lockouts.deleteOf(keyOf(entry));
      },
      applied: (entry, _, own) => {
        lockouts.deleted(keyOf(entry));
        if (!own) options.changed?.(entry, true);
      },
    });
  }

  /**
   * Puts a new verifier in the place of the one that its owner has proved; all
   * resume tokens are worth nothing. Resolves when that is stored.
   *
   * @throws {ChatError} 111 if the account has another verifier by now, 119 if it
   * cannot be stored, 121 if there is no account any more.
   */
  async change(
    { name, createdAt }: Identity,
    { before, verifier }: { before: string; verifier: string },
  ): Promise<void> {
    await this.#password({ name, createdAt, before, verifier });
  }

  /**
   * Takes the password of an account away, and all its resume tokens: its owner
   * needs a code. Resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored, 121 if the account is gone.
   */
  async reset(
    { name, createdAt }: Identity,
    { hash, until }: StoredCode,
  ): Promise<void> {
    await this.#reset({ name, createdAt, code: hash, until });
  }

  /**
   * Gives an account that waits for its code a password. `name` and `code` are as
   * the client wrote them; wrong ones count for `address`.
   *
   * @throws {ChatError} 111 if the code is wrong, 112 if the account is locked,
   * 113 if the code was used, 119 if it cannot be stored, 123 if it has expired.
   */
  async useCode(
    account: Identity,
    { name, address, code, verifier }: {
      readonly name: string;
      readonly address: string;
      readonly code: string;
      readonly verifier: string;
    },
  ): Promise<void> {
    const { lockouts, now } = this.#options;
    const key = keyOf(account);
    const lock = lockouts.lockOf(key, address);
    if (lock) throw lockedOut(name, lock);
    const row = this.#row.get(key, account.createdAt);
    const hash = row?.["code"];
    if (typeof hash !== "string") throw codeUsed(name);
    if (!isSame(hash, hashOf(code))) {
      const left = await lockouts.failed(key, address);
      const locked = left === 0 && lockouts.lockOf(key, address);
      if (locked) throw lockedOut(name, locked);
      throw new ChatError(111, `Cannot sign up as "${name}": wrong code`, {
        headers: { "Attempts-left": left },
      });
    }
    // Told only to the one who has the code.
    if (now() > Number(row?.["code_until"])) throw codeExpired(name);
    await lockouts.succeeded(key, address);
    const { createdAt } = account;
    await this.#password({
      name: account.name,
      createdAt,
      code: hash,
      verifier,
    });
  }
}

/** A new code, of 80 random bits, and the hash to be stored. */
export function newCode(): { code: string; hash: string } {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const letters = Array.from(bytes, (byte) => LETTERS[byte % 32]).join("");
  const code = letters.replaceAll(/.{4}(?=.)/g, "$&-");
  return { code, hash: hashOf(code) };
}

/** The hash of a code, however it was typed: case and signs do not count. */
function hashOf(typed: string): string {
  const code = typed.toLowerCase().replaceAll(/[^a-z0-9]/g, "")
    .replaceAll("o", "0").replaceAll(/[il]/g, "1");
  return nodeCrypto().createHash("sha256").update(code).digest("hex");
}

/** Those of Crockford's base 32: none is like another. */
const LETTERS = "0123456789abcdefghjkmnpqrstvwxyz";

const encoder = new TextEncoder();

function isSame(hash: string, other: string): boolean {
  return hash.length === other.length &&
    timingSafeEqual(encoder.encode(hash), encoder.encode(other));
}

function keyOf({ name }: Pick<Identity, "name">): string {
  return name.toLowerCase();
}
