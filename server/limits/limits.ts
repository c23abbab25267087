/**
 * Limits of the server: how many connections are open, in all and from one
 * address. The rates of each are in pacing.ts.
 *
 * Values in, values out, the time included. An address is remembered only while
 * it has connections or a debt.
 *
 * @module
 */
import {
  covers,
  type Network,
  networkOf,
  parseNetwork,
} from "../../core/net/ip_address.ts";
import { ChatError } from "../../protocol.ts";
import { Calls } from "./calls.ts";
import { type DebtQueue, MAX_WAIT_MS } from "./debts.ts";
import {
  type Buckets,
  FLOOD_RATE,
  Pace,
  type Shared,
  TokenBucket,
} from "./pacing.ts";
import {
  ADDRESS_SHARE,
  DEFAULT_RATES,
  hasShares,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  type Rate,
  type RateKind,
  rateOf,
  type Rates,
} from "./rates.ts";
import type { StoredRate } from "./stored.ts";
import type { Debt } from "./timing.ts";

/** Connections of an address that together send more bytes than this flood. */
const SHARED_FLOOD_RATE: Rate = {
  perSecond: 8 * FLOOD_RATE.perSecond,
  burst: 8 * FLOOD_RATE.burst,
};

/**
 * Time of the server that an address takes without a wait, in milliseconds. A
 * class of 40 that each send a message a second takes 3 to 5 in a second.
 */
export const SHARED_TIME: Rate = { perSecond: 5, burst: 2 };

/** The rate of new accounts of one address: a class at once, then one a minute. */
export const SIGN_UPS: Rate = { perSecond: 1 / 60, burst: 60 };

/** How many refused connections of one address are told why over TLS. */
const REFUSALS: Rate = { perSecond: 5, burst: 50 };

/** Bytes of a WebSocket's frames that are no part of a message. */
const FRAMES: Rate = { perSecond: 64 * 1024, burst: 256 * 1024 };

/** The same for all WebSockets of one address: a class sends far less. */
const SHARED_FRAMES: Rate = { perSecond: 96 * 1024, burst: 384 * 1024 };

/** A guess: when a full server has room again is not known. */
const RETRY_WHEN_FULL_SECONDS = 10;

/** Time between two lines of the log about one share. */
const TELL_EVERY_MS = 60 * 60 * 1_000;

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
  /** The bytes of one address to be stored; default: no limit. */
  readonly stored?: StoredRate | undefined;
}

/** A share of an address that comes back slowly, and of which little is left. */
export interface UsedShare {
  /** Its network, see {@linkcode networkOf}. */
  readonly network: string;
  /** Of what. */
  readonly what: "messages" | "accounts";
  /** How long until a hundredth of it is there, in milliseconds. */
  readonly leftMs: number;
}

/** The connections of the other servers of a chat. */
export interface ConnectionsElsewhere {
  /** How many come from a network. */
  connectionsFrom(network: string): number;
  /** So many come from a network to this server now. */
  counted(network: string, count: number): void;
}

/** What limits one connection. */
export interface LimitedConnection {
  readonly address: Address;
  readonly pace: Pace;
}

/** The limits of one server. */
export class Limits {
  /** Undefined on a lone server. */
  elsewhere: ConnectionsElsewhere | undefined;
  readonly #options: Required<LimitOptions>;
  readonly #addresses = new Map<string, Address>();
  #connections = 0;

  constructor(options: LimitOptions = {}) {
    this.#options = {
      rates: DEFAULT_RATES,
      maxConnections: MAX_CONNECTIONS,
      maxConnectionsPerAddress: MAX_CONNECTIONS_PER_ADDRESS,
      stored: undefined,
      ...options,
    };
  }

  /** How many connections are counted. */
  get connections(): number {
    return this.#connections;
  }

  /** What a new connection from `host` is limited by; it is not counted yet. */
  connectionFrom(host: string, now: number): LimitedConnection {
    const address = this.addressOf(host, now);
    const { rates } = this.#options;
    return {
      address,
      pace: new Pace(bucketsOf(rates, 1, now), address, now),
    };
  }

  /**
   * Counts bytes of a new connection from `host` that are no part of a message.
   *
   * @returns What takes their number, and gives the milliseconds until more may be
   * read.
   */
  frameMeter(host: string, now: () => number): (bytes: number) => number {
    const buckets = this.addressOf(host, now()).frameBuckets(now());
    return (bytes) => {
      const at = now();
      for (const bucket of buckets) bucket.take(bytes, at);
      const waits = buckets.map((bucket) => bucket.waitMs(at));
      return Math.min(Math.max(...waits), MAX_WAIT_MS);
    };
  }

  /** What all connections from `host` share. */
  addressOf(host: string, now: number): Address {
    const key = networkOf(host);
    const address = this.#addresses.get(key) ??
      new Address(key, this.#options.rates, now, this.#options.stored);
    this.#addresses.set(key, address);
    return address;
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
    const elsewhere = this.elsewhere?.connectionsFrom(address.network) ?? 0;
    if (address.connections + elsewhere >= most) {
      throw full(most, " from your address");
    }
    address.countConnect(now);
    address.connections++;
    this.#connections++;
    this.elsewhere?.counted(address.network, address.connections);
  }

  /** Counts the end of a connection that was counted. */
  leave({ address }: LimitedConnection): void {
    address.connections--;
    this.#connections--;
    this.elsewhere?.counted(address.network, address.connections);
  }

  /** All shares that are used up. */
  usedShares(now: number): UsedShare[] {
    return this.#addresses.values()
      .flatMap((address) => address.usedShares(now)).toArray();
  }

  /** Those of which the operator was not told for an hour. Call it each second. */
  toBeTold(now: number): UsedShare[] {
    const untold: UsedShare[] = [];
    for (const address of this.#addresses.values()) {
      untold.push(...address.toBeTold(now));
    }
    return untold;
  }

  /**
   * Gives all addresses of a network their shares again.
   *
   * @returns How many shares were used up.
   */
  giveShares(network: Network, now: number): number {
    let given = 0;
    for (const [key, address] of this.#addresses) {
      const part = parseNetwork(key);
      if (part && covers(network, part)) given += address.giveShares(now);
    }
    return given;
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
export class Address implements Shared {
  /** Its network, see {@linkcode networkOf}. */
  readonly network: string;
  connections = 0;
  /** Refused connections whose clients are being told why. */
  refused = 0;
  readonly buckets: Shared["buckets"];
  /** See {@linkcode Shared}. */
  readonly debtQueue: DebtQueue = { waiting: 0 };
  /** The calls of its users. */
  readonly calls: Calls;
  readonly #connects: TokenBucket;
  readonly #signUps: TokenBucket;
  /** What takes long to come back. */
  readonly #shares: ReadonlyMap<UsedShare["what"], TokenBucket>;
  /** When the operator was last told of them. */
  readonly #toldAt = new Map<UsedShare["what"], number>();
  readonly #refusals: TokenBucket;
  readonly #frames: TokenBucket;
  readonly #hasShares: boolean;

  /** It owes nothing at `now`; `stored` limits what its users store. */
  constructor(network: string, rates: Rates, now: number, stored?: StoredRate) {
    this.network = network;
    this.#hasShares = hasShares(rates);
    this.buckets = {
      ...bucketsOf(rates, ADDRESS_SHARE, now),
      ...(this.#hasShares ? { time: new TokenBucket(SHARED_TIME, now) } : {}),
      flood: this.#bucket(SHARED_FLOOD_RATE, now),
      ...(stored ? { stored: new TokenBucket(stored, now) } : {}),
    };
    this.#connects = new TokenBucket(rateOf(rates.connects), now);
    this.calls = new Calls(this.#hasShares, now);
    this.#signUps = this.#bucket(SIGN_UPS, now);
    this.#refusals = this.#bucket(REFUSALS, now);
    this.#frames = this.#bucket(SHARED_FRAMES, now);
    const { stored: messages } = this.buckets;
    this.#shares = new Map([
      ...(messages ? [["messages", messages] as const] : []),
      ["accounts", this.#signUps],
    ]);
  }

  /**
   * Counts a connection, as `cost` of them.
   *
   * @throws {ChatError} 108, which closes, if there were too many recently.
   */
  countConnect(now: number, cost = 1): void {
    const waitMs = this.#connects.waitMs(now);
    const { perSecond } = this.#connects.rate;
    if (waitMs > 0) {
      throw slowDown(
        `connect: rate limit for your address: ${perSecond} connections per second`,
        { limit: perSecond, waitMs, closes: true },
      );
    }
    this.#connects.take(cost, now);
  }

  /** What frames of a new WebSocket count for: its own bucket, and the shared one. */
  frameBuckets(now: number): readonly TokenBucket[] {
    return [this.#bucket(FRAMES, now), this.#frames];
  }

  /** Takes back a connection that was counted: it is counted again. */
  uncountConnect(now: number, cost: number): void {
    this.#connects.take(-cost, now);
  }

  /** Counts a refused connection over TLS. @returns Whether its client is told why. */
  countRefusal(now: number): boolean {
    const isTold = this.#refusals.waitMs(now) === 0;
    if (isTold) this.#refusals.take(1, now);
    return isTold;
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

  /** See {@linkcode Limits.usedShares}. */
  usedShares(now: number): UsedShare[] {
    const used: UsedShare[] = [];
    for (const [what, bucket] of this.#shares) {
      const leftMs = bucket.waitMs(now, bucket.rate.burst / 100);
      if (leftMs > 0) used.push({ network: this.network, what, leftMs });
    }
    return used;
  }

  /** See {@linkcode Limits.toBeTold}. */
  toBeTold(now: number): UsedShare[] {
    const untold = this.usedShares(now).filter(({ what }) =>
      now - (this.#toldAt.get(what) ?? -Infinity) >= TELL_EVERY_MS
    );
    for (const { what } of untold) this.#toldAt.set(what, now);
    return untold;
  }

  /** See {@linkcode Limits.giveShares}. */
  giveShares(now: number): number {
    const used = this.usedShares(now);
    for (const { what } of used) {
      const bucket = this.#shares.get(what)!; // which is used up
      bucket.take(-bucket.rate.burst, now); // it never holds more than the burst
    }
    return used.length;
  }

  /** Whether it owes nothing. */
  isFull(now: number): boolean {
    const own = [this.#connects, this.#signUps, this.#refusals, this.#frames];
    const all = [...own, ...Object.values(this.buckets), this.calls];
    return all.every((bucket) => bucket.isFull(now));
  }

  #bucket(rate: Rate, now: number): TokenBucket {
    return new TokenBucket(this.#hasShares ? rate : rateOf(Infinity), now);
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

/** Full buckets, with a multiple of the rates of one connection. */
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
