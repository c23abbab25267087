/// <reference lib="dom" />
/**
 * A WebSocket of the browser as the stream that core/net/ runs over. Where a
 * message begins and ends means nothing.
 *
 * @module
 */
import type { Stream } from "../../../core/net/stream.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";

/** The other side takes messages twice as long; in bytes. */
const PIECE_BYTES = 32_768;

/** The close code whose reason is for the user; see web/serve/socket.ts. */
const REASON_CODE = 4000;

/** How long opening may take, in milliseconds. */
const OPEN_TIMEOUT_MS = 10_000;

/**
 * Opens a WebSocket.
 *
 * @throws {ConnectionError} If that fails, which may pass.
 */
export async function openSocket(
  url: URL,
  signal: AbortSignal,
): Promise<Stream> {
  const socket = new WebSocket(url);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => reject(lost("Cannot reach the server"));
  const timeout = AbortSignal.timeout(OPEN_TIMEOUT_MS);
  AbortSignal.any([signal, timeout]).addEventListener("abort", giveUp);
  socket.onopen = () => resolve();
  socket.onclose = giveUp;
  try {
    await promise;
    return new SocketStream(socket);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Sends bytes in messages that the other side takes. */
export function sendInPieces(
  socket: WebSocket,
  bytes: Uint8Array<ArrayBuffer>,
): void {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    socket.send(bytes.slice(at, at + PIECE_BYTES));
  }
}

/** See the top of the file. Browsers read without backpressure. */
class SocketStream implements Stream {
  readonly #socket: WebSocket;
  #unread: Uint8Array[] = [];
  #ended = false;
  #error: ConnectionError | undefined;
  #changed = Promise.withResolvers<void>();

  /** Owns `socket`, which was just opened. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (!(data instanceof ArrayBuffer) || data.byteLength === 0) return;
      this.#unread.push(new Uint8Array(data));
      this.#changed.resolve();
    };
    socket.onclose = ({ code, reason }) => {
      if (code === REASON_CODE && reason !== "") this.#error = lost(reason);
      this.#end();
    };
  }

  /** One read at a time. */
  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#unread.length === 0) {
      if (this.#error) throw this.#error;
      if (this.#ended) return null;
      await this.#changed.promise;
      this.#changed = Promise.withResolvers();
    }
    const [first] = this.#unread as [Uint8Array]; // there is one
    const taken = first.subarray(0, buffer.length);
    buffer.set(taken);
    if (taken.length === first.length) this.#unread.shift();
    else this.#unread[0] = first.subarray(taken.length);
    return taken.length;
  }

  /** Writes all of `bytes`; the browser buffers them. */
  write(bytes: Uint8Array): Promise<number> {
    // The cast: what core/ encodes is never shared memory.
    sendInPieces(this.#socket, bytes as Uint8Array<ArrayBuffer>);
    return Promise.resolve(bytes.length);
  }

  /** See {@linkcode Stream}. Idempotent. */
  close(): void {
    this.#socket.close();
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#changed.resolve();
  }
}

function lost(message: string): ConnectionError {
  return new ConnectionError("lost", message, { passing: true });
}
