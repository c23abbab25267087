/**
 * A limit on connections that are no WebSocket, or none yet: in total, and of one
 * address. An address that opens more loses its own oldest; above the total, the
 * address with most connections loses its oldest.
 *
 * A browser needs a few connections for moments, so there is room for all. The
 * server counts WebSockets with its other connections.
 *
 * @module
 */

/** Limits of connections that are no WebSocket. */
export interface CallerLimits {
  /** In total. */
  readonly total: number;
  /** From one address: 40 browsers have 6 each. */
  readonly perAddress: number;
}

/** The limits without an option. */
export const CALLER_LIMITS: CallerLimits = { total: 2_000, perAddress: 256 };

/** A connection, as far as it is counted. */
export interface Caller {
  /** Ends it at once. */
  close(): void;
}

/** See the top of the file. */
export class Callers {
  readonly #limits: CallerLimits;
  readonly #byNetwork = new Map<string, Set<Caller>>(); // the oldest first
  #count = 0;

  constructor(limits: CallerLimits = CALLER_LIMITS) {
    this.#limits = limits;
  }

  /** Counts a connection, until it is removed. `network` is that of its address. */
  add(caller: Caller, network: string): void {
    const { total, perAddress } = this.#limits;
    const own = this.#byNetwork.get(network) ?? new Set();
    this.#byNetwork.set(network, own.add(caller));
    this.#count++;
    if (own.size > perAddress) this.#endOldest(network, own);
    else if (this.#count > total) this.#endOldest(...this.#largest());
  }

  /** Counts it no more: it is closed, or a WebSocket now. Idempotent. */
  remove(caller: Caller, network: string): void {
    const own = this.#byNetwork.get(network);
    if (!own?.delete(caller)) return;
    this.#count--;
    if (own.size === 0) this.#byNetwork.delete(network);
  }

  /** Ends all connections. */
  endAll(): void {
    for (const own of this.#byNetwork.values()) {
      for (const caller of own) caller.close();
    }
  }

  #endOldest(network: string, [oldest]: Iterable<Caller>): void {
    if (!oldest) return;
    this.remove(oldest, network);
    oldest.close();
  }

  #largest(): [network: string, own: Set<Caller>] {
    return this.#byNetwork.entries().reduce((most, one) =>
      one[1].size > most[1].size ? one : most
    );
  }
}
