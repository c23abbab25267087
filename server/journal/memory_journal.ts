/**
 * The journal in memory: it ends with the process, and forgets its oldest
 * messages over a limit.
 *
 * It keeps each batch as the bytes that were delivered; history is those same
 * bytes again.
 *
 * @module
 */
import { isRoomName } from "../../protocol.ts";
import {
  forgetOldest,
  type Journal,
  KEY_LIFE_MS,
  meantFor,
  type Missed,
  NOT_DELIVERED,
  type Page,
  type Stored,
} from "./journal.ts";
import { NameMap } from "../chat/names.ts";
import type { Output } from "../chat/user.ts";
import { batchOf, divide, type Draft, encodeForwards } from "../chat/batch.ts";

/** How much the journal holds, in bytes. */
export const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;

const MAX_KEYS = 100_000;
const RECORD_OVERHEAD_BYTES = 400; // measured: a record of one short message

/** A batch that was handed on. */
interface StoredBatch {
  readonly from: string;
  readonly to: string;
  readonly firstId: number;
  readonly forwards: Uint8Array;
  readonly ends: readonly number[];
}

/** See the top of the file. */
export class MemoryJournal implements Journal {
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #records = new Queue<StoredBatch>();
  readonly #rooms = new NameMap<
    { name: string; records: Queue<StoredBatch> }
  >();
  readonly #keys = new Map<string, Stored>();
  #output: Output | undefined;
  #bytes = 0;
  #lastId = 0;

  /** `now` gives milliseconds since the epoch; tests pass their own. */
  constructor({ maxBytes = MAX_JOURNAL_BYTES, now = Date.now } = {}) {
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  get lastId(): number {
    return this.#lastId;
  }

  connect(output: Output): void {
    this.#output = output;
  }

  append(from: string, drafts: readonly Draft[]): Promise<Stored[]> {
    return Promise.resolve(divide(
      drafts,
      (key) => this.repeated(key),
      (part) => this.#appendBatch(from, part),
    ));
  }

  repeated(key: string): Stored | undefined {
    const known = this.#keys.get(key);
    return known && known.at > this.#now() - KEY_LIFE_MS ? known : undefined;
  }

  async *history(room: string, page: Page): AsyncGenerator<Uint8Array> {
    const { limit, after = 0, before = Infinity } = page;
    const frames: Uint8Array[] = [];
    const records =
      this.#rooms.get(room)?.records.newestFirst((record) =>
        record.firstId < before
      ) ?? [];
    for (const record of records) {
      if (record.firstId + record.ends.length <= after + 1) break;
      for (let i = record.ends.length; i-- > 0;) {
        const id = record.firstId + i;
        if (id <= after || frames.length >= limit) break;
        if (id < before) frames.push(frame(record, i));
      }
      if (frames.length >= limit) break;
    }
    yield* frames.reverse();
  }

  async *missed(query: Missed): AsyncGenerator<Uint8Array> {
    const frames: Uint8Array[] = [];
    for (const record of this.#records.newestFirst()) {
      if (record.firstId + record.ends.length <= query.after + 1) break;
      const since = meantFor(query, record);
      for (let i = record.ends.length; i-- > 0;) {
        const id = record.firstId + i;
        if (id <= Math.max(query.after, since)) break;
        if (id <= query.upTo) frames.push(frame(record, i));
      }
    }
    yield* frames.reverse();
  }

  roomName(name: string): string | undefined {
    return this.#rooms.get(name)?.name;
  }

  get roomCount(): number {
    return this.#rooms.size;
  }

  *rooms(): Iterable<string> {
    for (const { name } of this.#rooms.values()) yield name;
  }

  tidy(): void {
    for (const [key, { at }] of this.#keys) {
      if (at > this.#now() - KEY_LIFE_MS) return; // as are all after it
      this.#keys.delete(key);
    }
  }

  /** Stores a batch, and hands it on. */
  #appendBatch(from: string, drafts: readonly Draft[]): Stored {
    const [at, firstId, count] = [this.#now(), this.#lastId + 1, drafts.length];
    const batch = batchOf(drafts, { from, firstId, at });
    const { bytes, ends } = encodeForwards(batch);
    this.#lastId += count;
    this.#keep({ from, to: batch.to, firstId, forwards: bytes, ends });
    const delivery = this.#output?.deliver(batch, bytes) ?? NOT_DELIVERED;
    const stored = { count, firstId, at, delivery };
    this.#remember(drafts, stored);
    return stored;
  }

  #keep(record: StoredBatch): void {
    this.#records.push(record);
    this.#bytes += heldBytes(record);
    if (isRoomName(record.to)) this.#roomRecords(record.to).push(record);
    while (this.#bytes > this.#maxBytes) this.#forgetOldest();
  }

  #roomRecords(name: string): Queue<StoredBatch> {
    const known = this.#rooms.get(name);
    if (known) return known.records;
    const room = { name, records: new Queue<StoredBatch>() };
    this.#rooms.add(name, room);
    return room.records;
  }

  #forgetOldest(): void {
    const oldest = this.#records.shift();
    if (!oldest) return;
    this.#bytes -= heldBytes(oldest);
    const room = this.#rooms.get(oldest.to);
    if (!isRoomName(oldest.to) || !room) return;
    room.records.shift(); // the oldest of all is the oldest of its room
    if (room.records.size === 0) this.#rooms.delete(room.name);
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

/** What a record keeps from being freed, in bytes. */
function heldBytes({ forwards }: StoredBatch): number {
  return forwards.buffer.byteLength + RECORD_OVERHEAD_BYTES;
}

function frame({ forwards, ends }: StoredBatch, index: number): Uint8Array {
  return forwards.subarray(index === 0 ? 0 : ends[index - 1], ends[index]);
}

/** First in, first out, in constant time however long it is. */
class Queue<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get size(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#first];
    this.#items[this.#first] = undefined; // or it would be kept alive
    if (this.#first < this.#items.length) this.#first++;
    if (this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** Backwards, from the last of those at the front for which `old` holds. */
  *newestFirst(old: (item: T) => boolean = () => true): Generator<T> {
    let [low, high] = [this.#first, this.#items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (old(this.#items[middle]!)) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i-- > this.#first;) yield this.#items[i]!;
  }
}
