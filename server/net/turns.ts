/**
 * Turns: clients that take much of the server's time give way to all others.
 *
 * A client whose address is within its share of time is served at once: see
 * `Work` in server/limits/pacing.ts. All others wait here. Long tasks wait in any
 * case: a list of 10,000 rooms, a long history, a TLS handshake, a request for the
 * page. All that wait have half a millisecond together. Then all other connections
 * have a turn. While those send something, there is a pause, which is longer than
 * the time that was taken. So a chat waits a moment, however many wait here.
 *
 * The address that took least is next: an address that asks for much delays only its
 * own clients. While no other client sends anything, there are no pauses.
 *
 * @module
 */
import type { Clock } from "./clock.ts";
import { FairQueue } from "./fair_queue.ts";

/** Time for all that wait, between two turns for others, in milliseconds. */
export const SLICE_MS = 0.5;

/** The length of a pause, as a multiple of the time that was taken. */
export const PAUSE_FACTOR = 2;

/** Others count as busy for this time after they were served, in milliseconds. */
export const BUSY_MS = 100;

/** Time that a new TLS connection takes, with its handshake, in milliseconds. */
export const HANDSHAKE_COST_MS = 3;

/** See the top of the file. Disposed, nothing waits. */
export class Turns implements Disposable {
  /** When a client within its share was last served. */
  servedAt = -Infinity;
  readonly #clock: Clock;
  readonly #nextTurn: () => Promise<void>;
  readonly #waiting = new FairQueue();
  #isTaken = false;
  #of = ""; // the network of the client that has its turn
  #startedAt = 0;
  #usedMs = 0; // of SLICE_MS
  #leftAt = -Infinity;
  #pause: Disposable | undefined;
  #isDisposed = false;

  /** `nextTurn` lets all other connections have a turn. */
  constructor(clock: Clock, nextTurn: () => Promise<void>) {
    this.#clock = clock;
    this.#nextTurn = nextTurn;
  }

  /**
   * Resolves when it is the caller's turn. Call {@linkcode leave} after that, if
   * possible before anything else is awaited. `of` is the network of the client.
   */
  async enter(of: string): Promise<void> {
    if (this.#isDisposed) return;
    if (this.#isTaken) await this.#waiting.wait(of);
    else if (this.#clock.now() - this.#leftAt > SLICE_MS) this.#usedMs = 0;
    this.#isTaken = true;
    this.#of = of;
    this.#startedAt = this.#clock.now();
  }

  /** Whether the time for all that wait is over. */
  get isOver(): boolean {
    return this.#usedMs + this.#clock.now() - this.#startedAt >= SLICE_MS;
  }

  /**
   * Lets the next one begin: after others had their turn, if the time is over. The
   * caller takes `leastMs` at least, perhaps after this call.
   */
  leave(leastMs = 0): void {
    this.#leftAt = this.#clock.now();
    const ms = Math.max(leastMs, this.#leftAt - this.#startedAt);
    this.#usedMs += ms;
    this.#waiting.took(this.#of, ms);
    if (this.#usedMs < SLICE_MS) this.#handOn();
    else void this.#rest();
  }

  /**
   * Resolves when a task of about `ms` may begin. It counts for nothing if its
   * client `isGone` by then.
   */
  async pass(of: string, ms: number, isGone: () => boolean): Promise<void> {
    await this.enter(of);
    this.leave(isGone() ? 0 : ms);
  }

  /** Lets all that wait go on at once, and all that call later. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#pause?.[Symbol.dispose]();
    this.#waiting.release();
  }

  async #rest(): Promise<void> {
    await this.#nextTurn(); // the server stores and answers what has begun
    const isBusy = this.#clock.now() - this.servedAt < BUSY_MS;
    if (isBusy) await this.#waitMs(this.#usedMs * PAUSE_FACTOR);
    this.#usedMs = 0;
    this.#handOn();
  }

  #handOn(): void {
    this.#isTaken = this.#waiting.next();
  }

  #waitMs(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#isDisposed) this.#pause = this.#clock.after(ms, resolve);
    });
  }
}
