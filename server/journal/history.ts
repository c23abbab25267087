/**
 * The table of messages, one row for each batch; sqlite_journal.ts inserts them.
 * It gives stored messages as the FORWARD frames that were delivered: a page of a
 * room, and what a user missed.
 *
 * Frames are made as they are taken. A batch that is deleted meanwhile is left
 * out.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import { release, spend } from "../../core/net/memory.ts";
import { ChatError } from "../../protocol.ts";
import {
  type Batch,
  encodeForwards,
  LENGTH_BYTES,
  type PackedBodies,
} from "../chat/batch.ts";
import type { Database } from "./database.ts";
import {
  folded,
  framesOf,
  meantFor,
  type Missed,
  NOTHING_FOUND,
  type Page,
} from "./journal.ts";

/** Number of batches whose heads are read at once: 0.2 ms, of long messages 0.6. */
const HEADS_AT_ONCE = 64;

/** A batch without its messages. */
export interface Head
  extends Pick<Batch, "firstId" | "at" | "from" | "to" | "device"> {
  /** The id of its last message. */
  readonly lastId: number;
}

/** Messages to a room; or to a user, of one sender. */
export interface HistoryPart {
  readonly to: string;
  readonly from?: string;
  /** Those after this id. */
  readonly after: number;
}

/** A head, and how much is stored with it. */
export interface SizedHead extends Head {
  /** About how much its bodies and its row take. */
  readonly bytes: number;
}

/** How the batches for a target are found, or those of the devices of a sender. */
interface Search {
  readonly next: StatementSync;
  readonly heads: StatementSync;
  readonly holding: StatementSync;
}

/** Some of the batches, and the id of the next one. */
interface Queue {
  readonly search: Search;
  readonly key: string;
  next: number;
}

/** Of a row without its bodies, in the table and the index. */
const ROW_BYTES = 80;

/**
 * See the top of the file. Deletes inside of `Database.write`. All that reads
 * throws a ChatError 119 if the file is damaged there.
 */
export class MessageTable {
  readonly #database: Database;
  readonly #newestOf: StatementSync;
  readonly #newestBetween: StatementSync;
  readonly #one: StatementSync;
  readonly #to: Search;
  readonly #fromDevices: Search;
  readonly #oldest: StatementSync;
  readonly #delete: StatementSync;
  readonly #keepLastId: StatementSync;
  readonly #lastId: StatementSync;
  readonly #oldestId: StatementSync;
  readonly #timeOf: StatementSync;
  #knownOldest = 0;
  readonly #newestOfRooms: StatementSync;
  readonly #deleteOf: StatementSync;

  constructor(database: Database) {
    this.#database = database;
    const prepare = (sql: string) => database.prepare(sql);
    const heads =
      "SELECT first_id, count, at, sender, target, device FROM messages";
    this.#newestOf = prepare(
      `${heads} WHERE target = ? AND first_id < ?
       ORDER BY first_id DESC LIMIT ${HEADS_AT_ONCE}`,
    );
    this.#newestBetween = prepare(
      `${heads} WHERE ${PRIVATE} AND target = ? AND sender = ? AND first_id < ?
       ORDER BY first_id DESC LIMIT ${HEADS_AT_ONCE}`,
    );
    this.#one = prepare("SELECT * FROM messages WHERE first_id = ?");
    const search = (where: string): Search => ({
      next: prepare(
        `SELECT min(first_id) AS id FROM messages WHERE ${where} AND first_id > ?`,
      ),
      heads: prepare(
        `${heads} WHERE ${where} AND first_id >= ? AND first_id < ?
         ORDER BY first_id LIMIT ${HEADS_AT_ONCE}`,
      ),
      holding: prepare(`
        SELECT ifnull((SELECT max(first_id) FROM messages
                       WHERE ${where}1 AND first_id <= ?2),
                      (SELECT min(first_id) FROM messages
                       WHERE ${where}1 AND first_id > ?2)) AS id`),
    });
    this.#to = search("target = ?");
    this.#fromDevices = search("device IS NOT NULL AND sender = ?");
    // SQLite knows the lengths without reading the bodies.
    this.#oldest = prepare(`
      SELECT first_id, count, at, sender, target,
             length(bodies) + ifnull(length(lengths), 0) AS bytes
      FROM messages ORDER BY first_id`);
    this.#delete = prepare("DELETE FROM messages WHERE first_id <= ?");
    this.#keepLastId = prepare("INSERT OR REPLACE INTO last_id VALUES (1, ?)");
    this.#lastId = prepare(`
      SELECT max(ifnull((SELECT first_id + count - 1 FROM messages
                         ORDER BY first_id DESC LIMIT 1), 0),
                 ifnull((SELECT id FROM last_id), 0)) AS id`);
    this.#oldestId = prepare("SELECT min(first_id) AS id FROM messages");
    this.#timeOf = prepare(
      "SELECT at FROM messages WHERE first_id <= ? ORDER BY first_id DESC LIMIT 1",
    );
    this.#newestOfRooms = prepare(`
      ${ROOMS} SELECT name, first_id, at FROM room JOIN messages
        ON first_id = (SELECT max(first_id) FROM messages WHERE target = name)
      ORDER BY first_id`);
    this.#deleteOf = prepare(`
      DELETE FROM messages WHERE first_id IN (
        SELECT first_id FROM messages WHERE target = ? AND first_id <= ?
        LIMIT ?)`);
  }

  /** See Journal.history; messages after `newestId` are still to be delivered. */
  async *page(
    parts: readonly HistoryPart[],
    { limit, after: least = 0, before = Infinity }: Page,
    newestId: number,
  ): AsyncGenerator<Uint8Array> {
    const end = Math.min(before, newestId + 1);
    const after = Math.max(least, Math.min(...parts.map((part) => part.after)));
    const firstIds: number[] = [];
    let missing = limit;
    for (let next = end, isMore = true; isMore;) {
      const heads = this.#newestHeads(parts, next);
      for (const { firstId, lastId } of heads) {
        if (missing <= 0 || lastId <= after) break;
        firstIds.unshift(firstId);
        missing -= Math.min(lastId + 1, end) - firstId;
        next = firstId;
      }
      isMore = heads.length === HEADS_AT_ONCE && next === heads.at(-1)!.firstId;
      if (isMore) yield NOTHING_FOUND;
    }
    const surplus = Math.max(0, -missing); // in the oldest batch
    const first = Math.max(after, (firstIds[0] ?? 0) - 1 + surplus);
    for (const firstId of firstIds) yield* this.#framesOf(firstId, first, end);
  }

  /**
   * See Journal.missed. What is meant for the user is found through the index by
   * target: to read every message would take too long in a busy server. The next
   * batches of all targets are known, and the oldest of them is read. What other
   * devices of the user have sent is found by its sender.
   */
  async *missed(asked: Missed): AsyncGenerator<Uint8Array> {
    const query = folded(asked);
    const { user, rooms, upTo, device, alone } = query;
    const queues = [user, "ALL", ...rooms.keys()].map((to) => {
      const after = Math.max(query.after, meantFor(query, { from: "", to }));
      return this.#queue(this.#to, to, { after, upTo });
    });
    if (device !== undefined && !alone) {
      const after = Math.max(query.after, query.since);
      queues.push(this.#queue(this.#fromDevices, user, { after, upTo }));
    }
    for (;;) {
      const [oldest, second] = twoOldest(queues);
      if (!oldest || oldest.next > upTo) return;
      // A batch to a room can be that of a device, too: then it is next in both.
      const end = Math.max(
        oldest.next + 1,
        Math.min(second?.next ?? Infinity, upTo + 1),
      );
      const rows = oldest.search.heads.all(oldest.key, oldest.next, end);
      let found = false;
      for (const row of rows) {
        const head = headOf(row);
        // Each batch is found once: own ones by their sender, or to oneself.
        const isOwn = head.from.toLowerCase() === user.toLowerCase();
        const isToUser = head.to.toLowerCase() === user.toLowerCase();
        const isFound = (oldest.search === this.#fromDevices) ===
          (isOwn && !isToUser);
        const after = isFound
          ? Math.max(query.after, meantFor(query, head))
          : Infinity;
        const frames = this.#framesOf(head.firstId, after, upTo + 1);
        yield* frames;
        found ||= frames.length > 0;
      }
      if (!found) yield NOTHING_FOUND;
      const read = rows.length < HEADS_AT_ONCE
        ? end - 1
        : headOf(rows.at(-1)!).firstId;
      oldest.next = idOf(oldest.search.next.get(oldest.key, read));
    }
  }

  /** The batches for a target, or of a sender: where the first one is. */
  #queue(
    search: Search,
    key: string,
    { after, upTo }: { after: number; upTo: number },
  ): Queue {
    if (after >= upTo) return { search, key, next: Infinity };
    return { search, key, next: idOf(search.holding.get(key, after + 1)) };
  }

  /** All batches, the oldest first. */
  *oldestFirst(): Generator<SizedHead> {
    for (const row of this.#oldest.iterate()) {
      yield { ...headOf(row), bytes: Number(row["bytes"]) + ROW_BYTES };
    }
  }

  /** Deletes all batches up to one. */
  deleteThrough(firstId: number): void {
    this.#keepLastId.run(this.lastId()); // they may be the last that there are
    this.#delete.run(firstId);
  }

  /**
   * Deletes batches for one target that begin at an id at most.
   *
   * @returns Whether there may be more than the `limit` of them.
   */
  deleteOf(target: string, upTo: number, limit: number): boolean {
    this.#keepLastId.run(this.lastId());
    return this.#deleteOf.run(target, upTo, limit).changes === limit;
  }

  /** The newest id that was ever given. */
  lastId(): number {
    return Number(this.#lastId.get()?.["id"]);
  }

  /**
   * A time that is certainly over: that of a message which was sent `beforeMs`
   * before the newest. What was sent later may have the time of a clock that was
   * wrong for a while. Undefined without messages.
   */
  believedTime(beforeMs: number): number | undefined {
    const timeOf = (id: number) => Number(this.#timeOf.get(id)?.["at"]);
    const [oldest, last] = [this.oldestId(), this.lastId()];
    if (oldest > last) return undefined;
    const newest = timeOf(last);
    for (let back = 1;; back *= 2) { // there may be a million in that time
      const id = Math.max(oldest, last - back);
      if (timeOf(id) <= newest - beforeMs) return timeOf(id);
      if (id === oldest) return newest;
    }
  }

  /**
   * The id of the oldest message; without messages, that of the next. If its page
   * is damaged, it is what it was before: users still register.
   */
  oldestId(): number {
    try {
      const id = this.#oldestId.get()?.["id"] ?? this.lastId() + 1;
      return this.#knownOldest = Number(id);
    } catch (error) {
      if (!(error instanceof ChatError) || !this.#knownOldest) throw error;
      return this.#knownOldest;
    }
  }

  /** Whether there are messages for that target. */
  has(target: string): boolean {
    return this.#newestOf.get(target, Number.MAX_SAFE_INTEGER) !== undefined;
  }

  /** The newest batch of each room, the oldest first. */
  newestOfRooms(): { name: string; firstId: number; at: number }[] {
    return this.#newestOfRooms.all().map((row) => ({
      name: String(row["name"]),
      firstId: Number(row["first_id"]),
      at: Number(row["at"]),
    }));
  }

  /** Some heads of these parts that begin before an id, the newest first. */
  #newestHeads(parts: readonly HistoryPart[], before: number): Head[] {
    const heads = parts.map(({ to, from, after }) =>
      (from === undefined
        ? this.#newestOf.all(to, before)
        : this.#newestBetween.all(to, from, before))
        .map(headOf).filter(({ lastId }) => lastId > after)
    );
    if (heads.length === 1) return heads[0]!;
    return heads.flat().sort((a, b) => b.firstId - a.firstId)
      .slice(0, HEADS_AT_ONCE);
  }

  #framesOf(firstId: number, after: number, before: number): Uint8Array[] {
    if (after + 1 >= before) return [];
    const row = this.#one.get(firstId);
    if (!row) return [];
    const batch = batchOf(row);
    if (!batch) throw this.#database.damage.ofRow();
    const series = encodeForwards(batch);
    release(row["bodies"] as Uint8Array); // the cast: batchOf() has looked
    const frames = framesOf({ firstId, ...series }, after, before);
    if (frames.length > 0) spend(frames.at(-1)!); // all share its buffer
    return frames;
  }
}

/** Of messages to users; the index of them has these very words. */
const PRIVATE = "unicode(target) <> 35 AND target <> 'ALL'";

/** From room to room through the index, which is faster than every message. */
const ROOMS = `
  WITH RECURSIVE room (name) AS (
    SELECT min(target) FROM messages WHERE target >= '#' AND target < '$'
    UNION ALL
    SELECT (SELECT min(target) FROM messages
            WHERE target > name AND target < '$')
    FROM room WHERE name IS NOT NULL
  )`;

/**
 * The batch of a whole row; undefined if it is not as it was stored. SQLite does
 * not check what is inside of a page, and frames are made of this.
 */
function batchOf(row: Record<string, SQLOutputValue>): Batch | undefined {
  const head = headOf(row);
  const { lengths, bodies: all } = row;
  const packed = lengths === null || lengths instanceof Uint8Array;
  if (!packed || !(all instanceof Uint8Array)) return undefined;
  if ([head.from, head.to].some((name) => !/^[!-~]{1,64}$/.test(name))) {
    return undefined;
  }
  if (Number.isNaN(new Date(head.at).getTime())) return undefined;
  const bodies = unpackBodies({ lengths, bodies: all });
  const bytes = bodies.reduce((sum, { length }) => sum + length, 0);
  const isWhole = bodies.length === head.lastId - head.firstId + 1 &&
    bytes === all.length && bodies.every(isUtf8);
  return isWhole ? { ...head, bodies } : undefined;
}

/** The opposite of `packBodies`. */
function unpackBodies({ lengths, bodies }: PackedBodies): Uint8Array[] {
  if (!lengths) return [bodies];
  const view = new DataView(lengths.buffer, lengths.byteOffset, lengths.length);
  const unpacked: Uint8Array[] = [];
  for (let at = 0, i = 0; i < lengths.length; i += LENGTH_BYTES) {
    const end = at + view.getUint32(i);
    unpacked.push(bodies.subarray(at, end));
    at = end;
  }
  return unpacked;
}

/** The id that a row has; Infinity if there is none. */
function idOf(row: Record<string, SQLOutputValue> | undefined): number {
  return Number(row?.["id"] ?? Infinity);
}

/** Those of which the next is oldest. */
function twoOldest<T extends { readonly next: number }>(
  queues: readonly T[],
): [T | undefined, T | undefined] {
  let oldest: T | undefined;
  let second: T | undefined;
  for (const queue of queues) {
    if (!oldest || queue.next < oldest.next) [oldest, second] = [queue, oldest];
    else if (!second || queue.next < second.next) second = queue;
  }
  return [oldest, second];
}

function headOf(row: Record<string, SQLOutputValue>): Head {
  const firstId = Number(row["first_id"]);
  return {
    firstId,
    lastId: firstId + Number(row["count"]) - 1,
    at: Number(row["at"]),
    from: String(row["sender"]),
    to: String(row["target"]),
    device: typeof row["device"] === "number" ? row["device"] : undefined,
  };
}
