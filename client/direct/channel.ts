/**
 * The encrypted connection of a direct session: records of bytes, in order.
 *
 *     kind       1 byte    1: a record; 2: the end, nothing follows;
 *                          3: keepalive, empty
 *     length     3 bytes   of what follows, highest byte first
 *     sealed     AES-256-GCM, with the four bytes before as additional data
 *
 * An eavesdropper sees only the length and the time of records. A record that is
 * changed, repeated, moved or cut off is noticed. The handshake has authenticated
 * the peer before; see handshake.ts.
 *
 * Several records are encrypted at a time, on all cores, while earlier ones are
 * written, and decrypted while earlier ones are handled. All queues are bounded:
 * a sender waits for the network, and nothing is read for a receiver that does
 * not ask.
 *
 * @module
 */
import { type ByteStream, writeAll } from "../../core/net/stream.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { CLOCK, type Clock } from "../../core/net/backoff.ts";
import { type RecordKey, TAG_BYTES } from "./record_key.ts";
import type { Bytes } from "../../core/scram.ts";

/** Longest record, in bytes: a piece of a file, and its header. */
export const MAX_RECORD_BYTES: number = 256 * 1024 + 4_096;

/** The keys of the two directions. */
export interface ChannelKeys {
  readonly sending: RecordKey;
  readonly receiving: RecordKey;
}

/** The head of a record: its kind, and the length of what follows. */
const HEAD_BYTES = 4;

/** A read takes up to so many bytes; the longest record is shorter. */
const BUFFER_BYTES = 1024 * 1024;

const DATA = 1;
const END = 2;
const KEEPALIVE = 3;

/** A side that sends nothing else sends a keepalive that often, in milliseconds. */
export const KEEPALIVE_MS = 10_000;

/** A peer that sends nothing for so long is given up, in milliseconds. */
export const PEER_TIMEOUT_MS = 30_000;

/** Limit of bytes that are encrypted and not yet written. */
const MAX_IN_FLIGHT_BYTES = 1024 * 1024;

/** Limit of records in encryption or decryption: each costs some kilobytes. */
const MAX_IN_PROGRESS = 1_000;

/** Small records share a write of up to so many bytes. */
const MAX_JOINED_BYTES = 64 * 1024;

/**
 * Limit of records that wait to be encrypted. A peer that keeps asking, and reads
 * no answer, would fill our memory with answers.
 */
export const MAX_QUEUED = 10_000;

/** How long the peer may take to answer our end, in milliseconds. */
const LINGER_MS = 5_000;

/** A record to be sent. */
interface Queued extends PromiseWithResolvers<void> {
  readonly kind: number;
  readonly record: Bytes;
}

/** A decrypted record, the end, or a keepalive. */
type Opened = Bytes | typeof END | typeof KEEPALIVE;

/** A record in encryption. */
interface Sealing {
  readonly head: Bytes;
  readonly sealed: Promise<ArrayBuffer>;
  /** Of both together. */
  readonly bytes: number;
}

/** An encrypted connection of records. */
export class Channel implements AsyncDisposable {
  readonly #stream: ByteStream;
  readonly #keys: ChannelKeys;
  readonly #incoming = new RecordBuffer();
  #queue: Queued[] = [];
  #joined: Bytes = new Uint8Array();
  #flushing: Promise<void> | undefined;
  readonly #clock: Clock;
  readonly #keepalive: Disposable;
  #wrote = false; // since the last check
  #readingSince: number | undefined; // while a read waits
  #iterating: PromiseWithResolvers<void> | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  #ending = false; // by this side
  #closed = false;
  #broken: Failure | undefined;

  /** The channel owns `stream`, and closes it. */
  constructor(stream: ByteStream, keys: ChannelKeys, clock: Clock = CLOCK) {
    this.#stream = stream;
    this.#keys = keys;
    this.#clock = clock;
    this.#keepalive = clock.every(KEEPALIVE_MS, () => this.#checkKeepalive());
    keepFreedMemory();
  }

  /**
   * Sends a record of up to {@linkcode MAX_RECORD_BYTES}. The buffer is the
   * channel's until this resolves. Order is kept without waiting, too.
   *
   * @throws {Failure} If the connection is broken, or one side has ended it.
   */
  async send(record: Bytes): Promise<void> {
    if (record.length > MAX_RECORD_BYTES) {
      throw new RangeError(
        `Cannot send ${record.length} bytes: ` +
          `the longest record has ${MAX_RECORD_BYTES}`,
      );
    }
    if (this.#ending) throw this.#broken ?? ended();
    await this.#put(DATA, record);
  }

  /**
   * The peer's records, in order, once. Ends when either side has ended the
   * channel, which ends both directions.
   *
   * @throws {Failure} If the connection breaks, or a record was tampered with.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void, void> {
    if (this.#iterating) throw new TypeError("Cannot receive twice");
    this.#iterating = Promise.withResolvers();
    try {
      for (let opened: readonly Promise<Opened>[] = [];;) {
        const next = this.#receive(); // while the last ones are handled
        this.#reading = next.catch(() => {}); // `await next` throws it
        for (const record of opened) {
          const bytes = await record;
          if (bytes === END) return await this.#answerEnd();
          if (bytes !== KEEPALIVE) yield bytes;
        }
        opened = await next;
      }
    } catch (error) {
      if (this.#closed && !this.#broken) return; // this side has closed it
      throw this.abort(error);
    } finally {
      this.#iterating.resolve();
    }
  }

  /** Ends it at once. Pending sends reject, and the iterator throws it. */
  abort(error: unknown): Failure {
    this.#broken ??= error instanceof Failure ? error : lost("", error);
    this.#ending = true;
    this.#close();
    for (const { reject } of this.#queue.splice(0)) reject(this.#broken);
    return this.#broken;
  }

  /** Sends what is queued and the end, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending) return;
    await this.#closeAfter(async () => {
      await this.#sendEnd();
      // Unread bytes would reset the connection, and destroy our end.
      if (this.#iterating) await this.#iterating.promise;
      await this.#reading;
      const discarded = new Uint8Array(65_536);
      while (await this.#stream.read(discarded) !== null);
    });
  }

  /** Answers the peer's end with ours. */
  async #answerEnd(): Promise<void> {
    if (!this.#ending) await this.#closeAfter(() => this.#sendEnd());
    await this.#flushing; // if both end at once, ours may still be queued
    this.abort(ended());
  }

  async #sendEnd(): Promise<void> {
    const end = this.#put(END, new Uint8Array());
    this.#ending = true;
    await end;
    await this.#flushing;
    await this.#stream.closeWrite();
  }

  /** Closes after `last`, or when it takes too long. */
  async #closeAfter(last: () => Promise<void>): Promise<void> {
    const timer = setTimeout(() => this.#close(), LINGER_MS);
    try {
      await last();
    } catch {
      // Broken: pending calls reject, and there is no more to do.
    } finally {
      clearTimeout(timer);
      this.#close();
    }
  }

  #put(kind: number, record: Bytes): Promise<void> {
    if (this.#queue.length >= MAX_QUEUED) this.abort(stuck());
    if (this.#broken) return Promise.reject(this.#broken);
    const queued = { ...Promise.withResolvers<void>(), kind, record };
    this.#queue.push(queued);
    this.#flushing ??= this.#flush();
    return queued.promise;
  }

  /** The only writer. Never rejects: an error breaks the channel. */
  async #flush(): Promise<void> {
    const sealing: Sealing[] = []; // in their order
    try {
      await Promise.resolve(); // records sent in one turn share a write
      for (let inFlight = 0;;) {
        while (
          this.#queue.length > 0 && inFlight < MAX_IN_FLIGHT_BYTES &&
          sealing.length < MAX_IN_PROGRESS
        ) {
          const next = await this.#seal(this.#queue.shift()!);
          inFlight += next.bytes;
          sealing.push(next);
        }
        if (sealing.length === 0) return;
        inFlight -= await this.#write(takeJoined(sealing));
      }
    } catch (error) {
      this.abort(error);
    } finally {
      this.#flushing = undefined;
    }
  }

  /** Starts to encrypt; then the sender may use its buffer again. */
  async #seal({ kind, record, resolve }: Queued): Promise<Sealing> {
    const { sending } = this.#keys;
    if (sending.spent) await sending.renew();
    const head = headOf(kind, record.length + TAG_BYTES);
    const sealed = sending.seal(head, record);
    resolve();
    return { head, sealed, bytes: HEAD_BYTES + record.length + TAG_BYTES };
  }

  /**
   * Joins them in one buffer that is reused: fresh memory costs time.
   *
   * @returns How many bytes they were.
   */
  async #write(joined: readonly Sealing[]): Promise<number> {
    const length = joined.reduce((sum, { bytes }) => sum + bytes, 0);
    if (length > this.#joined.length) this.#joined = new Uint8Array(length);
    let at = 0;
    for (const { head, sealed, bytes } of joined) {
      const body = new Uint8Array(await sealed);
      this.#joined.set(head, at);
      this.#joined.set(body, at + HEAD_BYTES);
      at += bytes;
      release(body);
    }
    this.#wrote = true;
    await writeAll(this.#stream, this.#joined.subarray(0, length));
    return length;
  }

  /** Starts to decrypt the next records. */
  async #receive(): Promise<readonly Promise<Opened>[]> {
    const opening: Promise<Opened>[] = [];
    while (opening.length === 0) {
      try {
        for (const [head, sealed] of this.#incoming.records()) {
          if (this.#keys.receiving.spent) await this.#keys.receiving.renew();
          opening.push(this.#open(head, sealed));
          opening.at(-1)!.catch(() => {}); // the iterator throws it
          if (opening.length >= MAX_IN_PROGRESS) break; // the others are opened next
        }
      } catch (error) {
        if (opening.length === 0) throw error;
        break; // it is thrown again, after the whole records
      }
      if (opening.length === 0) await this.#read();
    }
    return opening;
  }

  async #read(): Promise<void> {
    this.#readingSince = this.#clock.now();
    const count = await this.#stream.read(this.#incoming.space());
    this.#readingSince = undefined;
    if (count === null) throw lost(": it ended without notice");
    this.#incoming.received(count);
  }

  async #open(head: Bytes, sealed: Bytes): Promise<Opened> {
    const buffer = await this.#keys.receiving.open(head, sealed)
      .catch((cause) => {
        throw tampered("it is not what the peer sent", cause);
      });
    if (head[0] === DATA) return new Uint8Array(buffer);
    if (head[0] === END || head[0] === KEEPALIVE) return head[0];
    throw tampered(`it is of kind ${head[0]}`);
  }

  /** Sends a keepalive if needed, and notices a dead peer. */
  #checkKeepalive(): void {
    const now = this.#clock.now();
    const silentMs = now - (this.#readingSince ?? now);
    if (silentMs >= PEER_TIMEOUT_MS) {
      this.abort(lost(`: no data for ${PEER_TIMEOUT_MS / 1_000} seconds`));
    } else if (!this.#wrote && !this.#ending) {
      this.#put(KEEPALIVE, new Uint8Array()).catch(() => {}); // it is broken
    }
    this.#wrote = false;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#keepalive[Symbol.dispose]();
    this.#stream.close();
  }
}

/**
 * Makes records a third faster on Linux. Its allocator returns buffers of over
 * 128 KiB to the system each time, which then clears every page of the next one;
 * unless a larger buffer was freed before.
 */
function keepFreedMemory(): void {
  new ArrayBuffer(4 * 1024 * 1024).transfer(0);
}

/** Takes from the front as many as share a write. */
function takeJoined(sealing: Sealing[]): Sealing[] {
  let joined = 0;
  const end = sealing.findIndex(({ bytes }, index) => {
    joined += bytes;
    return index > 0 && joined > MAX_JOINED_BYTES;
  });
  return sealing.splice(0, end < 0 ? sealing.length : end);
}

/** The error of a channel that breaks; another one may not. */
export function lost(why = "", cause?: unknown): Failure {
  return new Failure(EXIT.failed, `Direct connection lost${why}`, {
    passing: true,
    cause,
  });
}

function stuck(): Failure {
  const why = "the peer does not read what we send";
  return new Failure(EXIT.failed, `Direct connection ended: ${why}`);
}

function ended(): Failure {
  const message = "Cannot send: the direct connection has ended";
  return new Failure(EXIT.failed, message);
}

/** The four bytes before `length` sealed bytes. */
function headOf(kind: number, length: number): Bytes {
  return Uint8Array.of(kind, length >> 16, length >> 8 & 0xff, length & 0xff);
}

/**
 * Frees the memory of `bytes`, which must not be used any more. The collector
 * would free it late: meanwhile thousands of records pile up, each in fresh
 * memory that the system has to clear.
 */
export function release(bytes: Bytes): void {
  bytes.buffer.transfer(0);
}

/**
 * Bytes in, sealed records out, however the bytes were cut. Nothing in here is
 * authenticated yet.
 */
class RecordBuffer {
  readonly #buffer: Bytes = new Uint8Array(BUFFER_BYTES);
  #start = 0; // before it: already returned
  #end = 0; // after it: not yet received

  /** Where to write the next bytes, when all complete records were returned. */
  space(): Bytes {
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    return this.#buffer.subarray(this.#end);
  }

  /** Reports that `count` bytes were written to {@linkcode space}. */
  received(count: number): void {
    this.#end += count;
  }

  /**
   * The complete records. Valid until the next bytes are received.
   *
   * @throws {Failure} If a length is not allowed.
   */
  *records(): Generator<[head: Bytes, sealed: Bytes], void, void> {
    for (;;) {
      const bodyAt = this.#start + HEAD_BYTES;
      if (bodyAt > this.#end) return;
      const end = bodyAt + this.#announced();
      if (end > this.#end) return;
      const head = this.#buffer.slice(this.#start, bodyAt);
      this.#start = end;
      yield [head, this.#buffer.subarray(bodyAt, end)];
    }
  }

  #announced(): number {
    const view = new DataView(this.#buffer.buffer, this.#start);
    const length = view.getUint32(0) & 0xffffff; // without the kind
    const most = MAX_RECORD_BYTES + TAG_BYTES;
    if (length >= TAG_BYTES && length <= most) return length;
    throw tampered(`a record of ${length} bytes`);
  }
}

function tampered(what: string, cause?: unknown): Failure {
  return new Failure(
    EXIT.failed,
    `Direct connection ended: the data was tampered with, ${what}`,
    { advice: "This may be an attack.", passing: true, cause },
  );
}
