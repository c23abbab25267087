/**
 * Bans: names and addresses that the operator lets in no more.
 *
 * They are held in memory, where whoever comes is compared with them, and
 * stored, so that a restart does not lift them. A ban of a name is one of its
 * look-alikes too.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError, isUserName } from "../../protocol.ts";
import type { Database } from "../journal/database.ts";
import { NameMap } from "../chat/name_map.ts";
import { visible } from "../operator/shown.ts";

/** Who can be banned. */
export interface Target {
  /** What `value` is. */
  readonly kind: "name" | "address";
  /** A user's name, or an address without a port; IPv6 in brackets. */
  readonly value: string;
}

/** Somebody who is banned. */
export interface Ban extends Target {
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
  /** Why; may be empty. */
  readonly reason: string;
}

/** See the top of the file. */
export class Bans {
  readonly #database: Database;
  readonly #names = new NameMap<Ban>();
  readonly #addresses = new Map<string, Ban>();
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  /** Those that are stored. */
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
        reason: visible(String(reason)), // whoever wrote it: it goes into a head
      });
    }
  }

  /** The ban that concerns `target`, also if it is of a look-alike. */
  find({ kind, value }: Target): Ban | undefined {
    return kind === "name"
      ? this.#names.get(value)
      : this.#addresses.get(value);
  }

  /** Why `target` is not let in; undefined if it is. */
  refusal(target: Target): ChatError | undefined {
    const ban = this.find(target);
    if (!ban) return undefined;
    const what = ban.kind === "name"
      ? `the name "${ban.value}"`
      : `the address ${ban.value}`;
    const why = ban.reason === "" ? "" : ` (${ban.reason})`;
    return new ChatError(117, `Cannot stay: ${what} is banned${why}`);
  }

  /** All of them. */
  all(): Ban[] {
    return [...this.#names.values(), ...this.#addresses.values()];
  }

  /**
   * Bans at once, in the place of an earlier ban of the same target, and
   * resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be; then it holds until the end.
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
   * Lifts a ban at once, and resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be; then it is lifted until the end.
   */
  lift(ban: Ban): Promise<void> {
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

/**
 * What somebody means who types `word`: a name, or an address with or without
 * a port; undefined if it is neither.
 */
export function targetOf(word: string): Target | undefined {
  if (isUserName(word)) return { kind: "name", value: word };
  const bare = word.replace(/^\[(.*)\](:\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1")
    .replace(/^::ffff:(?=\d+\.)/i, "");
  // The host of a URL is an address as all others write it. To a URL alone,
  // though, 10.1 is one as well.
  const host = /^[\d.]+$/.test(bare)
    ? bare
    : /^[\da-f:.]+$/i.test(bare)
    ? `[${bare}]`
    : "";
  const value = URL.parse(`http://${host}`)?.hostname;
  const isAddress = value !== undefined && (value === bare || host !== bare);
  return isAddress ? { kind: "address", value } : undefined;
}
