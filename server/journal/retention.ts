/**
 * Deletes messages and keys that are too old, or too many; a part in each turn.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError, isRoomName } from "../../protocol.ts";
import type { Database } from "./database.ts";
import { KEY_LIFE_MS } from "./journal.ts";
import type { Head, MessageTable } from "./history.ts";

/** How many messages are kept, and for how long. */
export interface Keep {
  /** Older messages are deleted. */
  readonly forMs: number;
  /** Of more messages, the oldest are deleted. */
  readonly messages: number;
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

/** What {@linkcode Retention} needs. */
export interface RetentionOptions extends Keep {
  /** Milliseconds since the epoch, by which messages grow old. */
  ageNow(): number;
  /** The newest message that was handed on. */
  lastId(): number;
  /** The newest message that was stored. */
  storedId(): number;
  /** A part is deleted; these rooms have no messages any more. */
  deleted(rooms: readonly string[]): void;
}

/** See the top of the file. */
export class Retention {
  /** With a message of this id something is too old. */
  dueId = 0;
  /** And after this time. */
  dueAt = 0;
  readonly #database: Database;
  readonly #messages: MessageTable;
  readonly #options: RetentionOptions;
  readonly #keysByAge: StatementSync;
  readonly #deleteKeys: StatementSync;
  #deleting = false;

  constructor(
    database: Database,
    messages: MessageTable,
    options: RetentionOptions,
  ) {
    this.#database = database;
    this.#messages = messages;
    this.#options = options;
    this.#keysByAge = database.prepare("SELECT id, at FROM keys ORDER BY id");
    this.#deleteKeys = database.prepare("DELETE FROM keys WHERE id <= ?");
    this.#findDue();
  }

  /** Begins to delete a part of what is too old, in the next turn. */
  begin(): void {
    if (this.#deleting) return;
    this.#deleting = true;
    this.#database.write(
      () => this.#deleteOld(),
      (emptyRooms) => {
        this.#deleting = false;
        this.#findDue();
        this.#options.deleted(emptyRooms);
      },
    ).catch((error) => {
      if (!(error instanceof ChatError)) throw error;
      this.#deleting = false; // the disk is full: later, then
    });
  }

  /** Finds when the oldest will be too old; what is yet to come is no older. */
  #findDue(): void {
    const { ageNow, forMs, lastId, messages } = this.#options;
    const next = { id: lastId() + 1, at: ageNow() };
    const [oldest = { ...next, lastId: next.id }] = this.#messages
      .oldestFirst();
    const row = this.#keysByAge.get();
    const key = row ? keyedOf(row) : next;
    this.dueId = Math.min(oldest.lastId + messages, key.id + MAX_KEYED);
    this.dueAt = Math.min(oldest.at + forMs, key.at + KEY_LIFE_MS);
  }

  #isOldKey({ id, at }: Keyed): boolean {
    const { ageNow, lastId } = this.#options;
    return at < ageNow() - KEY_LIFE_MS || id <= lastId() - MAX_KEYED;
  }

  #isOld({ lastId, at }: Head): boolean {
    const { ageNow, forMs, messages } = this.#options;
    return lastId <= this.#options.lastId() - messages || at < ageNow() - forMs;
  }

  /**
   * Deletes a part of what is too old, inside a transaction.
   *
   * @returns The rooms that have no messages any more.
   */
  #deleteOld(): string[] {
    this.#deleteOldKeys();
    const old: Head[] = [];
    for (const batch of this.#messages.oldestFirst()) {
      if (old.length === DELETED_AT_ONCE || !this.#isOld(batch)) break;
      old.push(batch);
    }
    const last = old.at(-1);
    const { storedId } = this.#options;
    if (last) this.#messages.deleteThrough(last.firstId, storedId());
    const rooms = new Set(old.map(({ to }) => to).filter(isRoomName));
    return [...rooms].filter((room) => !this.#messages.has(room));
  }

  #deleteOldKeys(): void {
    let last: Keyed | undefined;
    let count = 0;
    for (const row of this.#keysByAge.iterate()) {
      const keyed = keyedOf(row);
      if (count++ === DELETED_AT_ONCE || !this.#isOldKey(keyed)) break;
      last = keyed;
    }
    if (last) this.#deleteKeys.run(last.id);
  }
}

/** A message with a key from a row that has `id` and `at`. */
export function keyedOf(row: Record<string, unknown>): Keyed {
  return { id: Number(row["id"]), at: Number(row["at"]) };
}
