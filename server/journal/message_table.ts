/**
 * Reads and deletes rows of the table of messages, one for each batch;
 * sqlite_journal.ts inserts them.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Database } from "./database.ts";
import { type Batch, unpackBodies } from "../chat/batch.ts";

/** A row, as the table is declared in schema.ts. */
interface Row {
  readonly first_id: number;
  readonly count: number;
  readonly at: number;
  readonly sender: string;
  readonly target: string;
  readonly declared_length: number | null;
  readonly lengths: Uint8Array | null;
  readonly bodies: Uint8Array;
}

/** A batch without its messages. */
export interface Outline {
  /** The id of its first message. */
  readonly firstId: number;
  /** The id of its last message. */
  readonly lastId: number;
  /** In milliseconds since the epoch. */
  readonly at: number;
  /** A room, a user, or `ALL`. */
  readonly to: string;
}

/** The ids of a batch. */
export interface Span {
  /** The id of its first message. */
  readonly firstId: number;
  /** How many there are. */
  readonly count: number;
}

/** What decides whether a user is to get a batch. */
export interface Head {
  /** The id of its first message. */
  readonly firstId: number;
  /** The sender's name. */
  readonly from: string;
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
    this.#newestOf = prepare(
      "SELECT first_id, count FROM messages WHERE target = ? AND first_id < ? ORDER BY first_id DESC",
    );
    this.#one = prepare("SELECT * FROM messages WHERE first_id = ?");
    this.#headsOf = prepare(
      "SELECT first_id, sender FROM messages WHERE target = ? AND first_id > ? AND first_id <= ? ORDER BY first_id LIMIT ?",
    );
    this.#holding = prepare(
      "SELECT max(first_id) AS first_id FROM messages WHERE first_id <= ?",
    );
    this.#oldest = prepare(
      "SELECT first_id, count, at, target FROM messages ORDER BY first_id",
    );
    this.#delete = prepare("DELETE FROM messages WHERE first_id <= ?");
    this.#keepLastId = prepare("INSERT OR REPLACE INTO last_id VALUES (1, ?)");
    this.#lastId = prepare(`
      SELECT max(ifnull((SELECT first_id + count - 1 FROM messages
                         ORDER BY first_id DESC LIMIT 1), 0),
                 ifnull((SELECT id FROM last_id), 0)) AS id`);
    this.#rooms = prepare(ROOMS);
  }

  /** Batches with that target that begin before an id, the newest first. */
  *newestFirst(target: string, before: number): Generator<Span> {
    for (const row of this.#newestOf.iterate(target, before)) {
      yield { firstId: Number(row["first_id"]), count: Number(row["count"]) };
    }
  }

  /** The batch whose first message has that id. */
  batch(firstId: number): Batch | undefined {
    const row = this.#one.get(firstId);
    return row && batchOf(row);
  }

  /** Batches for the target, oldest first: `most` of those in the range. */
  heads(
    target: string,
    { after, upTo, most }: { after: number; upTo: number; most: number },
  ): Head[] {
    return this.#headsOf.all(target, after, upTo, most).map((row) => ({
      firstId: Number(row["first_id"]),
      from: String(row["sender"]),
    }));
  }

  /** The first id of the batch that has `id`; the nearest before if it is gone. */
  firstIdOf(id: number): number {
    return Number(this.#holding.get(id)?.["first_id"] ?? 0);
  }

  /** All batches, the oldest first. */
  *oldestFirst(): Generator<Outline> {
    for (const row of this.#oldest.iterate()) {
      const firstId = Number(row["first_id"]);
      yield {
        firstId,
        lastId: firstId + Number(row["count"]) - 1,
        at: Number(row["at"]),
        to: String(row["target"]),
      };
    }
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
    const range = { after: 0, upTo: Number.MAX_SAFE_INTEGER, most: 1 };
    return this.heads(target, range).length > 0;
  }

  /** The rooms of which there are messages. */
  rooms(): string[] {
    return this.#rooms.all().map((row) => String(row["name"]));
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

function batchOf(values: Record<string, unknown>): Batch {
  const row = values as unknown as Row; // the table is STRICT
  return {
    from: row.sender,
    to: row.target,
    firstId: row.first_id,
    at: row.at,
    bodies: unpackBodies(row),
    ...(row.declared_length === null
      ? {}
      : { declaredLength: row.declared_length }),
  };
}
