/**
 * Whether the client of one connection is there: it registers in time, it reads
 * what it is sent, and it breaks its silence with a frame or with a PONG.
 *
 * Values in, values out, the time included, in milliseconds that never jump;
 * the timer in lifecycle.ts asks.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import { SlowConsumerDetector, type Unread } from "../net/slow_consumer.ts";

/** The times of {@linkcode Keepalive}, in milliseconds. */
export interface KeepaliveSettings {
  /** A client must register within this time. */
  readonly registerWithinMs: number;
  /** An idle client is sent PING after this time. */
  readonly pingAfterMs: number;
  /** An idle client is disconnected after this time. */
  readonly idleAfterMs: number;
  /** Limit of unread bytes of a slow consumer. */
  readonly maxUnreadBytes: number;
}

/** What {@linkcode Keepalive.check} looks at. */
export interface Signs {
  readonly outbox: Unread & { readonly behind: boolean };
  /** When the client last gave a sign of life. */
  idleSince: number;
}

/** How far a session is; `completing` is one socket of two. */
export type Progress = "new" | "completing" | "two-socket" | "registered";

/** See the top of the file. */
export class Keepalive {
  /** When in each second it is checked: from 0 to 1, at random. */
  readonly phase: number = Math.random();
  readonly #consumer: SlowConsumerDetector;
  #openedAt: number;
  #waiting = false;
  #pingedAt = -Infinity;
  #pingedId: number | undefined; // the newest message before an open PING
  #confirmedId = 0;

  /** For a connection that was opened at `now`. */
  constructor(now: number) {
    this.#openedAt = now;
    this.#consumer = new SlowConsumerDetector(now);
  }

  /** Whether the client waits for the server to admit it. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Waits for admission, which does not count as the client's time. */
  async admitted(turn: Promise<void>, now: () => number): Promise<void> {
    const since = now();
    this.#waiting = true;
    await turn;
    this.#waiting = false;
    this.#openedAt += now() - since;
  }

  /** Gives the client all its time again: the server itself stood still. */
  restart(now: number): void {
    this.#openedAt = now;
    this.#consumer.restart(now);
  }

  /** Notes a PING; its PONG confirms all messages up to `lastId`, if given. */
  pinged(now: number, lastId: number | undefined): void {
    this.#pingedAt = now;
    this.#pingedId ??= lastId;
  }

  /** Notes a PONG. @returns Up to which id it confirms messages. */
  ponged(): number | undefined {
    const id = this.#pingedId;
    this.#pingedId = undefined;
    if (id !== undefined) this.#confirmedId = id;
    return id;
  }

  /** Whether messages up to `lastId` need a PING to be confirmed. */
  isUnconfirmed(lastId: number): boolean {
    return this.#pingedId === undefined && lastId > this.#confirmedId;
  }

  /**
   * What to do now. Call it each second.
   *
   * @returns Why the connection must end, or "ping", or "confirm": a PING if
   * messages are unconfirmed.
   */
  check(
    signs: Signs,
    { progress, settings, now }: {
      progress: Progress;
      settings: KeepaliveSettings;
      now: number;
    },
  ): ChatError | "ping" | "confirm" | undefined {
    const { outbox } = signs;
    const maxBytes = settings.maxUnreadBytes;
    const took = this.#consumer.check(outbox, { maxBytes, now });
    if (took instanceof ChatError) return took;
    // A client that takes a long answer is there, though nothing is read.
    if (took && outbox.behind) signs.idleSince = now;
    if (progress === "registered") {
      return this.#checkIdle(now - signs.idleSince, settings, now);
    }
    // Two-socket clients have no PING.
    if (this.#waiting || progress === "two-socket") return undefined;
    const { registerWithinMs, idleAfterMs } = settings;
    const limitMs = progress === "new" ? registerWithinMs : idleAfterMs;
    const openMs = now - this.#openedAt;
    return openMs < limitMs ? undefined : idle("no registration", openMs);
  }

  #checkIdle(
    idleMs: number,
    { pingAfterMs, idleAfterMs }: KeepaliveSettings,
    now: number,
  ): ChatError | "ping" | "confirm" | undefined {
    if (idleMs >= idleAfterMs) return idle("no frame and no PONG", idleMs);
    const pingedMs = now - this.#pingedAt;
    if (idleMs >= pingAfterMs && pingedMs > idleMs) return "ping";
    // It is not idle, but only a PONG says what an account has received.
    return pingedMs >= pingAfterMs ? "confirm" : undefined;
  }
}

function idle(what: string, forMs: number): ChatError {
  const seconds = Math.round(forMs / 1_000);
  return new ChatError(
    116,
    `Cannot keep the connection: ${what} for ${seconds} seconds`,
  );
}
