/**
 * Waits for the PONG of a client that is asked whether it is there.
 *
 * @module
 */
import type { Clock } from "../net/clock.ts";

/** How long a client waits for the answer of the holder of its name. */
const ANSWER_WITHIN_MS = 2_000;

/** See the top of the file. All that ask meanwhile wait for the same PONG. */
export class PongWait {
  #waiting: Promise<void> | undefined;
  #end = () => {};

  /** Whether a PONG is waited for. */
  get isOpen(): boolean {
    return this.#waiting !== undefined;
  }

  /** Resolves with a PONG, or when that is late. */
  wait(after: Clock["after"]): Promise<void> {
    return this.#waiting ??= this.#wait(after);
  }

  /** There was a PONG. */
  answered(): void {
    this.#end();
  }

  async #wait(after: Clock["after"]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = after(ANSWER_WITHIN_MS, resolve);
    this.#end = resolve;
    await promise;
    this.#waiting = undefined;
  }
}
