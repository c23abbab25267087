/**
 * Token buckets: a rate that lets bursts through.
 *
 * Time is an argument, in milliseconds that never jump. What is taken is taken
 * even if it was not there: then something is owed, and whoever took it has to
 * wait until it is earned. So nothing is refused, however large it is.
 *
 * @module
 */

/** How fast a bucket fills, and how much it holds; Infinity for no limit. */
export interface Rate {
  /** Tokens. */
  readonly perSecond: number;
  /** Tokens. */
  readonly burst: number;
}

/** Lets through bursts of `burst`, and `perSecond` in the long run. */
export class TokenBucket {
  /** How it fills. */
  readonly rate: Rate;
  #tokens: number;
  #filledAt: number;

  /** It is full at `now`. */
  constructor(rate: Rate, now: number) {
    this.rate = rate;
    this.#tokens = rate.burst;
    this.#filledAt = now;
  }

  /** Takes `cost` in any case; says whether it was there. */
  take(cost: number, now: number): boolean {
    this.#fill(now);
    this.#tokens -= cost;
    return this.#tokens >= 0;
  }

  /** How long until nothing is owed, in milliseconds. */
  waitMs(now: number): number {
    if (this.#tokens >= 0) return 0;
    this.#fill(now);
    return Math.max(0, -this.#tokens / this.rate.perSecond * 1_000);
  }

  /** Whether it is as if nothing was ever taken. */
  isFull(now: number): boolean {
    this.#fill(now);
    return this.#tokens === this.rate.burst;
  }

  #fill(now: number): void {
    if (now <= this.#filledAt) return;
    const { perSecond, burst } = this.rate;
    const earned = (now - this.#filledAt) / 1_000 * perSecond;
    this.#tokens = Math.min(burst, this.#tokens + earned);
    this.#filledAt = now;
  }
}
