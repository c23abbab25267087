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
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import { type Batch, encodeForwards, unpackBodies } from "../chat/batch.ts";
import type { Database } from "./database.ts";
import { meantFor, type Missed, type Page } from "./journal.ts";

/** Number of heads that a replay holds for all targets together. */
const HELD_HEADS = 500;

/** Least number of heads that are held for each target. */
const LEAST_HELD = 20;

/** A batch without its messages. */
export interface Head extends Pick<Batch, "firstId" | "at" | "from" | "to"> {
  /** The id of its last message. */
  readonly lastId: number;
}

/** The messages for one target that a user may have missed. */
interface Source {
  readonly target: string;
  /** First ids are greater: what was read, or is of no use. */
  after: number;
  /** What was read of it and not used yet, oldest first. */
  heads: Head[];
  /** Whether there may be more. */
  more: boolean;
}

/** See the top of the file. Deletes inside of `Database.write`. */
export class MessageTable {
  readonly #newestOf: StatementSync;
  readonly #one: StatementSync;
  readonly #headsOf: StatementSync;
  readonly #holding: StatementSync;
  readonly #oldest: StatementSync;
  readonly #delete: StatementSync;
  readonly #keepLastId: StatementSync;
  readonly #lastId: StatementSync;
  readonly #rooms: StatementSync;

  constructor(database: Database) {
    const prepare = (sql: string) => database.prepare(sql);
    const heads = "SELECT first_id, count, at, sender, target FROM messages";
    this.#newestOf = prepare(
      `${heads} WHERE target = ? AND first_id < ? ORDER BY first_id DESC`,
    );
    this.#one = prepare("SELECT * FROM messages WHERE first_id = ?");
    this.#headsOf = prepare(
      `${heads} WHERE target = ? AND first_id > ? AND first_id <= ? ORDER BY first_id LIMIT ?`,
    );
    this.#holding = prepare(
      "SELECT max(first_id) AS first_id FROM messages WHERE first_id <= ?",
    );
    this.#oldest = prepare(`${heads} ORDER BY first_id`);
    this.#delete = prepare("DELETE FROM messages WHERE first_id <= ?");
    this.#keepLastId = prepare("INSERT OR REPLACE INTO last_id VALUES (1, ?)");
    this.#lastId = prepare(`
      SELECT max(ifnull((SELECT first_id + count - 1 FROM messages
                         ORDER BY first_id DESC LIMIT 1), 0),
                 ifnull((SELECT id FROM last_id), 0)) AS id`);
    this.#rooms = prepare(ROOMS);
  }

  /** See Journal.history; messages after `newestId` are still to be delivered. */
  async *page(
    room: string,
    { limit, after = 0, before = Infinity }: Page,
    newestId: number,
  ): AsyncGenerator<Uint8Array> {
    const parts: Parameters<MessageTable["framesOf"]>[] = [];
    let end = Math.min(before, newestId + 1);
    let missing = limit;
    for (const head of this.#newestOf.iterate(room, end)) {
      const { firstId, lastId } = headOf(head);
      end = Math.min(lastId + 1, end);
      const least = Math.max(after, firstId - 1, end - 1 - missing);
      if (least + 1 >= end) break;
      parts.unshift([firstId, least, end]);
      missing -= end - 1 - least;
    }
    for (const part of parts) yield* this.framesOf(...part);
  }

  /**
   * See Journal.missed. Each target has its own list of batches, and which
   * of them is the busy one is not known before. So a few heads of each are held, and a
   * list is read on only when those are used up.
   */
  async *missed(
    query: Missed,
    nextTurn: () => Promise<void>,
  ): AsyncGenerator<Uint8Array> {
    const sources = Array.from(targetsOf(query), ([target, since]): Source => ({
      target,
      after: this.#firstIdOf(Math.max(query.after, since)) - 1,
      heads: [],
      more: true,
    }));
    const most = Math.max(LEAST_HELD, Math.ceil(HELD_HEADS / sources.length));
    for (;;) {
      for (const source of sources) this.#readOn(source, query.upTo, most);
      if (sources.every(({ heads }) => heads.length === 0)) return;
      const unread = sources.filter(({ more }) => more);
      const end = Math.min(...unread.map(({ after }) => after)); // or Infinity
      const heads = sources.flatMap((source) => takeUpTo(source, end))
        .sort((a, b) => a.firstId - b.firstId);
      for (const head of heads) {
        const after = Math.max(query.after, meantFor(query, head));
        yield* this.framesOf(head.firstId, after, query.upTo + 1);
      }
      await nextTurn();
    }
  }

  /** The frames of a batch, of the messages with ids between two others. */
  framesOf(firstId: number, after: number, before: number): Uint8Array[] {
    if (after + 1 >= before) return [];
    const row = this.#one.get(firstId);
    if (!row) return [];
    const batch = batchOf(row);
    const start = Math.max(0, after + 1 - firstId);
    const bodies = batch.bodies.slice(start, before - firstId);
    if (bodies.length === 0) return [];
    const part = { ...batch, firstId: firstId + start, bodies };
    const { bytes, ends } = encodeForwards(part);
    return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
  }

  /** All batches, the oldest first. */
  *oldestFirst(): Generator<Head> {
    for (const row of this.#oldest.iterate()) yield headOf(row);
  }

  /** Deletes all batches up to one, of those that were stored up to `lastId`. */
  deleteThrough(firstId: number, lastId: number): void {
    this.#keepLastId.run(lastId); // they may be the last that there are
    this.#delete.run(firstId);
  }

  /** The newest id that was ever given. */
  lastId(): number {
    return Number(this.#lastId.get()?.["id"]);
  }

  /** Whether there are messages for that target. */
  has(target: string): boolean {
    return this.#newestOf.get(target, Number.MAX_SAFE_INTEGER) !== undefined;
  }

  /** The rooms of which there are messages. */
  rooms(): string[] {
    return this.#rooms.all().map((row) => String(row["name"]));
  }

  /** The first id of the batch that has `id`; the nearest before if it is gone. */
  #firstIdOf(id: number): number {
    return Number(this.#holding.get(id)?.["first_id"] ?? 0);
  }

  /** Reads on if nothing is left of what was read. */
  #readOn(source: Source, upTo: number, most: number): void {
    if (!source.more || source.heads.length > 0) return;
    const { target, after } = source;
    source.heads = this.#headsOf.all(target, after, upTo, most).map(headOf);
    source.more = source.heads.length === most;
    source.after = source.heads.at(-1)?.firstId ?? after;
  }
}

/** From room to room through the index, which is faster than every message. */
const ROOMS = `
  WITH RECURSIVE room (name) AS (
    SELECT min(target) FROM messages WHERE target >= '#' AND target < '$'
    UNION ALL
    SELECT (SELECT min(target) FROM messages
            WHERE target > name AND target < '$')
    FROM room WHERE name IS NOT NULL
  )
  SELECT name FROM room WHERE name IS NOT NULL`;

/** Takes the heads up to an id. */
function takeUpTo({ heads }: Source, end: number): Head[] {
  const later = heads.findIndex(({ firstId }) => firstId > end);
  return heads.splice(0, later < 0 ? heads.length : later);
}

/** What may have been meant for the user, and after which id. */
function targetsOf(query: Missed): Map<string, number> {
  const { user, since, rooms, alone } = query;
  return new Map([
    [user, since],
    ...(alone ? [] : [["ALL", since] as const]),
    ...rooms,
  ]);
}

// The table is STRICT: its values have the types that schema.ts declares.
type Row = Record<string, SQLOutputValue>;

function headOf(row: Row): Head {
  const firstId = Number(row["first_id"]);
  return {
    firstId,
    lastId: firstId + Number(row["count"]) - 1,
    at: Number(row["at"]),
    from: String(row["sender"]),
    to: String(row["target"]),
  };
}

function batchOf(row: Row): Batch {
  const lengths = row["lengths"] as Uint8Array | null;
  const bodies = row["bodies"] as Uint8Array;
  const declaredLength = row["declared_length"];
  return {
    ...headOf(row),
    bodies: unpackBodies({ lengths, bodies }),
    ...(declaredLength === null
      ? {}
      : { declaredLength: Number(declaredLength) }),
  };
}
