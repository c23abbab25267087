/** Time in a test's hands: it stands still until the test moves it. */
import type { Clock as ClientClock } from "../../core/net/backoff.ts";
import { CHECK_EVERY_MS } from "../../core/net/keepalive.ts";
import { type Clock, nextTurn } from "../../server/net/clock.ts";

/** A clock whose timers run when the test lets their time come. */
export class TestClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ at: number; action: () => void }>();

  // Arrow functions, since a part of the server may take one without the clock.
  readonly now = (): number => this.#now;

  readonly after = (ms: number, action: () => void): Disposable => {
    const timer = { at: this.#now + ms, action };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  };

  /** How many timers wait for their time. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves the time on, and no timer runs: the computer stands still meanwhile. */
  jump(ms: number): void {
    this.#now += ms;
  }

  /** Moves the time on; timers that fall due meanwhile run in their order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [first] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (!first || first.at > end) break;
      this.#timers.delete(first);
      this.#now = Math.max(this.#now, first.at);
      first.action();
    }
    this.#now = end;
  }
}

/** Lets `setTimeout` wait for the time of `clock`, until the result is disposed. */
export function timersOn(clock: TestClock): Disposable {
  const { setTimeout, clearTimeout } = globalThis;
  const timers: Disposable[] = [];
  Object.assign(globalThis, {
    setTimeout: (action: () => void, ms = 0) =>
      timers.push(clock.after(ms, action)),
    clearTimeout: (id: number) => timers[id - 1]?.[Symbol.dispose](),
  });
  return {
    [Symbol.dispose]: () =>
      void Object.assign(globalThis, { setTimeout, clearTimeout }),
  };
}

/** Lets time pass whenever a timer waits for it, until `task` is done. */
export async function passWhileWaiting<T>(
  clock: TestClock,
  task: Promise<T>,
): Promise<T> {
  let done = false;
  const doing = task.finally(() => done = true);
  while (!done) {
    if (clock.waiting > 0) clock.pass(1);
    await nextTurn();
  }
  return await doing;
}

/** Resolves when everything has run that can in one round of the event loop. */
export function round(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock of a client that the test moves; nobody sleeps longer than a moment. */
export class FakeClock implements ClientClock {
  /** How long everybody wanted to sleep. */
  readonly slept: number[] = [];
  #now = 1_000_000;
  readonly #tasks = new Set<() => void>();

  readonly now = () => this.#now;

  sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.#now += ms;
    return Promise.resolve();
  }

  every(_ms: number, task: () => void): Disposable {
    this.#tasks.add(task);
    return { [Symbol.dispose]: () => void this.#tasks.delete(task) };
  }

  /** Lets `seconds` pass, with a check in each. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) this.jump(CHECK_EVERY_MS);
  }

  /** Lets time pass without a check before its end. */
  jump(ms: number): void {
    this.#now += ms;
    for (const task of [...this.#tasks]) task();
  }
}
