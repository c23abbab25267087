/**
 * The other servers of a chat, as one server knows them at the moment: who keeps the
 * list sets it, and clients are told of changes, but not often.
 *
 * @module
 */
import {
  alternateText,
  MAX_ALTERNATE_LENGTH,
  MAX_ALTERNATES,
  type OtherServer,
  readAlternate,
  type Way,
} from "../core/net/alternates.ts";
import { isLoopback } from "../core/net/ip_address.ts";
import type { Clock } from "./net/clock.ts";
import type { Alternates } from "./session/session.ts";

/** Where clients find a server, as it knows that itself. */
export interface OwnPlace {
  /** Names by which browsers reach it, the best first. */
  readonly names: readonly string[];
  /** Its addresses, as others should try them. */
  readonly addresses: readonly string[];
  /** Its port for each way in which clients can connect. */
  readonly ports: Readonly<Partial<Record<Way, number | undefined>>>;
  /** SHA-256 of its certificate, with colons or without. */
  readonly fingerprint?: string | undefined;
}

/** A server tells the others of so many hosts. */
const MAX_HOSTS = 8;

/**
 * What a server tells the others of itself: where clients find it, as they are told of
 * it; then more hosts by which browsers reach its page. Nothing if no client can be
 * told of it.
 */
export function announcementOf(
  { names, addresses, ports, fingerprint }: OwnPlace,
): string[] {
  const sha256 = fingerprint?.replaceAll(":", "").toLowerCase();
  const hosts = [
    ...names,
    ...addresses.filter((one) => !isLoopback(one)),
    ...addresses.filter(isLoopback),
  ];
  // The cast: a port that is undefined is left out of the text.
  const known = ports as OtherServer["ports"];
  const texts = hosts.map((hostname) =>
    alternateText({ hostname, ports: known, sha256 })
  );
  const best = texts.findIndex((text) => readAlternate(text) !== undefined);
  if (best < 0) return [];
  const others = hosts.filter((_, at) => at !== best)
    .filter((host) => host.length <= MAX_ALTERNATE_LENGTH);
  return [texts[best]!, ...others.slice(0, MAX_HOSTS - 1)];
}

/** The other servers, from what each of them tells of itself. */
export function othersIn(
  announcements: Iterable<readonly string[]>,
): OtherServer[] {
  return Array.from(announcements).flatMap(([text = "", ...names]) => {
    const other = readAlternate(text);
    return other ? [{ ...other, names }] : [];
  });
}

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
