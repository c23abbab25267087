/**
 * The journal in memory: it ends with the process, and forgets its oldest
 * messages over a limit.
 *
 * It keeps each batch as the bytes that were delivered; history is those same
 * bytes again.
 *
 * @module
 */
import { Deque } from "@std/data-structures/deque";
import { isRoomName } from "../../protocol.ts";
import {
  folded,
  forgetOldest,
  framesOf,
  type HistoryOf,
  type Journal,
  KEY_LIFE_MS,
  meantFor,
  type Missed,
  missedAfter,
  NOT_DELIVERED,
  NOTHING_FOUND,
  type Page,
  type Stored,
} from "./journal.ts";
import { NameMap } from "../chat/names/names.ts";
import type { Output, RoomKeeper } from "../chat/user.ts";
import {
  type Batch,
  batchOf,
  divide,
  type Draft,
  encodeForwards,
  type Series,
} from "../chat/batch.ts";

/** How much the journal holds, in bytes. */
export const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;

const MAX_KEYS = 100_000;

/** Limits of what a replay reads at once, in records and in bytes: 0.2 ms. */
const RECORDS_AT_ONCE = 256;
const BYTES_AT_ONCE = 64 * 1024;

const RECORD_OVERHEAD_BYTES = 400; // measured: a record of one short message

/** A batch that was handed on. */
interface StoredBatch
  extends Series, Pick<Batch, "from" | "to" | "firstId" | "device"> {}

/** See the top of the file. */
export class MemoryJournal implements Journal {
  readonly id: string = crypto.randomUUID().replaceAll("-", "");
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #records = new Deque<StoredBatch>();
  readonly #rooms = new NameMap<
    { name: string; records: Deque<StoredBatch> }
  >();
  readonly #talks = new Map<string, Deque<StoredBatch>>(); // of two users
  readonly #keys = new Map<string, Stored>();
  #output: Output | undefined;
  #keeper: RoomKeeper | undefined;
  #bytes = 0;
  #lastId = 0;

  /** `now` gives milliseconds since the epoch; tests pass their own. */
  constructor(
    { maxBytes = MAX_JOURNAL_BYTES, now = Date.now }: {
      maxBytes?: number | undefined;
      now?: () => number;
    } = {},
  ) {
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  get oldestId(): number {
    return this.#records.at(0)?.firstId ?? this.#lastId + 1;
  }

  get lastId(): number {
    return this.#lastId;
  }

  connect(output: Output, rooms?: RoomKeeper): void {
    this.#output = output;
    this.#keeper = rooms; // it begins empty
  }

  append(
    from: string,
    drafts: readonly Draft[],
    _flood?: true,
    device?: number,
  ): Promise<Stored[]> {
    return Promise.resolve(divide(
      drafts,
      (key) => this.repeated(key),
      (part) => this.#appendBatch(part, from, device),
    ));
  }

  repeated(key: string): Stored | undefined {
    const known = this.#keys.get(key);
    return known && known.at > this.#now() - KEY_LIFE_MS ? known : undefined;
  }

  async *history(
    of: HistoryOf,
    { limit, after = 0, before = Infinity }: Page,
  ): AsyncGenerator<Uint8Array> {
    const parts: Uint8Array[][] = [];
    let missing = limit;
    const records = typeof of === "string"
      ? this.#rooms.get(of)?.records
      : this.#talks.get(talkOf(...of));
    for (const record of newestFirst(records, before)) {
      if (missing <= 0 || lastIdOf(record) <= after) break;
      const frames = framesOf(record, after, before).slice(-missing);
      parts.push(frames);
      missing -= frames.length;
    }
    yield* parts.reverse().flat();
  }

  async *missed(asked: Missed): AsyncGenerator<Uint8Array> {
    const query = folded(asked);
    for (let id = missedAfter(query) + 1; id <= query.upTo;) {
      // At once: the oldest may be forgotten while a frame is taken.
      const records = this.#someFrom(id);
      if (records.length === 0) return;
      const frames = records.flatMap((record) => {
        const after = Math.max(query.after, meantFor(query, record));
        return framesOf(record, after, query.upTo + 1);
      });
      yield* frames.length > 0 ? frames : [NOTHING_FOUND];
      id = Math.max(id, lastIdOf(records.at(-1)!)) + 1;
    }
  }

  roomName(name: string): string | undefined {
    return this.#rooms.get(name)?.name;
  }

  *rooms(): Iterable<string> {
    for (const { name } of this.#rooms.values()) yield name;
  }

  forget(target: string): Promise<void> {
    const room = this.#rooms.get(target);
    const records = room?.records ?? this.#records;
    if (room) {
      this.#rooms.delete(room.name);
      this.#keeper?.keep(room.name, false);
    }
    for (let i = 0; i < records.length; i++) {
      const record = records.at(i)!; // it keeps its place, empty
      if (!room && record.to.toLowerCase() !== target.toLowerCase()) continue;
      this.#bytes -= record.bytes.buffer.byteLength;
      Object.assign(record, FORGOTTEN);
    }
    if (!room) this.#dropForgotten();
    return Promise.resolve();
  }

  share(): void {} // a restart forgets everything

  tidy(): void {} // what is over a limit is forgotten at once

  /** Stores a batch, and hands it on. */
  #appendBatch(
    drafts: readonly Draft[],
    from: string,
    device: number | undefined,
  ): Stored {
    const [at, firstId, count] = [this.#now(), this.#lastId + 1, drafts.length];
    const batch = batchOf(drafts, { from, firstId, at, device });
    const { bytes, ends } = encodeForwards(batch);
    this.#lastId += count;
    this.#keep({ from, to: batch.to, firstId, bytes, ends, device });
    const delivery = this.#output?.deliver(batch, bytes) ?? NOT_DELIVERED;
    const stored = { count, firstId, at, delivery };
    this.#remember(drafts, stored);
    return stored;
  }

  #keep(record: StoredBatch): void {
    this.#records.pushBack(record);
    this.#bytes += heldBytes(record);
    if (isRoomName(record.to)) this.#roomRecords(record.to).pushBack(record);
    else if (record.to !== "ALL") this.#talk(record).pushBack(record);
    while (this.#bytes > this.#maxBytes) this.#forgetOldest();
  }

  #roomRecords(name: string): Deque<StoredBatch> {
    const known = this.#rooms.get(name);
    if (known) return known.records;
    const room = { name, records: new Deque<StoredBatch>() };
    this.#rooms.add(name, room);
    this.#keeper?.keep(name, true);
    return room.records;
  }

  #talk({ from, to }: StoredBatch): Deque<StoredBatch> {
    return this.#talks.getOrInsertComputed(
      talkOf(from, to),
      () => new Deque<StoredBatch>(),
    );
  }

  /** What is forgotten gives way among the messages of two users, too. */
  #dropForgotten(): void {
    for (const [key, records] of this.#talks) {
      const left = new Deque<StoredBatch>();
      for (let i = 0; i < records.length; i++) {
        const record = records.at(i)!;
        if (record.to !== FORGOTTEN.to) left.pushBack(record);
      }
      if (left.length > 0) this.#talks.set(key, left);
      else this.#talks.delete(key);
    }
  }

  #forgetOldest(): void {
    const oldest = this.#records.popFront();
    if (!oldest) return;
    this.#bytes -= heldBytes(oldest);
    const key = talkOf(oldest.from, oldest.to);
    const talk = this.#talks.get(key);
    talk?.popFront();
    if (talk?.length === 0) this.#talks.delete(key);
    const room = this.#rooms.get(oldest.to);
    if (!isRoomName(oldest.to) || !room) return;
    room.records.popFront(); // the oldest of all is the oldest of its room
    if (room.records.length > 0) return;
    this.#rooms.delete(room.name);
    this.#keeper?.keep(room.name, false);
  }

  /** Some records, from the one that has a message or the first after it. */
  #someFrom(id: number): StoredBatch[] {
    const some: StoredBatch[] = [];
    let bytes = 0;
    let index = numberBefore(this.#records, id);
    const holder = this.#records.at(index - 1);
    if (index > 0 && lastIdOf(holder!) >= id) index--;
    while (some.length < RECORDS_AT_ONCE && bytes < BYTES_AT_ONCE) {
      const record = this.#records.at(index++);
      if (!record) return some;
      some.push(record);
      bytes += record.bytes.length;
    }
    return some;
  }

  /** Keeps the keys of a batch, with the answer to a repeated one. */
  #remember(drafts: readonly Draft[], stored: Stored): void {
    // A repeated message is not delivered again: there is nothing to wait for.
    const { recipients } = stored.delivery;
    const delivery = { recipients, acknowledged: [], congested: [] };
    for (let index = 0; index < drafts.length; index++) {
      const { key } = drafts[index]!;
      if (key === undefined) continue;
      const firstId = stored.firstId + index;
      this.#keys.delete(key);
      this.#keys.set(key, { count: 1, firstId, at: stored.at, delivery });
    }
    if (this.#keys.size > MAX_KEYS) forgetOldest(this.#keys, MAX_KEYS);
  }
}

/** What stays of a record whose room is forgotten: messages to no target. */
const FORGOTTEN = { to: "", bytes: new Uint8Array(), ends: [] };

/** The key of what two users sent to each other. */
function talkOf(one: string, other: string): string {
  return [one.toLowerCase(), other.toLowerCase()].sort().join(" ");
}

/** What a record keeps from being freed, in bytes. */
function heldBytes({ bytes }: StoredBatch): number {
  return bytes.buffer.byteLength + RECORD_OVERHEAD_BYTES;
}

function lastIdOf({ firstId, ends }: StoredBatch): number {
  return firstId + ends.length - 1;
}

/** Backwards, from the last that begins before an id. */
function* newestFirst(
  records: Deque<StoredBatch> | undefined,
  before: number,
): Generator<StoredBatch> {
  if (!records) return;
  let index = numberBefore(records, before);
  while (index-- > 0) yield records.at(index)!;
}

/** How many begin before an id; a search finds it. */
function numberBefore(records: Deque<StoredBatch>, id: number): number {
  let [low, high] = [0, records.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records.at(middle)!.firstId < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
