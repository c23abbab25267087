/**
 * Where and when a client tries again whose server has told of others.
 *
 * It tries the server once, then the others of its chat in turn, in an order of
 * chance; then all of them again, with a pause before each round that grows. A
 * server that has asked for a wait is left out until that is over.
 *
 * This is loaded when a server tells of another. Plain values: the time and chance
 * are arguments.
 *
 * @module
 */
import type { Frame } from "../../protocol.ts";
import { alternatesIn, type Home, type Place, placesOf } from "./alternates.ts";
import {
  LONGEST_PAUSE_MS,
  LONGEST_RETRY_AFTER_MS,
  pauseBefore,
} from "./backoff.ts";

/** Before the next server of a round there is a pause of up to so many milliseconds. */
export const HOP_MS = 250;

/** The clients of a server that stops leave it within this time, in milliseconds. */
export const LEAVE_WITHIN_MS = 3_000;

/**
 * A connection is to be opened within this time, in milliseconds, if there is another
 * server to try; in each further round within twice the time.
 */
export const DIAL_MS = 3_000;

/** See the top of the file. */
export class Route {
  readonly #home: Home;
  #place: Place;
  #teller: Place; // which has told of the others
  #told: readonly Place[] = [];
  #left: readonly Place[] = []; // of the round
  #arrived: Place; // the last time
  #stayed: Place | undefined; // the server that was lost, before it is tried
  #dropped = new Set<string>(); // others that are none of ours
  readonly #waits = new Map<string, number>(); // until when, where one was asked for
  #leavesAt: number | undefined; // a server that stops
  #rounds = 0; // in vain

  /** Begins at home, where the client is registered. */
  constructor(home: Home) {
    this.#home = home;
    this.#place = this.#teller = this.#arrived = home.place;
  }

  /** Where the next attempt is made, or the client is; undefined at home. */
  get elsewhere(): Place | undefined {
    return isSame(this.#place, this.#home.place) ? undefined : this.#place;
  }

  /** The time for opening a connection, in milliseconds, if there is another place. */
  get dialMs(): number | undefined {
    if (this.#all.length < 2) return undefined;
    const longer = 2 ** Math.max(0, this.#rounds - 1);
    return Math.min(DIAL_MS * longer, LONGEST_PAUSE_MS);
  }

  /**
   * The client is registered.
   *
   * @returns At which place, as a text, if it was registered elsewhere before.
   */
  arrived(): string | undefined {
    const before = this.#arrived;
    this.#arrived = this.#place;
    return isSame(before, this.#place) ? undefined : this.#place.text;
  }

  /** Takes the whole list of others from a REGISTERED or a NOTICE of the server. */
  tell(frame: Pick<Frame, "headers">): void {
    const { way } = this.#home;
    this.#teller = this.#place;
    const teller = this.#teller.hostname;
    this.#told = placesOf(alternatesIn(frame), { way, teller });
    this.#dropped.clear();
    const texts = new Set(this.#all.map(keyOf));
    for (const text of this.#waits.keys()) {
      if (!texts.has(text)) this.#waits.delete(text);
    }
  }

  /**
   * A server that had registered the client is lost.
   *
   * @param stayed Whether it had let the client stay: then it is tried first, and soon.
   */
  lost(stayed: boolean): void {
    if (!stayed) return; // the round goes on
    this.#rounds = 0;
    this.#left = [];
    this.#stayed = this.#place;
  }

  /** The other server is not what it was told to be: it is tried no more. */
  drop(): void {
    this.#dropped.add(keyOf(this.#place));
  }

  /**
   * The server says that it stops.
   *
   * @returns In how many milliseconds to leave it; undefined if there is no other,
   * or it has said so before.
   */
  leave(now: number, random: () => number = Math.random): number | undefined {
    if (this.#all.length < 2 || this.#leavesAt !== undefined) return undefined;
    const ms = random() * LEAVE_WITHIN_MS;
    this.#leavesAt = now + ms;
    return ms;
  }

  /**
   * Chooses the next place, after an attempt or a loss.
   *
   * @param toldMs The wait that the server has asked for, in milliseconds.
   * @param random From 0 to 1.
   * @returns The pause before the next attempt, in milliseconds.
   */
  next(
    now: number,
    toldMs: number,
    random: () => number = Math.random,
  ): number {
    const wait = Math.min(toldMs, LONGEST_RETRY_AFTER_MS);
    this.#waits.set(keyOf(this.#place), now + wait);
    const leavesAt = this.#leavesAt;
    if (leavesAt !== undefined) {
      this.#left = this.#round(random).filter((one) =>
        !isSame(one, this.#place)
      );
    }
    this.#leavesAt = undefined;
    const waitOf = (place: Place) =>
      Math.max(0, (this.#waits.get(keyOf(place)) ?? now) - now);
    const known = new Set(this.#all.map(keyOf));
    const ready = this.#left.filter((one) =>
      known.has(keyOf(one)) && waitOf(one) === 0
    );
    const [hop] = ready;
    if (hop) {
      this.#place = hop;
      this.#left = ready.slice(1);
      return leavesAt === undefined
        ? random() * HOP_MS
        : Math.max(0, leavesAt - now);
    }
    const [first = this.#place, ...rest] = this.#round(random)
      .sort((a, b) => waitOf(a) - waitOf(b));
    this.#place = first;
    this.#left = rest;
    return pauseBefore(this.#rounds++, waitOf(first), random);
  }

  /** All places once, by chance; first that which was just lost. */
  #round(random: () => number): Place[] {
    const all = this.#all.map((place) => ({ place, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ place }) => place);
    const lost = this.#stayed;
    this.#stayed = undefined;
    return lost ? [lost, ...all.filter((place) => !isSame(place, lost))] : all;
  }

  /** The server that the user chose, and the others, each of them once. */
  get #all(): Place[] {
    const home = this.#home.place;
    const all = new Map([[keyOf(home), home]]);
    for (const place of [this.#teller, ...this.#told]) {
      const text = keyOf(place);
      if (!all.has(text) && !this.#dropped.has(text)) all.set(text, place);
    }
    return [...all.values()];
  }
}

/** A place as it is known again. */
function keyOf({ text }: Place): string {
  return text.toLowerCase();
}

function isSame(a: Place, b: Place): boolean {
  return keyOf(a) === keyOf(b);
}
