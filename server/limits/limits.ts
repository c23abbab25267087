/**
 * Limits of the server: how many connections are open, in all and from one
 * address. The rates of each are in pacing.ts.
 *
 * Values in, values out, the time included. An address is remembered only while
 * it has connections or a debt.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import {
  ADDRESS_SHARE,
  type Buckets,
  bucketsOf,
  type Debt,
  Pace,
  type Rate,
  rateOf,
  TokenBucket,
} from "./pacing.ts";
import {
  DEFAULT_RATES,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  type Rates,
} from "./rates.ts";

/** The rate of new accounts of one address: a burst at once, then one a minute. */
export const SIGN_UPS: Rate = { perSecond: 1 / 60, burst: 200 };

/** A guess: when a full server has room again is not known. */
const RETRY_WHEN_FULL_SECONDS = 10;

/** Limit of remembered addresses without a connection. */
const MAX_IDLE_ADDRESSES = 10_000;

/** Settings of {@linkcode Limits}. */
export interface LimitOptions {
  /** Default {@linkcode DEFAULT_RATES}. */
  readonly rates?: Rates;
  /** Default {@linkcode MAX_CONNECTIONS}. */
  readonly maxConnections?: number;
  /** Default {@linkcode MAX_CONNECTIONS_PER_ADDRESS}. */
  readonly maxConnectionsPerAddress?: number;
}

/** What limits one connection. */
export interface LimitedConnection {
  readonly address: Address;
  readonly pace: Pace;
}

/** The limits of one server. */
export class Limits {
  readonly #options: Required<LimitOptions>;
  readonly #addresses = new Map<string, Address>();
  #connections = 0;

  constructor(options: LimitOptions = {}) {
    this.#options = {
      rates: DEFAULT_RATES,
      maxConnections: MAX_CONNECTIONS,
      maxConnectionsPerAddress: MAX_CONNECTIONS_PER_ADDRESS,
      ...options,
    };
  }

  /** How many connections are counted. */
  get connections(): number {
    return this.#connections;
  }

  /** What a new connection from `host` is limited by; it is not counted yet. */
  connectionFrom(host: string, now: number): LimitedConnection {
    const key = networkOf(host);
    const { rates } = this.#options;
    const address = this.#addresses.get(key) ?? new Address(rates, now);
    this.#addresses.set(key, address);
    return { address, pace: new Pace(rates, address.buckets, now) };
  }

  /**
   * Counts a connection.
   *
   * @throws {ChatError} 114, or 108 that closes, if it is over a limit; then it is
   * not counted.
   */
  enter({ address }: LimitedConnection, now: number): void {
    const { maxConnections, maxConnectionsPerAddress: most } = this.#options;
    if (this.#connections >= maxConnections) throw full(maxConnections, "");
    if (address.connections >= most) throw full(most, " from your address");
    address.countConnect(now);
    address.connections++;
    this.#connections++;
  }

  /** Counts the end of a connection that was counted. */
  leave({ address }: LimitedConnection): void {
    address.connections--;
    this.#connections--;
  }

  /** Forgets addresses that owe nothing. Call it each second. */
  tidy(now: number): void {
    let idle = 0;
    for (const [key, address] of this.#addresses) {
      if (address.connections > 0) continue;
      const known = !address.isFull(now) && ++idle <= MAX_IDLE_ADDRESSES;
      if (!known) this.#addresses.delete(key);
    }
  }
}

/** What all connections of one address share. */
export class Address {
  connections = 0;
  readonly buckets: Buckets;
  readonly #connects: TokenBucket;
  readonly #signUps: TokenBucket;

  constructor(rates: Rates, now: number) {
    this.buckets = bucketsOf(rates, ADDRESS_SHARE, now);
    this.#connects = new TokenBucket(rateOf(rates.connects), now);
    const limited = rates.requests < Infinity;
    this.#signUps = new TokenBucket(
      limited ? SIGN_UPS : rateOf(Infinity),
      now,
    );
  }

  /**
   * Counts a connection.
   *
   * @throws {ChatError} 108, which closes, if there were too many recently.
   */
  countConnect(now: number): void {
    const waitMs = this.#connects.waitMs(now);
    const { perSecond } = this.#connects.rate;
    if (waitMs > 0) {
      throw slowDown(
        `connect: rate limit for your address: ${perSecond} connections per second`,
        { limit: perSecond, waitMs, closes: true },
      );
    }
    this.#connects.take(1, now);
  }

  /**
   * Counts a new account.
   *
   * @throws {ChatError} 108 if there were too many recently.
   */
  countSignUp(now: number): void {
    const waitMs = this.#signUps.waitMs(now);
    if (waitMs > 0) {
      throw slowDown(
        `create an account: limit for your address: ${SIGN_UPS.burst} at once, then 1 per minute`,
        { limit: SIGN_UPS.burst, waitMs },
      );
    }
    this.#signUps.take(1, now);
  }

  /** Whether it owes nothing. */
  isFull(now: number): boolean {
    const all = [this.#connects, this.#signUps, ...Object.values(this.buckets)];
    return all.every((bucket) => bucket.isFull(now));
  }
}

/** The error for a request that a debt of its address forbids. */
export function overRate({ kind, perSecond, waitMs }: Debt): ChatError {
  return slowDown(
    `do that now: rate limit for your address: ${perSecond} ${kind} per second`,
    { limit: perSecond, waitMs },
  );
}

function slowDown(
  what: string,
  { limit, waitMs, closes = false }: {
    limit: number;
    waitMs: number;
    closes?: boolean;
  },
): ChatError {
  return new ChatError(108, `Cannot ${what}`, {
    headers: { Limit: limit, "Retry-after": Math.ceil(waitMs / 1_000) },
    closes,
  });
}

function full(limit: number, where: string): ChatError {
  const why = `connection limit reached: ${limit}${where}`;
  return new ChatError(114, `Cannot connect: ${why}`, {
    headers: { Limit: limit, "Retry-after": RETRY_WHEN_FULL_SECONDS },
  });
}

/**
 * The part of an address that a computer cannot choose at will. In IPv6, which is
 * in brackets, that is the network of 64 bits; all link-local addresses share
 * theirs, so they count whole.
 */
function networkOf(host: string): string {
  const address = /^\[([^\]%]*)/.exec(host)?.[1];
  if (address === undefined || /^fe[89ab]/i.test(address)) return host;
  const [front = "", back] = address.split("::");
  const groups = front === "" ? [] : front.split(":");
  const behind = back ? back.split(":") : [];
  while (back !== undefined && groups.length + behind.length < 8) {
    groups.push("0");
  }
  return `${[...groups, ...behind].slice(0, 4).join(":")}::`;
}
