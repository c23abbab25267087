/**
 * Limits: how fast one peer and one address may go, and how many connections
 * there can be.
 *
 * Whoever goes faster is slowed down and loses nothing: what is owed to a rate
 * has to be earned before the next frame is looked at, and so TCP holds the
 * sender back. Rates are for a connection; so that nobody gets around them with
 * many, an address as a whole has {@linkcode ADDRESS_SHARE} times as much. What
 * an address owes may take long to earn, since all its connections add to it:
 * over {@linkcode LONGEST_WAIT_MS} a request is refused instead.
 *
 * Values in, values out, the time included: who waits is `server/session/session.ts`.
 * Nobody is remembered for longer than it takes to earn what was spent.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import {
  DEFAULT_RATES,
  type Kind,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  type Rates,
} from "./rates.ts";
import { type Rate, TokenBucket } from "./token_bucket.ts";

/** What so many seconds earn can be spent at once: people come in bursts. */
export const BURST_SECONDS = 20;

/** An address may do so many times what one connection may. */
export const ADDRESS_SHARE = 10;

/** Who would have to wait longer is told when to try again, in milliseconds. */
export const LONGEST_WAIT_MS = 5_000;

/** Accounts are for ever: an address makes so many at once, then one a minute. */
export const SIGN_UPS: Rate = { perSecond: 1 / 60, burst: 200 };

/** Who sends no more bytes than this talks; whoever sends more floods. */
export const TALK: Rate = { perSecond: 16 * 1024, burst: 64 * 1024 };

/** When a server that is full has room again nobody knows. */
const RETRY_WHEN_FULL_SECONDS = 10;

/** So many addresses are remembered from which nobody is connected. */
const MAX_IDLE_ADDRESSES = 10_000;

/** What {@linkcode Limits} hold. */
export interface LimitOptions {
  /** Default {@linkcode DEFAULT_RATES}. */
  readonly rates?: Rates;
  /** Default {@linkcode MAX_CONNECTIONS}. */
  readonly maxConnections?: number;
  /** Default {@linkcode MAX_CONNECTIONS_PER_ADDRESS}. */
  readonly maxConnectionsPerAddress?: number;
}

/** See the top of the file. */
export class Limits {
  readonly #rates: Rates;
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #addresses = new Map<string, Address>();
  #connections = 0;

  /** Nobody is connected. */
  constructor({
    rates = DEFAULT_RATES,
    maxConnections = MAX_CONNECTIONS,
    maxConnectionsPerAddress = MAX_CONNECTIONS_PER_ADDRESS,
  }: LimitOptions = {}) {
    this.#rates = rates;
    this.#most = maxConnections;
    this.#mostOfOne = maxConnectionsPerAddress;
  }

  /** How many are counted. */
  get connections(): number {
    return this.#connections;
  }

  /** What a new connection from `host` has to keep to. */
  paceOf(host: string, now: number): Pace {
    const key = networkOf(host);
    const address = this.#addresses.get(key) ?? new Address(this.#rates, now);
    this.#addresses.set(key, address);
    return new Pace(this.#rates, address, now);
  }

  /**
   * Counts a connection.
   *
   * @throws {ChatError} 114, or 108 that closes, if it is one too many; then it
   * is not counted.
   */
  enter({ address }: Pace, now: number): void {
    if (this.#connections >= this.#most) {
      throw full("connections are open", this.#most);
    }
    if (address.connections >= this.#mostOfOne) {
      throw full("connections from your address are open", this.#mostOfOne);
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

  /** Forgets who owes nothing; to be called once a second. */
  tidy(now: number): void {
    let idle = 0;
    for (const [key, address] of this.#addresses) {
      if (address.connections > 0) continue;
      const known = !address.isFull(now) && ++idle <= MAX_IDLE_ADDRESSES;
      if (!known) this.#addresses.delete(key);
    }
  }
}

const KINDS: readonly Kind[] = ["messages", "bytes", "joins", "requests"];

/** One for each kind. */
export type Buckets = Readonly<Record<Kind, TokenBucket>>;

/** What the connections of one address have done together. */
export class Address {
  /** How many there are. */
  connections = 0;
  /** Of all of them. */
  readonly buckets: Buckets;
  readonly #connects: TokenBucket;
  readonly #signUps: TokenBucket;

  /** Nothing so far. */
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
   * @throws {ChatError} 108, which closes, if there were too many lately.
   */
  countConnect(now: number): void {
    const waitMs = this.#connects.waitMs(now);
    const { perSecond } = this.#connects.rate;
    if (waitMs > 0) {
      throw slowDown(
        `let you in: your address may connect ${perSecond} times a second`,
        { limit: perSecond, waitMs, closes: true },
      );
    }
    this.#connects.take(1, now);
  }

  /**
   * Counts an account.
   *
   * @throws {ChatError} 108 if too many were made lately.
   */
  countSignUp(now: number): void {
    const waitMs = this.#signUps.waitMs(now);
    if (waitMs > 0) {
      throw slowDown(
        `make an account: ${SIGN_UPS.burst} were made from your address`,
        { limit: SIGN_UPS.burst, waitMs },
      );
    }
    this.#signUps.take(1, now);
  }

  /** Whether it may be forgotten, if nobody is connected from it. */
  isFull(now: number): boolean {
    const all = [this.#connects, this.#signUps, ...Object.values(this.buckets)];
    return all.every((bucket) => bucket.isFull(now));
  }
}

/** How fast one connection goes. */
export class Pace {
  /** Where it is from. */
  readonly address: Address;
  readonly #own: Buckets;
  readonly #talk: TokenBucket;
  #received = 0; // in bytes
  #messages = 0; // that are still to be counted for the address

  /** It has done nothing so far. */
  constructor(rates: Rates, address: Address, now: number) {
    this.#own = bucketsOf(rates, 1, now);
    this.#talk = new TokenBucket(TALK, now);
    this.address = address;
  }

  /** Counts a message; says whether that is within the connection's rate. */
  countMessage(now: number): boolean {
    this.#messages++;
    return this.#own.messages.take(1, now);
  }

  /** Counts something else. */
  count(kind: Kind, cost: number, now: number): void {
    this.#own[kind].take(cost, now);
    this.address.buckets[kind].take(cost, now);
  }

  /** Counts what was received, `total` bytes so far, with its messages. */
  countRead(total: number, now: number): void {
    const bytes = total - this.#received;
    this.#received = total;
    this.count("bytes", bytes, now);
    this.#talk.take(bytes, now);
    this.address.buckets.messages.take(this.#messages, now);
    this.#messages = 0;
  }

  /** Whether so much was sent lately that it had better wait for its readers. */
  floods(now: number): boolean {
    return this.#talk.waitMs(now) > 0;
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

/** What is owed to a rate. */
export interface Debt {
  /** To which. */
  readonly kind: Kind;
  /** How much it allows in a second. */
  readonly perSecond: number;
  /** How long until it is earned, in milliseconds; 0 if nothing is owed. */
  readonly waitMs: number;
}

/** Of what is owed, that which takes longest to be earned. */
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
  const bucket = (kind: Kind) =>
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

/** The answer to a request that a debt of its address forbids. */
export function overRate({ kind, perSecond, waitMs }: Debt): ChatError {
  return slowDown(
    `do that now: all connections from your address may take ${perSecond} ${kind} a second`,
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

function full(what: string, limit: number): ChatError {
  const why = `${limit} ${what}, which is the most`;
  return new ChatError(114, `Cannot let you in: ${why}`, {
    headers: { Limit: limit, "Retry-after": RETRY_WHEN_FULL_SECONDS },
  });
}

/**
 * The address that a computer cannot choose at will: of IPv6, which is in
 * brackets, the network, unless that is the one which all computers share that
 * are on one cable.
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
