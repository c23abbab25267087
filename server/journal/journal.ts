/**
 * The interface to the journal of messages.
 *
 * The journal is the one place where a message comes into being: it gives the id
 * and the time, stores the message, and hands it on, in order, to its one output.
 * It can be the memory of this process, a disk, or other servers; the rest of the
 * server is the same.
 *
 * @module
 */
import type { Batch, Draft } from "../chat/batch.ts";
import type { Delivery, Output } from "../chat/user.ts";

/** Time for which a key is known, in milliseconds. */
export const KEY_LIFE_MS = 24 * 60 * 60 * 1_000;

/** Limit of the messages of one HISTORY. */
export const MAX_HISTORY = 1_000;

/** Messages that were appended together, and are stored as one batch. */
export interface Stored {
  /** How many there are. */
  readonly count: number;
  /** The first one's place in the one order of all messages. */
  readonly firstId: number;
  /** In milliseconds since the epoch. */
  readonly at: number;
  /** Result of the delivery. */
  readonly delivery: Delivery;
}

/** The delivery of a message that no user received. */
export const NOT_DELIVERED: Delivery = {
  recipients: 0,
  acknowledged: [],
  congested: [],
};

/** Which messages of a room. */
export interface Page {
  /** Limit of the messages. */
  readonly limit: number;
  /** Only those with a greater id. */
  readonly after?: number;
  /** Only those with a smaller id. */
  readonly before?: number;
}

/** What a user missed. */
export interface Missed {
  /** The newest message that the user has. */
  readonly after: number;
  /** The last one, inclusive; newer ones are delivered. */
  readonly upTo: number;
  /** The user's name. */
  readonly user: string;
  /** The user's first possible message: a name may have had other owners. */
  readonly since: number;
  /** Rooms, and after which id the user was in each. */
  readonly rooms: ReadonlyMap<string, number>;
  /** Only what was sent to the user alone, not to `ALL`. */
  readonly alone?: boolean;
}

/** After which id the messages of a batch were meant for the user. */
export function meantFor(
  query: Missed,
  batch: Pick<Batch, "from" | "to">,
): number {
  const user = query.user.toLowerCase();
  if (batch.to.toLowerCase() === user) return query.since;
  if (batch.from.toLowerCase() === user) return Infinity;
  if (batch.to === "ALL") return query.alone ? Infinity : query.since;
  return query.rooms.get(batch.to) ?? Infinity;
}

/**
 * Deletes the oldest tenth of a full Map. Many at once: to find the first of a Map
 * costs what was deleted there.
 */
export function forgetOldest<K>(map: Map<K, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit * 0.9) return;
    map.delete(key);
  }
}

/** See the top of the file. */
export interface Journal {
  /** The id of the newest message that was handed on; 0 before the first. */
  readonly lastId: number;

  /**
   * Hands on to `output` from now on, batch by batch, in the order of ids. Call
   * it once, before the first message.
   */
  connect(output: Output): void;

  /**
   * Stores `drafts` in their order, as messages of `from`, hands them on, and
   * resolves when both is done, with results for all of them, in order.
   *
   * A draft whose key is known is not stored again: its result is that of the
   * first one.
   *
   * @throws {ChatError} 119 if they cannot be stored; then none of them is.
   */
  append(from: string, drafts: readonly Draft[]): Promise<Stored[]>;

  /** What a draft with that key would be answered, if it is not stored again. */
  repeated(key: string): Stored | undefined;

  /**
   * FORWARD frames of a room, oldest first: the newest that fit the page as it
   * is when the first is asked for. They are made as they are taken.
   */
  history(room: string, page: Page): AsyncIterable<Uint8Array>;

  /** FORWARD frames that a user should have had, oldest first, some at a time. */
  missed(query: Missed): AsyncIterable<Uint8Array>;

  /** The name of the room that is `name` or looks like it, if it has history. */
  roomName(name: string): string | undefined;

  /** How many rooms have history. */
  readonly roomCount: number;

  /** The rooms with history, by name. */
  rooms(): Iterable<string>;

  /** Begins to delete what is too old. Call it each second. */
  tidy(): void;
}
