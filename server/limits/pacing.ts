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
import { type DebtQueue, Debts } from "./debts.ts";
import { type Rate, type RateKind, TURN_MS } from "./rates.ts";
import type {
  Debt,
  RestTiming,
  Source,
  TurnQueue,
  WorkTiming,
} from "./timing.ts";
import { overShare, type StoredRate } from "./stored.ts";

/** A client that sends more bytes than this floods. */
export const FLOOD_RATE: Rate = { perSecond: 16 * 1024, burst: 64 * 1024 };

/** A client that sends less than this talks, whatever others of its address send. */
const TALK_RATE: Rate = { perSecond: 256, burst: 4 * 1024 };

/** After this time an address has its share again, however much it took. */
export const MAX_BUSY_MS = 1_000;

/** Time that a read takes before and after its frames, in milliseconds: measured. */
export const READ_MS = 0.015;

/**
 * Allows bursts of `burst`, and `perSecond` in the long run. It can be overdrawn:
 * `take` always takes, and the debt is paid before the next one. Nothing is
 * refused, however large it is.
 */
export class TokenBucket<R extends Rate = Rate> {
  readonly rate: R;
  #tokens: number;
  #filledAt: number;

  /** It is full at `now`. */
  constructor(rate: R, now: number) {
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

  /** How long until the debt is paid and `cost` is there, in milliseconds. */
  waitMs(now: number, cost = 0): number {
    if (this.#tokens >= cost) return 0;
    this.#fill(now);
    return Math.max(0, (cost - this.#tokens) / this.rate.perSecond * 1_000);
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

/** What all connections of an address share. */
export interface Shared {
  /**
   * `time` has milliseconds of the server, `flood` bytes that the address sends,
   * `stored` bytes to be stored, see stored.ts.
   */
  readonly buckets: Buckets & {
    readonly time?: TokenBucket;
    readonly flood: TokenBucket;
    readonly stored?: TokenBucket<StoredRate>;
  };
  readonly debtQueue: DebtQueue;
}

/** The time that one connection takes from the share of its address. */
export class Work {
  /** The client never waits: its acknowledgements would be late. */
  isExempt = false;
  readonly #time: TokenBucket | undefined;
  #beganAt = Infinity;
  #left: TurnQueue | undefined; // when it ends

  /** `time` has the share, in milliseconds; without it there is no limit. */
  constructor(time: TokenBucket | undefined) {
    this.#time = time;
  }

  /** Resolves when work may begin; undefined if that is now. {@linkcode end} it. */
  begin({ now, network, turns }: WorkTiming): Promise<void> | undefined {
    if (!this.#time) return undefined;
    const at = now();
    if (!this.isExempt && this.#time.waitMs(at) > 0) {
      return turns.enter(network).then(() => {
        this.#left = turns;
        this.#beganAt = now();
      });
    }
    turns.servedAt = this.#beganAt = at;
    return undefined;
  }

  /** Ends it, before anything is waited for. Idempotent. */
  end(now: () => number): void {
    if (!this.#time) return;
    const at = now();
    const ms = Math.max(0, at - this.#beganAt + READ_MS); // none: -Infinity
    const left = MAX_BUSY_MS - this.#time.waitMs(at);
    this.#time.take(Math.min(ms, left / 1_000 * this.#time.rate.perSecond), at);
    this.#beganAt = Infinity;
    this.#left?.leave(ms);
    this.#left = undefined;
  }
}

/** The rates of one connection, and its turns. */
export class Pace {
  /** The time that it takes. */
  readonly work: Work;
  /** How it pays what it owes. */
  readonly debts: Debts;
  readonly #own: Buckets;
  readonly #shared: Shared["buckets"];
  readonly #flood: TokenBucket;
  readonly #talk: TokenBucket;
  #received = 0; // in bytes
  #messages = 0; // not yet counted for the address
  #counted = false; // something since it was last within its rates
  #turnAt = 0; // since when it has kept the server busy

  /** Its `own` rates, and those that it has together with its address. */
  constructor(own: Buckets, { buckets, debtQueue }: Shared, now: number) {
    this.work = new Work(buckets.time);
    this.debts = new Debts(this, debtQueue);
    this.#own = own;
    this.#shared = buckets;
    this.#flood = new TokenBucket(FLOOD_RATE, now);
    this.#talk = new TokenBucket(TALK_RATE, now);
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
  rest(source: Source, timing: RestTiming): Promise<void> | undefined {
    this.#counted = false; // what follows is a rest
    source.idleSince = timing.now(); // the server was busy
    if (!this.#isDue(source, source.idleSince)) return undefined;
    return this.#rest(source, timing);
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

  /**
   * Counts messages that are to be stored, and the `bytes` of their texts. What is
   * refused does not count: one that floods leaves room for a short message.
   *
   * @throws {ChatError} 108 if the address is over its share of what is stored;
   * 102 for a two-socket client.
   */
  countStored(messages: number, bytes: number, now: number): void {
    const { stored } = this.#shared;
    if (!stored) return;
    const cost = messages * stored.rate.messageBytes + bytes;
    const waitMs = stored.waitMs(now, Math.min(cost, stored.rate.burst));
    if (waitMs > 0) throw overShare(stored.rate, waitMs, this.debts.knows108);
    stored.take(cost, now);
  }

  /** Counts the bytes of a read, `total` so far, and the messages in it. */
  countRead(total: number, now: number): void {
    const bytes = total - this.#received;
    this.#received = total;
    this.count("bytes", bytes, now);
    this.#flood.take(bytes, now);
    this.#talk.take(bytes, now);
    this.#shared.flood.take(bytes, now);
    this.#shared.messages.take(this.#messages, now);
    this.#messages = 0;
  }

  /**
   * Whether it must wait for slow receivers: it sends too much, or its address does
   * and it does more than talk.
   */
  floods(now: number): boolean {
    return this.#flood.waitMs(now) > 0 ||
      this.#shared.flood.waitMs(now) > 0 && this.#talk.waitMs(now) > 0;
  }

  /** Whether the connection or its address owes anything. */
  owes(now: number): boolean {
    return this.waitMs(now) > 0 || this.addressOwes(now).waitMs > 0;
  }

  /** See {@linkcode Debtor}. */
  waitMs(now: number): number {
    return longest(this.#own, now).waitMs;
  }

  /** See {@linkcode Debtor}. */
  addressOwes(now: number): Debt {
    return longest(this.#shared, now);
  }

  #isDue({ outbox }: Source, now: number): boolean {
    return outbox.behind || now - this.#turnAt > TURN_MS || this.owes(now);
  }

  async #rest(source: Source, timing: RestTiming): Promise<void> {
    await source.outbox.belowLimit();
    source.idleSince = timing.now(); // it was late with reading answers
    if (this.owes(source.idleSince)) {
      await this.debts.pay(source, timing);
      this.#turnAt = source.idleSince;
    }
    if (source.idleSince - this.#turnAt <= TURN_MS) return;
    await timing.nextTurn();
    this.#turnAt = timing.now();
  }
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
