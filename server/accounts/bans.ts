/**
 * Bans: names and networks that the operator refuses.
 *
 * They are held in memory, where each new client is checked, and stored: they
 * survive a restart.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError } from "../../protocol.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import type { Database } from "../journal/database.ts";
import type { BanEntry } from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import {
  endOf,
  isSameName,
  isSameTarget,
  type Measure,
  Measures,
  storedTarget,
  type Target,
  targetOf,
  targetText,
  timeOf,
} from "./targets.ts";
import { timeText } from "../../core/net/connection_error.ts";

/** Limit of the bans that hold. */
export const MAX_BANS = 10_000;

/** One ban. */
export interface Ban extends Measure {
  /** May be empty. */
  readonly reason: string;
}

/** Settings of {@linkcode Bans}. */
export interface BanOptions {
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
  /** Another server has banned `target`: ends its connections to this one. */
  enforce?(bans: Bans, target: Target): void;
}

/** All bans of one database. */
export class Bans {
  readonly #database: Database;
  readonly #ban: Append<BanEntry, void>;
  readonly #unban: Append<Target, void>;
  readonly #bans: Measures<Ban>;
  /** Whether the bans are those of several servers. */
  readonly #isShared: boolean;
  readonly #all: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #now: () => number;

  /** @param now Milliseconds since the epoch. Tests pass their own. */
  constructor(
    database: Database,
    now: () => number = Date.now,
    { entries = database, enforce }: BanOptions = {},
  ) {
    this.#database = database;
    this.#now = now;
    this.#bans = new Measures(now, MAX_BANS);
    this.#isShared = entries !== database;
    this.#all = database.prepare("SELECT * FROM bans ORDER BY since");
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO bans (kind, value, since, until, reason) " +
        "VALUES (?, ?, ?, ?, ?)",
    );
    this.#delete = database.prepare(
      "DELETE FROM bans WHERE kind = ? AND value = ?",
    );
    const names = database.prepare(
      "SELECT value FROM bans WHERE kind = 'name'",
    );
    const deleteSame = ({ kind, value }: Target) => {
      this.#delete.run(kind, value);
      if (kind === "address") return; // it has one spelling
      for (const row of names.all()) {
        const name = String(row["value"]);
        if (isSameName(name, value)) this.#delete.run(kind, name);
      }
    };
    this.#ban = entries.register("ban", {
      change: ({ gone, ...ban }) => {
        for (const { kind, value } of gone) this.#delete.run(kind, value);
        deleteSame(ban); // another server may have banned a look-alike
        this.#insert({ ...ban, until: timeOf(ban.until) });
      },
      applied: ({ gone, ...ban }, _, own) => {
        // It does not hold here, if it took too long to store it.
        const isNew = !own || this.#bans.get(ban)?.since !== ban.since;
        this.#hold(gone, { ...ban, until: timeOf(ban.until) });
        if (isNew) enforce?.(this, ban);
      },
    });
    this.#unban = entries.register("unban", {
      change: deleteSame,
      applied: (target) => this.#bans.delete(target),
    });
    this.#load();
  }

  /** The ban that covers `target`, unless it has ended. */
  find(target: Target): Ban | undefined {
    return this.#bans.find(target);
  }

  /** The error for a client that a ban covers. */
  refusal(target: Target): ChatError | undefined {
    const ban = this.find(target);
    if (!ban) return undefined;
    const what = ban.kind === "name"
      ? `the name "${ban.value}"`
      : targetText(ban);
    const why = ban.reason === "" ? "" : ` (${ban.reason})`;
    const leftMs = ban.until - this.#now();
    const time = leftMs === Infinity ? "" : ` for ${timeText(leftMs)}`;
    return new ChatError(
      117,
      `Cannot use this server: ${what} is banned${time}${why}`,
      time ? { headers: { "Retry-after": Math.ceil(leftMs / 1_000) } } : {},
    );
  }

  /** All that have not ended. */
  all(): Ban[] {
    return this.#bans.all();
  }

  /** Whether there are too many for one of `target`. */
  isFullFor(target: Target): boolean {
    return this.#bans.isFullFor(target);
  }

  /**
   * Replaces an earlier ban of the same target. The ban holds at once; resolves
   * when it is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then it ends with the server,
   * or at once if there are several, which must have the same bans.
   * @throws {UndecidedError} If that is not known; then it has ended, and holds if
   * it is stored later.
   */
  add(ban: Ban): Promise<void> {
    const gone = this.#bans.replacedBy(ban).map(targetOf);
    this.#hold(gone, ban);
    const entry = { ...ban, until: endOf(ban.until), gone };
    return this.#unlessUndone([ban, ...gone], this.#ban(entry));
  }

  /**
   * Removes a ban at once; resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then a restart brings it back,
   * or it is back at once if there are several servers.
   * @throws {UndecidedError} If that is not known; as with {@linkcode Bans.add}.
   */
  remove(ban: Ban): Promise<void> {
    this.#bans.delete(ban);
    return this.#unlessUndone([ban], this.#unban(targetOf(ban)));
  }

  /** If that cannot be stored, what several servers have is as it is stored. */
  async #unlessUndone(
    targets: readonly Target[],
    storing: Promise<void>,
  ): Promise<void> {
    try {
      await storing;
    } catch (error) {
      if (this.#isShared) this.#readAgain(targets);
      throw error;
    }
  }

  #readAgain(targets: readonly Target[]): void {
    for (const target of targets) this.#bans.delete(target);
    for (const row of this.#all.all()) {
      const ban = banOf(row);
      const isMeant = ban && targets.some((one) => isSameTarget(one, ban));
      if (isMeant && !this.#bans.get(ban)) this.#bans.add(ban);
    }
  }

  #hold(gone: readonly Target[], ban: Ban): void {
    for (const one of [...gone, ban]) this.#bans.delete(one);
    this.#bans.add(ban);
  }

  #insert({ kind, value, since, until, reason }: Ban): void {
    this.#put.run(kind, value, since, endOf(until), reason);
  }

  /**
   * What is stored, also bans that ended: perhaps only the clock is wrong at the
   * moment. Versions before stored single addresses of IPv6.
   */
  #load(): void {
    const replaced: Target[] = [];
    const replacing: Ban[] = [];
    for (const row of this.#all.all()) {
      const { value } = row;
      const stored = banOf(row);
      if (!stored) continue;
      const before = this.#bans.get(stored);
      const until = Math.max(stored.until, before?.until ?? 0);
      const ban: Ban = { ...stored, until };
      if (before) this.#bans.delete(before);
      this.#bans.add(ban);
      if (ban.value === value) continue;
      replaced.push({ kind: ban.kind, value: String(value) });
      replacing.push(ban);
    }
    if (replaced.length === 0) return;
    // No entry: other servers do the same. If it fails, the next start does it.
    this.#database.write(() => {
      for (const { kind, value } of replaced) this.#delete.run(kind, value);
      for (const ban of replacing) this.#insert(ban);
    }).catch(unlessNotStored);
  }
}

/** The ban of a row; undefined if it is one of no target. */
function banOf(row: Readonly<Record<string, unknown>>): Ban | undefined {
  const target = storedTarget(row);
  return target && {
    ...target,
    since: Number(row["since"]),
    until: timeOf(row["until"]),
    reason: sanitize(String(row["reason"])), // it goes into a head
  };
}
