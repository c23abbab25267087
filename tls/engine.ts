/**
 * What encrypts for a {@linkcode TlsStream}: bytes of the network in, text out, and
 * the way back.
 *
 * It gets what its owner has read when the owner has room for the text, and the text
 * waits here, in no stream of node:stream: that saves buffers, too. See
 * sealed_stream.ts for why nothing is read ahead.
 *
 * @module
 */
import type { ByteStream } from "../core/net/stream.ts";

/** The server's side of TLS for one connection. */
export interface TlsEngine {
  /** Whether the handshake is complete. */
  readonly isSecure: boolean;
  /** Whether the client has ended its direction. */
  readonly isEnded: boolean;
  /** Text that was received. */
  readonly received: ReceivedText;
  /**
   * Takes what was read; null at the end. `bytes` can be used again afterwards.
   *
   * @throws {Deno.errors.InvalidData} If it cannot be understood.
   */
  receive(bytes: Uint8Array | null): void;
  /** Writes all of `bytes`, and says how many that are. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends our direction; resolves when the last bytes are written, or cannot be. */
  end(): Promise<void>;
  /** Ends both directions at once; nothing more is written. */
  destroy(): void;
}

/** What an engine needs of a connection. It never reads, ends or closes it. */
export type Writing = Pick<ByteStream, "write">;

/** Text that waits to be taken. */
export class ReceivedText {
  /** How many bytes came so far. */
  bytes = 0;
  readonly #pieces: Uint8Array[] = [];

  /** Adds what came last. */
  push(text: Uint8Array): void {
    this.#pieces.push(text);
    this.bytes += text.length;
  }

  /** Takes text into `buffer`; 0 if there is none. */
  take(buffer: Uint8Array): number {
    const text = this.#pieces[0];
    if (!text) return 0;
    const part = text.subarray(0, buffer.length);
    buffer.set(part);
    if (part.length === text.length) this.#pieces.shift();
    else this.#pieces[0] = text.subarray(part.length);
    return part.length;
  }
}

/** The error for TLS that is wrong, because of `cause`. */
export function notUnderstood(cause: Error): Error {
  return new Deno.errors.InvalidData("Cannot read TLS", { cause });
}
