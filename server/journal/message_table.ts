/**
 * The table of messages: a row for each run, from which the very frames are
 * encoded again that were forwarded.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { concat } from "../../protocol.ts";
import type { Database } from "./database.ts";
import type { Batch } from "../chat/batch.ts";

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

/** What is known of a run without its messages. */
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

/** Which ids a run has. */
export interface Span {
  /** The id of its first message. */
  readonly firstId: number;
  /** How many there are. */
  readonly count: number;
}

/** What is known of a run to find out whether somebody is to get it. */
export interface Head {
  /** The id of its first message. */
  readonly firstId: number;
  /** The sender's name. */
  readonly from: string;
}

/** See the top of the file. Every change belongs into `Database.write`. */
export class MessageTable {
  readonly #insert: StatementSync;
  readonly #newestOf: StatementSync;
  readonly #one: StatementSync;
  readonly #headsOf: StatementSync;
  readonly #holding: StatementSync;
  readonly #oldest: StatementSync;
  readonly #delete: StatementSync;
  readonly #keepLastId: StatementSync;
  readonly #lastId: StatementSync;
  readonly #rooms: StatementSync;

  /** The table in `database`. */
  constructor(database: Database) {
    const prepare = (sql: string) => database.prepare(sql);
    this.#insert = prepare("INSERT INTO messages VALUES (?,?,?,?,?,?,?,?)");
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

  /** Adds a run. */
  insert(run: Batch): void {
    const { bodies } = run;
    const lengths = bodies.length > 1 ? encodeLengths(bodies) : null;
    this.#insert.run(
      run.firstId,
      bodies.length,
      run.at,
      run.from,
      run.to,
      run.declaredLength ?? null,
      lengths,
      concat(bodies),
    );
  }

  /** Runs with that target that begin before an id, the newest first. */
  *newestFirst(target: string, before: number): Generator<Span> {
    for (const row of this.#newestOf.iterate(target, before)) {
      yield { firstId: Number(row["first_id"]), count: Number(row["count"]) };
    }
  }

  /** The run whose first message has that id. */
  run(firstId: number): Batch | undefined {
    const row = this.#one.get(firstId);
    return row && runOf(row);
  }

  /** Runs for the target, oldest first: `most` of those in the range. */
  heads(
    target: string,
    { after, upTo, most }: { after: number; upTo: number; most: number },
  ): Head[] {
    return this.#headsOf.all(target, after, upTo, most).map((row) => ({
      firstId: Number(row["first_id"]),
      from: String(row["sender"]),
    }));
  }

  /** The first id of the run that has `id`; the nearest before if it is gone. */
  firstIdOf(id: number): number {
    return Number(this.#holding.get(id)?.["first_id"] ?? 0);
  }

  /** All runs, the oldest first. */
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

  /** Deletes all runs up to one, of those that were stored up to `lastId`. */
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

function runOf(values: Record<string, unknown>): Batch {
  const row = values as unknown as Row; // the table is STRICT
  return {
    from: row.sender,
    to: row.target,
    firstId: row.first_id,
    at: row.at,
    bodies: row.lengths ? split(row.bodies, row.lengths) : [row.bodies],
    ...(row.declared_length === null
      ? {}
      : { declaredLength: row.declared_length }),
  };
}

const LENGTH_BYTES = 4;

function encodeLengths(bodies: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(bodies.length * LENGTH_BYTES);
  const view = new DataView(bytes.buffer);
  bodies.forEach(({ length }, i) => view.setUint32(i * LENGTH_BYTES, length));
  return bytes;
}

function split(whole: Uint8Array, lengths: Uint8Array): Uint8Array[] {
  const view = new DataView(lengths.buffer, lengths.byteOffset, lengths.length);
  const bodies: Uint8Array[] = [];
  for (let at = 0, i = 0; i < lengths.length; i += LENGTH_BYTES) {
    const end = at + view.getUint32(i);
    bodies.push(whole.subarray(at, end));
    at = end;
  }
  return bodies;
}
