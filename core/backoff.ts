/**
 * Time, as far as coming back needs it: a clock that tests can replace, and how
 * long to wait before the next try.
 *
 * @module
 */

/** So long the first pause is at most, in milliseconds. */
export const FIRST_PAUSE_MS = 500;

/** So long any pause is at most, unless the server asked for more. */
export const LONGEST_PAUSE_MS = 30_000;

/** A server that asks for more than this is not obeyed, in milliseconds. */
export const LONGEST_RETRY_AFTER_MS = 5 * 60_000;

/** What the time is told by, and waited with. */
export interface Clock {
  /** Milliseconds since the epoch. They go on while the computer sleeps. */
  now(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Runs `task` every `ms`, until what it returns is disposed. */
  every(ms: number, task: () => void): Disposable;
}

/** The real one. */
export const CLOCK: Clock = {
  now: Date.now,
  async sleep(ms, signal) {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
    await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
  },
  every(ms, task) {
    const timer = setInterval(task, ms);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};

/** What {@linkcode pauseBefore} may be told. */
export interface PauseOptions {
  /** The server asked for so long a wait, in milliseconds. Default none. */
  readonly retryAfterMs?: number;
  /** From 0 to 1. Tests pass their own. */
  readonly random?: () => number;
}

/**
 * How long to wait before try number `attempt`, from 0, in milliseconds. It
 * doubles, up to a limit; half of it is chance, so that a room full of clients
 * does not come back in one moment. What the server asked for comes on top.
 */
export function pauseBefore(
  attempt: number,
  options: PauseOptions = {},
): number {
  const { retryAfterMs = 0, random = Math.random } = options;
  const whole = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS) +
    whole * (0.5 + 0.5 * random());
}
