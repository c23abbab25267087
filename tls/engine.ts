/**
 * TLS by node:tls: bytes of the network in, text out, and the way back.
 *
 * It gets what its owner has read when the owner has room for the text, and the text
 * waits here, in no stream of node:stream: that saves buffers, too. See
 * sealed_stream.ts for why nothing is read ahead.
 *
 * @module
 */
import type { SecureContext, TLSSocket } from "node:tls";
import type { ByteStream } from "../core/net/stream.ts";
import { SealedStream, secureServerSide } from "./sealed_stream.ts";

/** See the top of the file: the server's side of one connection. */
export class TlsEngine {
  /** Whether the handshake is complete. */
  isSecure = false;
  /** Whether the client has ended its direction. */
  isEnded = false;
  readonly #below: SealedStream;
  readonly #socket: TLSSocket;
  readonly #texts: Uint8Array[] = []; // not taken yet
  #error: Error | undefined;

  /** Writes to `stream`, and ends it; it never reads or closes it. */
  constructor(stream: Writing, secureContext: SecureContext) {
    const writer = new Writer(stream, (error) => this.#socket.destroy(error));
    this.#below = new SealedStream((bytes, done) => writer.write(bytes, done));
    this.#socket = secureServerSide(this.#below, secureContext);
    this.#socket.once("secure", () => this.isSecure = true);
    this.#socket.on("error", (error) => this.#error = error);
    this.#socket.push = (text: Uint8Array | null) => {
      if (text) this.#texts.push(text);
      else this.isEnded = true;
      return true;
    };
  }

  /**
   * Takes what was read; null at the end. `bytes` can be used again afterwards.
   *
   * @returns The number of bytes of text in it.
   * @throws {Deno.errors.InvalidData} If it cannot be understood.
   */
  receive(bytes: Uint8Array | null): number {
    const before = this.#texts.length;
    if (bytes) this.#below.emit("data", bytes);
    else {
      this.#below.emit("end");
      this.isEnded = true;
    }
    const error = this.#error ?? this.#socket.errored;
    if (error) throw isTlsError(error) ? notUnderstood(error) : error;
    if (this.#socket.destroyed) throw new Deno.errors.BadResource("closed");
    return lengthOf(this.#texts, before);
  }

  /** Takes text that was received into `buffer`; 0 if there is none. */
  take(buffer: Uint8Array): number {
    const text = this.#texts[0];
    if (!text) return 0;
    const part = text.subarray(0, buffer.length);
    buffer.set(part);
    if (part.length === text.length) this.#texts.shift();
    else this.#texts[0] = text.subarray(part.length);
    return part.length;
  }

  /** Writes all of `bytes`, and says how many that are. */
  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  /** Ends our direction; resolves when the last bytes are written, or cannot be. */
  async end(): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) return; // then `end` would not call back
    await new Promise<void>((resolve) => {
      socket.once("close", resolve);
      socket.end(resolve);
    });
  }

  /** Ends both directions at once; nothing more is written. */
  destroy(): void {
    this.#socket.destroy();
  }
}

/** What the engine needs of a connection. */
type Writing = Pick<ByteStream, "write">;

/** Writes all that a {@linkcode SealedStream} gives, one write at a time. */
class Writer {
  readonly #stream: Writing;
  readonly #fail: (error: Error) => void;
  #bytes: Uint8Array = NOTHING; // what is left of the write under way
  #done: () => void = () => {};

  // Made once: a write makes no closure.
  readonly #wrote = (count: number): void => {
    if (count < this.#bytes.length) this.#write(this.#bytes.subarray(count));
    else {
      this.#bytes = NOTHING;
      this.#done();
    }
  };

  /** Calls `fail` when nothing more can be written. */
  constructor(stream: Writing, fail: (error: Error) => void) {
    this.#stream = stream;
    this.#fail = fail;
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.#done = done;
    this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#stream.write(bytes).then(this.#wrote, this.#fail);
  }
}

const NOTHING = new Uint8Array();

function lengthOf(texts: readonly Uint8Array[], from: number): number {
  let bytes = 0;
  for (let at = from; at < texts.length; at++) bytes += texts[at]!.length;
  return bytes;
}

/** Whether TLS is what went wrong, rather than the connection below. */
function isTlsError(error: Error): boolean {
  return "code" in error && String(error.code).startsWith("ERR_SSL");
}

function notUnderstood(cause: Error): Error {
  return new Deno.errors.InvalidData("Cannot read TLS", { cause });
}
