/**
 * A connection between two people that nobody else can read or change: records
 * of bytes, encrypted, in their order.
 *
 *     kind       1 byte    1: a record; 2: the end, nothing follows;
 *                          3: a sign of life, empty
 *     length     3 bytes   of what follows, highest byte first
 *     sealed     AES-256-GCM, with the four bytes before as additional data
 *
 * Whoever is between sees how long records are and when they travel, and no
 * more; what is changed, repeated, moved or cut off is noticed. Who the other
 * side is was found out before; see `handshake.ts`.
 *
 * It is made to be fast. A few records are being encrypted at any time, on all
 * cores, while those before them are written; what arrives is decrypted while
 * what came before it is looked at. All of it is bounded: who sends waits for
 * the network, and who does not read is not read for.
 *
 * @module
 */
import type { Stream } from "../../core/net/connection.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { CLOCK, type Clock } from "../../core/net/backoff.ts";
import {
  type Arrived,
  forged,
  HEAD_BYTES,
  headOf,
  RecordBuffer,
  release,
} from "./record_buffer.ts";
import { type RecordKey, TAG_BYTES } from "./record_key.ts";
import type { Bytes } from "../../core/scram.ts";

/** Longest record, in bytes: a piece of a file, and what is said about it. */
export const MAX_RECORD_BYTES: number = 256 * 1024 + 4_096;

/** An encrypted connection of records. */
export interface Channel extends AsyncDisposable {
  /**
   * Sends a record of up to {@linkcode MAX_RECORD_BYTES}, which is the channel's
   * until this resolves: then more may be sent. Whoever does not wait gets the
   * same order.
   *
   * @throws {Failure} If the connection is broken, or somebody has ended it.
   */
  send(record: Bytes): Promise<void>;

  /**
   * What the other side sends, in its order, once. Ends when the other side has
   * ended, which ends both directions, or when we have.
   *
   * @throws {Failure} If the connection breaks, or somebody meddles with it.
   */
  [Symbol.asyncIterator](): AsyncIterator<Bytes, void>;
}

/** What a channel runs over; a `Deno.TcpConn` fits. */
export interface ByteStream extends Stream {
  /** Says that nothing more will be written. */
  closeWrite(): Promise<void>;
}

/** The keys of the two directions. */
export interface ChannelKeys {
  /** Seals what we send. */
  readonly sending: RecordKey;
  /** Opens what comes. */
  readonly receiving: RecordKey;
}

const DATA = 1;
const END = 2;
const KEEPALIVE = 3;

/** Who has nothing to send says so that often, in milliseconds. */
export const KEEPALIVE_MS = 10_000;

/** After so much silence the other side is given up, in milliseconds. */
export const PEER_TIMEOUT_MS = 30_000;

/** Encryption and writing are that much ahead of the network, in bytes. */
const MAX_IN_FLIGHT_BYTES = 1024 * 1024;

/**
 * So many records are encrypted or decrypted at once, however small: each costs
 * kilobytes meanwhile.
 */
const MAX_AT_WORK = 1_000;

/** Small records leave joined, up to so many bytes. */
const MAX_JOINED_BYTES = 64 * 1024;

/**
 * So many records wait at most for those before them to be encrypted. Whoever
 * asks and asks, and reads no answer, would fill our memory with answers.
 */
export const MAX_WAITING = 10_000;

/** So long we wait for the other side to take the end, in milliseconds. */
const LINGER_MS = 5_000;

/** Something to be sent. */
interface Draft {
  readonly kind: number;
  readonly record: Bytes;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What came: a record, the end, or a sign of life. */
type Arrival = Bytes | typeof END | typeof KEEPALIVE;

/** Something that is being encrypted, and then is `parts`. */
interface Sealing {
  readonly bytes: number;
  readonly done: Promise<void>;
  parts?: readonly Bytes[];
}

/** See the top of the file. */
export class RecordChannel implements Channel {
  readonly #stream: ByteStream;
  readonly #keys: ChannelKeys;
  readonly #arriving = new RecordBuffer({
    least: TAG_BYTES,
    most: MAX_RECORD_BYTES + TAG_BYTES,
  });
  #drafts: Draft[] = [];
  #joined: Bytes = new Uint8Array();
  #flushing: Promise<void> | undefined;
  readonly #clock: Clock;
  readonly #keepalive: Disposable;
  #wrote = false; // since the last beat
  #listeningSince: number | undefined; // while we wait for what comes
  #iterating: PromiseWithResolvers<void> | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  #ending = false; // by us
  #closed = false;
  #broken: Failure | undefined;

  /** `stream` becomes the channel's, which closes it. */
  constructor(stream: ByteStream, keys: ChannelKeys, clock: Clock = CLOCK) {
    this.#stream = stream;
    this.#keys = keys;
    this.#clock = clock;
    this.#keepalive = clock.every(KEEPALIVE_MS, () => this.#checkKeepalive());
    keepFreedMemory();
  }

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

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void, void> {
    if (this.#iterating) throw new TypeError("Cannot receive twice");
    this.#iterating = Promise.withResolvers();
    try {
      for (let opened: readonly Promise<Arrival>[] = [];;) {
        const next = this.#receive(); // while we look at what is there
        this.#reading = next.catch(() => {}); // who asks for it is told
        for (const record of opened) {
          const bytes = await record;
          if (bytes === END) return await this.#endToo();
          if (bytes !== KEEPALIVE) yield bytes;
        }
        opened = await next;
      }
    } catch (error) {
      if (this.#closed && !this.#broken) return; // by us: not news
      throw this.#break(error);
    } finally {
      this.#iterating.resolve();
    }
  }

  /** Ends it at once, without a word. Whoever sends or receives is told why. */
  abandon(why: Failure): void {
    this.#break(why);
  }

  /** Sends what waits, says that it was all, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending) return;
    await this.#parting(async () => {
      await this.#sayEnd();
      // What the other side sent and we did not read would reset the
      // connection, and take our end with it.
      if (this.#iterating) await this.#iterating.promise;
      await this.#reading;
      const thrownAway = new Uint8Array(65_536);
      while (await this.#stream.read(thrownAway) !== null);
    });
  }

  /** Answers the end of the other side with ours. */
  async #endToo(): Promise<void> {
    if (!this.#ending) await this.#parting(() => this.#sayEnd());
    await this.#flushing; // both may end at once: ours may still be on its way
    this.#break(ended());
  }

  async #sayEnd(): Promise<void> {
    const end = this.#put(END, new Uint8Array());
    this.#ending = true;
    await end;
    await this.#flushing;
    await this.#stream.closeWrite();
  }

  /** Closes after `words`, or when they take too long. */
  async #parting(words: () => Promise<void>): Promise<void> {
    const timer = setTimeout(() => this.#close(), LINGER_MS);
    try {
      await words();
    } catch {
      // Broken: whoever sends or receives is told, and there is no more to do.
    } finally {
      clearTimeout(timer);
      this.#close();
    }
  }

  #put(kind: number, record: Bytes): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#broken) reject(this.#broken);
    else if (this.#drafts.length >= MAX_WAITING) reject(this.#break(unread()));
    else {
      this.#drafts.push({ kind, record, resolve, reject });
      this.#flushing ??= this.#flush();
    }
    return promise;
  }

  /** The only writer. Never rejects: it breaks the channel. */
  async #flush(): Promise<void> {
    const sealing: Sealing[] = []; // in their order
    try {
      await Promise.resolve(); // what is sent in one go leaves in one write
      for (let inFlight = 0;;) {
        while (
          this.#drafts.length > 0 && inFlight < MAX_IN_FLIGHT_BYTES &&
          sealing.length < MAX_AT_WORK
        ) {
          const next = await this.#seal(this.#drafts.shift()!);
          inFlight += next.bytes;
          sealing.push(next);
        }
        if (sealing.length === 0) return;
        await sealing[0]!.done;
        const ready = takeReady(sealing);
        await this.#write(ready.flatMap(({ parts }) => parts!));
        for (const { bytes } of ready) inFlight -= bytes;
      }
    } catch (error) {
      this.#break(error);
    } finally {
      this.#flushing = undefined;
    }
  }

  /** Begins to encrypt, and gives the sender its buffer back. */
  async #seal({ kind, record, resolve }: Draft): Promise<Sealing> {
    const { sending } = this.#keys;
    if (sending.spent) await sending.renew();
    const head = headOf(kind, record.length + TAG_BYTES);
    const sealed = sending.seal(head, record);
    resolve();
    const sealing: Sealing = {
      bytes: HEAD_BYTES + record.length + TAG_BYTES,
      done: sealed.then((buffer) => {
        sealing.parts = [head, new Uint8Array(buffer)];
      }),
    };
    return sealing;
  }

  /** Joins them in a buffer that is used again: fresh memory has its price. */
  async #write(parts: readonly Bytes[]): Promise<void> {
    this.#wrote = true;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > this.#joined.length) this.#joined = new Uint8Array(length);
    const bytes = concatInto(this.#joined, parts);
    parts.forEach(release);
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#stream.write(bytes.subarray(sent));
    }
  }

  /** Begins to decrypt the next records. */
  async #receive(): Promise<readonly Promise<Arrival>[]> {
    const opening: Promise<Arrival>[] = [];
    while (opening.length === 0) {
      try {
        for (const arrived of this.#arriving.records()) {
          if (this.#keys.receiving.spent) await this.#keys.receiving.renew();
          opening.push(this.#open(arrived));
          opening.at(-1)!.catch(() => {}); // who comes to it is told
          if (opening.length >= MAX_AT_WORK) break; // the others come next
        }
      } catch (error) {
        if (opening.length === 0) throw error;
        break; // it is thrown again, after what was whole
      }
      if (opening.length === 0) await this.#read();
    }
    return opening;
  }

  /** Waits for the next bytes. */
  async #read(): Promise<void> {
    this.#listeningSince = this.#clock.now();
    const count = await this.#stream.read(this.#arriving.space());
    this.#listeningSince = undefined;
    if (count === null) throw cut();
    this.#arriving.received(count);
  }

  async #open({ head, sealed }: Arrived): Promise<Arrival> {
    const buffer = await this.#keys.receiving.open(head, sealed)
      .catch((cause) => {
        throw forged("it is not what the other side sent", cause);
      });
    if (head[0] === DATA) return new Uint8Array(buffer);
    if (head[0] === END || head[0] === KEEPALIVE) return head[0];
    throw forged(`it is of kind ${head[0]}`);
  }

  /** Says that we are there, and finds out whether they are. */
  #checkKeepalive(): void {
    const now = this.#clock.now();
    const silentMs = now - (this.#listeningSince ?? now);
    if (silentMs >= PEER_TIMEOUT_MS) this.#break(unheard());
    else if (!this.#wrote && !this.#ending) {
      this.#put(KEEPALIVE, new Uint8Array()).catch(() => {}); // it broke: they know
    }
    this.#wrote = false;
  }

  /** Ends it at once. Whoever sends is told; whoever receives throws it. */
  #break(error: unknown): Failure {
    this.#broken ??= error instanceof Failure ? error : lost(error);
    this.#ending = true;
    this.#close();
    for (const { reject } of this.#drafts.splice(0)) reject(this.#broken);
    return this.#broken;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#keepalive[Symbol.dispose]();
    this.#stream.close();
  }
}

/**
 * Makes records a third faster on Linux. Its allocator hands what has over 128
 * KiB back to the system each time, which has to clear every page of the next
 * one; unless something larger was freed before.
 */
function keepFreedMemory(): void {
  new ArrayBuffer(4 * 1024 * 1024).transfer(0);
}

/** The beginning of `buffer`, which becomes `parts` one after the other. */
function concatInto(buffer: Bytes, parts: readonly Bytes[]): Bytes {
  let length = 0;
  for (const part of parts) {
    buffer.set(part, length);
    length += part.length;
  }
  return buffer.subarray(0, length);
}

/** Those from the front that are encrypted, as many as leave in one write. */
function takeReady(sealing: Sealing[]): Sealing[] {
  let bytes = 0;
  const end = sealing.findIndex((one, index) => {
    bytes += one.bytes;
    return !one.parts || (index > 0 && bytes > MAX_JOINED_BYTES);
  });
  return sealing.splice(0, end < 0 ? sealing.length : end);
}

function lost(cause: unknown): Failure {
  return new Failure(EXIT.failed, "Direct connection lost", {
    passing: true,
    cause,
  });
}

function cut(): Failure {
  return new Failure(EXIT.failed, "Direct connection lost: it was cut off", {
    passing: true,
  });
}

function unheard(): Failure {
  const seconds = PEER_TIMEOUT_MS / 1_000;
  return new Failure(
    EXIT.failed,
    `Direct connection lost: nothing was heard for ${seconds} seconds`,
    { passing: true },
  );
}

function unread(): Failure {
  return new Failure(
    EXIT.failed,
    "Direct connection ended: the other side does not read what we send",
  );
}

function ended(): Failure {
  return new Failure(
    EXIT.failed,
    "Cannot send: the direct connection has ended",
  );
}
