/**
 * Names as keys.
 *
 * @module
 */
import { lookAlike } from "../../protocol.ts";

/**
 * Values by name, where names that differ only in case, and look-alikes, are
 * the same name.
 */
export class NameMap<V> {
  readonly #entries = new Map<string, V>(); // by name in lower case
  readonly #lookAlikes = new Map<string, string>(); // to the key above

  /** How many names there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of `name`, or else of a name that looks like it. */
  get(name: string): V | undefined {
    const exact = this.#entries.get(name.toLowerCase());
    if (exact !== undefined) return exact;
    const key = this.#lookAlikes.get(lookAlike(name));
    return key === undefined ? undefined : this.#entries.get(key);
  }

  /** Puts `value` under a name for which {@linkcode get} finds nothing. */
  add(name: string, value: V): void {
    this.#entries.set(name.toLowerCase(), value);
    this.#lookAlikes.set(lookAlike(name), name.toLowerCase());
  }

  /** Takes out a name that was added. */
  delete(name: string): void {
    this.#entries.delete(name.toLowerCase());
    this.#lookAlikes.delete(lookAlike(name));
  }

  /** The values, in the order in which their names were added. */
  values(): MapIterator<V> {
    return this.#entries.values();
  }
}
