/**
 * A WebSocket as a stream of bytes, like a `Deno.Conn`: where a message begins
 * and ends means nothing.
 *
 * Both directions have backpressure. Unread bytes, except for one message, stay
 * with the operating system and the peer. A write is done when the operating
 * system has taken it.
 *
 * @module
 */
import type { WebSocket } from "ws";
import type { ByteStream } from "../../core/net/stream.ts";

/** Longest message of a WebSocket, in bytes; a frame may take several. */
export const MAX_MESSAGE_BYTES = 65_536;

/** See the top of the file. */
export class SocketWire implements ByteStream {
  readonly #socket: WebSocket;
  #unread: Uint8Array[] = [];
  #ended = false;
  #changed = Promise.withResolvers<void>();

  /** Takes over `socket`, which was just opened. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      if (data.length === 0) return;
      socket.pause();
      this.#unread.push(data);
      this.#wake();
    });
    socket.on("close", () => this.#end());
    socket.on("error", () => this.#end()); // a frame that is none, or a reset
  }

  /** See {@linkcode ByteStream}. One read at a time. */
  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#unread.length === 0) {
      if (this.#ended) return null;
      await this.#changed.promise;
    }
    const [first] = this.#unread as [Uint8Array]; // there is one
    const taken = first.subarray(0, buffer.length);
    buffer.set(taken);
    if (taken.length < first.length) {
      this.#unread[0] = first.subarray(taken.length);
    } else if (this.#unread.shift() && this.#unread.length === 0) {
      this.#socket.resume();
    }
    return taken.length;
  }

  /** See {@linkcode ByteStream}. Rejects when the peer is gone. */
  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#socket.send(bytes, (error) => {
      if (error) reject(error);
      else resolve(bytes.length);
    });
    return promise;
  }

  /** See {@linkcode ByteStream}. `reason` is for the user; a long one is cut. */
  closeWrite(reason?: string): Promise<void> {
    if (reason === undefined) this.#socket.close(1000);
    else this.#socket.close(REASON_CODE, shortened(reason));
    return Promise.resolve();
  }

  /** See {@linkcode ByteStream}. Idempotent. */
  close(): void {
    this.#socket.terminate();
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** An own close code: the page may show its reason to the user. */
const REASON_CODE = 4000;

/** Limit of the reason in a close frame, in bytes (RFC 6455, 5.5). */
const MAX_REASON_BYTES = 123;

function shortened(reason: string): string {
  const bytes = new Uint8Array(MAX_REASON_BYTES);
  const { read } = new TextEncoder().encodeInto(reason, bytes);
  return reason.slice(0, read);
}
