/**
 * PING and PONG of one registered user: whether its client is there, and what it
 * has received.
 *
 * @module
 */
import { encode } from "../../protocol.ts";
import type { Clock } from "./clock.ts";
import type { Connection } from "./connection.ts";

/** How long a client waits for the answer of the holder of its name. */
const ANSWER_WITHIN_MS = 2_000;

const PING = encode("PING");

/** Whose client is sent PING. */
interface Pinged {
  readonly connection: Connection;
  /** Whether it was sent all messages that it had missed. */
  readonly caughtUp: boolean;
}

/** When, and after which message. */
interface Timing {
  readonly now: () => number;
  readonly journal: { readonly lastId: number };
}

/** See the top of the file. */
export class Pings {
  /** When it was last sent PING. */
  pingedAt = -Infinity;
  /** When it was last sent PING because another client asks for its name. */
  askedAt = -Infinity;
  readonly #user: Pinged;
  #pingedId: number | undefined; // the newest message before an open PING
  #confirmedId = 0;
  #waiting: Promise<void> | undefined; // for a PONG
  #end = () => {};

  /** Of a user who was sent no PING yet. */
  constructor(user: Pinged) {
    this.#user = user;
  }

  /** Sends PING: its PONG confirms all messages up to the last one. */
  ping({ now, journal }: Timing): void {
    this.pingedAt = now();
    if (this.#user.caughtUp) this.#pingedId ??= journal.lastId;
    this.#user.connection.outbox.answer(PING);
  }

  /**
   * Sends PING for a client that asks for the name; resolves with a PONG, or when
   * that is late. All clients that ask meanwhile wait for the same promise. If it
   * `isOwn`, a client of the same network asks, and the name is soon free.
   */
  ask(timing: Timing & Pick<Clock, "after">, isOwn: boolean): Promise<void> {
    const isFirst = isOwn && this.askedAt < this.#user.connection.idleSince;
    if (isFirst) this.askedAt = timing.now();
    if (isFirst || !isOwn && !this.#waiting) this.ping(timing);
    return this.#waiting ??= this.#wait(timing.after);
  }

  /** Notes a PONG. @returns Up to which id it confirms messages. */
  ponged(): number | undefined {
    this.#end();
    this.askedAt = -Infinity;
    const id = this.#pingedId;
    this.#pingedId = undefined;
    if (id !== undefined) this.#confirmedId = id;
    return id;
  }

  /** Whether messages up to `lastId` need a PING to be confirmed. */
  isUnconfirmed(lastId: number): boolean {
    return this.#pingedId === undefined && lastId > this.#confirmedId;
  }

  async #wait(after: Clock["after"]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = after(ANSWER_WITHIN_MS, resolve);
    this.#end = resolve;
    await promise;
    this.#waiting = undefined;
  }
}
