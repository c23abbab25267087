/**
 * Bans: names and addresses that the operator refuses.
 *
 * They are held in memory, where each new client is checked, and stored: they
 * survive a restart. A ban of a name covers its look-alikes.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError, isUserName } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import { NameMap } from "../chat/names.ts";
import { sanitize } from "../../core/text/sanitize.ts";

/** What can be banned. */
export interface BanTarget {
  readonly kind: "name" | "address";
  /** A user's name, or an address without a port; IPv6 in brackets. */
  readonly value: string;
}

/** One ban. */
export interface Ban extends BanTarget {
  /** In milliseconds since the epoch. */
  readonly since: number;
  /** May be empty. */
  readonly reason: string;
}

/** All bans of one database. */
export class Bans {
  readonly #database: Database;
  readonly #names = new NameMap<Ban>();
  readonly #addresses = new Map<string, Ban>();
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: Database) {
    this.#database = database;
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO bans (kind, value, since, reason) VALUES (?, ?, ?, ?)",
    );
    this.#delete = database.prepare(
      "DELETE FROM bans WHERE kind = ? AND value = ?",
    );
    const rows = database.prepare("SELECT * FROM bans ORDER BY since").all();
    for (const { kind, value, since, reason } of rows) {
      this.#hold({
        kind: kind === "name" ? "name" : "address",
        value: String(value),
        since: Number(since),
        reason: sanitize(String(reason)), // it goes into a head, and the file can be edited
      });
    }
  }

  /** The ban that covers `target`. */
  find({ kind, value }: BanTarget): Ban | undefined {
    return kind === "name"
      ? this.#names.get(value)
      : this.#addresses.get(value);
  }

  /** The error for a client that a ban covers. */
  refusal(target: BanTarget): ChatError | undefined {
    const ban = this.find(target);
    if (!ban) return undefined;
    const what = ban.kind === "name"
      ? `the name "${ban.value}"`
      : `the address ${ban.value}`;
    const why = ban.reason === "" ? "" : ` (${ban.reason})`;
    return new ChatError(
      117,
      `Cannot use this server: ${what} is banned${why}`,
    );
  }

  all(): Ban[] {
    return [...this.#names.values(), ...this.#addresses.values()];
  }

  /**
   * Replaces an earlier ban of the same target. The ban holds at once; resolves
   * when it is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then it ends with the server.
   */
  add(ban: Ban): Promise<void> {
    const before = this.find(ban);
    if (before) this.#release(before);
    this.#hold(ban);
    return this.#database.write(() => {
      if (before) this.#delete.run(before.kind, before.value);
      this.#put.run(ban.kind, ban.value, ban.since, ban.reason);
    });
  }

  /**
   * Removes a ban at once; resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then a restart brings it back.
   */
  remove(ban: Ban): Promise<void> {
    this.#release(ban);
    return this.#database.write(() =>
      void this.#delete.run(ban.kind, ban.value)
    );
  }

  #hold(ban: Ban): void {
    if (ban.kind === "name") this.#names.add(ban.value, ban);
    else this.#addresses.set(ban.value, ban);
  }

  #release({ kind, value }: Ban): void {
    if (kind === "name") this.#names.delete(value);
    else this.#addresses.delete(value);
  }
}

/** Reads a name, or an address with or without a port. */
export function parseTarget(word: string): BanTarget | undefined {
  if (isUserName(word)) return { kind: "name", value: word };
  const bare = word.replace(/^\[(.*)\](:\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1")
    .replace(/^::ffff:(?=\d+\.)/i, "");
  // URL writes an address in its one normal form. It also takes 10.1 for an
  // address, which is refused here.
  const host = /^[\d.]+$/.test(bare)
    ? bare
    : /^[\da-f:.]+$/i.test(bare)
    ? `[${bare}]`
    : "";
  const value = URL.parse(`http://${host}`)?.hostname;
  const isAddress = value !== undefined && (value === bare || host !== bare);
  return isAddress ? { kind: "address", value } : undefined;
}
