/**
 * The journal on one machine: SQLite, one row for each batch of messages.
 *
 * All messages that are appended in one turn of the event loop are committed
 * together, and handed on in the same turn, in the order of their ids. So a
 * message that was handed on or answered is in the file, whatever happens to the
 * process.
 *
 * History is read by history.ts; old messages are deleted by retention.ts.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { isRoomName } from "../../protocol.ts";
import {
  type Batch,
  batchOf,
  divide,
  type Draft,
  encodeForwards,
  packBodies,
} from "../chat/batch.ts";
import { NameMap } from "../chat/names.ts";
import type { Output } from "../chat/user.ts";
import type { Database } from "./database.ts";
import { MessageTable } from "./history.ts";
import {
  forgetOldest,
  type Journal,
  KEY_LIFE_MS,
  type Missed,
  NOT_DELIVERED,
  type Page,
  type Stored,
} from "./journal.ts";
import { type Keep, type Keyed, keyedOf, Retention } from "./retention.ts";

/** Clocks and turns; everything has a default. */
export interface SqliteJournalOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Milliseconds since the epoch, by which messages grow old. */
  readonly ageNow?: () => number;
  /** Lets other users have a turn during a long replay. */
  readonly nextTurn?: () => Promise<void>;
}

/** Limit of the messages with a key whose number of recipients is known. */
const MAX_RECIPIENTS = 10_000;

/** A batch that is stored now, and the ids of its messages that have a key. */
interface Fresh {
  readonly batch: Batch;
  readonly keyed: readonly number[];
}

/** See the top of the file. */
export class SqliteJournal implements Journal {
  readonly #database: Database;
  readonly #now: () => number;
  readonly #ageNow: () => number;
  readonly #messages: MessageTable;
  readonly #nextTurn: () => Promise<void>;
  readonly #retention: Retention;
  readonly #insert: StatementSync;
  readonly #findKey: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #rooms = new NameMap<string>(); // that have history
  readonly #targets = new Set<string>(); // rooms by their very names
  readonly #recipients = new Map<number, number>(); // by id, of those with keys
  #output: Output | undefined;
  #lastId: number;
  #storedId: number; // the newest, which may still have to be committed
  #committedId: number; // the newest in the file, handed on or not

  constructor(
    database: Database,
    { now = Date.now, ageNow = now, nextTurn = immediate, ...keep }:
      & Keep
      & SqliteJournalOptions,
  ) {
    this.#database = database;
    this.#now = now;
    this.#ageNow = ageNow;
    this.#messages = new MessageTable(database);
    this.#nextTurn = nextTurn;
    this.#insert = database.prepare(
      "INSERT INTO messages VALUES (?,?,?,?,?,?,?,?)",
    );
    this.#findKey = database.prepare(
      "SELECT id, at FROM keys WHERE key = ? AND at > ?",
    );
    this.#insertKey = database.prepare(
      "INSERT OR REPLACE INTO keys VALUES (?,?,?)",
    );
    for (const room of this.#messages.rooms()) this.#addTarget(room);
    this.#lastId = this.#storedId = this.#committedId = this.#messages.lastId();
    this.#retention = new Retention(database, this.#messages, {
      ...keep,
      ageNow,
      lastId: () => this.#lastId,
      storedId: () => this.#storedId,
      deleted: (rooms) => {
        for (const room of rooms) this.#removeTarget(room);
        this.tidy(); // there may be more
      },
    });
  }

  get lastId(): number {
    return this.#lastId;
  }

  connect(output: Output): void {
    this.#output = output;
  }

  async append(from: string, drafts: readonly Draft[]): Promise<Stored[]> {
    try {
      return await this.#database.write(
        () =>
          divide(
            drafts,
            (key) => this.#known(key),
            (part) => this.#storeBatch(from, part),
          ),
        (parts) => this.#handOn(parts),
      );
    } catch (error) {
      this.#storedId = this.#committedId; // others were not used
      throw error;
    }
  }

  repeated(key: string): Stored | undefined {
    const known = this.#known(key);
    return known && this.#repeat(known);
  }

  history(room: string, page: Page): AsyncGenerator<Uint8Array> {
    return this.#messages.page(room, page, this.#lastId);
  }

  missed(query: Missed): AsyncGenerator<Uint8Array> {
    return this.#messages.missed(query, this.#nextTurn);
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
    const { dueId, dueAt } = this.#retention;
    if (this.#lastId >= dueId || this.#ageNow() > dueAt) {
      this.#retention.begin();
    }
  }

  #known(key: string): Keyed | undefined {
    const row = this.#findKey.get(key, this.#ageNow() - KEY_LIFE_MS);
    return row && keyedOf(row);
  }

  /** This is where messages get their ids and their time. */
  #storeBatch(from: string, drafts: readonly Draft[]): Fresh {
    const at = this.#now();
    const firstId = this.#storedId + 1;
    const batch = batchOf(drafts, { from, firstId, at });
    const { to, bodies, declaredLength = null } = batch;
    const packed = packBodies(bodies);
    this.#insert.run(
      ...[firstId, bodies.length, at, from, to, declaredLength],
      ...[packed.lengths, packed.bodies],
    );
    const keyed: number[] = [];
    drafts.forEach(({ key }, index) => {
      if (key === undefined) return;
      const id = firstId + index;
      this.#insertKey.run(id, at, key);
      keyed.push(id);
    });
    this.#storedId = firstId + drafts.length - 1;
    return { batch, keyed };
  }

  /** Hands on, right after the commit; what the sender is answered. */
  #handOn(parts: readonly (Fresh | Keyed)[]): Stored[] {
    this.#committedId = this.#storedId; // of the whole transaction
    const stored = parts.map((part) =>
      "batch" in part ? this.#deliver(part) : this.#repeat(part)
    );
    this.tidy();
    return stored;
  }

  #deliver({ batch, keyed }: Fresh): Stored {
    const { firstId, at, to } = batch;
    const count = batch.bodies.length;
    if (!this.#targets.has(to)) this.#addTarget(to);
    this.#lastId = firstId + count - 1;
    const { bytes } = encodeForwards(batch);
    const delivery = this.#output?.deliver(batch, bytes) ?? NOT_DELIVERED;
    for (const id of keyed) this.#remember(id, delivery.recipients);
    return { count, firstId, at, delivery };
  }

  #addTarget(to: string): void {
    if (!isRoomName(to)) return;
    this.#targets.add(to);
    if (!this.#rooms.get(to)) this.#rooms.add(to, to);
  }

  #removeTarget(to: string): void {
    this.#targets.delete(to);
    this.#rooms.delete(to);
  }

  #remember(id: number, recipients: number): void {
    this.#recipients.set(id, recipients);
    if (this.#recipients.size <= MAX_RECIPIENTS) return;
    forgetOldest(this.#recipients, MAX_RECIPIENTS);
  }

  /** What the sender of a repeated draft is answered; it is not handed on. */
  #repeat({ id, at }: Keyed): Stored {
    const recipients = this.#recipients.get(id) ?? 0;
    const delivery = { ...NOT_DELIVERED, recipients };
    return { count: 1, firstId: id, at, delivery };
  }
}

function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How long a jump forward lasts before anything is old because of it. */
export const BELIEVED_AFTER_MS = 60 * 60 * 1_000;

/** Less is no jump: clocks are set a little all the time. */
const JUMP_MS = 60_000;

/**
 * A clock by which messages grow old: milliseconds since the epoch, as `wall` has
 * them but for jumps. `steady` are milliseconds that never jump. It notices a
 * jump only when it is called, so call it often.
 *
 * A computer's clock can be wrong for a moment, and messages must not be deleted
 * for that. So a jump forward counts only when it has lasted for an hour; a
 * computer that slept is such a case, and deletes a little later. A jump back
 * counts at once, since it deletes nothing.
 */
export function ageClock(
  wall: () => number = Date.now,
  steady: () => number = () => performance.now(),
): () => number {
  let believed = wall() - steady();
  let jumpedAt: number | undefined;
  return () => {
    const now = steady();
    const ahead = wall() - now - believed;
    if (ahead <= JUMP_MS) jumpedAt = undefined;
    else jumpedAt ??= now;
    if (jumpedAt === undefined || now - jumpedAt >= BELIEVED_AFTER_MS) {
      believed += ahead;
      jumpedAt = undefined;
    }
    return now + believed;
  };
}
