/**
 * Limits: the rates of a connection and of an address, and the number of
 * connections.
 *
 * A client that exceeds a rate is slowed down and loses nothing: it goes into
 * debt, and the server reads its next frame when the debt is paid. Meanwhile TCP
 * holds the client back. All connections of an address together have
 * {@linkcode ADDRESS_SHARE} times the rates of one: many connections are no way
 * around them. They all add to the debt of the address, which can take long to
 * pay: over {@linkcode MAX_WAIT_MS} a request is refused instead.
 *
 * Values in, values out, the time included; the session waits. An address is
 * remembered only while it has connections or a debt.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import {
  DEFAULT_RATES,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  type RateKind,
  type Rates,
} from "./rates.ts";
import { type Rate, TokenBucket } from "./token_bucket.ts";

/** A burst may be as large as the rate allows in so many seconds. */
export const BURST_SECONDS = 20;

/** The rates of an address, as a multiple of those of a connection. */
export const ADDRESS_SHARE = 10;

/** A longer wait is refused with `Retry-after` instead, in milliseconds. */
export const MAX_WAIT_MS = 5_000;

/** New accounts of one address: so many at once, then one a minute. */
export const SIGN_UPS: Rate = { perSecond: 1 / 60, burst: 200 };

/** A client that sends more bytes than this floods. */
export const FLOOD_RATE: Rate = { perSecond: 16 * 1024, burst: 64 * 1024 };

/** A guess: nobody knows when a full server has room again. */
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

/** The limits of one server. */
export class Limits {
  readonly #rates: Rates;
  readonly #maxConnections: number;
  readonly #maxPerAddress: number;
  readonly #addresses = new Map<string, Address>();
  #connections = 0;

  constructor({
    rates = DEFAULT_RATES,
    maxConnections = MAX_CONNECTIONS,
    maxConnectionsPerAddress = MAX_CONNECTIONS_PER_ADDRESS,
  }: LimitOptions = {}) {
    this.#rates = rates;
    this.#maxConnections = maxConnections;
    this.#maxPerAddress = maxConnectionsPerAddress;
  }

  /** How many connections are counted. */
  get connections(): number {
    return this.#connections;
  }

  /** The rates of a new connection from `host`. */
  paceOf(host: string, now: number): Pace {
    const key = networkOf(host);
    const address = this.#addresses.get(key) ?? new Address(this.#rates, now);
    this.#addresses.set(key, address);
    return new Pace(this.#rates, address, now);
  }

  /**
   * Counts a connection.
   *
   * @throws {ChatError} 114, or 108 that closes, if it is over a limit; then it is
   * not counted.
   */
  enter({ address }: Pace, now: number): void {
    if (this.#connections >= this.#maxConnections) {
      throw full(this.#maxConnections, "");
    }
    if (address.connections >= this.#maxPerAddress) {
      throw full(this.#maxPerAddress, " from your address");
    }
    address.countConnect(now);
    address.connections++;
    this.#connections++;
  }

  /** Counts the end of a connection that was counted. */
  leave({ address }: Pace): void {
    address.connections--;
    this.#connections--;
  }

  /** Forgets addresses that owe nothing. Call it once a second. */
  tidy(now: number): void {
    let idle = 0;
    for (const [key, address] of this.#addresses) {
      if (address.connections > 0) continue;
      const known = !address.isFull(now) && ++idle <= MAX_IDLE_ADDRESSES;
      if (!known) this.#addresses.delete(key);
    }
  }
}

const KINDS: readonly RateKind[] = ["messages", "bytes", "joins", "requests"];

/** One bucket for each rate. */
export type Buckets = Readonly<Record<RateKind, TokenBucket>>;

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

/** The rates of one connection. */
export class Pace {
  readonly address: Address;
  readonly #own: Buckets;
  readonly #flood: TokenBucket;
  #received = 0; // in bytes
  #messages = 0; // not yet counted for the address

  constructor(rates: Rates, address: Address, now: number) {
    this.#own = bucketsOf(rates, 1, now);
    this.#flood = new TokenBucket(FLOOD_RATE, now);
    this.address = address;
  }

  /** Counts a message. @returns Whether the connection's rate allows it. */
  countMessage(now: number): boolean {
    this.#messages++;
    return this.#own.messages.take(1, now);
  }

  /** Counts anything else. */
  count(kind: RateKind, cost: number, now: number): void {
    this.#own[kind].take(cost, now);
    this.address.buckets[kind].take(cost, now);
  }

  /** Counts the bytes of a read, `total` so far, and the messages in it. */
  countRead(total: number, now: number): void {
    const bytes = total - this.#received;
    this.#received = total;
    this.count("bytes", bytes, now);
    this.#flood.take(bytes, now);
    this.address.buckets.messages.take(this.#messages, now);
    this.#messages = 0;
  }

  /** Whether it sends so much that it must wait for slow receivers. */
  floods(now: number): boolean {
    return this.#flood.waitMs(now) > 0;
  }

  /** Whether the connection or its address owes anything. */
  owes(now: number): boolean {
    return this.waitMs(now) > 0 || this.addressOwes(now).waitMs > 0;
  }

  /** How long until the connection owes nothing, in milliseconds. */
  waitMs(now: number): number {
    return longest(this.#own, now).waitMs;
  }

  /** How long until the address owes nothing, and what it owes. */
  addressOwes(now: number): Debt {
    return longest(this.address.buckets, now);
  }
}

/** What a connection or an address owes to one of its rates. */
export interface Debt {
  readonly kind: RateKind;
  readonly perSecond: number;
  /** How long until it is paid, in milliseconds; 0 without a debt. */
  readonly waitMs: number;
}

/** The debt that takes longest to pay. */
function longest(buckets: Buckets, now: number): Debt {
  let debt: Debt = NO_DEBT;
  for (const kind of KINDS) {
    const waitMs = buckets[kind].waitMs(now);
    if (waitMs <= debt.waitMs) continue;
    debt = { kind, perSecond: buckets[kind].rate.perSecond, waitMs };
  }
  return debt;
}

const NO_DEBT: Debt = { kind: "messages", perSecond: Infinity, waitMs: 0 };

function bucketsOf(rates: Rates, share: number, now: number): Buckets {
  const bucket = (kind: RateKind) =>
    new TokenBucket(rateOf(rates[kind] * share), now);
  return {
    messages: bucket("messages"),
    bytes: bucket("bytes"),
    joins: bucket("joins"),
    requests: bucket("requests"),
  };
}

function rateOf(perSecond: number): Rate {
  return { perSecond, burst: perSecond * BURST_SECONDS };
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
