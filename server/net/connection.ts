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
  type Source,
} from "../../protocol.ts";
import { CLOCK, type Clock } from "./clock.ts";
import { Outbox, type OutboxOwner, type Sink } from "./outbox.ts";
import { tooMuch } from "./slow_consumer.ts";
import { nextTurn } from "./turns.ts";

/** For so long we wait for a peer to take our last words, in milliseconds. */
export const LAST_WORDS_MS = 1_000;

/** What a peer may have us hold before it has registered, in bytes. */
const UNREGISTERED_BYTES = 8_192;

/** A two-way stream of bytes; a `Deno.TcpConn` is one. */
export interface Wire extends Source, Sink {
  /** Ends our direction; the peer can still send. */
  closeWrite(): Promise<void>;
  /** Ends both at once. Throws if called twice. */
  close(): void;
}

/** What carries the bytes: TCP alone, or with TLS around it. */
export type Way = "TCP" | "TLS";

/** Why a connection ended: an error the peer was told, or plain words. */
export type Ending = ChatError | string;

/**
 * Iterate it, once, to receive, batch by batch. That goes on until the peer
 * ends, or until our last words had their time to arrive: what comes after
 * {@linkcode Connection.end} is to be thrown away.
 */
export class Connection implements Source, OutboxOwner, AsyncDisposable {
  /** Where the peer is, as `address:port`. */
  readonly remote: string;
  /** How it came. */
  readonly way: Way;
  /** Outgoing bytes. */
  readonly outbox: Outbox;
  /** When the peer last gave a sign of life; kept by whoever iterates. */
  heardAt: number;
  /** How many bytes the peer has sent so far. */
  received = 0;
  /** Called once, when it ends, from whatever made it end. */
  onEnd: (() => void) | undefined;
  readonly #wire: Wire;
  readonly #decoder = new FrameDecoder({
    maxBodyBytes: UNREGISTERED_BYTES - MAX_HEAD_BYTES,
  });
  #ending: Ending | undefined;
  #hangingUp: Promise<void> | undefined;
  readonly #clock: Clock;
  #deadline: Disposable | undefined;
  #closed = false;
  #reading: Uint8Array = NOTHING; // where the bytes go that are to come

  // Made once: while nothing comes, nothing is kept for each read but a promise.
  /** Counts what came, and looks at what comes first: TLS waits in vain. */
  readonly #took = (count: number | null): number | null => {
    if (count === null) return null;
    const begins = this.received === 0;
    this.received += count;
    if (begins && this.#reading[0] === TLS_HANDSHAKE) this.end(noTls());
    return count;
  };

  /** Ends it, since it cannot be read, or could not when it was closed. */
  readonly #fail = (error: unknown): number | null => {
    if (error instanceof ChatError) {
      this.end(error);
      return 0; // what comes after that is still to be thrown away
    }
    const isTls = error instanceof Deno.errors.InvalidData;
    this.end(isTls ? "TLS failed" : "connection lost");
    return null;
  };

  /** Takes over `wire`. `now` is in milliseconds that never jump. */
  constructor(
    wire: Wire,
    options: {
      remote: string;
      now: number;
      way?: Way;
      maxOutboxBytes?: number;
      clock?: Clock;
    },
  ) {
    this.remote = options.remote;
    this.way = options.way ?? "TCP";
    this.#wire = wire;
    this.heardAt = options.now;
    this.#clock = options.clock ?? CLOCK;
    this.outbox = new Outbox(wire, this, {
      maxBytes: options.maxOutboxBytes,
      clock: this.#clock,
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
  [Symbol.asyncIterator](): AsyncIterator<Iterable<Frame | ChatError>> {
    return frames(this, this.#decoder)[Symbol.asyncIterator]();
  }

  /** Reads bytes, for {@linkcode frames}; null at the end, however it came. */
  read(buffer: Uint8Array): Promise<number | null> {
    this.#reading = buffer;
    return this.#wire.read(buffer).then(this.#took, this.#fail);
  }

  /**
   * Ends it. An error is the peer's last word, unless `lastWord` says it in
   * another way; what is queued is sent before it, but not to a peer that is
   * too slow. Then it half-closes, and the peer's answer is waited for, or the
   * kernel's RST would overtake the last word. Idempotent.
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
    this.#deadline = this.#clock.after(LAST_WORDS_MS, () => this.#giveUp());
    this.#hangingUp = this.#hangUp();
    this.onEnd?.();
  }

  /** See {@linkcode OutboxOwner}. */
  overflowed(): void {
    // Not at once: whoever is sending to many must not find them changed.
    queueMicrotask(() => this.end(tooMuch(this.outbox.maxBytes)));
  }

  /** See {@linkcode OutboxOwner}. */
  lost(): void {
    this.end("connection lost");
  }

  /** Ends it, and resolves when it is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end("hung up");
    await this.#hangingUp;
    this.#close();
  }

  async #hangUp(): Promise<void> {
    await this.outbox.flushed();
    try {
      await this.#wire.closeWrite();
    } catch {
      // The connection is broken, or closed: there is nothing left to end.
    }
  }

  /** Closes it, after a turn: it may be us who had no time for the peer. */
  async #giveUp(): Promise<void> {
    await nextTurn();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deadline?.[Symbol.dispose]();
    this.outbox.close();
    this.#wire.close();
  }
}

/** The address of `address:port`. */
export function hostOf(remote: string): string {
  return remote.slice(0, remote.lastIndexOf(":"));
}

const NOTHING = new Uint8Array();

/** The first byte of a TLS connection, which no frame begins with. */
export const TLS_HANDSHAKE = 0x16;

function noTls(): ChatError {
  const why = "it is TLS, which is spoken on another port, if at all";
  return new ChatError(103, `Cannot read head: ${why}`);
}
