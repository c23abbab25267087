/**
 * Which runs a returning user missed, found piece by piece.
 *
 * Each target has its own list of runs, and nobody knows before which of them
 * is the busy one. So a few heads of each are held, and a list is read on only
 * when those are used up: what was read is not read again.
 *
 * @module
 */
import type { Missed } from "./journal.ts";
import type { Head, MessageTable } from "./message_table.ts";

/** So many heads are held for all targets together. */
const HELD_HEADS = 500;

/** At least so many are held for each. */
const LEAST_HELD = 20;

/** The list of one target's runs. */
interface Source {
  readonly target: string;
  /** First ids are greater: what was read, or is of no use. */
  after: number;
  /** What was read of it and not used yet, oldest first. */
  heads: Head[];
  /** Whether there may be more. */
  more: boolean;
}

/** See the top of the file. */
export class Replay {
  readonly #runs: MessageTable;
  readonly #query: Missed;
  readonly #sources: readonly Source[];
  readonly #most: number;

  /** Of the runs in `runs`, those that `query` is about. */
  constructor(runs: MessageTable, query: Missed) {
    this.#runs = runs;
    this.#query = query;
    this.#sources = Array.from(targetsOf(query), ([target, since]) => ({
      target,
      after: runs.firstIdOf(Math.max(query.after, since)) - 1,
      heads: [],
      more: true,
    }));
    const share = Math.ceil(HELD_HEADS / this.#sources.length);
    this.#most = Math.max(LEAST_HELD, share);
  }

  /**
   * First ids of the next runs, rising; those of the user's own may be all that
   * there was, and are not among them. Undefined after the last.
   */
  next(): number[] | undefined {
    for (const source of this.#sources) this.#fill(source);
    if (this.#sources.every(({ heads }) => heads.length === 0)) return;
    const unread = this.#sources.filter(({ more }) => more);
    const end = Math.min(...unread.map(({ after }) => after)); // or Infinity
    return this.#sources
      .flatMap((source) => this.#take(source, end))
      .sort((a, b) => a - b);
  }

  /** Reads on if nothing is left of what was read. */
  #fill(source: Source): void {
    if (!source.more || source.heads.length > 0) return;
    const { target, after } = source;
    const range = { after, upTo: this.#query.upTo, most: this.#most };
    source.heads = this.#runs.heads(target, range);
    source.more = source.heads.length === this.#most;
    source.after = source.heads.at(-1)?.firstId ?? after;
  }

  /** Takes what is there up to an id; the first ids of others' runs. */
  #take(source: Source, end: number): number[] {
    const later = source.heads.findIndex(({ firstId }) => firstId > end);
    const count = later < 0 ? source.heads.length : later;
    const user = this.#query.user.toLowerCase();
    const toUser = source.target.toLowerCase() === user;
    return source.heads.splice(0, count)
      .filter(({ from }) => toUser || from.toLowerCase() !== user)
      .map(({ firstId }) => firstId);
  }
}

/** What may have been meant for the user, and after which id. */
function targetsOf(query: Missed): Map<string, number> {
  const { user, since, rooms, alone } = query;
  return new Map([
    [user, since],
    ...(alone ? [] : [["ALL", since] as const]),
    ...rooms,
  ]);
}
