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
import { on } from "node:events";
import type { WebSocket } from "ws";
import { type ByteStream, chunkReader } from "../../core/net/stream.ts";

/** Longest message of a WebSocket, in bytes; a frame may take several. */
export const MAX_MESSAGE_BYTES = 65_536;

/** When the messages end; and they are taken from the peer one at a time. */
const MESSAGES = { close: ["close"], highWaterMark: 1, lowWaterMark: 1 };

/** See the top of the file. */
export class SocketWire implements ByteStream {
  /** What comes, message by message; read either these or the bytes. */
  readonly messages: AsyncGenerator<Uint8Array, void, void>;
  /** See {@linkcode ByteStream}. One read at a time. */
  readonly read: ByteStream["read"];
  readonly #socket: WebSocket;

  /** Takes over `socket`, which was just opened. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.messages = messagesOf(on(socket, "message", MESSAGES));
    this.read = chunkReader(this.messages);
    socket.on("error", () => {}); // ends the messages; it may come after that
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

  /** See {@linkcode ByteStream}. */
  closeWrite(): Promise<void> {
    this.#socket.close(1000);
    return Promise.resolve();
  }

  /** See {@linkcode ByteStream}. Idempotent. */
  close(): void {
    this.#socket.terminate();
  }
}

async function* messagesOf(
  events: ReturnType<typeof on>,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const [message] of events) yield message;
  } catch {
    // A frame that is none, or a reset.
  }
}
