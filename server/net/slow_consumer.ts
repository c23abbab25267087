/**
 * Whether a peer takes what it is sent: one look at its outbox a second.
 *
 * How much is unread says nothing by itself. A room that wakes up sends every
 * reader a megabyte in one moment; who is slow is known by what becomes of it.
 * So a peer is too slow if much is unread and it takes little of it, or if it
 * takes nothing at all for long, however little that is. Values in, values
 * out, the time included.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import { STALL } from "./outbox.ts";

/** A peer that takes nothing of what it is sent is given up after so long. */
export const STUCK_MS = 15_000;

/** So many looks in a row must find it slow. */
const SLOW_LOOKS = 2;

/** Less than this in a second is little, in bytes. */
const LITTLE_BYTES = STALL.bytes / STALL.ms * 1_000;

/** What there is to look at, such as an outbox. */
export interface Unread {
  /** How many bytes were ever taken. */
  readonly written: number;
  /** How many bytes are to be taken that count against the peer. */
  readonly unreadBytes: number;
  /** Whether nothing is to be taken. */
  readonly empty: boolean;
}

/** See the top of the file. */
export class SlowConsumerDetector {
  #written = 0;
  #movedAt: number;
  #slowLooks = 0;

  /** For a peer that came at `now`, in milliseconds that never jump. */
  constructor(now: number) {
    this.#movedAt = now;
  }

  /** Forgets how slow the peer was. */
  restart(now: number): void {
    this.#movedAt = now;
    this.#slowLooks = 0;
  }

  /**
   * Looks; to be called about once a second.
   *
   * @returns Whether the peer took anything since the last look, or why it is
   * to be given up.
   */
  check(
    unread: Unread,
    { maxBytes, now }: { maxBytes: number; now: number },
  ): boolean | ChatError {
    const taken = unread.written - this.#written;
    this.#written = unread.written;
    if (taken > 0 || unread.empty) this.#movedAt = now;
    const slow = unread.unreadBytes > maxBytes && taken < LITTLE_BYTES;
    this.#slowLooks = slow ? this.#slowLooks + 1 : 0;
    if (this.#slowLooks >= SLOW_LOOKS) return tooMuch(maxBytes);
    if (now - this.#movedAt >= STUCK_MS) return stuck();
    return taken > 0;
  }
}

/** The end of a peer for which too much is queued. */
export function tooMuch(maxBytes: number): ChatError {
  return new ChatError(
    115,
    `Cannot keep the connection: more than ${maxBytes} bytes are sent to you that you do not read`,
    { headers: { Limit: maxBytes } },
  );
}

function stuck(): ChatError {
  const seconds = STUCK_MS / 1_000;
  return new ChatError(
    115,
    `Cannot keep the connection: you read nothing for ${seconds} seconds`,
  );
}
