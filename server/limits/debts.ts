/**
 * How a connection pays what it owes to its rates: it waits, or its requests are
 * refused. Nothing here runs for a client within its rates.
 *
 * @module
 */
import type { Debt, Debtor, RestTiming, Source } from "./timing.ts";

/** A longer wait is refused with `Retry-after` instead, in milliseconds. */
export const MAX_WAIT_MS = 5_000;

/** The shortest pause, in milliseconds: to wake up for each frame costs more. */
const MIN_PAUSE_MS = 100;

/**
 * Connections that wait for the same debt wake up one after the other, in
 * milliseconds: all at once would hold up the chat.
 */
const BETWEEN_MS = 5;

/** The queue of one address. */
export interface DebtQueue {
  /** How many connections of the address wait until it has paid its debt. */
  waiting: number;
}

/** See the top of the file. */
export class Debts {
  /** Whether the client knows error 108. */
  knows108 = true;
  /** The debt for which requests are refused, and the end of that. */
  refusal: { readonly debt: Debt; readonly until: number } | undefined;
  readonly #debtor: Debtor;
  readonly #queue: DebtQueue;
  #sharesDebt = true; // whether it waits for the debt of its address
  #stopped = false;
  #wake: (() => void) | undefined; // ends the pause of the client

  /** `queue` is that of the debtor's address. */
  constructor(debtor: Debtor, queue: DebtQueue) {
    this.#debtor = debtor;
    this.#queue = queue;
  }

  /**
   * The debt for which requests must be refused now, if they must. A refusal
   * lasts as long as the first one said: otherwise later requests would overtake
   * those refused.
   */
  refusing(now: () => number): Debt | undefined {
    if (!this.refusal) return undefined;
    const { debt, until } = this.refusal;
    const at = now();
    return this.#isRefusing(at) ? { ...debt, waitMs: until - at } : undefined;
  }

  /**
   * From now on the client waits and is not refused: two-socket clients do not
   * know error 108. One that is `exempt` does not wait for its address either:
   * other clients would make its acknowledgements late.
   */
  neverRefuse({ exempt }: { exempt: boolean }): void {
    this.knows108 = false;
    this.#sharesDebt = !exempt;
  }

  /** Ends the pause that the client is in, and all waiting. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /**
   * Waits until the client is within its rates again. If its address is over
   * them for long, requests are refused instead: a client that waits without an
   * answer takes the connection for dead.
   */
  async pay(source: Source, timing: RestTiming): Promise<void> {
    while (!this.#stopped) {
      const at = source.idleSince = timing.now(); // the server waits
      const debt = this.#debtor.addressOwes(at);
      if (debt.waitMs > MAX_WAIT_MS && this.knows108) {
        this.refusal ??= { debt, until: at + debt.waitMs };
      }
      const shared = this.#sharesDebt && !this.#isRefusing(at);
      const waitMs = Math.max(
        this.#debtor.waitMs(at),
        shared ? debt.waitMs : 0,
      );
      if (waitMs === 0) return;
      const pauseMs = Math.min(Math.max(waitMs, MIN_PAUSE_MS), MAX_WAIT_MS);
      if (waitMs > debt.waitMs) await this.pause(pauseMs, timing);
      else await this.#pauseInQueue(pauseMs, timing);
    }
  }

  /** Waits for `ms`, behind the connections of its address that wait already. */
  async #pauseInQueue(ms: number, timing: RestTiming): Promise<void> {
    const queuedMs = ms + this.#queue.waiting++ * BETWEEN_MS;
    await this.pause(Math.min(queuedMs, MAX_WAIT_MS), timing);
    this.#queue.waiting--;
  }

  /** Waits, and no longer than the session lasts. */
  async pause(ms: number, { after }: Pick<RestTiming, "after">): Promise<void> {
    if (this.#stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    using _timer = after(ms, resolve);
    await promise;
    this.#wake = undefined;
  }

  #isRefusing(now: number): boolean {
    if (this.refusal && now >= this.refusal.until) this.refusal = undefined;
    return this.refusal !== undefined;
  }
}
