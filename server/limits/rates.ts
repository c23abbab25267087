/**
 * The defaults of what the operator can change; limits.ts explains the rates.
 * They have a file of their own because the command line is read before the
 * server listens, and loads nothing else.
 *
 * @module
 */

/** What is limited for each connection and for each address. */
export type RateKind = "messages" | "bytes" | "joins" | "requests";

/** Per second; Infinity for no limit. */
export interface Rates extends Readonly<Record<RateKind, number>> {
  /** New connections of one address. */
  readonly connects: number;
}

/** The largest burst is what the rate allows in this time. */
export const BURST_SECONDS = 20;

/** The rates of an address, as a multiple of those of a connection. */
export const ADDRESS_SHARE = 10;

/** How fast a {@linkcode TokenBucket} fills and how much it holds, in tokens; Infinity for no limit. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A rate with its burst. */
export function rateOf(perSecond: number): Rate {
  return { perSecond, burst: perSecond * BURST_SECONDS };
}

/** The rates without an option. */
export const DEFAULT_RATES: Rates = {
  messages: 5_000,
  bytes: 2_000_000,
  joins: 20,
  requests: 100,
  connects: 25,
};

/** No limits. */
export const NO_RATES: Rates = {
  messages: Infinity,
  bytes: Infinity,
  joins: Infinity,
  requests: Infinity,
  connects: Infinity,
};

/**
 * Whether one address has a share of what all need. Without rates (`--no-limits`)
 * it has none.
 */
export function hasShares({ requests }: Rates): boolean {
  return requests < Infinity;
}

/** Limit of open connections without an option. */
export const MAX_CONNECTIONS = 5_000;

/** Limit of open connections from one address without an option. */
export const MAX_CONNECTIONS_PER_ADDRESS = 500;

/** Limit of unread bytes: over it, a client that reads slowly is disconnected. */
export const MAX_UNREAD_BYTES = 1024 * 1024;

/** Messages of a room that HISTORY gives if no number is asked for. */
export const DEFAULT_HISTORY = 20;

/** How long wrong passwords lock an account, in milliseconds. */
export const DEFAULT_LOCKOUT_MS = 15 * 60_000;

/** How many messages are stored in a file, for how many milliseconds, in how many bytes. */
export const DEFAULT_KEEP = {
  forMs: 30 * 24 * 3_600_000,
  messages: 1_000_000,
  bytes: 2_000_000_000,
} as const;

/** The smallest limit of stored bytes that makes sense. */
export const MIN_KEEP_BYTES = 10_000_000;

/** Limit of the time that one client keeps the server busy, in milliseconds. */
export const TURN_MS = 5;
