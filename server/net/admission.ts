/**
 * Where newcomers wait for a moment, so that they do not keep those waiting who
 * talk.
 *
 * To come in costs the program ten times as much as to say something, and a
 * whole class does it at once: what is said meanwhile would have to wait for
 * all of them. So, while somebody talks, they are let through in small
 * portions, in the order in which they came, with a pause after each that
 * belongs to the others. While nobody talks, nobody waits.
 *
 * @module
 */
import { CLOCK, type Clock } from "./clock.ts";
import { nextTurn } from "./turns.ts";

/** So long newcomers are let through without a pause, in milliseconds. */
const PORTION_MS = 0.5;

/** So long is a pause, in milliseconds; a timer takes one more. */
export const PAUSE_MS = 1;

/** So long after the last message somebody still talks, in milliseconds. */
const TALK_MS = 1_000;

/** What a {@linkcode Admission} has to know. */
export interface AdmissionOptions {
  /** A number that changes whenever somebody says something. */
  readonly lastId: () => number;
  readonly clock?: Clock;
}

/** See the top of the file. Disposed, it lets everybody through. */
export class Admission implements AsyncDisposable {
  readonly #lastId: () => number;
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  #lettingThrough: Promise<void> | undefined;
  #knownId: number;
  #talkAt = -Infinity;
  #endPause: (() => void) | undefined;
  #disposed = false;

  /** Nobody waits. */
  constructor({ lastId, clock = CLOCK }: AdmissionOptions) {
    this.#lastId = lastId;
    this.#clock = clock;
    this.#knownId = lastId();
  }

  /** Resolves when it is one's turn; undefined if that is at once. */
  pass(): Promise<void> | undefined {
    const free = this.#waiting.length === 0 && !this.#isTalk();
    if (free || this.#disposed) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#lettingThrough ??= this.#letThrough();
    return promise;
  }

  /** Resolves when nothing is left of it, not even a timer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.#endPause?.();
    await this.#lettingThrough;
  }

  async #letThrough(): Promise<void> {
    while (this.#waiting.length > 0) {
      const startedAt = this.#clock.now();

      while (
        this.#waiting.length > 0 && this.#clock.now() - startedAt < PORTION_MS
      ) {
        this.#waiting.shift()!(); // there is one
        await nextTurn(); // it comes in, and what came meanwhile is read
      }
      if (this.#isTalk()) await this.#pause();
    }
    this.#lettingThrough = undefined;
  }

  #isTalk(): boolean {
    const id = this.#lastId();
    if (id !== this.#knownId) this.#talkAt = this.#clock.now();
    this.#knownId = id;
    return this.#clock.now() - this.#talkAt < TALK_MS;
  }

  async #pause(): Promise<void> {
    if (this.#disposed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#endPause = resolve;
    using _timer = this.#clock.after(PAUSE_MS, resolve);
    await promise;
  }
}
