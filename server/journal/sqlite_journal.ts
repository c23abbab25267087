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
import {
  type Batch,
  batchOf,
  divide,
  type Draft,
  encodeForwards,
  packBodies,
} from "../chat/batch.ts";
import type { Output, RoomKeeper, RoomOwner } from "../chat/user.ts";
import type { Database } from "./database.ts";
import { ageClock, BELIEVED_AFTER_MS } from "./age_clock.ts";
import type { MessagesEntry } from "./entries.ts";
import type { Append, Log } from "./log.ts";
import { MessageTable } from "./history.ts";
import { RoomTable } from "./rooms.ts";
import {
  forgetOldest,
  type HistoryOf,
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
  /** Milliseconds that never jump; see age_clock.ts. */
  readonly steady?: () => number;
  /** Gets a line when messages are deleted, and when they are not for now. */
  readonly log?: (line: string) => void;
  /** Orders the entries; default: the database. */
  readonly entries?: Log;
}

/** Limit of the messages with a key whose number of recipients is known. */
const MAX_RECIPIENTS = 10_000;

/** A batch that is stored now, and the ids of its messages that have a key. */
interface Fresh {
  readonly batch: Batch;
  readonly keyed: readonly number[];
  /** The owner of its room, if the entry says that. */
  readonly owner: RoomOwner | undefined;
}

/** See the top of the file. */
export class SqliteJournal implements Journal {
  readonly id: string;
  /** Counts the messages that were in no flood, on all servers, since the start. */
  chatted = 0;
  readonly #database: Database;
  readonly #append: Append<MessagesEntry, Stored[]>;
  readonly #now: () => number;
  readonly #ageNow: () => number;
  readonly #messages: MessageTable;
  readonly #rooms: RoomTable;
  readonly #retention: Retention;
  readonly #insert: StatementSync;
  readonly #findKey: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #recipients = new Map<number, number>(); // by id, of those with keys
  #output: Output | undefined;
  #lastId: number;
  #storedId: number; // the newest of the transaction that has this number
  #transaction = 0;

  constructor(
    database: Database,
    {
      now = Date.now,
      steady = performance.now.bind(performance),
      log = () => {},
      entries = database,
      ...keep
    }: Keep & SqliteJournalOptions,
  ) {
    this.#database = database;
    this.#append = entries.register("messages", {
      change: (entry) => this.#store(entry),
      applied: ({ drafts, flood }, parts) => {
        if (!flood) this.chatted += drafts.length;
        this.#lastId = this.#storedId; // all of the transaction are handed on now
        return parts.map((part) => this.#handOn(part));
      },
    });
    this.#now = now;
    this.id = String(database.prepare("SELECT id FROM journal").get()!["id"]);
    this.#messages = new MessageTable(database);
    const start = this.#messages.believedTime(BELIEVED_AFTER_MS);
    this.#ageNow = ageClock({ wall: now, steady, start });
    this.#insert = database.prepare(
      "INSERT INTO messages VALUES (?,?,?,?,?,?,?,?,?)",
    );
    this.#findKey = database.prepare(
      "SELECT id, at FROM keys WHERE key = ? AND at > ?",
    );
    this.#insertKey = database.prepare(
      "INSERT OR REPLACE INTO keys VALUES (?,?,?)",
    );
    this.#rooms = new RoomTable(database, this.#messages, entries);
    this.#lastId = this.#storedId = this.#messages.lastId();
    this.#retention = new Retention(database, this.#messages, {
      ...{ ...keep, now, ageNow: this.#ageNow, log, entries },
      deleted: (room) => this.#rooms.drop(room),
    });
  }

  get oldestId(): number {
    return this.#messages.oldestId();
  }

  get lastId(): number {
    return this.#lastId;
  }

  connect(output: Output, rooms?: RoomKeeper): void {
    this.#output = output;
    this.#rooms.connect(rooms);
  }

  append(
    from: string,
    drafts: readonly Draft[],
    flood?: true,
    device?: number,
  ) {
    const isNew = drafts.some(({ to }) => this.#isNewRoom(to));
    const owners = isNew ? this.#rooms.ownersOf(drafts) : undefined;
    const [at, keysSince] = [this.#now(), this.#ageNow() - KEY_LIFE_MS];
    const entry = { from, at, keysSince, drafts, owners, flood, device };
    return this.#append(entry);
  }

  repeated(key: string): Stored | undefined {
    const known = this.#known(key, this.#ageNow() - KEY_LIFE_MS);
    return known && this.#repeat(known);
  }

  history(of: HistoryOf, page: Page): AsyncGenerator<Uint8Array> {
    return this.#messages.page(this.#rooms.parts(of), page, this.#lastId);
  }

  missed(query: Missed): AsyncGenerator<Uint8Array> {
    const rooms = this.#rooms.remembered(query.rooms);
    return this.#messages.missed({ ...query, rooms });
  }

  roomName(name: string): string | undefined {
    return this.#rooms.nameOf(name);
  }

  rooms(): Iterable<string> {
    return this.#rooms.names();
  }

  share(room: string): void {
    this.#rooms.share(room);
  }

  forget(target: string): Promise<void> {
    return this.#rooms.forget(target, this.#lastId);
  }

  tidy(): void {
    this.#retention.begin();
    this.#rooms.deleteForgotten();
  }

  #known(key: string, since: number): Keyed | undefined {
    const row = this.#findKey.get(key, since);
    return row && keyedOf(row);
  }

  /** This is where messages get their ids. What is undone gives its ids back. */
  #store(entry: MessagesEntry): (Fresh | Keyed)[] {
    const isSame = this.#transaction === this.#database.transactions;
    let lastId = isSame ? this.#storedId : this.#lastId;
    const known = (key: string) => this.#known(key, entry.keysSince);
    const parts = divide(entry.drafts, known, (drafts) => {
      const firstId = lastId + 1;
      lastId += drafts.length;
      return this.#storeBatch(entry, drafts, firstId);
    });
    this.#transaction = this.#database.transactions;
    this.#storedId = lastId;
    return parts;
  }

  #storeBatch(
    { from, at, owners, device }: MessagesEntry,
    drafts: readonly Draft[],
    firstId: number,
  ): Fresh {
    const batch = batchOf(drafts, { from, firstId, at, device });
    const { to, bodies } = batch;
    const owner = owners?.find(({ room }) => room === to);
    if (owner) this.#rooms.begin(owner);
    const packed = packBodies(bodies);
    this.#insert.run(
      ...[firstId, bodies.length, at, from, to, null],
      ...[packed.lengths, packed.bodies, device ?? null],
    );
    const keyed: number[] = [];
    drafts.forEach(({ key }, index) => {
      if (key === undefined) return;
      const id = firstId + index;
      this.#insertKey.run(id, at, key);
      keyed.push(id);
    });
    return { batch, keyed, owner };
  }

  /** Hands on, right after the commit; what the sender is answered. */
  #handOn(part: Fresh | Keyed): Stored {
    if (!("batch" in part)) return this.#repeat(part);
    const { batch, keyed, owner } = part;
    const { firstId, at, to } = batch;
    const count = batch.bodies.length;
    if (this.#isNewRoom(to)) this.#rooms.add(to, owner);
    const { bytes } = encodeForwards(batch);
    const delivery = this.#output?.deliver(batch, bytes) ?? NOT_DELIVERED;
    for (const id of keyed) this.#remember(id, delivery.recipients);
    return { count, firstId, at, delivery };
  }

  #isNewRoom(target: string): boolean {
    return target.startsWith("#") && !this.#rooms.targets.has(target);
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
