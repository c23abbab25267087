/**
 * TLS by node:tls alone.
 *
 * @module
 */
import type { SecureContext, TLSSocket } from "node:tls";
import {
  notUnderstood,
  ReceivedText,
  type TlsEngine,
  type Writing,
} from "./engine.ts";
import { SealedStream, secureServerSide } from "./sealed_stream.ts";

/** See the top of the file. */
export class SocketEngine implements TlsEngine {
  isSecure = false;
  isEnded = false;
  readonly received = new ReceivedText();
  readonly #below: SealedStream;
  readonly #socket: TLSSocket;
  #error: Error | undefined;

  /** Writes to `stream`. */
  constructor(stream: Writing, secureContext: SecureContext) {
    const writer = new Writer(stream, (error) => this.#socket.destroy(error));
    this.#below = new SealedStream((bytes, done) => writer.write(bytes, done));
    this.#socket = secureServerSide(this.#below, secureContext);
    this.#socket.once("secure", () => this.isSecure = true);
    this.#socket.on("error", (error) => this.#error = error);
    this.#socket.push = (text: Uint8Array | null) => {
      if (text) this.received.push(text);
      else this.isEnded = true;
      return true;
    };
  }

  receive(bytes: Uint8Array | null): void {
    if (bytes) this.#below.emit("data", bytes);
    else {
      this.#below.emit("end");
      this.isEnded = true;
    }
    const error = this.#error ?? this.#socket.errored;
    if (error) throw isTlsError(error) ? notUnderstood(error) : error;
    if (this.#socket.destroyed) throw new Deno.errors.BadResource("closed");
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  async end(): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) return; // then `end` would not call back
    await new Promise<void>((resolve) => {
      socket.once("close", resolve);
      socket.end(resolve);
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

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

/** Whether TLS is what went wrong, rather than the connection below. */
function isTlsError(error: Error): boolean {
  return "code" in error && String(error.code).startsWith("ERR_SSL");
}
