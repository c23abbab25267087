/**
 * One client's connection: frames in, bytes out, and an end that lets the last
 * frame arrive.
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
import { CLOCK, type Clock, nextTurn } from "./clock.ts";
import { Outbox, type OutboxOwner, type Sink } from "./outbox.ts";
import { tooMuch } from "./slow_consumer.ts";

/** Milliseconds until a client has read its last frame, or loses it. */
export const LAST_FRAME_MS = 1_000;

/** Buffer limit of a client that is not registered, in bytes. */
const UNREGISTERED_BYTES = 8_192;

/** A two-way stream of bytes; a `Deno.TcpConn` is one. */
export interface Wire extends Source, Sink {
  /** Ends the direction to the client, which can still send. */
  closeWrite(): Promise<void>;
  /** Ends both directions at once. Throws if called twice. */
  close(): void;
  /** Called with what it waits for that does not count as the client's time. */
  onTurn?: (turn: Promise<void>) => void;
}

/** TCP alone, or with TLS around it. */
export type Transport = "TCP" | "TLS";

/** Why a connection ended: an error that the client was sent, or words. */
export type Ending = ChatError | string;

/**
 * Iterate it, once, to receive the frames of each read. That goes on until the
 * client ends, or until its last frame had its time to arrive: drop what comes
 * after {@linkcode Connection.end}.
 */
export class Connection implements Source, OutboxOwner, AsyncDisposable {
  /** `address:port` of the client. */
  readonly remote: string;
  readonly transport: Transport;
  /** Outgoing bytes. */
  readonly outbox: Outbox;
  /** When the client last gave a sign of life; set by the iterating code. */
  idleSince: number;
  /** How many bytes were received so far. */
  received = 0;
  /** Called once, when it ends, from whatever made it end. */
  onEnd: (() => void) | undefined;
  readonly #wire: Wire;
  /** Its settings hold from the next frame on. */
  readonly decoder = new FrameDecoder({
    maxBodyBytes: UNREGISTERED_BYTES - MAX_HEAD_BYTES,
  });
  #ending: Ending | undefined;
  #halfClosing: Promise<void> | undefined;
  readonly #clock: Clock;
  #deadline: Disposable | undefined;
  #closed = false;
  #reading: Uint8Array = NOTHING; // the buffer of the read under way

  // Made once: an idle connection keeps no closures, but only a promise.
  /** Counts bytes; refuses TLS, which waits for an answer to its first byte. */
  readonly #took = (count: number | null): number | null => {
    if (count === null) return null;
    const begins = this.received === 0;
    this.received += count;
    if (begins && this.#reading[0] === TLS_HANDSHAKE) this.end(noTls());
    return count;
  };

  /** Ends a connection that cannot be read any more. */
  readonly #fail = (error: unknown): number | null => {
    if (error instanceof ChatError) {
      this.end(error);
      return 0; // what comes after that is dropped
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
      transport?: Transport;
      maxOutboxBytes?: number;
      clock?: Clock;
    },
  ) {
    this.remote = options.remote;
    this.transport = options.transport ?? "TCP";
    this.#wire = wire;
    this.idleSince = options.now;
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

  /** See {@linkcode Wire}. */
  set onTurn(onTurn: (turn: Promise<void>) => void) {
    this.#wire.onTurn = onTurn;
  }

  /** See {@linkcode frames}. */
  [Symbol.asyncIterator](): AsyncIterator<Iterable<Frame | ChatError>> {
    return frames(this, this.decoder)[Symbol.asyncIterator]();
  }

  /** Reads bytes, for {@linkcode frames}; null at the end, however it came. */
  read(buffer: Uint8Array): Promise<number | null> {
    this.#reading = buffer;
    return this.#wire.read(buffer).then(this.#took, this.#fail);
  }

  /**
   * Ends it. The last frame is an error's, or `last` if that is given; what is
   * queued is sent before it, but not to a slow consumer. Then it half-closes and
   * waits for the client's end: at once, the kernel's RST would overtake the last
   * frame. Idempotent.
   */
  end(ending: Ending, last?: Uint8Array): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    if (ending instanceof ChatError) {
      const error = last ?? encodeError(ending);
      if (ending.code === 115) this.outbox.close(error);
      else this.outbox.answer(error);
    }
    this.outbox.hurry();
    this.#deadline = this.#clock.after(LAST_FRAME_MS, () => this.#giveUp());
    this.#halfClosing = this.#halfClose();
    this.onEnd?.();
  }

  /** See {@linkcode OutboxOwner}. */
  overflowed(): void {
    // Later: a delivery to many iterates over its receivers now.
    queueMicrotask(() => this.end(tooMuch(this.outbox.maxBytes)));
  }

  /** See {@linkcode OutboxOwner}. */
  lost(): void {
    this.end("connection lost");
  }

  /** Ends it, and resolves when it is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end("closed");
    await this.#halfClosing;
    this.#close();
  }

  async #halfClose(): Promise<void> {
    await this.outbox.flushed();
    try {
      await this.#wire.closeWrite();
    } catch {
      // The connection is broken, or closed: nothing is left to end.
    }
  }

  /** Closes it after a turn: the server may have had no time to read. */
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

/** The first byte of a TLS connection; no frame begins with it. */
export const TLS_HANDSHAKE = 0x16;

function noTls(): ChatError {
  const why = "it is TLS, and this port is without TLS";
  return new ChatError(103, `Cannot read head: ${why}`);
}
