/**
 * The limits as numbers, which an operator may change. What they mean is in
 * limits.ts and slow_consumer.ts; here they stand alone, for the command line, which
 * is read before the server listens and all that is loaded.
 *
 * @module
 */

/** What is counted, for each connection and for each address. */
export type Kind = "messages" | "bytes" | "joins" | "requests";

/** How much a second; Infinity for no limit. */
export interface Rates extends Readonly<Record<Kind, number>> {
  /** New connections of one address. */
  readonly connects: number;
}

/** Unless the operator says otherwise. */
export const DEFAULT_RATES: Rates = {
  messages: 5_000,
  bytes: 2_000_000,
  joins: 20,
  requests: 100,
  connects: 25,
};

/** As fast as can be. */
export const NO_RATES: Rates = {
  messages: Infinity,
  bytes: Infinity,
  joins: Infinity,
  requests: Infinity,
  connects: Infinity,
};

/** Most connections at a time, in all, unless the operator says otherwise. */
export const MAX_CONNECTIONS = 5_000;

/** The same of one address. */
export const MAX_CONNECTIONS_PER_ADDRESS = 500;

/** So much a peer may have unread that takes little, in bytes. */
export const MAX_UNREAD_BYTES = 1024 * 1024;
