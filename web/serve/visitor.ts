/**
 * A connection to the page's port: TCP, later perhaps with TLS around it. It is read
 * only when something is wanted of it, so what a client sends ahead stays with the
 * system and with the client.
 *
 * @module
 */
import type { ByteStream } from "../../core/net/stream.ts";

/** See the top of the file. When it is closed, nothing waits for it any more. */
export class Visitor implements ByteStream {
  /** Whether it was closed here. */
  isClosed = false;
  #stream: ByteStream;
  #ahead: Uint8Array | undefined; // was read before it was wanted
  readonly #pauses = new Set<() => void>();

  /** Takes over `stream`. */
  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Reads into `buffer`; null at the end, however it came. One read at a time. */
  read(buffer: Uint8Array): Promise<number | null> {
    const ahead = this.#ahead;
    if (!ahead) return this.#stream.read(buffer).catch(noMore);
    const part = ahead.subarray(0, buffer.length);
    buffer.set(part);
    this.unread(ahead.subarray(part.length));
    return Promise.resolve(part.length);
  }

  /** Has `bytes`, which were read, be read again. */
  unread(bytes: Uint8Array): void {
    this.#ahead = bytes.length > 0 ? bytes : undefined;
  }

  /** Writes a part of `bytes`. Rejects when the client is gone. */
  write(bytes: Uint8Array): Promise<number> {
    return this.#stream.write(bytes);
  }

  /** Ends our direction. */
  closeWrite(): Promise<void> {
    return this.#stream.closeWrite();
  }

  /** Ends both directions at once. Idempotent. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#stream.close();
    for (const end of this.#pauses) end();
  }

  /** From now on it is what `wrap` makes of the stream and of what was unread. */
  wrap(wrap: (stream: ByteStream, ahead: Uint8Array) => ByteStream): void {
    this.#stream = wrap(this.#stream, this.#ahead ?? NOTHING);
    this.#ahead = undefined;
  }

  /** Waits for `ms`, and no longer than it is open. */
  async pause(ms: number): Promise<void> {
    if (this.isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#pauses.add(resolve);
    await promise;
    this.#pauses.delete(resolve);
    clearTimeout(timer);
  }

  /** Waits for `work` of the client, and closes the connection after `ms`. */
  async within<T>(ms: number, work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.close(), ms);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A client that is gone sends nothing more. */
function noMore(): null {
  return null;
}

const NOTHING = new Uint8Array();
