/**
 * The database: one transaction for all changes of a turn of the event loop.
 *
 * SQLite stores a thousand rows in one transaction in little more time than one
 * row. So changes are queued, and committed together: see
 * {@linkcode Database.write}. A committed change survives the end of the process,
 * whatever ended it; when the computer itself goes down, the last moments may be
 * lost, but nothing is damaged (`synchronous = NORMAL`).
 *
 * On one machine it is the log, too: see log.ts.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ChatError } from "../../protocol.ts";
import { Damage } from "./damage.ts";
import type { Log } from "./log.ts";
import { failure, openFile, reclaim, share } from "./database_file.ts";

/** A change that waits for its commit. */
interface Writer {
  /** Makes the change. */
  change(): void;
  /** Called right after its commit. */
  done(): void;
  /** Called if it was not committed. */
  fail(error: unknown): void;
}

/** See the top of the file. */
export class Database implements Disposable, Log {
  readonly #db: DatabaseSync;
  readonly #log: (line: string) => void;
  /** What becomes of damaged pages and rows. */
  readonly damage: Damage;
  /** How many transactions were begun: another number, another transaction. */
  transactions = 0;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  #queue: Writer[] = [];
  #tick: ReturnType<typeof setImmediate> | undefined;
  #failing = false;

  /**
   * Opens the file at `path`, or makes it; `:memory:` is none. `log` gets a line
   * when storing begins to fail, and when it works again; and once an hour if the
   * file is damaged. `now` gives milliseconds that never jump.
   *
   * @throws {StartError} If it cannot be used, and why.
   */
  constructor(
    path: string,
    log: (line: string) => void = () => {},
    now: () => number = performance.now.bind(performance),
  ) {
    this.#log = log;
    this.damage = new Damage(log, now);
    this.#db = openFile(path);
    this.#begin = this.prepare("BEGIN IMMEDIATE");
    this.#commit = this.prepare("COMMIT");
    this.#savepoint = this.prepare("SAVEPOINT change");
    this.#release = this.prepare("RELEASE change");
  }

  /**
   * Prepares a statement, to be kept and used again. It throws a ChatError 119 if
   * it cannot read the file, because that is damaged or its disk fails.
   */
  prepare(sql: string): StatementSync {
    return this.damage.guarded(this.#db.prepare(sql));
  }

  /**
   * Makes a change, commits it, and resolves with the result.
   *
   * Changes are made in the order of the calls, before the next turn of the
   * event loop, in one transaction. Right after its commit `committed` is called
   * for each of them, in the same order; the result is what that returns. What a
   * change throws undoes that change alone and rejects its promise.
   *
   * @throws {ChatError} 119 if it cannot be stored, for example because the
   * disk is full. Then nothing of that transaction is.
   */
  write<T>(change: () => T): Promise<T>;
  write<T, R>(change: () => T, committed: (result: T) => R): Promise<R>;
  write<T, R>(
    change: () => T,
    committed?: (result: T) => R,
  ): Promise<T | R> {
    return new Promise((resolve, reject) => {
      if (!this.#db.isOpen) return reject(closing());
      let result: T;
      this.#queue.push({
        change: () => void (result = change()),
        done: () => {
          try {
            resolve(committed ? committed(result) : result);
          } catch (bug) {
            reject(bug);
          }
        },
        fail: reject,
      });
      this.#tick ??= setImmediate(() => this.#writeQueue());
    });
  }

  /** See {@linkcode Log}: the order is that of the calls. */
  readonly register: Log["register"] =
    (_kind, { change, applied }) => (entry) =>
      this.write(() => change(entry), (made) => applied(entry, made, true));

  /** Lets other connections read the file while `task` runs. */
  async share<T>(task: () => Promise<T>): Promise<T> {
    share(this.#db);
    try {
      return await task();
    } finally {
      if (this.#db.isOpen) reclaim(this.#db);
    }
  }

  /** Commits what is queued, and closes the file. Idempotent. */
  close(): void {
    if (!this.#db.isOpen) return;
    clearImmediate(this.#tick);
    this.#writeQueue();
    this.#db.close();
    clearImmediate(this.#tick); // for what was asked for after the last commit
    for (const { fail } of this.#queue.splice(0)) fail(closing());
  }

  /** See {@linkcode Database.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #writeQueue(): void {
    const writers = this.#queue;
    this.#queue = [];
    this.#tick = undefined;
    this.transactions++;
    try {
      this.#begin.run();
      const made = writers.filter((writer) => this.#makeChange(writer));
      this.#commit.run();
      for (const writer of made) writer.done();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      const why = failure(error);
      if (why === undefined) throw error; // a bug of ours
      const damage = this.damage.ofChange(error);
      if (!this.#failing && !damage) this.#log(`Cannot store anything: ${why}`);
      this.#failing ||= !damage;
      for (const writer of writers) {
        writer.fail(damage ?? notStored(why, error));
      }
      return;
    }
    if (this.#failing) this.#log("Storage works again");
    this.#failing = false;
  }

  /**
   * Makes one change of a transaction, or none of it, and says whether it did. A
   * change that meets a damaged page fails alone.
   *
   * @throws What keeps the whole transaction from being stored.
   */
  #makeChange(writer: Writer): boolean {
    this.#savepoint.run();
    try {
      writer.change();
    } catch (error) {
      const damage = this.damage.ofChange(error);
      const isLost = !damage && failure(error) !== undefined;
      if (!this.#db.isTransaction || isLost) throw error;
      this.#db.exec("ROLLBACK TO change; RELEASE change");
      writer.fail(damage ?? error);
      return false;
    }
    this.#release.run();
    return true;
  }
}

function closing(): ChatError {
  return notStored("the server is closing");
}

function notStored(why: string, cause?: unknown): ChatError {
  return new ChatError(119, `Cannot store that: ${why}`, { cause });
}
