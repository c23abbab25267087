/**
 * The order of what is shown: each message once, and by its id.
 *
 * The server forwards in the order of ids, but one's own messages are known by
 * their answers alone, and those may come after what is newer: the answer may
 * even have been lost with a connection, and be repeated on the next. So what
 * others say is held while something of ours is unanswered that may have come
 * before it; which is never longer than an answer takes. Who comes back, or
 * into a room, holds everything, fetches what was missed, and lets go.
 *
 * Whatever comes a second time is dropped. What is held is bounded: over
 * {@linkcode MAX_HELD_BYTES} the oldest is shown, still once, if not in order.
 *
 * @module
 */

/** So much is held at most, in bytes. */
export const MAX_HELD_BYTES = 32 * 1024 * 1024;

/** Something with a place in the order. */
export interface Entry {
  /** Its id, which gives the place. */
  readonly id: number;
  /** What it takes to hold it, about. */
  readonly bytes: number;
  /** Shows it. */
  show(): void;
}

/** An entry, and after how many answers of ours its place is certain. */
interface Held {
  readonly entry: Entry;
  until: number;
}

/** See the top of the file. */
export class Order {
  #last = 0;
  #answered = 0;
  #holds = 0;
  #held: Held[] = []; // by id
  #heldBytes = 0;
  readonly #known = new Set<number>(); // held, or shown before its turn
  readonly #maxBytes: number;

  /** `maxBytes` are held at most. */
  constructor(maxBytes: number = MAX_HELD_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Everything for us up to this id is shown, or was before our time. */
  get last(): number {
    return this.#last;
  }

  /** Says that what is up to `last` is none of our business. */
  startAfter(last: number): void {
    this.#last = Math.max(this.#last, last);
  }

  /** Forgets every id: they began anew, and `last` is the one before ours. */
  restart(last: number): void {
    this.#showFirst(this.#held.length);
    this.#known.clear();
    this.#last = last;
  }

  /**
   * Takes what somebody said, after so many requests of ours. Shows it when
   * they are answered; never, if it is there already.
   */
  add(entry: Entry, asked: number): void {
    const { id } = entry;
    if (id <= this.#last || this.#known.has(id)) return;
    if (this.#holds > 0 || this.#held.length > 0 || asked > this.#answered) {
      this.#hold({ entry, until: asked });
    } else {
      this.#last = id;
      entry.show();
    }
  }

  /** Takes what we said ourselves, when it is answered. */
  addOwn(entry: Entry): void {
    const { id } = entry;
    if (id <= this.#last) return entry.show(); // late is better than never
    const inHistory = this.#known.has(id);
    if (!inHistory) this.#hold({ entry, until: 0 });
    if (this.#holds > 0) return;
    const next = this.#held.findIndex((held) => held.entry.id > id);
    this.#showFirst(next < 0 ? this.#held.length : next);
  }

  /** Says that so many requests of ours are answered by now. */
  answered(count: number): void {
    this.#answered = count;
    if (this.#holds === 0) this.#showCertain();
  }

  /** Shows nothing until {@linkcode release}, which has to follow each. */
  hold(): void {
    this.#holds++;
  }

  /**
   * Ends one hold. What was held is certain when the `asked` requests that are
   * on their way are answered.
   */
  release(asked: number): void {
    this.#holds--;
    if (this.#holds > 0) return;
    for (const held of this.#held) held.until = asked;
    const [first] = this.#held;
    if (first) this.#last = Math.max(this.#last, first.entry.id - 1);
    this.#showCertain();
  }

  /** Shows everything, because nothing more will come. */
  flush(): void {
    this.#showFirst(this.#held.length);
  }

  #showCertain(): void {
    const next = this.#held.findIndex((held) => held.until > this.#answered);
    this.#showFirst(next < 0 ? this.#held.length : next);
  }

  #hold(held: Held): void {
    const { id, bytes } = held.entry;
    this.#known.add(id);
    this.#heldBytes += bytes;
    this.#held.splice(this.#placeOf(id), 0, held);
    if (this.#heldBytes <= this.#maxBytes) return;
    this.#showFirst(Math.ceil(this.#held.length / 2));
  }

  /** Where `id` belongs; mostly at the end. */
  #placeOf(id: number): number {
    let [low, high] = [0, this.#held.length];
    if (high === 0 || this.#held[high - 1]!.entry.id < id) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#held[middle]!.entry.id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #showFirst(count: number): void {
    for (const { entry } of this.#held.splice(0, count)) {
      this.#heldBytes -= entry.bytes;
      if (this.#holds === 0) this.#pass(entry.id);
      entry.show(); // while we hold it stays known: something older may come
    }
    if (this.#holds > 0 || this.#held.length > 0) return;
    for (const id of this.#known) this.#pass(id);
  }

  #pass(id: number): void {
    this.#last = Math.max(this.#last, id);
    this.#known.delete(id);
  }
}
