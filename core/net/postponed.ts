/**
 * Requests that the server has rate-limited (108): they wait as long as it says,
 * and then they are sent again, before all that came after them.
 *
 * @module
 */
import type { ChatError } from "../../protocol.ts";
import { type Clock, QUIET_WAIT_MS, retryAfterMs } from "./backoff.ts";
import type { PendingRequest } from "./connection.ts";

/** The wait after a 108 without Retry-After, in milliseconds. */
const LEAST_RETRY_AFTER_MS = 1_000;

/** See the top of the file. */
export class Postponed {
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #over: () => void;
  #requests: PendingRequest[] = [];
  #until = 0; // about
  #waits = 0; // that are not over
  #toldUntil = 0; // when the wait is over that the user was told of

  /** None; `over` is called after each wait, until `stop` is aborted. */
  constructor(clock: Clock, stop: AbortSignal, over: () => void) {
    this.#clock = clock;
    this.#stop = stop;
    this.#over = over;
  }

  /** In their order. */
  get requests(): readonly PendingRequest[] {
    return this.#requests;
  }

  /** Whether the time is over that the server has told. */
  get isDue(): boolean {
    return this.#waits === 0;
  }

  /** Whether some wait that the user was told of. */
  get isTold(): boolean {
    return this.#requests.length > 0 && this.#clock.now() < this.#toldUntil;
  }

  /**
   * Adds the last one, which the server refused with `why`. Calls `tell` if it
   * waits for longer than a moment.
   */
  add(
    request: PendingRequest,
    why: ChatError,
    tell: (why: ChatError) => void,
  ): void {
    this.#requests.push(request);
    const now = this.#clock.now();
    const until = now + (retryAfterMs(why) || LEAST_RETRY_AFTER_MS);
    if (until - Math.max(now, this.#toldUntil) > QUIET_WAIT_MS) {
      this.#toldUntil = until;
      tell(why);
    }
    if (until <= this.#until) return;
    this.#until = until;
    this.#waits++;
    this.#clock.sleep(until - now, this.#stop).then(() => {
      this.#waits--;
      this.#over();
    });
  }

  /** Takes all of them. */
  take(): PendingRequest[] {
    return this.#requests.splice(0);
  }
}
