/**
 * Reads the stream, from the cursor on, and applies it in order.
 *
 * NATS sends each entry again when it is stored. That is fast, but entries can be
 * missing: then they are asked for. A part of the server that hears of a sequence
 * that is not applied calls {@linkcode Reader.want}.
 *
 * @module
 */
import { ChatError } from "../../../protocol.ts";
import type { Bus, BusMessage } from "../bus.ts";
import { ClusterError } from "../cluster_error.ts";
import { MAX_PAYLOAD_BYTES } from "../nats.ts";
import type { Subjects } from "../names.ts";
import type { Arrived, Replica } from "./replica.ts";

/** How many entries are asked for at once, and how many bytes. */
const BATCH = 1_000;
const BATCH_BYTES = 8 * 1024 * 1024;

/** Limit of what waits for the entries before it, in bytes. */
const MAX_HELD_BYTES = 2 * BATCH_BYTES;

/** Limits of one transaction. */
const APPLIED_AT_ONCE = 256;
const APPLIED_BYTES = 4 * MAX_PAYLOAD_BYTES;

/** An answer that is late by so much does not come. */
const SILENCE_MS = 1_000;
const RETRY_MS = 40;
const DISK_RETRY_MS = 1_000;

/** Options of {@linkcode Reader}. */
export interface ReaderOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly replica: Replica;
  /** Called when more is applied. */
  applied(): void;
  /** Called for a message that is another one than this server has read. */
  doubt(why: string): void;
  /** Called when this server cannot go on. */
  fail(error: ClusterError): void;
  /** Gets a line for the operator. */
  log(line: string): void;
}

/** See the top of the file. */
export class Reader implements Disposable {
  readonly #options: ReaderOptions;
  readonly #held = new Map<number, Uint8Array>();
  readonly #subscription: Disposable;
  #heldBytes = 0;
  #wanted = 0;
  #isFilling = false;
  #isApplying = false;
  #isClosed = false;
  #foreign = false;

  /** Reads from now on. */
  constructor(options: ReaderOptions) {
    this.#options = options;
    const { bus, subjects } = options;
    this.#subscription = bus.subscribe(
      `${subjects.stored}>`,
      (message) => this.#stored(message),
    );
  }

  /** Reads up to that sequence, which is in the stream. */
  want(sequence: number): void {
    if (sequence <= this.#wanted) return;
    this.#wanted = sequence;
    if (!this.#isFilling) this.#fill();
  }

  /** Reads nothing any more. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#subscription[Symbol.dispose]();
  }

  get #sequence(): number {
    return this.#options.replica.cursor.sequence;
  }

  /** An entry was stored now, and NATS sends it again. */
  #stored(message: BusMessage): void {
    const sequence = this.#sequenceOf(message);
    if (sequence === undefined) {
      const line = `${message.subject}: a message of another program; ignored`;
      if (!this.#foreign) this.#options.log(line);
      this.#foreign = true;
      return;
    }
    this.#arrived({ sequence, bytes: message.bytes });
    // What is missing may still be on its way: it comes in order.
    if (this.#sequence < sequence - 1 && !this.#held.has(this.#sequence + 1)) {
      this.want(sequence);
    }
  }

  /** The sequence of an entry that NATS sends; undefined if it is none. */
  #sequenceOf({ header }: BusMessage): number | undefined {
    if (header("Nats-Stream") !== this.#options.subjects.stream) {
      return undefined;
    }
    const sequence = Number(header("Nats-Sequence"));
    return Number.isSafeInteger(sequence) && sequence > 0
      ? sequence
      : undefined;
  }

  #arrived(message: Arrived): void {
    const { sequence, bytes } = message;
    if (sequence <= this.#sequence) {
      if (this.#options.replica.isSame(message) === false) {
        this.#options.doubt(`entry ${sequence} is another one than before`);
      }
      return;
    }
    if (this.#held.has(sequence)) return;
    const isNext = sequence === this.#sequence + 1;
    // What does not fit is asked for again, when it is its turn.
    if (this.#heldBytes > MAX_HELD_BYTES && !isNext) return;
    this.#held.set(sequence, bytes);
    this.#heldBytes += bytes.length;
    this.#apply();
  }

  /** Applies what follows the cursor. */
  async #apply(): Promise<void> {
    if (this.#isApplying) return;
    this.#isApplying = true;
    for (let next; (next = this.#next()).length > 0;) {
      try {
        await this.#options.replica.apply(next);
      } catch (error) {
        if (this.#isClosed) break;
        // A disk that fails is told by the database. All waits until it works.
        if (!(error instanceof ChatError)) this.#options.log(stackOf(error));
        await sleep(DISK_RETRY_MS);
        continue;
      }
      for (const { sequence, bytes } of next) {
        if (this.#held.delete(sequence)) this.#heldBytes -= bytes.length;
      }
      this.#options.applied();
    }
    this.#isApplying = false;
    if (this.#held.size > 0 && !this.#isClosed) {
      this.want(Math.min(...this.#held.keys()));
    }
  }

  #next(): Arrived[] {
    const next: Arrived[] = [];
    if (this.#isClosed) return next;
    let size = 0;
    for (let sequence = this.#sequence + 1;; sequence++) {
      const bytes = this.#held.get(sequence);
      if (!bytes) return next;
      size += bytes.length;
      const isFull = next.length === APPLIED_AT_ONCE || size > APPLIED_BYTES;
      if (isFull && next.length > 0) return next;
      next.push({ sequence, bytes });
    }
  }

  async #fill(): Promise<void> {
    this.#isFilling = true;
    while (this.#sequence < this.#wanted && !this.#isClosed) {
      const from = this.#sequence;
      await this.#readBatch(from + 1);
      if (this.#sequence === from) await sleep(RETRY_MS);
    }
    this.#isFilling = false;
  }

  /**
   * Asks for entries from `first` on. Ends with the last one, with a status, or
   * when nothing more comes. NATS's own client is not used for this: it leaves a
   * subscription behind each call.
   */
  #readBatch(first: number): Promise<void> {
    const { bus, subjects } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const last = Math.min(this.#wanted, first + BATCH - 1);
    const inbox = `_INBOX.${crypto.randomUUID().replaceAll("-", "")}`;
    using scope = new DisposableStack();
    let timer = setTimeout(resolve, SILENCE_MS);
    scope.defer(() => clearTimeout(timer));
    scope.use(bus.subscribe(inbox, (message) => {
      const sequence = this.#sequenceOf(message);
      if (sequence === undefined) return resolve(); // a status: nothing more
      clearTimeout(timer);
      timer = setTimeout(resolve, SILENCE_MS);
      this.#arrived({ sequence, bytes: message.bytes });
      if (sequence >= last) resolve();
    }));
    const wanted = {
      seq: first,
      batch: last - first + 1,
      max_bytes: BATCH_BYTES,
    };
    bus.publish(
      `$JS.API.DIRECT.GET.${subjects.stream}`,
      new TextEncoder().encode(JSON.stringify(wanted)),
      inbox,
    );
    const open = scope.move();
    return promise.finally(() => open.dispose());
  }
}

function stackOf(bug: unknown): string {
  return `A bug: ${(bug as Error)?.stack ?? bug}`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
