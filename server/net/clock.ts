/**
 * Time, as connections and sessions see it. A test gives a clock of its own and
 * moves it, so that no test waits for real time to pass.
 *
 * @module
 */

/** Tells the time, and calls back when some of it has passed. */
export interface Clock {
  /** Milliseconds since some moment; they never jump. */
  readonly now: () => number;
  /** Calls `action` once after `ms`, unless the result is disposed before. */
  readonly after: (ms: number, action: () => void) => Disposable;
}

/** The clock of the machine. */
export const CLOCK: Clock = {
  now: performance.now.bind(performance), // a function less for each message
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
