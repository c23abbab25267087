/**
 * Values by network: which networks an address is in takes a look-up for each
 * length that networks have, however many networks there are.
 *
 * Deno's BlockList does the same, but looks at every network, and does not say
 * which one it was.
 *
 * @module
 */
import type { Network } from "../../core/net/ip_address.ts";

/** See the top of the file. */
export class NetworkMap<V> {
  readonly #values = new Map<string, V>();
  /** How many networks there are of each length, by family. */
  readonly #lengths = {
    4: new Map<number, number>(),
    6: new Map<number, number>(),
  };

  /** How many networks there are. */
  get size(): number {
    return this.#values.size;
  }

  /** The value of this very network. */
  get(network: Network): V | undefined {
    return this.#values.get(keyOf(network, network.length));
  }

  /** Sets the value of a network. */
  set(network: Network, value: V): void {
    const key = keyOf(network, network.length);
    if (!this.#values.has(key)) this.#count(network, 1);
    this.#values.set(key, value);
  }

  /** Takes a network out. */
  delete(network: Network): void {
    const key = keyOf(network, network.length);
    if (this.#values.delete(key)) this.#count(network, -1);
  }

  /** The values of all networks that `network` is a part of, or is. */
  *covering(network: Network): Generator<V, void, void> {
    for (const length of this.#lengths[network.family].keys()) {
      if (length > network.length) continue;
      const value = this.#values.get(keyOf(network, length));
      if (value !== undefined) yield value;
    }
  }

  /** All values, in the order in which their networks were first set. */
  values(): MapIterator<V> {
    return this.#values.values();
  }

  #count({ family, length }: Network, more: 1 | -1): void {
    const lengths = this.#lengths[family];
    const count = (lengths.get(length) ?? 0) + more;
    if (count === 0) lengths.delete(length);
    else lengths.set(length, count);
  }
}

/** Of the network of that length in which `network` is. */
function keyOf({ family, bits }: Network, length: number): string {
  const width = family === 4 ? 32 : 128;
  return `${family}/${length}/${bits >> BigInt(width - length)}`;
}
