/**
 * Shares: of things that are limited in total, each network has a share. Over its
 * share, or over the total, an idle thing gives way to a new one; what is in use
 * never does. Over the total that is one of the network that has most, if it has
 * more than the network that wants one more.
 *
 * All operations take the same short time, however many things there are.
 *
 * @module
 */

/** What counts for a network; empty if the network is not known. */
export interface Owned {
  readonly network: string;
}

/** How many there can be. */
export interface ShareLimits {
  readonly perAddress: number;
  readonly total: number;
}

/** Why there is no room for one more. */
export interface Over<T> {
  /** The limit that is reached. */
  readonly limit: number;
  /** Whether it is that of the network itself. */
  readonly isShare: boolean;
  /** What can give way, the one that is idle for longest first. */
  readonly idle: Iterable<T>;
}

/** Those of one network. */
interface Share<T> {
  count: number;
  /** In the order in which they became idle. */
  readonly idle: Set<T>;
}

/** See the top of the file. */
export class Shares<T extends Owned> {
  readonly #limits: ShareLimits;
  readonly #shares = new Map<string, Share<T>>();
  /** By their count: the shares of which something is idle. */
  readonly #withIdle: Set<Share<T>>[] = [];
  #most = 0; // no share with a greater count is among them
  #size = 0;

  /** Empty ones. */
  constructor(limits: ShareLimits) {
    this.#limits = limits;
  }

  /** Adds a thing that is in use, whether or not a limit is reached. */
  add({ network }: T): void {
    const share = this.#shares.get(network) ?? { count: 0, idle: new Set() };
    this.#shares.set(network, share);
    this.#change(share, () => share.count++);
    this.#size++;
  }

  /** Removes a thing that was added. */
  delete(one: T): void {
    const share = this.#shares.get(one.network)!; // it was added
    this.#change(share, () => {
      share.count--;
      share.idle.delete(one);
    });
    this.#size--;
    if (share.count === 0) this.#shares.delete(one.network);
  }

  /** From now on the thing is idle, or is in use. */
  setIdle(one: T, isIdle: boolean): void {
    const share = this.#shares.get(one.network)!; // it was added
    this.#change(share, () => {
      share.idle.delete(one);
      if (isIdle) share.idle.add(one);
    });
  }

  /** Why there is no room for one more of a network; undefined if there is. */
  over(network: string): Over<T> | undefined {
    const { perAddress, total } = this.#limits;
    const own = this.#shares.get(network);
    const count = own?.count ?? 0;
    if (count >= perAddress) {
      return { limit: perAddress, isShare: true, idle: own?.idle ?? [] };
    }
    if (this.#size < total) return undefined;
    const largest = this.#largest();
    const share = largest && largest.count > count ? largest : own;
    return { limit: total, isShare: false, idle: share?.idle ?? [] };
  }

  /** The share with most things, of those of which something is idle. */
  #largest(): Share<T> | undefined {
    for (; this.#most > 0; this.#most--) {
      const [share] = this.#withIdle[this.#most] ?? [];
      if (share) return share;
    }
    return undefined;
  }

  #change(share: Share<T>, change: () => void): void {
    this.#withIdle[share.count]?.delete(share);
    change();
    if (share.idle.size === 0) return;
    (this.#withIdle[share.count] ??= new Set()).add(share);
    this.#most = Math.max(this.#most, share.count);
  }
}
