/**
 * The order of messages: each one once, by its id.
 *
 * The server forwards in the order of ids, but our own messages are known by
 * their answers alone, and those may come after newer messages: an answer may
 * even have been lost with a connection, and be repeated on the next. So a
 * message of another user is held while a request of ours is unanswered that
 * may have come before it, which is never longer than an answer takes. A client
 * that reconnects, or joins a room, holds everything, fetches what it missed,
 * and releases.
 *
 * A message that comes a second time is dropped. What is held is bounded: over
 * {@linkcode MAX_HELD_BYTES} the oldest is shown, still once, if not in order.
 *
 * @module
 */

/** Limit for what is held, in bytes. */
export const MAX_HELD_BYTES = 32 * 1024 * 1024;

/** Limit of the ids that are known while a request is unanswered. */
export const MAX_KNOWN = 1_000_000;

/** Something with a place in the order. */
export interface Entry {
  /** Its id, which gives the place. */
  readonly id: number;
  /** About how much memory it takes. */
  readonly bytes: number;
  /** Whether we sent it, and its answer may be still to come. */
  readonly own?: boolean;
  /** Shows it. */
  show(): void;
}

/** An entry, and after how many answers its place is certain. */
type Held = Entry & { until: number };

/** See the top of the file. */
export class Order {
  #last = 0;
  #answered = 0;
  #asked = 0; // when it last let go
  #holds = 0;
  #held: Held[] = []; // by id
  #heldBytes = 0;
  readonly #known = new Set<number>(); // held, or shown before its turn
  readonly #own = new Set<number>(); // shown, ours, and perhaps not answered
  readonly #maxBytes: number;

  /** `maxBytes` limits what is held. */
  constructor(maxBytes: number = MAX_HELD_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Everything for us up to this id is shown, or was before our time. */
  get last(): number {
    return this.#last;
  }

  /** Drops everything up to `last`: it was sent before our time. */
  startAfter(last: number): void {
    this.#last = Math.max(this.#last, last);
  }

  /** Forgets every id: the server counts anew. */
  restart(): void {
    this.flush();
    this.#known.clear();
    this.#own.clear();
    this.#last = 0;
  }

  /** Whether the message with this id was shown, or is held. */
  knows(id: number): boolean {
    return id <= this.#last || this.#known.has(id);
  }

  /**
   * Takes a message that came after `asked` requests of ours. Shows it when they
   * are answered; never, if it is known.
   */
  add(entry: Entry, asked: number): void {
    const { id } = entry;
    if (this.knows(id)) return;
    if (this.#holds > 0 || this.#held.length > 0 || asked > this.#answered) {
      this.#hold({ ...entry, until: asked });
    } else {
      this.#last = id;
      entry.show();
    }
  }

  /** Takes a message of our own, when it is answered. */
  addOwn(entry: Entry): void {
    const { id } = entry;
    if (this.#own.delete(id)) return; // it was found among what was missed
    if (id <= this.#last) return entry.show(); // late, but shown
    if (!this.#known.has(id)) this.#hold({ ...entry, until: 0 });
    if (this.#holds === 0) this.#showBefore((held) => held.id > id);
  }

  /** Tells how many requests of ours are answered by now. */
  answered(count: number): void {
    this.#answered = count;
    if (count >= this.#asked) this.#own.clear();
    if (this.#holds === 0) this.#showCertain();
  }

  /** Shows nothing until {@linkcode release}, which must follow each call. */
  hold(): void {
    this.#holds++;
  }

  /**
   * Ends one hold. The place of what was held is certain when `asked` requests
   * are answered.
   */
  release(asked: number): void {
    this.#holds--;
    if (this.#holds > 0) return;
    this.#asked = asked;
    for (const held of this.#held) held.until = asked;
    const [first] = this.#held;
    if (first) this.#last = Math.max(this.#last, first.id - 1);
    this.#showCertain();
  }

  /** Shows everything that is held, because nothing more will come. */
  flush(): void {
    this.#showFirst(this.#held.length);
  }

  #showCertain(): void {
    this.#showBefore((held) => held.until > this.#answered);
  }

  /** Shows what is held before the first that is `later`. */
  #showBefore(later: (held: Held) => boolean): void {
    const next = this.#held.findIndex(later);
    this.#showFirst(next < 0 ? this.#held.length : next);
  }

  #hold(held: Held): void {
    const { id, bytes } = held;
    this.#known.add(id);
    this.#heldBytes += bytes;
    if (this.#known.size > MAX_KNOWN) this.#forgetSome();
    let [from, to] = [0, this.#held.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#held[middle]!.id < id) from = middle + 1;
      else to = middle;
    }
    this.#held.splice(from, 0, held);
    if (this.#heldBytes <= this.#maxBytes) return;
    this.#showFirst(Math.ceil(this.#held.length / 2));
  }

  /** Half of the ids: a server that never answers may send messages forever. */
  #forgetSome(): void {
    let count = MAX_KNOWN / 2;
    for (const id of this.#known) {
      if (count-- === 0) return;
      this.#known.delete(id);
    }
  }

  #showFirst(count: number): void {
    for (const entry of this.#held.splice(0, count)) {
      this.#heldBytes -= entry.bytes;
      if (this.#holds === 0) this.#pass(entry.id);
      if (entry.own) this.#own.add(entry.id);
      entry.show(); // it stays known during a hold: an older one may come
    }
    if (this.#holds > 0 || this.#held.length > 0) return;
    for (const id of this.#known) this.#pass(id);
  }

  #pass(id: number): void {
    this.#last = Math.max(this.#last, id);
    this.#known.delete(id);
  }
}
