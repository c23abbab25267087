/**
 * Defaults of the server that both the command line and a server that is started
 * by code (server/start.ts) take. Nothing is loaded for them.
 *
 * @module
 */

/** Messages of a room that HISTORY gives if no number is asked for. */
export const DEFAULT_HISTORY = 20;

/** How long wrong passwords lock an account, in milliseconds. */
export const DEFAULT_LOCKOUT_MS = 15 * 60_000;

/** How many messages are stored, and for how many milliseconds. */
export const DEFAULT_KEEP = {
  forMs: 30 * 24 * 3_600_000,
  messages: 1_000_000,
} as const;
