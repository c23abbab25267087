/**
 * Parts of a program that are loaded when they are needed for the first time: a
 * start, and a session without them, cost nothing.
 *
 * @module
 */

/** One part, and whether it is there yet. */
export class Lazy<T> {
  /** The part; undefined until it is loaded. */
  loaded: T | undefined;
  readonly #load: () => Promise<T>;
  #loading: Promise<T> | undefined;

  /** `load` imports the module of the part, and makes it. */
  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  /** Loads it, once. If that fails, the next call tries again. */
  load(): Promise<T> {
    return this.#loading ??= this.#begin();
  }

  async #begin(): Promise<T> {
    try {
      return this.loaded = await this.#load();
    } catch (error) {
      this.#loading = undefined;
      throw error;
    }
  }
}
