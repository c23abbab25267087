/**
 * A queue in which addresses take turns: an address with many that wait delays
 * only its own.
 *
 * @module
 */

/** See the top of the file. Those of one address go on in the order they came. */
export class RoundRobin {
  /** By address; the one whose turn is next comes first. */
  readonly #waiting = new Map<unknown, (() => void)[]>();

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Resolves when it is the caller's turn. `of` is the network of an address, or
   * whatever else takes turns with networks.
   */
  wait(of: unknown): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = this.#waiting.get(of);
    if (queue) queue.push(resolve);
    else this.#waiting.set(of, [resolve]);
    return promise;
  }

  /** Lets the next one go on. @returns Whether there was one. */
  next(): boolean {
    for (const [of, queue] of this.#waiting) { // the first alone
      this.#waiting.delete(of);
      if (queue.length > 1) this.#waiting.set(of, queue); // behind all others
      queue.shift()?.();
      return true;
    }
    return false;
  }

  /** Lets all go on. */
  release(): void {
    for (const resolve of [...this.#waiting.values()].flat()) resolve();
    this.#waiting.clear();
  }
}
