/**
 * Token buckets: a rate that allows bursts.
 *
 * Time is an argument, in milliseconds that never jump. A bucket can be
 * overdrawn: `take` always takes, and the debt is paid before the next one.
 * Nothing is refused, however large it is.
 *
 * @module
 */

/** How fast a bucket fills and how much it holds, in tokens; Infinity for no limit. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Allows bursts of `burst`, and `perSecond` in the long run. */
export class TokenBucket {
  readonly rate: Rate;
  #tokens: number;
  #filledAt: number;

  /** It is full at `now`. */
  constructor(rate: Rate, now: number) {
    this.rate = rate;
    this.#tokens = rate.burst;
    this.#filledAt = now;
  }

  /** Takes `cost` in any case. @returns Whether it was there. */
  take(cost: number, now: number): boolean {
    this.#fill(now);
    this.#tokens -= cost;
    return this.#tokens >= 0;
  }

  /** How long until the debt is paid, in milliseconds. */
  waitMs(now: number): number {
    if (this.#tokens >= 0) return 0;
    this.#fill(now);
    return Math.max(0, -this.#tokens / this.rate.perSecond * 1_000);
  }

  /** Whether it is full. */
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
