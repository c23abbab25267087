/**
 * Finds slow consumers: clients that do not read what they are sent.
 *
 * The outbox is checked once a second. How much is unread says little by itself:
 * a busy room sends each reader a megabyte in one moment. So a client is a slow
 * consumer if much is unread and it takes little of it, or if it takes nothing
 * for long, however little is unread. Values in, values out, the time included.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import { type Outbox, STALL } from "./outbox.ts";

/** Milliseconds until a client that takes nothing is disconnected. */
export const STUCK_MS = 15_000;

/** Number of checks in a row that must find a client slow. */
const SLOW_CHECKS = 2;

/** Taking less in a second is slow, in bytes. */
const LITTLE_BYTES = STALL.bytes / STALL.ms * 1_000;

/** What is checked of an outbox. */
export type Unread = Pick<Outbox, "written" | "unreadBytes" | "empty">;

/** See the top of the file. */
export class SlowConsumerDetector {
  #written = 0;
  #movedAt: number;
  #slowChecks = 0;

  /** For a connection opened at `now`, in milliseconds that never jump. */
  constructor(now: number) {
    this.#movedAt = now;
  }

  /** Forgets how slow the client was. */
  restart(now: number): void {
    this.#movedAt = now;
    this.#slowChecks = 0;
  }

  /**
   * Checks the outbox. Call it about once a second.
   *
   * @returns Whether the client took anything since the last check, or why it
   * must be disconnected.
   */
  check(
    unread: Unread,
    { maxBytes, now }: { maxBytes: number; now: number },
  ): boolean | ChatError {
    const taken = unread.written - this.#written;
    this.#written = unread.written;
    if (taken > 0 || unread.empty) this.#movedAt = now;
    const slow = unread.unreadBytes > maxBytes && taken < LITTLE_BYTES;
    this.#slowChecks = slow ? this.#slowChecks + 1 : 0;
    if (this.#slowChecks >= SLOW_CHECKS) return tooMuch(maxBytes);
    if (now - this.#movedAt >= STUCK_MS) return stuck();
    return taken > 0;
  }
}

/** The error for a client with too much unread. */
export function tooMuch(maxBytes: number): ChatError {
  return new ChatError(
    115,
    `Cannot keep the connection: the client has more than ${maxBytes} unread bytes`,
    { headers: { Limit: maxBytes } },
  );
}

function stuck(): ChatError {
  const seconds = STUCK_MS / 1_000;
  return new ChatError(
    115,
    `Cannot keep the connection: timed out, the client stopped reading for ${seconds} seconds`,
  );
}
