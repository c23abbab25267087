/**
 * Rates and turns of one connection: how long it rests before its next frame.
 *
 * A client that exceeds a rate is slowed down and loses nothing: it goes into
 * debt, and its next frame is handled when the debt is paid. Meanwhile TCP holds
 * the client back. All connections of an address together have
 * {@linkcode ADDRESS_SHARE} times the rates of one: many connections are no way
 * around them. They all add to the debt of the address, which can take long to
 * pay: over {@linkcode MAX_WAIT_MS} requests are refused instead.
 *
 * A client that keeps the server busy for {@linkcode TURN_MS} lets all others
 * have a turn before its next frame.
 *
 * @module
 */
import { type RateKind, type Rates, TURN_MS } from "./rates.ts";

/** The largest burst is what the rate allows in this time. */
export const BURST_SECONDS = 20;

/** The rates of an address, as a multiple of those of a connection. */
export const ADDRESS_SHARE = 10;

/** A longer wait is refused with `Retry-after` instead, in milliseconds. */
export const MAX_WAIT_MS = 5_000;

/** A client that sends more bytes than this floods. */
export const FLOOD_RATE: Rate = { perSecond: 16 * 1024, burst: 64 * 1024 };

/** The shortest pause, in milliseconds: to wake up for each frame costs more. */
const MIN_PAUSE_MS = 100;

/** How fast a {@linkcode TokenBucket} fills and how much it holds, in tokens; Infinity for no limit. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * Allows bursts of `burst`, and `perSecond` in the long run. It can be overdrawn:
 * `take` always takes, and the debt is paid before the next one. Nothing is
 * refused, however large it is.
 */
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

const KINDS: readonly RateKind[] = ["messages", "bytes", "joins", "requests"];

/** One bucket for each rate. */
export type Buckets = Readonly<Record<RateKind, TokenBucket>>;

/** Where frames come from; a connection is one. */
export interface Source {
  /** When the client last gave a sign of life. */
  idleSince: number;
  /** Answers, which are made no faster than the client reads them. */
  readonly outbox: { readonly behind: boolean; belowLimit(): Promise<void> };
}

/** What {@linkcode Pace.rest} waits with. */
export interface Timing {
  /** Milliseconds that never jump. */
  readonly now: () => number;
  /** Calls `action` once after `ms`, unless the result is disposed before. */
  readonly after: (ms: number, action: () => void) => Disposable;
  /** Lets all other connections have a turn. */
  readonly nextTurn: () => Promise<void>;
}

/** The rates of one connection, and its turns. */
export class Pace {
  readonly #own: Buckets;
  readonly #shared: Buckets;
  readonly #flood: TokenBucket;
  #received = 0; // in bytes
  #messages = 0; // not yet counted for the address
  #counted = false; // something since it was last within its rates
  #turnAt = 0; // since when it has kept the server busy
  #refusal: { readonly debt: Debt; readonly until: number } | undefined;
  #knows108 = true;
  #sharesDebt = true; // waits for the debt of its address
  #stopped = false;
  #wake: (() => void) | undefined; // ends the pause that it is in

  /** `shared` are the rates of its address. */
  constructor(rates: Rates, shared: Buckets, now: number) {
    this.#own = bucketsOf(rates, 1, now);
    this.#shared = shared;
    this.#flood = new TokenBucket(FLOOD_RATE, now);
  }

  /** Notes that frames have arrived. */
  heard(source: Source, now: number): void {
    if (now - source.idleSince > 1) this.#turnAt = now; // it had paused
    source.idleSince = now;
  }

  /** Whether the client has to rest before its next frame. */
  mustRest(source: Source, now: () => number): boolean {
    if (!this.#counted) return false;
    this.#counted = false;
    return this.#isDue(source, now());
  }

  /** Waits until the client may go on; undefined if that is now. */
  rest(source: Source, timing: Timing): Promise<void> | undefined {
    this.#counted = false; // what follows is a rest
    source.idleSince = timing.now(); // the server was busy
    if (!this.#isDue(source, source.idleSince)) return undefined;
    return this.#rest(source, timing);
  }

  /**
   * The debt for which requests must be refused now, if they must. A refusal
   * lasts as long as the first one said: otherwise later requests would overtake
   * those refused.
   */
  refusing(now: () => number): Debt | undefined {
    if (!this.#refusal) return undefined;
    const { debt, until } = this.#refusal;
    const at = now();
    return this.#isRefusing(at) ? { ...debt, waitMs: until - at } : undefined;
  }

  /**
   * From now on the client waits and is not refused: two-socket clients do not
   * know error 108. One that is `exempt` does not wait for its address either:
   * other clients would make its acknowledgements late.
   */
  neverRefuse({ exempt }: { exempt: boolean }): void {
    this.#knows108 = false;
    this.#sharesDebt = !exempt;
  }

  /** Ends the pause that the client is in, and all waiting. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Counts a message. @returns Whether the connection's rate allows it. */
  countMessage(now: number): boolean {
    this.#messages++;
    const allowed = this.#own.messages.take(1, now);
    if (!allowed) this.#counted = true;
    return allowed;
  }

  /** Counts anything else. */
  count(kind: RateKind, cost: number, now: number): void {
    this.#counted = true;
    this.#own[kind].take(cost, now);
    this.#shared[kind].take(cost, now);
  }

  /** Counts the bytes of a read, `total` so far, and the messages in it. */
  countRead(total: number, now: number): void {
    const bytes = total - this.#received;
    this.#received = total;
    this.count("bytes", bytes, now);
    this.#flood.take(bytes, now);
    this.#shared.messages.take(this.#messages, now);
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
    return longest(this.#shared, now);
  }

  #isDue({ outbox }: Source, now: number): boolean {
    return outbox.behind || now - this.#turnAt > TURN_MS || this.owes(now);
  }

  async #rest(source: Source, timing: Timing): Promise<void> {
    await source.outbox.belowLimit();
    source.idleSince = timing.now(); // it was late with reading answers
    if (this.owes(source.idleSince)) await this.#payDebt(source, timing);
    if (source.idleSince - this.#turnAt <= TURN_MS) return;
    await timing.nextTurn();
    this.#turnAt = timing.now();
  }

  /**
   * Waits until the client is within its rates again. If its address is over
   * them for long, requests are refused instead: a client that waits without an
   * answer takes the connection for dead.
   */
  async #payDebt(source: Source, timing: Timing): Promise<void> {
    while (!this.#stopped) {
      const at = source.idleSince = this.#turnAt = timing.now(); // the server waits
      const debt = this.addressOwes(at);
      if (debt.waitMs > MAX_WAIT_MS && this.#knows108) {
        this.#refusal ??= { debt, until: at + debt.waitMs };
      }
      const shared = this.#sharesDebt && !this.#isRefusing(at);
      const waitMs = Math.max(this.waitMs(at), shared ? debt.waitMs : 0);
      if (waitMs === 0) return;
      const pauseMs = Math.min(Math.max(waitMs, MIN_PAUSE_MS), MAX_WAIT_MS);
      await this.#pause(pauseMs, timing);
    }
  }

  /** Waits, and no longer than the session lasts. */
  async #pause(ms: number, { after }: Timing): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    using _timer = after(ms, resolve);
    await promise;
    this.#wake = undefined;
  }

  #isRefusing(now: number): boolean {
    if (this.#refusal && now >= this.#refusal.until) this.#refusal = undefined;
    return this.#refusal !== undefined;
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

/** Full buckets, with a multiple of the rates of one connection. */
export function bucketsOf(rates: Rates, share: number, now: number): Buckets {
  const bucket = (kind: RateKind) =>
    new TokenBucket(rateOf(rates[kind] * share), now);
  return {
    messages: bucket("messages"),
    bytes: bucket("bytes"),
    joins: bucket("joins"),
    requests: bucket("requests"),
  };
}

/** A rate with its burst. */
export function rateOf(perSecond: number): Rate {
  return { perSecond, burst: perSecond * BURST_SECONDS };
}
