/**
 * A queue in which addresses share time: the address that took least goes on. So
 * many short requests of one address do not wait for a long one of every other.
 *
 * It is start-time fair queueing (Goyal, Vin and Cheng, 1996): an address that comes
 * late counts as if it had taken as much as the one that went on last. An address
 * earns nothing in the time in which it asks for nothing.
 *
 * @module
 */

/** The connections of an address that wait, and the time that it took. */
interface Share {
  readonly waiting: (() => void)[];
  tookMs: number;
}

/** See the top of the file. Those of one address go on in the order they came. */
export class FairQueue {
  readonly #shares = new Map<string, Share>();
  #leastMs = 0; // time of the address that went on last

  /** Resolves when it is the caller's turn. `of` is the network of an address. */
  wait(of: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#shareOf(of).waiting.push(resolve);
    return promise;
  }

  /** Notes that `of` took `ms`. */
  took(of: string, ms: number): void {
    this.#shareOf(of).tookMs += ms;
  }

  /** Lets the next one go on. @returns Whether there was one. */
  next(): boolean {
    let next: Share | undefined;
    let nextOf = "";
    for (const [of, share] of this.#shares) {
      if (share.waiting.length === 0) {
        if (share.tookMs <= this.#leastMs) this.#shares.delete(of);
      } else if (!next || share.tookMs < next.tookMs) {
        next = share;
        nextOf = of;
      }
    }
    if (!next) {
      this.#shares.clear(); // no address waited for the time that was taken
      return false;
    }
    this.#leastMs = next.tookMs;
    this.#shares.delete(nextOf); // it goes behind others that took as much
    this.#shares.set(nextOf, next);
    next.waiting.shift()!(); // one waits
    return true;
  }

  /** Lets all that wait go on. */
  release(): void {
    for (const { waiting } of this.#shares.values()) {
      for (const resolve of waiting) resolve();
    }
    this.#shares.clear();
  }

  #shareOf(of: string): Share {
    const known = this.#shares.get(of);
    if (known) return known;
    const share: Share = { waiting: [], tookMs: this.#leastMs };
    this.#shares.set(of, share);
    return share;
  }
}
