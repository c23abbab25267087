/**
 * The journal on one machine: SQLite, one row for each run of messages.
 *
 * Everything that is appended in one turn of the event loop is committed
 * together, and handed on when that is done. What was handed on or answered is
 * in the file, whatever happens to the process.
 *
 * @module
 */
import { ChatError, isRoomName } from "../../protocol.ts";
import {
  type Journal,
  KEY_LIFE_MS,
  meantFor,
  type Missed,
  NOT_DELIVERED,
  type Page,
  type Stored,
} from "./journal.ts";
import type { Database } from "./database.ts";
import { type Keyed, KeyTable } from "./key_table.ts";
import { NameMap } from "../chat/name_map.ts";
import type { Output } from "../chat/user.ts";
import { Replay } from "./replay.ts";
import {
  type Batch,
  batchEnd,
  type Draft,
  encodeForwards,
} from "../chat/batch.ts";
import { MessageTable, type Outline } from "./message_table.ts";

/** How much is kept. */
export interface Keep {
  /** Messages that are older are deleted. */
  readonly forMs: number;
  /** Of more messages, the oldest are deleted. */
  readonly messages: number;
}

/** Clocks and turns; everything has a default. */
export interface SqliteJournalOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Milliseconds since the epoch, by which messages grow old. */
  readonly ageNow?: () => number;
  /** Lets other users have a turn during a long replay. */
  readonly nextTurn?: () => Promise<void>;
}

/** So many runs, and so many keys, are deleted in one turn. */
const FORGET_PIECE = 1_000;

/** Keys are known of the last so many messages, in whatever time. */
export const MAX_KEYED = 1_000_000;

/** Of at most so many messages with a key it is known to how many they went. */
const MAX_RECIPIENTS = 10_000;

/** A run that is stored now, and the ids of those of it that have a key. */
interface Fresh {
  readonly run: Batch;
  readonly keyed: readonly number[];
}

/** See the top of the file. */
export class SqliteJournal implements Journal {
  readonly #database: Database;
  readonly #keep: Keep;
  readonly #now: () => number;
  readonly #ageNow: () => number;
  readonly #nextTurn: () => Promise<void>;
  readonly #runs: MessageTable;
  readonly #keys: KeyTable;
  readonly #rooms = new NameMap<string>();
  readonly #recipients = new Map<number, number>(); // by id, of those with keys
  #output: Output | undefined;
  #lastId: number;
  #storedId: number; // the newest, which may still have to be handed on
  #oldest: Outline | undefined;
  #oldestKey: Keyed | undefined;
  #forgetting = false;

  /**
   * The journal in `database`, which keeps so much.
   */
  constructor(
    database: Database,
    { now = Date.now, ageNow = now, nextTurn = aRound, ...keep }:
      & Keep
      & SqliteJournalOptions,
  ) {
    this.#database = database;
    this.#keep = keep;
    this.#now = now;
    this.#ageNow = ageNow;
    this.#nextTurn = nextTurn;
    this.#runs = new MessageTable(database);
    this.#keys = new KeyTable(database);
    for (const name of this.#runs.rooms()) this.#rooms.add(name, name);
    this.#lastId = this.#storedId = this.#runs.lastId();
    const { oldest, oldestKey } = this.#findOldest();
    this.#oldest = oldest;
    this.#oldestKey = oldestKey;
  }

  get lastId(): number {
    return this.#lastId;
  }

  connect(output: Output): void {
    this.#output = output;
  }

  async append(from: string, drafts: readonly Draft[]): Promise<Stored[]> {
    const parts = await this.#write(() => this.#store(from, drafts));
    const stored = parts.map((part) =>
      "run" in part ? this.#handOn(part) : this.#repeat(part)
    );
    this.tidy();
    return stored;
  }

  repeated(key: string): Stored | undefined {
    const known = this.#known(key);
    return known && this.#repeat(known);
  }

  async *history(room: string, page: Page): AsyncGenerator<Uint8Array> {
    const { limit, after = 0, before = Infinity } = page;
    const end = Math.min(before, this.#lastId + 1); // newer ones come as news
    for (const part of this.#partsOf(room, { limit, after, before: end })) {
      const run = this.#runs.run(part.firstId); // unless it was deleted meanwhile
      if (run) yield* framesOf(run, part);
    }
  }

  async *missed(query: Missed): AsyncGenerator<Uint8Array> {
    const replay = new Replay(this.#runs, query);
    for (let ids = replay.next(); ids; ids = replay.next()) {
      for (const id of ids) {
        const run = this.#runs.run(id); // unless it was deleted meanwhile
        const after = run ? Math.max(query.after, meantFor(query, run)) : 0;
        if (run) yield* framesOf(run, { after, before: query.upTo + 1 });
      }
      await this.#nextTurn();
    }
  }

  roomName(name: string): string | undefined {
    return this.#rooms.get(name);
  }

  get roomCount(): number {
    return this.#rooms.size;
  }

  rooms(): Iterable<string> {
    return this.#rooms.values();
  }

  tidy(): void {
    if (this.#forgetting || !this.#isOverdue()) return;
    this.#forgetting = true;
    this.#database.write(() => this.#forget()).then(
      (remainder) => this.#forgot(remainder),
      (error) => {
        if (!(error instanceof ChatError)) throw error;
        this.#forgetting = false; // the disk is full: later, then
      },
    );
  }

  /** Makes a change; if it is not stored, no id was used up. */
  async #write<T>(change: () => T): Promise<T> {
    try {
      return await this.#database.write(change);
    } catch (error) {
      this.#storedId = this.#lastId;
      throw error;
    }
  }

  #store(from: string, drafts: readonly Draft[]): (Fresh | Keyed)[] {
    const parts: (Fresh | Keyed)[] = [];
    for (let first = 0; first < drafts.length;) {
      const { key } = drafts[first]!; // there are more
      const known = key === undefined ? undefined : this.#known(key);
      const end = known
        ? first + 1
        : batchEnd(drafts, first, (key) => this.#known(key) !== undefined);
      parts.push(known ?? this.#storeRun(from, drafts.slice(first, end)));
      first = end;
    }
    return parts;
  }

  #known(key: string): Keyed | undefined {
    return this.#keys.find(key, this.#ageNow() - KEY_LIFE_MS);
  }

  #storeRun(from: string, drafts: readonly Draft[]): Fresh {
    const { to, declaredLength } = drafts[0]!; // a run has one
    const at = this.#now();
    const firstId = Math.max(this.#storedId, this.#lastId) + 1;
    const lastId = firstId + drafts.length - 1;
    const run: Batch = {
      from,
      to,
      firstId,
      at,
      bodies: drafts.map((draft) => draft.body),
      ...(declaredLength === undefined ? {} : { declaredLength }),
    };
    this.#runs.insert(run);
    const keyed: number[] = [];
    for (const [index, { key }] of drafts.entries()) {
      if (key === undefined) continue;
      this.#keys.insert(key, { id: firstId + index, at });
      this.#oldestKey ??= { id: firstId + index, at };
      keyed.push(firstId + index);
    }
    this.#oldest ??= { firstId, lastId, at, to };
    this.#storedId = lastId;
    return { run, keyed };
  }

  /** Hands on what was committed. */
  #handOn({ run, keyed }: Fresh): Stored {
    const { firstId, at, to } = run;
    const count = run.bodies.length;
    if (isRoomName(to) && !this.#rooms.get(to)) this.#rooms.add(to, to);
    this.#lastId = firstId + count - 1;
    const { bytes } = encodeForwards(run);
    const delivery = this.#output?.deliver(run, bytes) ?? NOT_DELIVERED;
    for (const id of keyed) this.#remember(id, delivery.recipients);
    return { count, firstId, at, delivery };
  }

  #remember(id: number, recipients: number): void {
    this.#recipients.set(id, recipients);
    if (this.#recipients.size > MAX_RECIPIENTS) this.#forgetOldestRecipients();
  }

  /** Many at a time: to find the first of a Map costs what was deleted there. */
  #forgetOldestRecipients(): void {
    for (const id of this.#recipients.keys()) {
      if (this.#recipients.size <= MAX_RECIPIENTS * 0.9) return;
      this.#recipients.delete(id);
    }
  }

  /** What the sender of a repeated draft is told; it is not sent to anybody. */
  #repeat({ id, at }: Keyed): Stored {
    const recipients = this.#recipients.get(id) ?? 0;
    const delivery = { recipients, acknowledged: [], congested: [] };
    return { count: 1, firstId: id, at, delivery };
  }

  /** The runs that a page takes messages from, oldest first. */
  #partsOf(room: string, { limit, after, before }: Required<Page>): RunPart[] {
    const parts: RunPart[] = [];
    let missing = limit;
    if (missing === 0) return parts;
    for (const { firstId, count } of this.#runs.newestFirst(room, before)) {
      const end = Math.min(firstId + count, before);
      const least = Math.max(after, firstId - 1, end - 1 - missing);
      if (least + 1 >= end) break;
      parts.push({ firstId, after: least, before: end });
      missing -= end - 1 - least;
      if (missing === 0) break;
    }
    return parts.reverse();
  }

  #isOverdue(): boolean {
    return (this.#oldest !== undefined && this.#isOld(this.#oldest)) ||
      (this.#oldestKey !== undefined && this.#isOldKey(this.#oldestKey));
  }

  #isOldKey({ id, at }: Keyed): boolean {
    return at <= this.#ageNow() - KEY_LIFE_MS || id <= this.#lastId - MAX_KEYED;
  }

  #isOld({ lastId, at }: Outline): boolean {
    return lastId <= this.#lastId - this.#keep.messages ||
      at < this.#ageNow() - this.#keep.forMs;
  }

  /** Deletes a piece of what is too old; what is there afterwards. */
  #forget(): Remainder {
    this.#keys.deleteOld((keyed) => this.#isOldKey(keyed), FORGET_PIECE);
    const old: Outline[] = [];
    for (const run of this.#runs.oldestFirst()) {
      if (old.length === FORGET_PIECE || !this.#isOld(run)) break;
      old.push(run);
    }
    const last = old.at(-1);
    if (last) this.#runs.deleteThrough(last.firstId, this.#storedId);
    const rooms = new Set(old.map(({ to }) => to).filter(isRoomName));
    const emptyRooms = [...rooms].filter((room) => !this.#runs.has(room));
    return { ...this.#findOldest(), emptyRooms };
  }

  #findOldest(): Pick<Remainder, "oldest" | "oldestKey"> {
    const [oldest] = this.#runs.oldestFirst();
    return { oldest, oldestKey: this.#keys.oldest() };
  }

  #forgot({ oldest, oldestKey, emptyRooms }: Remainder): void {
    this.#forgetting = false;
    this.#oldest = oldest;
    this.#oldestKey = oldestKey;
    for (const room of emptyRooms) this.#rooms.delete(room);
    this.tidy(); // in the next turn, if there is more
  }
}

/** What is there after something was deleted. */
interface Remainder {
  readonly oldest: Outline | undefined;
  readonly oldestKey: Keyed | undefined;
  readonly emptyRooms: readonly string[];
}

/** Which messages of a run. */
interface Part {
  /** Those with a greater id. */
  readonly after: number;
  /** Of those, the ones with a smaller id. */
  readonly before: number;
}

/** Which messages of which run. */
interface RunPart extends Part {
  /** The id of the first of the run. */
  readonly firstId: number;
}

/** FORWARD frames, as they were handed on. */
function framesOf(run: Batch, { after, before }: Part): Uint8Array[] {
  const end = Math.min(run.bodies.length, before - run.firstId);
  const start = Math.max(0, after + 1 - run.firstId);
  if (start >= end) return [];
  const bodies = run.bodies.slice(start, end);
  const firstId = run.firstId + start;
  const { bytes, ends } = encodeForwards({ ...run, firstId, bodies });
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

/** A round of the event loop. */
function aRound(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
