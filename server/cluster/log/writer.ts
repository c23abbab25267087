/**
 * Appends the entries of this server to the log, in their order: one message of
 * the stream is on its way at a time, and what comes meanwhile is in the next.
 *
 * An entry is decided when this server has applied it, and no sooner. Until then
 * its message is sent again and again with the same counter, of which the log
 * counts one. When others took this server for gone, what it sends has no effect
 * any more: then it begins a new epoch, and sends again what is not decided.
 *
 * @module
 */
import { ChatError } from "../../../protocol.ts";
import { UndecidedError } from "../../chat/not_stored.ts";
import { ClusterError } from "../cluster_error.ts";
import {
  encodeEnvelope,
  encodeItem,
  type Envelope,
  type Item,
} from "./codec.ts";
import { MAX_PAYLOAD_BYTES, type Nats } from "../nats.ts";
import type { Subjects } from "../names.ts";
import type { Replica, UpEntry, Waiting } from "./replica.ts";

/** An entry that is not stored by then is given up, in milliseconds. */
export const STORED_WITHIN_MS = 15_000;

/**
 * Messages of the stream begin at most that often, in milliseconds. Each costs every
 * server a transaction and each receiver a write, and so a busy server sends few of
 * them with more entries in each. One that comes after a pause is sent at once.
 */
export const SEND_EVERY_MS = 2;

/** Limit of the entries that wait, in bytes. */
const MAX_QUEUE_BYTES = 64 * 1024 * 1024;

/** What the head of a message, and the headers of NATS, take at most. */
const HEAD_BYTES = 1_024;

const RETRY_MS = 50;
const CHECK_EVERY_MS = 250;

/** After so long without a decision, the operator is told. */
const TOLD_AFTER_MS = 3_000;

/** How often an epoch can begin in vain before another server is the reason. */
const BEGIN_ATTEMPTS = 5;

/** An applied entry with this sequence must be the acknowledged one. */
const FILL_AFTER_MS = 20;

/** An entry that waits. */
interface Pending extends Waiting {
  readonly bytes: Uint8Array;
  /** Since when, by `performance.now()`. */
  readonly since: number;
}

/** A message that is on its way. */
interface InFlight {
  readonly counter: number;
  readonly items: readonly Pending[];
  /** Whether an attempt may have stored it. */
  isUnknown: boolean;
  /** Resolves when the log has decided. */
  readonly decided: Promise<void>;
  readonly decide: () => void;
}

/** What became of the entries of this server, since it started. */
export interface Written {
  /** Entries that are in the log. */
  readonly stored: number;
  /** Entries of which that is not so, or not known. */
  readonly refused: number;
  /** Messages that were sent again. */
  readonly resent: number;
  /** The longest time until an entry was decided, in milliseconds. */
  readonly longestMs: number;
}

/** Options of {@linkcode Writer}. */
export interface WriterOptions {
  readonly nats: Pick<Nats, "append">;
  readonly subjects: Subjects;
  /** This server's name. */
  readonly server: string;
  readonly replica: Replica;
  /** What the users of this server hold. */
  claims(): UpEntry["claims"];
  /** Reads up to that sequence. */
  want(sequence: number): void;
  /** Called when this server cannot go on. */
  fail(error: ClusterError): void;
  /** Gets a line for the operator. */
  log(line: string): void;
  /** Tests give their own. */
  readonly clock?: WriterClock;
}

/** What waits are measured by. */
export interface WriterClock {
  /** Milliseconds that never jump. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** See the top of the file. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #clock: WriterClock;
  #checking: ReturnType<typeof setInterval> | undefined;
  readonly #begun = Promise.withResolvers<void>();
  #queue: Pending[] = [];
  #queueBytes = 0;
  #epoch = "";
  #after: string | null = null;
  #counter = 0;
  #sentAt = -Infinity;
  #inFlight: InFlight | undefined;
  #wake = () => {};
  #running: Promise<void> | undefined;
  #sending: Promise<void> | undefined;
  #isBegun = false;
  #beginsSince = Infinity; // an epoch that is not open yet
  #isClosed = false;
  #isStuck = false;
  #hasLeader = true;
  #written: Written = { stored: 0, refused: 0, resent: 0, longestMs: 0 };

  /** What is appended waits for {@linkcode Writer.start}. */
  constructor(options: WriterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? { now: () => performance.now(), sleep };
  }

  /**
   * Begins an epoch, and appends; the log has been read up to its end. Resolves
   * when the epoch is open.
   */
  start(): Promise<void> {
    this.#checking = setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#running = this.#run();
    return this.#begun.promise;
  }

  /** This life of the server; undefined while it is not open. */
  get epoch(): string | undefined {
    return this.#isBegun && !this.#isFenced() ? this.#epoch : undefined;
  }

  /** For the operator. */
  get written(): Written {
    return this.#written;
  }

  /** Whether entries wait for long, since most servers of NATS are gone. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /**
   * Appends an entry; resolves with what applying it gave.
   *
   * @throws {ChatError} 119 if it is surely not in the log; or the result of the
   * entry.
   * @throws {UndecidedError} If it may be in the log, now or later.
   */
  append<R>(item: Item): Promise<R> {
    const bytes = encodeItem(item);
    if (bytes.length > MAX_PAYLOAD_BYTES - HEAD_BYTES) {
      return Promise.reject(notStored("it is too large"));
    }
    if (this.#isClosed) {
      return Promise.reject(notStored("the server is closing"));
    }
    if (this.#queueBytes + bytes.length > MAX_QUEUE_BYTES) {
      return Promise.reject(notStored(NO_QUORUM));
    }
    const since = performance.now();
    const decided = new Promise<R>((resolve, reject) => {
      // The kind of the entry says what applying it gives.
      const settled = resolve as (result: unknown) => void;
      this.#queue.push({ bytes, since, resolve: settled, reject });
      this.#queueBytes += bytes.length;
      this.#wake();
    });
    decided.then(
      () => this.#count(since, "stored"),
      (error) => this.#count(since, isNotStored(error) ? "refused" : "stored"),
    );
    return decided;
  }

  #count(since: number, what: "stored" | "refused"): void {
    const { longestMs, [what]: count } = this.#written;
    this.#written = {
      ...this.#written,
      [what]: count + 1,
      longestMs: Math.max(longestMs, performance.now() - since),
    };
  }

  /** The callers that wait for entries that are applied now. */
  waiting({ epoch, counter }: Envelope): readonly Waiting[] | undefined {
    if (epoch !== this.#epoch) return undefined;
    if (counter !== this.#inFlight?.counter) return undefined;
    return this.#inFlight.items;
  }

  /** The log has a server of NATS that leads it, and so takes entries. */
  led(): void {
    this.#hasLeader = true;
  }

  /** More of the log is applied. */
  applied(): void {
    if (this.#inFlight && this.#isDecided(this.#inFlight)) {
      this.#inFlight.decide();
    }
    if (this.#isFenced()) this.#wake();
  }

  /**
   * Appends nothing any more; what waits is rejected. Resolves when nothing runs.
   * Idempotent.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#checking);
    for (const item of this.#queue.splice(0)) {
      item.reject(notStored("the server is closing"));
    }
    for (const item of this.#inFlight?.items ?? []) item.reject(undecided());
    this.#inFlight?.decide();
    this.#wake();
    await this.#running;
    await this.#sending;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      if (this.#epoch === "" || this.#isFenced()) await this.#begin();
      if (this.#isClosed) return;
      if (this.#queue.length === 0) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      // Timers know whole milliseconds.
      const sentMs = Math.round(this.#clock.now() - this.#sentAt);
      if (sentMs < SEND_EVERY_MS) {
        await this.#clock.sleep(SEND_EVERY_MS - sentMs);
        continue;
      }
      this.#sentAt = this.#clock.now();
      const items = this.#take();
      if (items.length > 0) await this.#store(items);
    }
  }

  /** Begins an epoch. */
  async #begin(): Promise<void> {
    const { replica, server, claims, log } = this.#options;
    if (this.#epoch !== "") {
      log("The other servers took this one for gone; it begins anew");
    }
    this.#isBegun = false;
    this.#beginsSince = performance.now();
    for (let attempt = 0; !this.#isBegun && !this.#isClosed; attempt++) {
      // What the process before this one sent last may come into the log now.
      if (attempt === BEGIN_ATTEMPTS) return this.#failSuperseded();
      // NATS takes the same epoch again for the attempt before, and drops it.
      this.#epoch = crypto.randomUUID().replaceAll("-", "");
      this.#after = replica.epochs.get(server)?.epoch ?? null;
      const entry: UpEntry = { after: this.#after, claims: claims() };
      const up = { bytes: encodeItem({ kind: "up", entry }), since: Infinity };
      this.#counter = 0;
      await this.#store([{ ...up, resolve: () => {}, reject: () => {} }]);
      this.#isBegun = replica.epochs.get(server)?.epoch === this.#epoch;
    }
    this.#beginsSince = Infinity;
    if (this.#isBegun) this.#begun.resolve();
  }

  /** What fits into the next message. */
  #take(): Pending[] {
    let size = HEAD_BYTES;
    let count = 0;
    for (const { bytes } of this.#queue) {
      if ((size += bytes.length) > MAX_PAYLOAD_BYTES) break;
      count++;
    }
    const items = this.#queue.splice(0, count);
    for (const { bytes } of items) this.#queueBytes -= bytes.length;
    return items;
  }

  /** Sends a message until the log has decided, or it is withdrawn. */
  async #store(items: readonly Pending[]): Promise<void> {
    const { promise: decided, resolve: decide } = Promise.withResolvers<void>();
    const counter = ++this.#counter;
    const inFlight = { counter, items, isUnknown: false, decided, decide };
    this.#inFlight = inFlight;
    const bytes = encodeEnvelope(
      { server: this.#options.server, epoch: this.#epoch, counter },
      items.map((item) => item.bytes),
    );
    for (let n = 0; !this.#isDecided(inFlight) && !this.#isClosed; n++) {
      if (n > 0) {
        const { resent } = this.#written;
        this.#written = { ...this.#written, resent: resent + 1 };
      }
      this.#sending = this.#send(bytes, inFlight);
      await Promise.race([this.#sending, decided]);
      if (this.#withdraw(inFlight)) break;
    }
    this.#inFlight = undefined;
    // A server that is late applies an entry and the end of its epoch at once.
    if (this.#isFenced() && !this.#isClosed && !this.#isApplied(inFlight)) {
      this.#putBack(items);
    }
  }

  /** One attempt, and what has to be waited for after it. */
  async #send(bytes: Uint8Array, inFlight: InFlight): Promise<void> {
    const { nats, subjects, server, want, replica, fail } = this.#options;
    const id = `${this.#epoch}.${inFlight.counter}`;
    const { stream } = subjects;
    let sequence: number | undefined;
    try {
      sequence = await nats.append(subjects.log + server, bytes, {
        id,
        stream,
      });
    } catch {
      inFlight.isUnknown = true;
    }
    if (sequence === undefined) return await sleep(RETRY_MS);
    inFlight.isUnknown = true; // until it is read
    await sleep(FILL_AFTER_MS);
    // A newer message is on its way if the log has decided about this one.
    while (this.#inFlight === inFlight && !this.#isDecided(inFlight)) {
      if (this.#isClosed) return;
      if (replica.cursor.sequence >= sequence) {
        return fail(
          new ClusterError(
            `NATS acknowledged entry ${sequence} of this server, ` +
              "and another one is there: NATS has lost it",
          ),
        );
      }
      want(sequence);
      await sleep(RETRY_MS);
    }
  }

  #isDecided({ counter }: InFlight): boolean {
    const { replica, server } = this.#options;
    const current = replica.epochs.get(server);
    if (current?.epoch === this.#epoch) {
      return this.#isApplied({ counter }) || !current.isOpen;
    }
    if (!this.#isBegun) return (current?.epoch ?? null) !== this.#after;
    this.#failSuperseded();
    return true;
  }

  #isApplied({ counter }: Pick<InFlight, "counter">): boolean {
    const { replica, server } = this.#options;
    const current = replica.epochs.get(server);
    return current?.epoch === this.#epoch && current.counter >= counter;
  }

  #failSuperseded(): void {
    const { server, fail } = this.#options;
    const why = `Another server uses the name "${server}"; ` +
      "give each server its own --server-name";
    fail(new ClusterError(why));
  }

  /** Whether the log has ended this epoch. */
  #isFenced(): boolean {
    const { replica, server } = this.#options;
    const current = replica.epochs.get(server);
    return current?.epoch === this.#epoch && !current.isOpen;
  }

  /** Has what was not applied sent again, before all that came later. */
  #putBack(items: readonly Pending[]): void {
    const again = items.filter(({ since }) => since !== Infinity);
    for (const { bytes } of again) this.#queueBytes += bytes.length;
    this.#queue.unshift(...again);
  }

  /** Takes a message back that is surely not stored, when it is too old. */
  #withdraw(inFlight: InFlight): boolean {
    const { counter, items, isUnknown } = inFlight;
    if (isUnknown || this.#isDecided(inFlight)) return false;
    if (!items.some(isTooOld)) return false;
    this.#counter = counter - 1;
    for (const item of items.filter(isTooOld)) {
      item.reject(notStored(NO_QUORUM));
    }
    this.#putBack(items.filter((item) => !isTooOld(item)));
    return true;
  }

  /** Gives up what is too old; tells the operator when the log does not move. */
  #check(): void {
    while (this.#queue[0] && isTooOld(this.#queue[0])) {
      const item = this.#queue.shift()!; // there is one
      this.#queueBytes -= item.bytes.length;
      item.reject(notStored(NO_QUORUM));
    }
    const { items = [], isUnknown = false } = this.#inFlight ?? {};
    for (const item of items) {
      if (isUnknown && isTooOld(item)) item.reject(undecided());
    }
    const { log } = this.#options;
    const since = Math.min(
      this.#beginsSince,
      items[0]?.since ?? Infinity,
      this.#queue[0]?.since ?? Infinity,
    );
    const isLate = performance.now() - since > TOLD_AFTER_MS;
    // When all that waited is refused, the log still takes nothing.
    const isStuck = isLate || this.#isStuck && !this.#hasLeader;
    if (isLate) this.#hasLeader = false;
    if (isStuck && !this.#isStuck) {
      log(
        "The log takes no entries: most servers of NATS seem to be gone. " +
          (this.#isBegun
            ? "Users can read and cannot send"
            : "This server waits for them"),
      );
    } else if (!isStuck && this.#isStuck) log("The log takes entries again");
    this.#isStuck = isStuck;
  }
}

const NO_QUORUM = "most servers of NATS cannot be reached";

function isTooOld({ since }: Pending): boolean {
  return performance.now() - since > STORED_WITHIN_MS;
}

function notStored(why: string): ChatError {
  return new ChatError(119, `Cannot store that: ${why}`);
}

/** Whether an error says that an entry is not in the log, or may not be. */
function isNotStored(error: unknown): boolean {
  return error instanceof UndecidedError ||
    error instanceof ChatError && error.code === 119;
}

function undecided(): UndecidedError {
  return new UndecidedError(
    "Cannot say whether that is stored: NATS does not answer",
  );
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
