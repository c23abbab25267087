/**
 * What becomes of a damaged page, and of a disk that fails: an error of the chat
 * for the client that meets it, and a line of the log. All that reads the file
 * passes here, so that the server goes on with the rest of it.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ChatError } from "../../protocol.ts";
import { CORRUPT, DAMAGED, failure } from "./database_file.ts";

/** Time between two lines about a damaged file. */
const TELL_EVERY_MS = 60 * 60 * 1_000;

/** See the top of the file. */
export class Damage {
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  #toldAt = -Infinity;

  /** `log` gets a line at most once an hour; `now` gives milliseconds that never jump. */
  constructor(log: (line: string) => void, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /**
   * `statement`, which throws a ChatError 119 when it reads and that fails. What
   * `run` throws stays as it is: `Database.write` knows what to do.
   */
  guarded(statement: StatementSync): StatementSync {
    const { all, get, iterate } = statement;
    const inWords = (error: unknown) => this.#inWords(error);
    const guard =
      <T>(method: (...values: never[]) => T) => (...values: unknown[]): T => {
        try {
          return Reflect.apply(method, statement, values);
        } catch (error) {
          throw inWords(error);
        }
      };
    return Object.assign(statement, {
      all: guard(all),
      get: guard(get),
      *iterate(...values: unknown[]) {
        try {
          yield* Reflect.apply(iterate, statement, values);
        } catch (error) {
          throw inWords(error);
        }
      },
    });
  }

  /**
   * What `read` makes of a row.
   *
   * @throws {ChatError} 119 if it fails: then the row is not as it was stored.
   */
  readRow<T>(read: () => T): T {
    try {
      return read();
    } catch {
      throw this.ofRow();
    }
  }

  /** The error 119 for a row that is not as it was stored. */
  ofRow(): ChatError {
    const cause = Object.assign(new Error("malformed row"), {
      errcode: CORRUPT,
    });
    return this.#told(DAMAGED, "read", cause);
  }

  /** The error 119 for a change that met a damaged page; undefined for others. */
  ofChange(error: unknown): ChatError | undefined {
    // A row that is there after all: the page that should have told it is damaged.
    const isTaken = error instanceof Error && "errcode" in error &&
      TAKEN.has(Number(error.errcode));
    const isDamage = isTaken || failure(error) === DAMAGED;
    return isDamage ? this.#told(DAMAGED, "store", error) : undefined;
  }

  #inWords(error: unknown): unknown {
    const why = failure(error);
    return why === undefined ? error : this.#told(why, "read", error);
  }

  /** The error; the log tells a damage, unless it did so a while ago. */
  #told(why: string, deed: string, cause: unknown): ChatError {
    const now = this.#now();
    if (why === DAMAGED && now - this.#toldAt >= TELL_EVERY_MS) {
      this.#toldAt = now;
      this.#log(
        "The database file is damaged: some of it cannot be read or stored. " +
          "Stop the server and restore a backup; see docs/storage.md.",
      );
    }
    return new ChatError(119, `Cannot ${deed} that: ${why}`, { cause });
  }
}

/** SQLITE_CONSTRAINT_PRIMARYKEY and SQLITE_CONSTRAINT_ROWID. */
const TAKEN: ReadonlySet<number> = new Set([1555, 2579]);
