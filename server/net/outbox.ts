/**
 * One client's outgoing bytes: a bounded queue with a single writer.
 *
 * A push never waits: a slow consumer costs no other user anything. What is
 * pushed in one turn of the event loop leaves in one write, a large piece at
 * once, and what piles up during a write leaves joined in the next. A queue over
 * its limit ends that connection alone.
 *
 * When a write begins is decided by the {@linkcode WriteScheduler}.
 *
 * The memory of large pieces that were spent (core/net/memory.ts) is given back when
 * they are written.
 *
 * A sender of a flood waits for {@linkcode Outbox.relief}, and so goes as fast as
 * its receivers read. It does not wait for one that hardly reads.
 *
 * @module
 */
import { releaseSpent, restOf } from "../../core/net/memory.ts";
import { CLOCK, type Clock, nextTurn } from "./clock.ts";

/**
 * Limit of unread bytes: over it the connection ends at once. Slow consumers are
 * found before that: see slow_consumer.ts.
 */
export const MAX_OUTBOX_BYTES = 8 * 1024 * 1024;

/** With more unread bytes than this, a flooding sender waits. */
export const HIGH_WATER_BYTES = 256 * 1024;

/**
 * A client that takes fewer bytes than these in this time is stalled: no sender
 * waits for it until it has caught up. It could hold back a whole room.
 */
export const STALL = { bytes: 32 * 1024, ms: 500 };

/** Small buffers are joined up to this size; a larger one goes out as it is. */
const MERGED_BYTES = 64 * 1024;

/** A piece of this size leaves at once; joining it gains nothing. */
const LARGE_BYTES = 16 * 1024;

/** Number of readers of one message that are written to in one turn. */
const FEW = 32;

/** Time in one turn for more readers than these, in milliseconds. */
const PORTION_MS = 0.3;

/**
 * An outbox with more bytes than this begins in the same turn in any case: it is
 * a flood, and going through it in small steps cost a tenth of the speed.
 */
const LITTLE_BYTES = 1_024;

/** Where the bytes go, such as a `Deno.Conn`. */
export interface Sink {
  /** Writes some of `bytes`; says how many, and rejects if it cannot. */
  write(bytes: Uint8Array): Promise<number>;
  /** What is queued and written in place of `bytes`: a frame around them. */
  frame?(bytes: Uint8Array): Uint8Array;
}

/** The owner of an outbox, which is told when the outbox cannot go on. */
export interface OutboxOwner {
  /** Too much is unread. Harmless if the connection has ended. */
  overflowed(): void;
  /** A write failed; `cause` is the error of the system. */
  lost(cause: unknown): void;
}

/**
 * Decides when outboxes begin to write. A write takes 10 µs. After a message to a
 * large room many are due in one turn, of which only the first are begun in it:
 * the others follow in portions, a turn for each. Between the portions the server
 * reads and answers other peers, and a message to few readers does not wait for
 * one to many.
 */
export class WriteScheduler {
  readonly #clock: Clock;
  #dueNow: Outbox[] = [];
  /** Those that were too many for one turn. */
  #dueLater: Outbox[] = [];

  constructor(clock: Clock = CLOCK) {
    this.#clock = clock;
  }

  /** Has `writer` begin at the end of this turn, or in one of the next. */
  add(writer: Outbox): void {
    if (this.#dueNow.push(writer) === 1) setImmediate(this.#writeDue);
  }

  readonly #writeDue = (): void => {
    const due = this.#dueNow;
    this.#dueNow = [];
    const later: Outbox[] = [];
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
function audiencesOf(due: Outbox[]): Outbox[][] {
  if (due.length <= FEW) return [due];
  const byPiece = Map.groupBy(due, (writer) => writer.nextPiece);
  return [...byPiece.values()].sort((a, b) => a.length - b.length);
}

/** Options of an {@linkcode Outbox}. */
export interface OutboxOptions {
  /** Limit of unread bytes; default {@linkcode MAX_OUTBOX_BYTES}. */
  readonly maxBytes?: number | undefined;
  /** Measures how long a sender waits for relief. */
  readonly clock?: Clock;
  /** Decides when a write begins; default: the one that all outboxes share. */
  readonly scheduler?: WriteScheduler;
}

/** See the top of the file. */
export class Outbox {
  /** How many bytes were written so far. */
  written = 0;
  readonly #sink: Sink;
  readonly #owner: OutboxOwner;
  readonly #clock: Clock;
  readonly #scheduler: WriteScheduler;
  /** Limit of unread bytes. */
  readonly maxBytes: number;
  #queue: Uint8Array[] = [];
  #next = 0; // the first of the queue that is still to be written
  #bytes = 0; // in the queue and in the write under way
  #answerBytes = 0; // those of them that do not count against the limit
  #due = false; // to be written at the end of this turn
  #writing: Uint8Array | undefined; // the write under way
  #scratch: Uint8Array | undefined; // holds what the write under way joined
  #waiting: (() => void)[] = [];
  #stalled = false;
  #overflowed = false;
  #hurried = false;
  #closed = false;

  // Callbacks that are made once: an async function makes twice the garbage.
  readonly #wrote = (count: number): void => {
    const bytes = this.#writing!; // one is under way
    this.#taken(count);
    if (count < bytes.length) return this.#write(restOf(bytes, count));
    if (bytes.length >= LARGE_BYTES) releaseSpent(bytes);
    this.#giveScratchBack();
    this.#goOn();
  };

  readonly #failed = (cause: unknown): void => {
    this.#writing = undefined;
    this.close();
    this.#owner.lost(cause);
  };

  /** The only writer of `sink`. */
  constructor(sink: Sink, owner: OutboxOwner, options: OutboxOptions = {}) {
    this.#sink = sink;
    this.#owner = owner;
    this.maxBytes = options.maxBytes ?? MAX_OUTBOX_BYTES;
    this.#clock = options.clock ?? CLOCK;
    this.#scheduler = options.scheduler ?? SCHEDULER;
  }

  /** Queues messages of other users. `bytes` are shared: do not change them. */
  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.unreadBytes > this.maxBytes && !this.#overflowed) {
      this.#overflowed = true;
      this.#owner.overflowed();
    }
    if (!this.#overflowed) this.#enqueue(bytes);
  }

  /** Queues an answer, which never counts against the limit. */
  answer(bytes: Uint8Array): void {
    this.#answerBytes += this.#enqueue(bytes);
  }

  /** How much is unread that counts against the limit, in bytes. */
  get unreadBytes(): number {
    return this.#bytes - this.#answerBytes;
  }

  /** How much is queued or being written, in bytes. */
  get queuedBytes(): number {
    return this.#bytes;
  }

  /** What is written first: readers of the same piece are one audience. */
  get nextPiece(): Uint8Array | undefined {
    return this.#queue[this.#next];
  }

  /** Begins to write, unless it has begun already. */
  begin(): void {
    if (this.#due) this.#goOn();
    this.#due = false;
  }

  /** Whether everything that was queued has been written. */
  get empty(): boolean {
    return this.#bytes === 0;
  }

  /** Whether the server reads no more requests: too much is unread. */
  get behind(): boolean {
    return this.isOver(HIGH_WATER_BYTES);
  }

  /** Whether more than `bytes` are unread, and what follows can wait. */
  isOver(bytes: number): boolean {
    return this.#bytes > bytes && !this.#hurried && !this.#closed;
  }

  /** Whether a flooding sender waits for relief. */
  get congested(): boolean {
    return this.behind && !this.#stalled;
  }

  /**
   * Resolves when the queue is short again, when it is closed or hurried, or
   * when the client reads too slowly; that takes half a second.
   */
  async relief(): Promise<void> {
    while (this.congested) {
      const before = this.written;
      using _timer = this.#clock.after(STALL.ms, () => {
        this.#stalled = this.written - before < STALL.bytes;
        this.#wake();
      });
      await this.#change();
    }
  }

  /**
   * Resolves when the queue is short again, or when it is closed or hurried:
   * answers are made no faster than the client reads them.
   */
  async belowLimit(bytes: number = HIGH_WATER_BYTES): Promise<void> {
    while (this.isOver(bytes)) await this.#change();
  }

  /** Ends all waiting, now and later; what is queued is still sent. */
  hurry(): void {
    this.#hurried = true;
    this.#wake();
  }

  /** Resolves when everything is written, or nothing more can be. */
  async flushed(): Promise<void> {
    this.begin();
    while (this.#writing) await this.#change();
  }

  /**
   * Drops what is queued and takes no more, but for one `last` frame, which
   * follows the write under way. Idempotent.
   */
  close(last?: Uint8Array): void {
    this.#queue = [];
    this.#next = 0;
    if (last && !this.#closed) this.#enqueue(last);
    this.#closed = true;
    this.#wake();
  }

  /** @returns How many bytes are queued for that. */
  #enqueue(bytes: Uint8Array): number {
    if (this.#closed) return 0;
    const piece = this.#sink.frame?.(bytes) ?? bytes;
    this.#queue.push(piece);
    this.#bytes += piece.length;
    if (this.#writing) return piece.length;
    if (!this.#due) this.#scheduler.add(this);
    this.#due = true;
    if (piece.length >= LARGE_BYTES) this.begin();
    return piece.length;
  }

  /** Writes what is next, when no write is under way any more. */
  #goOn(): void {
    if (this.#next < this.#queue.length) return this.#write(this.#nextBytes());
    this.#writing = undefined;
    this.#wake();
  }

  #write(bytes: Uint8Array): void {
    this.#writing = bytes;
    this.#sink.write(bytes).then(this.#wrote, this.#failed);
  }

  /** What goes out in the next write: one piece, or several in one buffer. */
  #nextBytes(): Uint8Array {
    const count = this.#fitting();
    return count < 2 ? this.#take() : this.#merged(count);
  }

  /** How many pieces at the head of the queue fit in one write. */
  #fitting(): number {
    let bytes = 0;
    for (let end = this.#next; end < this.#queue.length; end++) {
      bytes += this.#queue[end]!.length;
      if (bytes > MERGED_BYTES) return end - this.#next;
    }
    return this.#queue.length - this.#next;
  }

  #merged(count: number): Uint8Array {
    const pieces = Array.from({ length: count }, () => this.#take());
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes >= SCRATCH_FROM_BYTES) {
      this.#scratch = spare.pop() ?? new Uint8Array(MERGED_BYTES);
    }
    const buffer = this.#scratch ?? new Uint8Array(bytes);
    let at = 0;
    for (const piece of pieces) {
      buffer.set(piece, at);
      at += piece.length;
      if (piece.length >= LARGE_BYTES) releaseSpent(piece);
    }
    return buffer.subarray(0, bytes);
  }

  #giveScratchBack(): void {
    if (this.#scratch && spare.length < MAX_SPARE) spare.push(this.#scratch);
    this.#scratch = undefined;
  }

  /** Takes the next piece off the queue, which keeps nothing of it. */
  #take(): Uint8Array {
    if (this.#queue.length === 1) return this.#queue.pop()!; // keeps its room
    const bytes = this.#queue[this.#next]!; // the caller has looked
    this.#queue[this.#next++] = NOTHING;
    if (this.#next * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return bytes;
  }

  /** Counts bytes that were written. */
  #taken(bytes: number): void {
    this.#bytes -= bytes;
    this.#answerBytes = Math.min(this.#answerBytes, this.#bytes);
    this.written += bytes;
    if (this.#bytes > HIGH_WATER_BYTES) return;
    this.#stalled = false;
    this.#wake();
  }

  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    return promise;
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const NOTHING = new Uint8Array();

/** Buffers to join many pieces in, the same for all outboxes. */
const spare: Uint8Array[] = [];
const MAX_SPARE = 64;

/** Less is joined in a buffer of its own size: most joins are small. */
const SCRATCH_FROM_BYTES = 8 * 1024;
