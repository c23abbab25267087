/**
 * What of a session outlives the program; and which messages under a guest's name
 * are ours. While we were not registered,
 * another guest may have had our name: what was stored then is not ours, unless we
 * have sent it ourselves just before the connection was lost.
 *
 * @module
 */

/** So many of the last absences are remembered. */
const MAX_ABSENCES = 1_000;

/** What goes on with a session in another run of the program. */
export interface Resumable {
  /** By which the server knows it. */
  readonly token: string;
  /** Of the server, whose ids these are. */
  readonly journal: string | undefined;
  /** Everything for us up to this id was shown. */
  readonly last: number;
  /** When another guest could have our name. */
  readonly absences: readonly Absence[];
}

/** The ids of what was sent while we were not registered. */
export interface Absence {
  /** The last id before it. */
  readonly after: number;
  /** The last id in it. */
  readonly upTo: number;
}

/** When another guest could have our name: see the top of the file. */
export class Absences {
  readonly #settled = new Set<number>(); // what we sent just before them
  #all: readonly Absence[];

  /** As they were before. */
  constructor(before: readonly Absence[] = []) {
    this.#all = before;
  }

  /** All that are remembered. */
  all(): readonly Absence[] {
    return this.#all;
  }

  /** Adds one; the oldest is forgotten. */
  add(absence: Absence): void {
    this.#all = [...this.#all, absence].slice(-MAX_ABSENCES);
  }

  /** The message of that id is ours, whenever it was stored. */
  settle(id: number): void {
    this.#settled.add(id);
  }

  /** Whether a message under our name is ours; without an id it is. */
  isOurs(id = Infinity): boolean {
    return this.#settled.has(id) ||
      !this.#all.some(({ after, upTo }) => after < id && id <= upTo);
  }

  /** The ids that we know are worth nothing any more. */
  clear(): void {
    this.#all = [];
    this.#settled.clear();
  }
}
