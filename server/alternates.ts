/**
 * The other servers of a chat, as one server knows them at the moment: who keeps the
 * list sets it, and clients are told of changes, but not often.
 *
 * @module
 */
import {
  alternateText,
  MAX_ALTERNATES,
  type OtherServer,
  readAlternate,
} from "../core/net/alternates.ts";
import type { Clock } from "./net/clock.ts";
import type { Alternates } from "./session/session.ts";

/** Clients are told of changes at most once in this time, in milliseconds. */
export const TELL_EVERY_MS = 3_000;

/** See the top of the file. */
export class AlternateList implements Alternates, Disposable {
  readonly #after: Clock["after"];
  readonly #listeners = new Set<() => void>();
  #list: readonly OtherServer[] = [];
  #texts: readonly string[] = [];
  #told = "";
  #resting: Disposable | undefined; // after clients were told

  /** An empty list; `after` is the clock of the server. */
  constructor(after: Clock["after"]) {
    this.#after = after;
  }

  /** See {@linkcode Alternates}. */
  list(): readonly OtherServer[] {
    return this.#list;
  }

  /** See {@linkcode Alternates}. */
  get texts(): readonly string[] {
    return this.#texts;
  }

  /**
   * The other servers from now on, in any order; not this one. Of more than eight
   * those count whose texts are first. What clients would not take is left out.
   */
  set(others: readonly OtherServer[]): void {
    const all = others.flatMap((one) => {
      const text = alternateText(one);
      const taken = readAlternate(text); // as clients take it
      return taken ? [{ text, server: { ...taken, names: one.names } }] : [];
    }).sort((a, b) => a.text < b.text ? -1 : 1).slice(0, MAX_ALTERNATES);
    this.#list = all.map(({ server }) => server);
    this.#texts = all.map(({ text }) => text);
    if (!this.#resting) this.#tell();
  }

  /** See {@linkcode Alternates}. */
  onChange(changed: () => void): Disposable {
    this.#listeners.add(changed);
    return { [Symbol.dispose]: () => void this.#listeners.delete(changed) };
  }

  /** Nobody is told any more. */
  [Symbol.dispose](): void {
    this.#resting?.[Symbol.dispose]();
    this.#listeners.clear();
  }

  #tell(): void {
    this.#resting = undefined;
    const text = this.#texts.join("\n");
    if (text === this.#told) return;
    this.#told = text;
    this.#resting = this.#after(TELL_EVERY_MS, () => this.#tell());
    for (const changed of this.#listeners) changed();
  }
}
