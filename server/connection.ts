/**
 * One peer's connection: frames in, bytes out, and a hanging up that lets the
 * last words arrive.
 *
 * @module
 */
import {
  ChatError,
  encodeError,
  type Frame,
  FrameDecoder,
  frames,
  MAX_HEAD_BYTES,
} from "../protocol.ts";
import { Outbox } from "./outbox.ts";

/** For so long we wait for a peer to take our last words, in milliseconds. */
const LAST_WORDS_MS = 1_000;

/** What a peer may have us hold before it has registered, in bytes. */
const UNREGISTERED_BYTES = 8_192;

/** A two-way stream of bytes; a `Deno.TcpConn` is one. */
export interface Wire {
  /** Reads into `buffer`; says how many bytes, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes`; says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends our direction; the peer can still send. */
  closeWrite(): Promise<void>;
  /** Ends both at once. Throws if called twice. */
  close(): void;
}

/** Why a connection ended: an error the peer was told, or plain words. */
export type Ending = ChatError | string;

/**
 * Iterate it, once, to receive, batch by batch: that ends when either side
 * ends, and {@linkcode Connection.ending} says why.
 */
export class Connection implements AsyncDisposable {
  /** Where the peer is, as `address:port`. */
  readonly remote: string;
  /** Outgoing bytes. */
  readonly outbox: Outbox;
  /** The time, by `now`, of the last bytes that arrived. */
  heardAt: number;
  readonly #wire: Wire;
  readonly #now: () => number;
  readonly #decoder = new FrameDecoder({
    maxBodyBytes: UNREGISTERED_BYTES - MAX_HEAD_BYTES,
  });
  #reading: Promise<number | null> | undefined;
  #interrupt: (() => void) | undefined;
  #ending: Ending | undefined;

  /** Takes over `wire`. `now` gives milliseconds that never jump. */
  constructor(
    wire: Wire,
    options: { remote: string; now: () => number; maxOutboxBytes?: number },
  ) {
    this.remote = options.remote;
    this.#wire = wire;
    this.#now = options.now;
    this.heardAt = options.now();
    this.outbox = new Outbox(wire, {
      onOverflow: () => this.end(tooSlow()),
      onLost: () => this.end("connection lost"),
      ...(options.maxOutboxBytes ? { maxBytes: options.maxOutboxBytes } : {}),
    });
  }

  /** Why it ended; undefined while it has not. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Allows bodies up to `bytes`, from the next frame on. */
  set maxBodyBytes(bytes: number) {
    this.#decoder.maxBodyBytes = bytes;
  }

  /** See {@linkcode frames}. */
  [Symbol.asyncIterator](): AsyncGenerator<Iterable<Frame | ChatError>> {
    return frames({ read: (buffer) => this.#read(buffer) }, this.#decoder);
  }

  /**
   * Stops receiving. An error is the peer's last word, unless `lastWord` says
   * it in another way; what is queued is sent before it, but not to a peer
   * that is too slow. Idempotent.
   */
  end(ending: Ending, lastWord?: Uint8Array): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    if (ending instanceof ChatError) {
      const error = lastWord ?? encodeError(ending);
      if (ending.code === 115) this.outbox.close(error);
      else this.outbox.answer(error);
    }
    this.outbox.hurry();
    this.#interrupt?.();
  }

  /**
   * Hangs up: sends what is queued, half-closes, and takes in what the peer
   * still sends, or the kernel's RST would overtake our last words. For at most
   * {@linkcode LAST_WORDS_MS}.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end("hung up");
    const timer = setTimeout(() => this.#close(), LAST_WORDS_MS);
    try {
      await this.outbox.flushed();
      await this.#wire.closeWrite();
      await this.#reading;
      const buffer = new Uint8Array(4_096);
      while (await this.#wire.read(buffer) !== null);
    } catch {
      // The connection broke, or we closed it: it ends here in any case.
    }
    clearTimeout(timer);
    this.#close();
  }

  #closed = false;

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.outbox.close();
    this.#wire.close();
  }

  /** Reads, until the peer ends, the connection breaks, or we end it. */
  #read(buffer: Uint8Array): Promise<number | null> {
    if (this.#ending !== undefined) return Promise.resolve(null);
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.#interrupt = () => resolve(null);
    this.#reading = this.#wire.read(buffer);
    this.#reading.then((count) => {
      if (count === null) this.end("connection closed");
      this.heardAt = this.#now();
      resolve(count);
    }, () => {
      this.end("connection lost");
      resolve(null);
    });
    return promise;
  }
}

function tooSlow(): ChatError {
  return new ChatError(
    115,
    "Cannot keep the connection: too much is sent to you that you do not read",
  );
}
