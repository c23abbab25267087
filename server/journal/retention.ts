/**
 * Deletes messages and keys that are too old, or too many; a part in each turn.
 * The log says what is deleted, and when a clock that may be wrong prevents it.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError, isRoomName } from "../../protocol.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import type { Database } from "./database.ts";
import type { KeysForgottenEntry } from "./entries.ts";
import type { Append, Log } from "./log.ts";
import { KEY_LIFE_MS } from "./journal.ts";
import type { MessageTable, SizedHead } from "./history.ts";

/** How many messages are kept, and for how long. */
export interface Keep {
  /** Older messages are deleted. */
  readonly forMs: number;
  /** Of more messages, the oldest are deleted. */
  readonly messages: number;
  /**
   * If more bytes of the file are in use, the oldest messages are deleted, with
   * their keys. Accounts and all else count as well, and stay.
   */
  readonly bytes: number;
}

/** A message that was stored with a key. */
export interface Keyed {
  readonly id: number;
  /** In milliseconds since the epoch. */
  readonly at: number;
}

/** Limit of the messages whose keys are known, whatever their age. */
export const MAX_KEYED = 1_000_000;

/** Limit of the batches, and of the keys, that are deleted in one turn. */
const DELETED_AT_ONCE = 1_000;

/** Limit of the bodies that are deleted in one turn: 1 ms. */
const DELETED_BYTES_AT_ONCE = 2 * 1024 * 1024;

/** This part of what is over the limit is deleted in one turn, if it is more. */
const PART_OF_SURPLUS = 1 / 16;

/** Time between two lines about what was deleted. */
const TELL_EVERY_MS = 60 * 60 * 1_000;

/**
 * How many bytes of the file are in use. It has free pages besides, which are used
 * before it grows. SQLite has these numbers, and reads no page for them.
 */
export const USED = `
  SELECT (page_count - freelist_count) * page_size AS bytes
  FROM pragma_page_count, pragma_freelist_count, pragma_page_size`;

/** What {@linkcode Retention} needs. */
export interface RetentionOptions extends Keep {
  /** Milliseconds since the epoch, as the computer's clock has them. */
  now(): number;
  /** Milliseconds since the epoch, by which messages grow old. */
  ageNow(): number;
  /** Gets lines about what is deleted. */
  log(line: string): void;
  /** Orders what keys are forgotten: all servers must know the same. */
  readonly entries: Log;
  /** This room has no messages any more. */
  deleted(room: string): void;
}

/** What has begun, and is not done yet. */
interface Busy {
  readonly deleting: boolean;
  readonly forgetting: boolean;
}

/** See the top of the file. */
export class Retention {
  readonly #database: Database;
  readonly #messages: MessageTable;
  readonly #options: RetentionOptions;
  readonly #keysByAge: StatementSync;
  readonly #forgetKeys: Append<KeysForgottenEntry, void>;
  readonly #used: StatementSync;
  readonly #deleted = new Map<string, number>(); // messages, by the reason
  #toldAt = -Infinity;
  #waits = false; // because of the clock
  #busy: Busy = { deleting: false, forgetting: false };

  constructor(
    database: Database,
    messages: MessageTable,
    options: RetentionOptions,
  ) {
    this.#database = database;
    this.#messages = messages;
    this.#options = options;
    this.#keysByAge = database.prepare("SELECT id, at FROM keys ORDER BY id");
    const deleteKeys = database.prepare("DELETE FROM keys WHERE id <= ?");
    this.#forgetKeys = options.entries.register("keys-forgotten", {
      change: ({ upTo }) => void deleteKeys.run(upTo),
      applied: (_entry, _changed, own) => {
        if (own) this.#goOn({ forgetting: false });
      },
    });
    this.#used = database.prepare(USED);
  }

  /** Begins to delete what is too old, or too much, if there is anything. */
  begin(): void {
    try {
      if (!this.#busy.deleting && !this.#busy.forgetting) this.#begin();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error; // damaged: the log has it
    }
  }

  #begin(): void {
    const used = Number(this.#used.get()?.["bytes"]);
    const surplus = used - this.#options.bytes;
    // Keys of deleted messages first: each turn deletes as much of both.
    const old = this.#messages.oldestId();
    const keys = this.#oldKeys(surplus > 0 ? old : 0);
    const keysFirst = surplus > 0 && keys.at(-1) !== undefined &&
      keys.at(-1)!.id < old;
    const batches = this.#oldBatches(keysFirst ? 0 : surplus);
    if (batches.length + keys.length === 0) return;
    const key = keys.at(-1);
    this.#busy = {
      deleting: batches.length > 0,
      forgetting: key !== undefined,
    };
    Promise.all([
      key && this.#forgetKeys({ upTo: key.id }),
      batches.length > 0 && this.#delete(batches),
    ]).catch((error) => {
      unlessNotStored(error);
      this.#busy = { deleting: false, forgetting: false }; // the disk is full: later, then
    });
  }

  /** There may be more, if all that was begun is done. */
  #goOn(done: Partial<Busy>): void {
    this.#busy = { ...this.#busy, ...done };
    this.begin();
  }

  /** The first batches to delete, and why; `surplus` bytes are too many. */
  #oldBatches(surplus: number): (SizedHead & { why: string })[] {
    const { ageNow, forMs, messages, bytes } = this.#options;
    const wall = this.#options.now(); // before the other clock, which follows it
    const [now, newest] = [ageNow(), this.#messages.lastId()];
    const most = Math.max(DELETED_BYTES_AT_ONCE, surplus * PART_OF_SURPLUS);
    let waits = false;
    let freed = 0;
    const batches: (SizedHead & { why: string })[] = [];
    for (const head of this.#messages.oldestFirst()) {
      const { lastId, at } = head;
      const why = at < now - forMs
        ? `older than ${ageText(forMs)}`
        : lastId <= newest - messages
        ? `before the newest ${messages.toLocaleString("en")}`
        : freed < surplus
        ? `beyond ${sizeText(bytes)}`
        : undefined;
      if (why === undefined) waits = at < wall - forMs;
      if (why === undefined || batches.length === DELETED_AT_ONCE) break;
      batches.push({ ...head, why });
      freed += head.bytes;
      if (freed >= most) break;
    }
    this.#tell(now, waits);
    return batches;
  }

  /** The first keys to delete, with all before `id`. */
  #oldKeys(id: number): Keyed[] {
    const now = this.#options.ageNow();
    const newest = this.#messages.lastId();
    const found: Keyed[] = [];
    for (const row of this.#keysByAge.iterate()) {
      const key = keyedOf(row);
      const isOld = key.id < id || key.id <= newest - MAX_KEYED ||
        key.at < now - KEY_LIFE_MS;
      if (!isOld || found.length === DELETED_AT_ONCE) break;
      found.push(key);
    }
    return found;
  }

  /** Logs what was deleted, at most once an hour, and what waits for the clock. */
  #tell(now: number, waits: boolean): void {
    const { forMs, log } = this.#options;
    if (waits && !this.#waits) {
      log(
        `Nothing older than ${ageText(forMs)} is deleted yet: the clock is ` +
          `ahead, the newest messages are of about ${dateText(now)}. ` +
          "If the clock is right, the server deletes it in an hour.",
      );
    }
    this.#waits = waits;
    if (this.#deleted.size === 0 || now - this.#toldAt < TELL_EVERY_MS) return;
    this.#toldAt = now;
    for (const [why, count] of this.#deleted) {
      const what = count === 1 ? "message" : "messages";
      log(`Deleted ${count.toLocaleString("en")} ${what} ${why}`);
    }
    this.#deleted.clear();
  }

  #delete(batches: readonly (SizedHead & { why: string })[]): Promise<void> {
    const newest = batches.at(-1)!; // there are some
    return this.#database.write(() => {
      this.#messages.deleteThrough(newest.firstId);
    }, () => {
      for (const { why, firstId, lastId } of batches) {
        const count = this.#deleted.get(why) ?? 0;
        this.#deleted.set(why, count + lastId - firstId + 1);
      }
      const rooms = new Set(batches.map(({ to }) => to).filter(isRoomName));
      for (const room of rooms) {
        if (!this.#messages.has(room)) this.#options.deleted(room);
      }
      this.#goOn({ deleting: false });
    });
  }
}

/** A time for which messages are stored, as `--keep` has it. */
export function ageText(ms: number): string {
  if (ms === Infinity) return "forever";
  const [unit, unitMs] = UNITS.find(([, one]) => ms % one === 0)!;
  return `${ms / unitMs}${unit}`;
}

const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], [
  "s",
  1_000,
], ["ms", 1]] as const;

/** A size as `2 GB`; Infinity is `unlimited`. */
export function sizeText(bytes: number): string {
  if (bytes === Infinity) return "unlimited";
  const [unit, size] = bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${+(bytes / size).toFixed(2)} ${unit}`;
}

function dateText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** A message with a key from a row that has `id` and `at`. */
export function keyedOf(row: Record<string, unknown>): Keyed {
  return { id: Number(row["id"]), at: Number(row["at"]) };
}
