/**
 * One connection, as both programs use it: frames come out of an async iterator,
 * and frames to send go into a queue.
 *
 * **Framing.** TCP carries a stream of bytes, not messages. One write may arrive
 * in many pieces, and many writes as one piece: kernels and network cut as they
 * like. So each frame says where it ends (an empty line, Content-length), and
 * `frames()` of protocol.ts collects bytes until a frame is whole.
 *
 * **Backpressure.** The other side may read slower than we write. Unread bytes
 * wait in the kernels' buffers, then in our queue, so the queue needs a limit.
 * There are two ways to keep it. To wait (`drained`): we read no further request
 * until its answers are read, and TCP then stops the other side from sending. Or
 * to give up (`limit` of `send`), where waiting would harm others.
 *
 * @module
 */
import * as parley from "../protocol.ts";
import { ChatError, type Frame } from "../protocol.ts";

const HIGH_WATER_BYTES = 65_536; // `drained` waits while more is queued
const END_MS = 1_000; // so long the other side can read our last frames

/** See the top of the file. Iterate it once. */
export class Connection {
  /** Why it is over; empty until then. Nothing more is queued. */
  over = "";
  /** When it was opened, and when the last bytes came: `performance.now()`. */
  readonly openedAt: number = performance.now();
  heardAt: number = performance.now();
  /** The other side, as `address:port` or `[IPv6]:port`. */
  readonly remote: string;
  readonly ended = Promise.withResolvers<void>();
  /** Starts with little memory for a stranger's frames. */
  readonly decoder = new parley.FrameDecoder({ maxBodyBytes: 4_096 });
  readonly #conn: Deno.TcpConn;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0; // with those that are being written
  #changed = Promise.withResolvers<void>(); // the queue, or `over`
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(conn: Deno.TcpConn) {
    conn.setNoDelay(); // a small frame must not wait for more
    const { hostname, port } = conn.remoteAddr;
    this.remote = `${hostname.replace(/.*:.*/, "[$&]")}:${port}`;
    this.#conn = conn;
  }

  /** The read loop. A frame is good until the next one is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Frame | ChatError> {
    // A lost connection is an end like any other: a read that says so.
    const source: parley.Source = {
      read: (buffer) => this.#conn.read(buffer).catch(() => null),
    };
    for await (const batch of parley.frames(source, this.decoder)) {
      this.heardAt = performance.now();
      yield* batch;
    }
    this.end("connection closed");
  }

  /** The write loop, and the only writer: two would mix up their frames. */
  async writeAll(): Promise<void> {
    try {
      while (this.#queue.length > 0 || !this.over) {
        const bytes = parley.concat(this.#queue.splice(0)); // one write for all
        for (let sent = 0; sent < bytes.length;) { // it may take only a part
          sent += await this.#conn.write(bytes.subarray(sent));
        }
        this.#queuedBytes -= bytes.length;
        this.#change();
        if (this.#queue.length === 0 && !this.over) await this.#changed.promise;
      }
      await this.#conn.closeWrite(); // the other side reads our end, and closes
    } catch {
      this.end("connection lost");
    }
  }

  /** Queues a frame, and never waits. Over `limit` bytes it ends instead. */
  send(frame: Uint8Array, limit = Infinity): void {
    if (this.over) return;
    if (this.#queuedBytes > limit) {
      this.#queue = []; // behind all that, the error would never be read
      const headers = { Limit: limit };
      const what = "Cannot send you more: you stopped reading";
      return this.fail(new ChatError(115, what, { headers }));
    }
    this.#queue.push(frame); // no copy: all receivers share these bytes
    this.#queuedBytes += frame.length;
    this.#change();
  }

  /** Sends an error, and ends if it is one that closes. */
  fail(error: ChatError, request?: string): void {
    this.send(parley.encodeError(error, request));
    if (error.closes) this.end(parley.ERRORS[error.code].toLowerCase());
  }

  /** Resolves when most of the queue is written. */
  async drained(): Promise<void> {
    while (this.#queuedBytes > HIGH_WATER_BYTES && !this.over) {
      await this.#changed.promise;
    }
  }

  /**
   * Ends the connection once the queue is written. We read on until the other
   * side closes: to close with something unread is a reset, which can destroy
   * our last frames on their way. But we wait no longer than a second.
   */
  end(reason: string): void {
    if (this.over) return;
    this.over = reason;
    this.ended.resolve();
    this.#change();
    this.#timer = setTimeout(() => this.close(), END_MS);
  }

  /** Closes at once: after both loops have ended, or to make them end. */
  close(): void {
    clearTimeout(this.#timer);
    this.#conn[Symbol.dispose](); // unlike `close`, twice is no error
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
