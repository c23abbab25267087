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
import { release } from "../core/net/memory.ts";

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
    this.#write(bytes, () => {
      release(bytes); // a copy, which node:tls has made
      done();
    });
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
