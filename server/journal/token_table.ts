/**
 * The table of resumable sessions, which survive a restart. Files call it visits.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { SessionStore, StoredSession } from "./journal.ts";
import type { Database } from "./database.ts";

/** See the top of the file. */
export class TokenTable implements SessionStore {
  readonly #database: Database;
  readonly #select: StatementSync;
  readonly #save: StatementSync;
  readonly #forget: StatementSync;

  /** The table in `database`. */
  constructor(database: Database) {
    this.#database = database;
    this.#select = database.prepare("SELECT * FROM visits");
    this.#save = database.prepare(
      "INSERT OR REPLACE INTO visits VALUES (?,?,?,?)",
    );
    this.#forget = database.prepare(
      "DELETE FROM visits WHERE key = ? AND token = ?",
    );
  }

  load(): StoredSession[] {
    return this.#select.all().map((row) => ({
      key: String(row["key"]),
      token: String(row["token"]),
      since: Number(row["since"]),
      rooms: new Map<string, number>(JSON.parse(String(row["rooms"]))),
    }));
  }

  save({ key, token, since, rooms }: StoredSession): Promise<void> {
    const list = JSON.stringify([...rooms]); // as they are now
    return this.#database.write(() => {
      this.#save.run(key, token, since, list);
    });
  }

  forget(sessions: readonly StoredSession[]): Promise<void> {
    return this.#database.write(() => {
      for (const { key, token } of sessions) this.#forget.run(key, token);
    });
  }
}
