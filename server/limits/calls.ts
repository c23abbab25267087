/**
 * How often the users of one address call others to direct sessions: one user, and
 * all users together. A call rings at once, so it is refused and not delayed.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import { TokenBucket } from "./pacing.ts";
import { type Rate, rateOf } from "./rates.ts";

/** Calls of one address to one user: a class that hands in a file, and some more. */
export const CALLS_TO_ONE: Rate = { perSecond: 1 / 10, burst: 60 };

/** Calls of one address to all users. */
export const CALLS_TO_ALL: Rate = { perSecond: 1, burst: 300 };

/** See the top of the file. A user is remembered only while the address owes. */
export class Calls {
  readonly #isLimited: boolean;
  readonly #toAll: TokenBucket;
  readonly #toOne = new Map<string, TokenBucket>();

  /** None until `now`, in milliseconds. */
  constructor(isLimited: boolean, now: number) {
    this.#isLimited = isLimited;
    this.#toAll = new TokenBucket(this.#rate(CALLS_TO_ALL), now);
  }

  /**
   * Counts a call to the user of a name.
   *
   * @throws {ChatError} 108 if there were too many recently; then it is not
   * counted.
   */
  count(name: string, now: number): void {
    const toOne = this.#to(name.toLowerCase(), now);
    const full = [toOne, this.#toAll].find((bucket) => bucket.waitMs(now) > 0);
    if (full) throw tooMany(full === toOne ? `to ${name}` : "", full, now);
    toOne.take(1, now);
    this.#toAll.take(1, now);
  }

  /** Whether it owes nothing. */
  isFull(now: number): boolean {
    return this.#toAll.isFull(now) &&
      this.#toOne.values().every((bucket) => bucket.isFull(now));
  }

  #to(key: string, now: number): TokenBucket {
    const known = this.#toOne.get(key);
    if (known) return known;
    for (const [other, bucket] of this.#toOne) {
      if (bucket.isFull(now)) this.#toOne.delete(other);
    }
    const bucket = new TokenBucket(this.#rate(CALLS_TO_ONE), now);
    this.#toOne.set(key, bucket);
    return bucket;
  }

  #rate(rate: Rate): Rate {
    return this.#isLimited ? rate : rateOf(Infinity);
  }
}

function tooMany(whom: string, bucket: TokenBucket, now: number): ChatError {
  const { burst, perSecond } = bucket.rate;
  const what = `calls from your address ${whom}`.trim();
  const every = perSecond < 1 ? `${1 / perSecond} seconds` : "second";
  const rate = `${burst} at once, then one every ${every}`;
  return new ChatError(108, `Cannot call: limit for ${what}: ${rate}`, {
    headers: {
      Limit: burst,
      "Retry-after": Math.ceil(bucket.waitMs(now) / 1_000),
    },
  });
}
