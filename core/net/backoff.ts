/**
 * Time, as far as reconnecting needs it: a clock that tests can replace, whether
 * to try again, and how long to wait before that.
 *
 * @module
 */
import { ChatError, type ErrorCode } from "../../protocol.ts";
import { isPassing } from "./connection_error.ts";

/**
 * How long a dead connection of this client may hold its name: the server takes
 * 90 seconds to find out. In milliseconds.
 */
const NAME_HELD_MS = 100_000;

/** Longest first pause, in milliseconds. */
export const FIRST_PAUSE_MS = 500;

/** Longest pause, unless the server asked for more; in milliseconds. */
export const LONGEST_PAUSE_MS = 30_000;

/** Longest wait that a server can ask for, in milliseconds. */
export const LONGEST_RETRY_AFTER_MS = 5 * 60_000;

/** A longer wait for the server's rate limit is told, in milliseconds. */
export const QUIET_WAIT_MS = 5_000;

/** A message that would wait longer is refused, in milliseconds. */
export const LONGEST_SEND_WAIT_MS = 60_000;

/** A clock and its timers. */
export interface Clock {
  /** Milliseconds since the epoch. They go on while the computer sleeps. */
  now(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Runs `task` every `ms`, until what it returns is disposed. */
  every(ms: number, task: () => void): Disposable;
}

/** The real clock. */
export const CLOCK: Clock = {
  now: Date.now,
  async sleep(ms, signal) {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", resolve);
    await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", resolve);
  },
  every(ms, task) {
    const timer = setInterval(task, ms);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};

/**
 * How long to wait before attempt number `attempt`, from 0, in milliseconds. It
 * doubles, up to a limit; half of it is random, so that a room full of clients
 * does not reconnect in one moment. What the server asked for comes on top.
 *
 * @param retryAfterMs The wait that the server asked for.
 * @param random From 0 to 1. Tests pass their own.
 */
export function pauseBefore(
  attempt: number,
  retryAfterMs = 0,
  random: () => number = Math.random,
): number {
  const whole = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS) +
    whole * (0.5 + 0.5 * random());
}

/** Whether another attempt may succeed, `awayMs` after the loss. */
export function isWorthRetrying(
  error: unknown,
  awayMs: number,
): error is Error {
  if (!(error instanceof ChatError)) return isPassing(error);
  const ours = error.code === 104 && awayMs < NAME_HELD_MS;
  const isLocked = error.code === 112 && retryAfterMs(error) > 0; // by others
  return ours || isLocked || error.code === SERVER_FULL ||
    PASSING.has(error.code);
}

/**
 * Whether the first registration may succeed later: a client that does not answer
 * has the name, and the server is about to end it. It may be our own dead one.
 */
export function isNameToBeFree(error: unknown): error is ChatError {
  return error instanceof ChatError && error.code === 104 &&
    retryAfterMs(error) > 0;
}

const SERVER_FULL: ErrorCode = 114;

/** A rate limit and a full disk: they pass, and the user need not know. */
export const PASSING: ReadonlySet<ErrorCode> = new Set([108, 119]);

/** How long the server wants us to wait, in milliseconds. */
export function retryAfterMs(error: Error): number {
  const told = error instanceof ChatError ? error : error.cause;
  if (!(told instanceof ChatError)) return 0;
  const seconds = Number(told.headers["retry-after"]);
  return seconds > 0 ? seconds * 1_000 : 0;
}
