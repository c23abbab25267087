/**
 * The server's side of TLS as a stream of bytes over another one. It reads when it is
 * read: what its reader has no room for stays with the sender.
 *
 * @module
 */
import process from "node:process";
import type { SecureContext } from "node:tls";
import type { ByteStream } from "../core/net/stream.ts";
import type { TlsEngine } from "./engine.ts";
import { newEngine } from "./engines.ts";
import { type RecordMeter, RecordPace } from "./records.ts";

/** What a {@linkcode TlsStream} needs. */
export interface TlsStreamOptions {
  readonly context: SecureContext;
  /** What was read of the stream below already; null if that has ended. */
  readonly first: Uint8Array | null;
  /** Counts what is no text; default: nothing does. */
  readonly meter?: RecordMeter | undefined;
}

/** See the top of the file. */
export class TlsStream implements ByteStream {
  readonly #stream: ByteStream;
  readonly #engine: TlsEngine;
  readonly #pace: RecordPace;
  #first: Uint8Array | null;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #smallReads = 0; // in a row
  #opening: Promise<void> | undefined;
  #isOpen = false;

  /** Takes over `stream`. */
  constructor(
    stream: ByteStream,
    { context, first, meter }: TlsStreamOptions,
  ) {
    this.#stream = stream;
    this.#engine = newEngine(stream, context);
    this.#pace = new RecordPace(meter);
    this.#first = first;
  }

  /**
   * Completes the handshake, or reads to the end; a read does so, too.
   *
   * @throws {Deno.errors.InvalidData} If it cannot be understood.
   */
  open(): Promise<void> {
    return this.#opening ??= this.#open();
  }

  /**
   * Reads into `buffer`; says how many bytes, or null at the end. One read at a time.
   *
   * @throws {Deno.errors.InvalidData} If the client's TLS cannot be understood.
   */
  async read(buffer: Uint8Array): Promise<number | null> {
    if (!this.#isOpen) await this.open();
    for (;;) {
      const count = this.#engine.received.take(buffer);
      if (count > 0) return count;
      if (this.#engine.isEnded) return null;
      const rest = this.#pace.rest();
      if (rest) await rest;
      this.#took(await this.#stream.read(this.#buffer));
    }
  }

  /** Writes all of `bytes`, and says how many that are. Open it before. */
  write(bytes: Uint8Array): Promise<number> {
    return this.#engine.write(bytes);
  }

  /** Ends our direction; resolves when the last bytes are written, or cannot be. */
  closeWrite(): Promise<void> {
    return this.#engine.end();
  }

  /** Ends both directions at once, and the stream below. */
  close(): void {
    this.#stream.close();
    // Later: node:tls may not have started yet.
    setImmediate(() => this.#engine.destroy());
  }

  async #open(): Promise<void> {
    await new Promise<void>((resolve) => process.nextTick(resolve)); // node:tls starts
    this.#receive(this.#first);
    this.#first = null;
    while (!this.#engine.isSecure && !this.#engine.isEnded) {
      const rest = this.#pace.rest();
      if (rest) await rest;
      this.#took(await this.#stream.read(this.#buffer));
    }
    if (this.#buffer.length > FIRST_BUFFER_BYTES) { // the handshake was longer
      this.#buffer = new Uint8Array(FIRST_BUFFER_BYTES);
    }
    this.#isOpen = true;
  }

  /** Takes what was read into the buffer; null at the end. */
  #took(count: number | null): void {
    if (count === null) return this.#receive(null);
    this.#receive(this.#buffer.subarray(0, count));
    this.#resize(count);
  }

  #receive(bytes: Uint8Array | null): void {
    if (bytes) this.#pace.came(bytes);
    const { received } = this.#engine;
    const before = received.bytes;
    this.#engine.receive(bytes);
    this.#pace.gave(received.bytes - before);
    this.#pace.isSecure = this.#engine.isSecure;
  }

  /** Makes the next buffer fit: while a connection idles, it holds one. */
  #resize(count: number): void {
    const size = this.#buffer.length;
    this.#smallReads = count < size / SMALL_READ ? this.#smallReads + 1 : 0;
    if (count === size && size < LARGEST_BUFFER_BYTES) {
      this.#buffer = new Uint8Array(Math.min(4 * size, LARGEST_BUFFER_BYTES));
    } else if (this.#smallReads >= SMALL_READS && size > FIRST_BUFFER_BYTES) {
      this.#buffer = new Uint8Array(FIRST_BUFFER_BYTES);
      this.#smallReads = 0;
    }
  }
}

/** An idle connection holds a buffer of this size. */
export const FIRST_BUFFER_BYTES = 512;

/** One record of TLS, with its head and its seal, fits. */
const LARGEST_BUFFER_BYTES = 17 * 1024;

/** A read of less than this part of the buffer is small. */
const SMALL_READ = 8;

/** After so many small reads in a row, the buffer is small again. */
const SMALL_READS = 16;
