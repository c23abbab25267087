/**
 * The rooms that have history; and their table: which address created each, and
 * up to which message the history of a room is forgotten.
 *
 * To delete a long history takes long. So a room is marked, which hides its
 * messages at once, and they are deleted in portions, a portion in each turn; a
 * restart goes on with that.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { NameMap } from "../chat/names/names.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import type { Database } from "./database.ts";
import type { HistoryPart, MessageTable } from "./history.ts";
import type { HistoryOf } from "./journal.ts";
import type { Append, Log } from "./log.ts";
import type {
  HistoryForgottenEntry,
  OwnedRoom,
  RoomSharedEntry,
} from "./entries.ts";
import type { Draft } from "../chat/batch.ts";
import type { RoomKeeper, RoomOwner, StoredRoom } from "../chat/user.ts";

/** Limit of the batches that are deleted in one turn; each can have 64 KB. */
const DELETED_AT_ONCE = 100;

/** See the top of the file. */
export class RoomTable {
  /** The rooms that have history, by their very names. */
  readonly targets = new Set<string>();
  readonly #names = new NameMap<string>();
  readonly #database: Database;
  readonly #messages: MessageTable;
  /** By name in lower case: messages up to this id do not count. */
  readonly #forgotten = new Map<string, number>();
  readonly #put: StatementSync;
  readonly #shared: Append<RoomSharedEntry, void>;
  readonly #forgotTo: Append<HistoryForgottenEntry, void>;
  readonly #unmark: StatementSync;
  readonly #drop: StatementSync;
  readonly #all: StatementSync;
  #keeper: RoomKeeper | undefined;
  #deleting = false;

  /** The table in `database`, whose messages are in `messages`. */
  constructor(database: Database, messages: MessageTable, log: Log) {
    this.#database = database;
    this.#messages = messages;
    this.#put = database.prepare(`
      INSERT INTO rooms (name, network, shared) VALUES (?, ?, ?) ON CONFLICT
      DO UPDATE SET name = excluded.name, network = excluded.network,
        shared = excluded.shared`);
    const share = database.prepare(
      "UPDATE rooms SET shared = 1 WHERE name = ?",
    );
    this.#shared = log.register("room-shared", {
      change: ({ room }) => void share.run(room),
      applied: ({ room }) => this.#keeper?.share(room),
    });
    const mark = database.prepare(`
      INSERT INTO rooms (name, network, forgotten) VALUES (?, '', ?)
      ON CONFLICT DO UPDATE SET network = '', forgotten = excluded.forgotten`);
    this.#forgotTo = log.register("history-forgotten", {
      change: ({ target }) => {
        const upTo = messages.lastId();
        mark.run(target, upTo);
        return upTo;
      },
      applied: ({ target }, upTo) => {
        this.#forget(target, upTo);
        this.deleteForgotten();
      },
    });
    this.#unmark = database.prepare(
      "UPDATE rooms SET forgotten = 0 WHERE name = ?",
    );
    this.#drop = database.prepare("DELETE FROM rooms WHERE name = ?");
    this.#all = database.prepare("SELECT * FROM rooms");
    for (const { name, forgotten } of this.#all.all()) {
      if (Number(forgotten) === 0) continue;
      this.#forgotten.set(keyOf(String(name)), Number(forgotten));
    }
    for (const { name } of this.#stored()) this.add(name);
  }

  /** Tells `keeper` which rooms have history, from now on. */
  connect(keeper: RoomKeeper | undefined): void {
    this.#keeper = keeper;
    keeper?.restore(this.#stored());
  }

  /** The name of the room that is `name` or looks like it, if it has history. */
  nameOf(name: string): string | undefined {
    return this.#names.get(name);
  }

  /** The rooms that have history. */
  names(): Iterable<string> {
    return this.#names.values();
  }

  /** Up to which id the messages of the room are forgotten; 0 if none are. */
  forgottenTo(room: string): number {
    return this.#forgotten.get(keyOf(room)) ?? 0;
  }

  /** What a history is made of. */
  parts(of: HistoryOf): HistoryPart[] {
    if (typeof of === "string") {
      return [{ to: of, after: this.forgottenTo(of) }];
    }
    const [user, other] = of;
    const part = (from: string, to: string) => ({
      from,
      to,
      after: this.forgottenTo(to),
    });
    const isOne = keyOf(user) === keyOf(other);
    return [part(other, user), ...(isOne ? [] : [part(user, other)])];
  }

  /** Rooms, and after which id each of them counts for a user. */
  remembered(rooms: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const since = ([room, joinedAt]: readonly [string, number]) =>
      [room, Math.max(joinedAt, this.forgottenTo(room))] as const;
    return this.#forgotten.size > 0 ? new Map(Array.from(rooms, since)) : rooms;
  }

  /** What is stored of them, the one whose newest message is oldest first. */
  #stored(): StoredRoom[] {
    const known = new Map(
      this.#all.all().map((row) => [keyOf(String(row["name"])), row]),
    );
    return this.#messages.newestOfRooms()
      .filter(({ name, firstId }) => firstId > this.forgottenTo(name))
      .map(({ name, at }) => {
        const row = known.get(keyOf(name));
        const network = String(row?.["network"] ?? "");
        return { name, at, network, isShared: row?.["shared"] === 1 };
      });
  }

  /** The owners of rooms that get their first messages with these drafts. */
  ownersOf(drafts: readonly Draft[]): OwnedRoom[] {
    const rooms = new Set(drafts.map(({ to }) => to));
    return [...rooms].filter((room) => !this.targets.has(room))
      .flatMap((room) => {
        const owner = this.#keeper?.ownerOf(room);
        if (!owner) return [];
        const { network, isShared } = owner; // it can have more in it
        return [{ room, network, isShared }];
      });
  }

  /** Inside of a change: the room gets its first message. */
  begin({ room, network, isShared }: OwnedRoom): void {
    this.#put.run(room, network, Number(isShared));
  }

  /** The room has history from now on. `owner` is what {@linkcode begin} stored. */
  add(room: string, owner?: RoomOwner): void {
    if (this.#names.get(room)) return; // in another case
    this.targets.add(room);
    this.#names.add(room, room);
    this.#keeper?.keep(room, true, owner);
    const isShared = this.#keeper?.ownerOf(room)?.isShared;
    if (isShared && owner?.isShared === false) this.share(room); // by now
  }

  /** Users of other networks have joined the room. */
  share(room: string): void {
    // What cannot be stored now is stored with the next such user, perhaps.
    this.#shared({ room }).catch(unlessNotStored);
  }

  /** The messages of the room are deleted: it has no history any more. */
  drop(room: string): void {
    this.#remove(room);
    if (this.forgottenTo(room) > 0) return; // its row goes with the messages
    this.#database.write(() => {
      if (!this.#messages.has(room)) this.#drop.run(room);
    }).catch(unlessNotStored); // a row too much does no harm
  }

  /**
   * Forgets the messages to a room, or to a user, up to an id. That holds at once,
   * and when it is stored, up to the newest id there is then; it resolves, and goes
   * on deleting them.
   *
   * @throws {ChatError} 119 if it cannot be stored: then a restart brings back
   * what is not deleted until then.
   */
  forget(target: string, upTo: number): Promise<void> {
    this.#forget(target, upTo);
    return this.#forgotTo({ target });
  }

  /** Deletes what is forgotten. Call it now and then: the disk may be full. */
  async deleteForgotten(): Promise<void> {
    if (this.#deleting) return;
    this.#deleting = true;
    try {
      for (const room of this.#forgotten.keys()) {
        while (await this.#deleteSome(room));
      }
    } catch (error) {
      unlessNotStored(error); // later, then
    } finally {
      this.#deleting = false;
    }
  }

  #forget(target: string, upTo: number): void {
    this.#remove(target);
    this.#forgotten.set(keyOf(target), upTo);
  }

  #remove(room: string): void {
    const known = this.#names.get(room);
    if (known === undefined || keyOf(known) !== keyOf(room)) return;
    this.targets.delete(known);
    this.#names.delete(known);
    this.#keeper?.keep(known, false);
  }

  /** @returns Whether there is more of the room. */
  #deleteSome(room: string): Promise<boolean> {
    const upTo = this.forgottenTo(room);
    return this.#database.write(() => {
      if (this.#messages.deleteOf(room, upTo, DELETED_AT_ONCE)) return true;
      if (this.#messages.has(room)) this.#unmark.run(room);
      else this.#drop.run(room);
      return false;
    }, (isMore) => {
      const isDone = !isMore && this.forgottenTo(room) === upTo;
      if (isDone) this.#forgotten.delete(room);
      return isMore || !isDone;
    });
  }
}

function keyOf(room: string): string {
  return room.toLowerCase();
}
