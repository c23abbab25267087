/**
 * How long two-socket senders wait for the two-socket receivers of one address,
 * with messages to many: the sender's answer waits for each receiver, and one that
 * acknowledges just in time, each time, must not hold up every sender.
 *
 * @module
 */

/** A receiver that needs so long, in milliseconds, held up no sender. */
const GRACE_MS = 250;

/**
 * For so long a minute, in milliseconds, senders wait for one address. The wait
 * in which that is used up goes on.
 */
export const WAIT_MS_PER_MINUTE = 2_000;

/** Counts, by address, for how long senders have waited. */
export class Patience {
  readonly #now: () => number;
  readonly #waited = new Map<string, { ms: number; at: number }>();

  /** @param now Milliseconds that never jump. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a sender waits for a receiver at `network`. */
  lasts(network: string): boolean {
    return this.#left(network) < WAIT_MS_PER_MINUTE;
  }

  /** A sender waits for a receiver at `network`, until the result is called. */
  wait(network: string): () => void {
    const since = this.#now();
    return () => {
      const ms = this.#now() - since - GRACE_MS;
      if (ms <= 0) return;
      const waited = this.#left(network) + ms;
      this.#waited.set(network, { ms: waited, at: this.#now() });
      for (const other of this.#waited.keys()) this.#left(other); // or they stay
    };
  }

  /** What is not forgiven of what was waited for it, in milliseconds. */
  #left(network: string): number {
    const waited = this.#waited.get(network);
    if (!waited) return 0;
    const minutes = (this.#now() - waited.at) / 60_000;
    const left = waited.ms - minutes * WAIT_MS_PER_MINUTE;
    if (left > 0) return left;
    this.#waited.delete(network);
    return 0;
  }
}
