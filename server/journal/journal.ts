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
import type { Batch, Draft, Series } from "../chat/batch.ts";
import type { Delivery, Output, RoomKeeper } from "../chat/user.ts";

/** In place of the database file: there is none. */
export const IN_MEMORY = ":memory:";

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

/** Whose messages: those to a room, or those that two users sent to each other. */
export type HistoryOf = string | readonly [user: string, other: string];

/** Which of these messages. */
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
  /** The device of an account that missed it: what its others sent, too. */
  readonly device?: number | undefined;
}

/**
 * The empty frame in a history, or in what a user missed: a part of the messages was
 * read, and nothing is to be sent yet. So a search is no longer without others than
 * an answer is.
 */
export const NOTHING_FOUND: Uint8Array<ArrayBuffer> = new Uint8Array();

/** The same with rooms in lower case: a new user may have made a room of another case. */
export function folded(query: Missed): Missed {
  const rooms = Array.from(
    query.rooms,
    ([room, id]) => [room.toLowerCase(), id] as const,
  );
  return { ...query, rooms: new Map(rooms) };
}

/** After which id the messages of a batch were meant for the user; see {@linkcode folded}. */
export function meantFor(
  query: Missed,
  batch: Pick<Batch, "from" | "to" | "device">,
): number {
  const user = query.user.toLowerCase();
  const isOwn = batch.from.toLowerCase() === user;
  if (batch.to.toLowerCase() === user) return query.since;
  if (isOwn && !isOfOther(query, batch)) return Infinity;
  if (isOwn && !/^#|^ALL$/.test(batch.to)) return query.since;
  if (batch.to === "ALL") return query.alone ? Infinity : query.since;
  return query.rooms.get(batch.to.toLowerCase()) ?? Infinity;
}

/** Whether another device sent a batch of the user's own, since this one is there. */
function isOfOther(
  { device, alone }: Missed,
  batch: Pick<Batch, "device">,
): boolean {
  const { device: sender } = batch;
  return !alone && device !== undefined && typeof sender === "number" &&
    sender !== device;
}

/** After which id a user may have missed something. */
export function missedAfter(
  { after, since, rooms }: Missed,
): number {
  return Math.max(after, Math.min(since, ...rooms.values()));
}

/** The frames of a batch that have ids between two others. */
export function framesOf(
  { bytes, ends, firstId }: Series & Pick<Batch, "firstId">,
  after: number,
  before: number,
): Uint8Array[] {
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
    .slice(Math.max(0, after + 1 - firstId), Math.max(0, before - firstId));
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
  /**
   * A random word, made with the journal. Under another one, ids say nothing about
   * messages of this journal.
   */
  readonly id: string;

  /** The id of the oldest message that is stored; of the next if there are none. */
  readonly oldestId: number;

  /** The id of the newest message that was handed on; 0 before the first. */
  readonly lastId: number;

  /**
   * Hands on to `output` from now on, batch by batch, in the order of ids, and
   * tells `rooms` which rooms have history. Call it once, before the first
   * message.
   */
  connect(output: Output, rooms?: RoomKeeper): void;

  /**
   * Stores `drafts` in their order, as messages of `from`, hands them on, and
   * resolves when both is done, with results for all of them, in order.
   *
   * A draft whose key is known is not stored again: its result is that of the
   * first one.
   *
   * `flood`: their sender sends more than a user who chats. `device`: which one
   * of the sender's account sends them; its other devices are sent them, too.
   *
   * @throws {ChatError} 119 if they cannot be stored; then none of them is.
   */
  append(
    from: string,
    drafts: readonly Draft[],
    flood?: true,
    device?: number,
  ): Promise<Stored[]>;

  /** What a draft with that key would be answered, if it is not stored again. */
  repeated(key: string): Stored | undefined;

  /**
   * FORWARD frames, oldest first: the newest that fit the page as it is when the
   * first is asked for, and {@linkcode NOTHING_FOUND} now and then. They are made
   * as they are taken, and may be spent: see core/net/memory.ts.
   */
  history(of: HistoryOf, page: Page): AsyncIterable<Uint8Array>;

  /**
   * FORWARD frames that a user should have had, oldest first, and
   * {@linkcode NOTHING_FOUND} now and then. They are made as they are taken, and
   * may be spent, too.
   */
  missed(query: Missed): AsyncIterable<Uint8Array>;

  /** The name of the room that is `name` or looks like it, if it has history. */
  roomName(name: string): string | undefined;

  /** The rooms with history, by name. */
  rooms(): Iterable<string>;

  /** Stores that users of other networks have joined a room with history. */
  share(room: string): void;

  /**
   * Forgets all messages to a room, whose history is empty at once, or to a user.
   * Resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored: then a restart may bring back
   * a part of them.
   */
  forget(target: string): Promise<void>;

  /** Begins to delete what is too old. Call it each second. */
  tidy(): void;
}
