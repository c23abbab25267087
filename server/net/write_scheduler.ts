/**
 * Decides when outboxes begin to write.
 *
 * A write takes 10 µs. After a message to a large room many are due in one turn,
 * of which only the first are begun in it: the others follow in portions, a turn
 * for each. Between the portions the server reads and answers other peers, and a
 * message to few readers does not wait for one to many.
 *
 * @module
 */
import { CLOCK, type Clock } from "./clock.ts";
import { nextTurn } from "./turns.ts";

/** Up to so many readers of one message are written to in one turn. */
const FEW = 32;

/** Of more readers, those are written to for which so many ms suffice. */
const PORTION_MS = 0.3;

/**
 * An outbox with more bytes than this begins in the same turn in any case: it is
 * a flood, and going through it in small steps cost a tenth of the speed.
 */
const LITTLE_BYTES = 1_024;

/** What has something to write and waits until it may begin. */
export interface DueWriter {
  /** How much is queued, in bytes. */
  readonly queuedBytes: number;
  /** What it writes first: readers of the same piece are one audience. */
  readonly nextPiece: Uint8Array | undefined;
  /** Begins to write, unless it has begun already. */
  begin(): void;
}

/** See the top of the file. */
export class WriteScheduler {
  readonly #clock: Clock;
  #dueNow: DueWriter[] = [];
  /** Those that were too many for one turn. */
  #dueLater: DueWriter[] = [];

  constructor(clock: Clock = CLOCK) {
    this.#clock = clock;
  }

  /** Has `writer` begin at the end of this turn, or in one of the next. */
  add(writer: DueWriter): void {
    if (this.#dueNow.push(writer) === 1) setImmediate(this.#writeDue);
  }

  readonly #writeDue = (): void => {
    const due = this.#dueNow;
    this.#dueNow = [];
    const later: DueWriter[] = [];
    for (const audience of audiencesOf(due)) {
      const end = this.#clock.now() + PORTION_MS;
      for (const writer of audience) {
        const now = audience.length <= FEW ||
          writer.queuedBytes > LITTLE_BYTES || this.#clock.now() < end;
        if (now) writer.begin();
        else later.push(writer);
      }
    }
    if (later.length === 0) return;
    if (this.#dueLater.length === 0) nextTurn().then(this.#writeLater);
    this.#dueLater = this.#dueLater.concat(later);
  };

  readonly #writeLater = (): void => {
    const due = this.#dueLater;
    const end = this.#clock.now() + PORTION_MS;
    let next = 0;
    while (next < due.length && this.#clock.now() < end) {
      due[next++]!.begin(); // there is one
    }
    due.splice(0, next);
    if (due.length > 0) nextTurn().then(this.#writeLater);
  };
}

/** The one that all connections of a program share. */
export const SCHEDULER = new WriteScheduler();

/** The readers of the same piece, together; the smallest audience first. */
function audiencesOf(due: DueWriter[]): DueWriter[][] {
  if (due.length <= FEW) return [due];
  const byPiece = Map.groupBy(due, (writer) => writer.nextPiece);
  return [...byPiece.values()].sort((a, b) => a.length - b.length);
}
