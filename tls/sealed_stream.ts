/**
 * What lies below a `TLSSocket`: the sealed bytes of a connection.
 *
 * A `TLSSocket` never stops what it reads from (Deno 2.9.6): while its text is not
 * read, it holds all that a client sends. So it gets no socket to read. It gets what
 * its owner has read, by `emit("data", bytes)` and `emit("end")`, and the owner reads
 * no more than there is room for. A stream of node:stream would cost a buffer and more
 * time.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { type SecureContext, TLSSocket } from "node:tls";

/** Writes all of `bytes`, and then calls `done`; never, if it cannot. */
export type WriteSealed = (bytes: Uint8Array, done: () => void) => void;

/** See the top of the file. What of `Duplex` a `TLSSocket` uses is here. */
export class SealedStream extends EventEmitter {
  readonly readable = true;
  readonly writable = true;
  readonly allowHalfOpen = true; // a client may end its side first
  readonly #write: WriteSealed;

  /** `write` is called again when it is done. */
  constructor(write: WriteSealed) {
    super();
    this.#write = write;
  }

  write(bytes: Uint8Array, done: () => void): boolean {
    if (bytes.length < RELEASED_BYTES) this.#write(bytes, done);
    else {
      this.#write(bytes, () => {
        release(bytes);
        done();
      });
    }
    return true;
  }

  // Reading and closing are up to the owner.
  pause(): this {
    return this;
  }
  resume(): this {
    return this;
  }
  destroy(): this {
    return this;
  }
}

/** The server's side of TLS over `stream`. */
export function secureServerSide(
  stream: SealedStream,
  secureContext: SecureContext,
): TLSSocket {
  // The cast: see above.
  return new TLSSocket(stream as unknown as Duplex, {
    isServer: true,
    secureContext,
  });
}

/** Less is left to the collector: giving it back takes longer. */
const RELEASED_BYTES = 4_096;

/**
 * Gives the memory of `bytes` back at once. node:tls makes a copy for each write,
 * and collecting that garbage took a fifth of a busy server's time.
 */
function release({ buffer, byteLength }: Uint8Array): void {
  const isOwn = buffer instanceof ArrayBuffer &&
    buffer.byteLength === byteLength;
  if (isOwn) buffer.transfer(0);
}
