/**
 * The interfaces of pacing.ts and debts.ts: sources of frames, debts, and clocks.
 *
 * @module
 */
import type { RateKind } from "./rates.ts";

/** What a connection or an address owes to one of its rates. */
export interface Debt {
  readonly kind: RateKind;
  readonly perSecond: number;
  /** How long until it is paid, in milliseconds; 0 without a debt. */
  readonly waitMs: number;
}

/** Where frames come from; a connection is one. */
export interface Source {
  /** When the client last gave a sign of life. */
  idleSince: number;
  /** Answers, which are made no faster than the client reads them. */
  readonly outbox: { readonly behind: boolean; belowLimit(): Promise<void> };
}

/** What a connection owes. */
export interface Debtor {
  /** How long until the connection owes nothing, in milliseconds. */
  waitMs(now: number): number;
  /** How long until its address owes nothing, and what that owes. */
  addressOwes(now: number): Debt;
}

/** Tells the time. */
interface TimeSource {
  /** Milliseconds that never jump. */
  readonly now: () => number;
}

/** What a client works with. */
export interface WorkTiming extends TimeSource {
  /** Where clients over their share of time wait. */
  readonly turns: TurnQueue;
  /** The network of the client. */
  readonly network: string;
}

/** What a client rests with. */
export interface RestTiming extends TimeSource {
  /** Calls `action` once after `ms`, unless the result is disposed before. */
  readonly after: (ms: number, action: () => void) => Disposable;
  /** Lets all other connections have a turn. */
  readonly nextTurn: () => Promise<void>;
}

/** `Turns` of server/net/turns.ts, as far as clients wait there. */
export interface TurnQueue {
  /** A field and no method: every read of a client sets it. */
  servedAt: number;
  enter(of: string): Promise<void>;
  leave(leastMs: number): void;
}
