/**
 * Admission control: connections that register wait for a moment, so that they
 * do not delay the chat.
 *
 * A registration costs ten times as much as a message, and a whole class
 * registers at once. So while users chat, registrations are admitted in small
 * portions, with a pause after each portion. Those of one address are admitted in
 * the order in which they came, and the addresses take turns: an address that
 * connects without a pause delays only its own. While no user chats, no
 * connection waits.
 *
 * @module
 */
import { CLOCK, type Clock, nextTurn } from "./clock.ts";
import { RoundRobin } from "./round_robin.ts";

/** Time in which registrations are admitted without a pause, in milliseconds. */
const PORTION_MS = 0.5;

/** Length of a pause without an option, in milliseconds; a timer takes one more. */
export const PAUSE_MS = 2;

/** Users count as chatting for this time after a message, in milliseconds. */
const CHAT_MS = 1_000;

/** See the top of the file. Disposed, it admits all at once. */
export class Admission implements AsyncDisposable {
  readonly #lastId: () => number;
  readonly #clock: Clock;
  readonly #pauseMs: number;
  readonly #waiting = new RoundRobin();
  #admitting: Promise<void> | undefined;
  #knownId: number;
  #chatAt = -Infinity;
  #endPause: (() => void) | undefined;
  #disposed = false;

  /** `lastId` gives the id of the newest message: it changes while users chat. */
  constructor(
    lastId: () => number,
    clock: Clock = CLOCK,
    pauseMs: number = PAUSE_MS,
  ) {
    this.#lastId = lastId;
    this.#clock = clock;
    this.#pauseMs = pauseMs;
    this.#knownId = lastId();
  }

  /**
   * Resolves when the caller is admitted; undefined if that is at once. For `of`
   * see {@linkcode RoundRobin.wait}.
   */
  pass(of?: unknown): Promise<void> | undefined {
    const free = this.#waiting.isEmpty && !this.#isChat();
    if (free || this.#disposed) return undefined;
    const turn = this.#waiting.wait(of);
    this.#admitting ??= this.#admit();
    return turn;
  }

  /** Resolves when nothing is left of it, not even a timer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#waiting.release();
    this.#endPause?.();
    await this.#admitting;
  }

  async #admit(): Promise<void> {
    while (!this.#waiting.isEmpty) {
      const startedAt = this.#clock.now();

      while (
        this.#clock.now() - startedAt < PORTION_MS && this.#waiting.next()
      ) {
        await nextTurn(); // it registers, and other connections are read
      }
      if (this.#isChat()) await this.#pause();
    }
    this.#admitting = undefined;
  }

  #isChat(): boolean {
    const id = this.#lastId();
    if (id !== this.#knownId) this.#chatAt = this.#clock.now();
    this.#knownId = id;
    return this.#clock.now() - this.#chatAt < CHAT_MS;
  }

  async #pause(): Promise<void> {
    if (this.#disposed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#endPause = resolve;
    using _timer = this.#clock.after(this.#pauseMs, resolve);
    await promise;
  }
}
