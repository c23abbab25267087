/**
 * One offer of files to one person, on one connection: from the offer to the
 * receiver's word that all of it is whole.
 *
 * While a piece is encrypted and sent, the next is read and hashed. The sender
 * is at most a window ahead of what the receiver has written: what was on its
 * way when a connection broke has to be sent again.
 *
 * After a break the same files are offered again, by a new {@linkcode Sending}
 * with the same id.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import {
  type Control,
  type ControlOf,
  DATA_HEAD_BYTES,
  encodeControl,
  type Entry,
  FileFailure,
  inRecords,
  PIECE_BYTES,
  writeDataHead,
} from "./records.ts";
import { type Outgoing, type Source, SourceReader } from "./source.ts";
import type { Bytes } from "../../core/scram.ts";

/** The most and the least that may be on its way, in bytes. */
const WINDOW_BYTES = { most: 2 * 1_048_576, least: 2 * PIECE_BYTES };

/** Twenty breaks cost a sixth of what is sent, and not a fifth. */
const WINDOWS_PER_OFFER = 125;

/** So much is read at once: a call that waits costs as much as its bytes. */
const BLOCK_BYTES = 4 * PIECE_BYTES;

/** Says a record to the other side; resolves when more may be said. */
export type Say = (record: Bytes) => Promise<void>;

/** What a {@linkcode Sending} needs to know. */
export interface SendingOptions {
  /** Its number on the connection. */
  readonly transfer: number;
  /** The same after a break; see {@linkcode newId}. */
  readonly id: string;
  /** What is sent. */
  readonly outgoing: Outgoing;
  /** To the other side. */
  readonly say: Say;
  /** Which request it answers, if one. */
  readonly answers?: number;
}

/** An id that nobody guesses. */
export function newId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

/** How much of an offer may be on its way: a break costs no more. In bytes. */
export function windowOf(size: number): number {
  const { most, least } = WINDOW_BYTES;
  return Math.min(most, Math.max(least, size / WINDOWS_PER_OFFER));
}

/** See the top of the file. */
export class Sending {
  /** Its number on the connection, by us. */
  readonly transfer: number;
  /** The same after a break. */
  readonly id: string;
  /** What is sent. */
  readonly outgoing: Outgoing;
  /** Resolves if the other side accepts it. */
  readonly accepted: Promise<unknown>;
  readonly #say: Say;
  readonly #answers: number | undefined;
  readonly #stop = new AbortController();
  readonly #stopped = aborted(this.#stop.signal);
  readonly #answered = Promise.withResolvers<Accept>();
  readonly #done = Promise.withResolvers<void>();
  readonly #window: number;
  #before = 0; // bytes that need not be sent
  #sent = 0;
  #got = 0;
  #moved = Promise.withResolvers<void>();

  /** Says nothing yet. */
  constructor(options: SendingOptions) {
    this.id = options.id;
    this.outgoing = options.outgoing;
    this.transfer = options.transfer;
    this.#say = options.say;
    this.#answers = options.answers;
    this.#window = windowOf(options.outgoing.size);
    this.accepted = this.#answered.promise;
  }

  /** How many bytes the other side has, those from before a break included. */
  get moved(): number {
    return this.#before + this.#got;
  }

  /**
   * Offers, waits for the answer, and sends.
   *
   * @throws {FileFailure} If it was declined or stopped, or a file changed.
   * @throws What {@linkcode abort} was given.
   */
  async run(): Promise<void> {
    try {
      await this.#offer();
      const from = await this.#unlessStopped(this.#answered.promise);
      await this.#sendItems(from);
      await this.#unlessStopped(this.#done.promise);
    } catch (error) {
      if (error instanceof FileFailure && !this.#stop.signal.aborted) {
        await this.cancel(error);
      }
      throw error;
    }
  }

  /** Hears what the other side says about it. */
  receive(control: Control): void {
    switch (control.type) {
      case "accept":
        return this.#answered.resolve(control);
      case "got":
        this.#got = Math.min(this.#sent, control.bytes);
        this.#moved.resolve();
        this.#moved = Promise.withResolvers();
        return;
      case "done":
        return this.#done.resolve();
      case "decline":
      case "stop":
        return this.abort(new FileFailure(control.reason));
    }
  }

  /** Withdraws the offer, also while it is sent, and tells the other side. */
  cancel(failure: FileFailure): Promise<void> {
    const reason = failure.message;
    this.#tell({ type: "withdraw", transfer: this.transfer, reason })
      .catch(() => {}); // the reader finds out that the connection is broken
    this.abort(failure);
    return Promise.resolve();
  }

  /** Ends it without a word, for `reason`. */
  abort(reason: Error): void {
    this.#stop.abort(reason);
    this.#moved.resolve();
  }

  async #offer(): Promise<void> {
    const { sources, size } = this.outgoing;
    await this.#tell({
      type: "offer",
      transfer: this.transfer,
      id: this.id,
      files: sources.length,
      size,
      ...(this.#answers === undefined ? {} : { answers: this.#answers }),
    });
    for (const group of inRecords(sources)) {
      const entries = group.map(entryOf);
      this.#stop.signal.throwIfAborted();
      await this.#tell({ type: "manifest", transfer: this.transfer, entries });
    }
  }

  async #sendItems(accept: Accept): Promise<void> {
    const { sources } = this.outgoing;
    const items = [...Map.groupBy(sources, ({ item }) => item).values()];
    const done = items.splice(0, accept.item).flat();
    this.#before = sizeOf(done);
    for (const [index, sources] of items.entries()) {
      using item = index === 0
        ? await this.#begin(sources, accept)
        : new ItemReader(sources);
      await this.#sendBytes(item);
      const hash = item.hash.digest("hex");
      await this.#tell({ type: "end", transfer: this.transfer, hash });
    }
  }

  /** Goes on behind what the receiver has, if it is what we have. */
  async #begin(
    sources: readonly Source[],
    { offset, hash }: Accept,
  ): Promise<ItemReader> {
    const item = new ItemReader(sources);
    const length = offset <= sizeOf(sources) ? offset : 0;
    const found = await item.skip(length, this.#stop.signal);
    const isSame = found === hash && length === offset;
    if (isSame) this.#before += offset;
    else item.restart();
    await this.#tell({
      type: "begin",
      transfer: this.transfer,
      offset: isSame ? offset : 0,
    });
    return item;
  }

  async #sendBytes({ reader, hash, size }: ItemReader): Promise<void> {
    // One is filled while the other is hashed and sent.
    const length = DATA_HEAD_BYTES + Math.min(BLOCK_BYTES, Math.max(1, size));
    let [block, other] = [new Uint8Array(length), new Uint8Array(length)];
    let filling = reader.fill(block.subarray(DATA_HEAD_BYTES));
    try {
      for (let count; (count = await filling) > 0;) {
        filling = reader.fill(other.subarray(DATA_HEAD_BYTES));
        filling.catch(() => {}); // who comes to it is told
        hash.update(block.subarray(DATA_HEAD_BYTES, DATA_HEAD_BYTES + count));
        await this.#sendPieces(block, count);
        [block, other] = [other, block];
      }
    } finally {
      await filling.catch(() => {}); // nothing is closed while it is read
    }
  }

  /**
   * Sends the `count` bytes that stand in `block` after the room for a head. The
   * head of each further piece is written over the end of the piece before it,
   * which is gone by then.
   */
  async #sendPieces(block: Bytes, count: number): Promise<void> {
    for (let at = 0; at < count; at += PIECE_BYTES) {
      const bytes = Math.min(PIECE_BYTES, count - at);
      const record = block.subarray(at, at + DATA_HEAD_BYTES + bytes);
      writeDataHead(record, this.transfer);
      await this.#roomFor(bytes);
      await this.#say(record);
    }
  }

  /** Waits until `bytes` more fit into the window, and counts them. */
  async #roomFor(bytes: number): Promise<void> {
    this.#stop.signal.throwIfAborted();
    this.#sent += bytes;
    while (this.#sent - this.#got > this.#window) {
      await this.#moved.promise;
      this.#stop.signal.throwIfAborted();
    }
  }

  #tell(control: Control): Promise<void> {
    return this.#say(encodeControl(control));
  }

  #unlessStopped<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#stopped]);
  }
}

type Accept = ControlOf<"accept">;

/** The bytes of an item, and the hash of those that were read. */
class ItemReader implements Disposable {
  reader: SourceReader;
  hash: Hash = createHash("sha256");
  readonly size: number;
  readonly #sources: readonly Source[];

  constructor(sources: readonly Source[]) {
    this.#sources = sources;
    this.size = sizeOf(sources);
    this.reader = new SourceReader(sources);
  }

  /** Reads the first `bytes`; their hash. */
  async skip(bytes: number, signal: AbortSignal): Promise<string> {
    const buffer = new Uint8Array(PIECE_BYTES);
    for (let left = bytes; left > 0;) {
      signal.throwIfAborted();
      const count = await this.reader.fill(buffer.subarray(0, left));
      this.hash.update(buffer.subarray(0, count));
      left -= count;
    }
    return this.hash.copy().digest("hex");
  }

  /** Goes back to the first byte. */
  restart(): void {
    this[Symbol.dispose]();
    this.reader = new SourceReader(this.#sources);
    this.hash = createHash("sha256");
  }

  [Symbol.dispose](): void {
    this.reader[Symbol.dispose]();
  }
}

/** Rejects with the signal's reason as soon as it has one. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason));
  promise.catch(() => {}); // whoever waits for something else is told
  return promise;
}

function sizeOf(sources: readonly Source[]): number {
  return sources.reduce((sum, source) => sum + source.size, 0);
}

function entryOf({ item, path, size }: Source): Entry {
  return { item, path, size };
}
