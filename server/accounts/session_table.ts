/**
 * Resumable sessions, and their table; in files its name is `visits`.
 *
 * @module
 */
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import type { Database } from "../journal/database.ts";
import type {
  SessionChangedEntry,
  SessionEntry,
  SessionsEndedEntry,
} from "../journal/entries.ts";
import type { Append, Log } from "../journal/log.ts";
import type { ChatError } from "../../protocol.ts";

/** One user's session, over one connection or several in turn. */
export interface ResumableSession {
  /** The user's name in lower case: each has one session. */
  readonly key: string;
  /** The resume token. */
  readonly token: string;
  /** The newest message there was when it began. */
  readonly since: number;
  /**
   * The rooms it is in, or was in when its connection was lost, and the newest
   * message when each was joined.
   */
  readonly rooms: Map<string, number>;
  /** The user's name as the user writes it; in lower case since a restart. */
  readonly name: string;
  /** The network for which it counts: that of its last client. */
  network: string;
  /** The connection that has it now. */
  connection: { end(error: ChatError): void } | undefined;
  /** The address of its last connection; undefined since a restart. */
  host: string | undefined;
  /** When its connection was lost, by the server's clock. */
  goneAt: number;
  /** Its token went over TLS alone: no third party can have it. */
  secure: boolean;
  /** The server whose connection has it, or had it last. */
  server: string;
  /** Its token is worth nothing any more. */
  hasEnded: boolean;
}

/** What holds the sessions in memory, and is told when the table has changed. */
export interface SessionKeeper {
  /** A session begins, here or on another server. Returns it. */
  begun(entry: SessionEntry, own: boolean): ResumableSession;
  /** Another server has changed a session; these are its rooms. */
  changed(entry: SessionChangedEntry, rooms: ReadonlyMap<string, number>): void;
  /** A session cannot be resumed any more, if it has this token. */
  ended(key: string, token: string): void;
}

/** See the top of the file. */
export class ResumableSessionTable {
  /**
   * Stores a session in the place of an earlier one of its name; resolves with it.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  readonly begin: Append<SessionEntry, ResumableSession | undefined>;
  /**
   * Stores how a session changed, unless it has another token by now.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  readonly change: Append<SessionChangedEntry, void>;
  /** Forgets sessions, unless they have another token by now. */
  readonly end: Append<SessionsEndedEntry, void>;
  readonly #database: Database;
  readonly #all: StatementSync;
  readonly #one: StatementSync;
  readonly #update: StatementSync;
  #keeper: SessionKeeper | undefined;

  /** The table in `database`; `log` orders the entries. */
  constructor(database: Database, log: Log = database) {
    this.#database = database;
    this.#all = database.prepare("SELECT * FROM visits");
    this.#one = database.prepare(
      "SELECT * FROM visits WHERE key = ? AND token = ?",
    );
    this.#update = database.prepare(
      "UPDATE visits SET rooms = ?, network = ?, secure = ?, server = ? WHERE key = ?",
    );
    const insert = database.prepare(
      "INSERT OR REPLACE INTO visits VALUES (?,?,?,'[]',?,?,?)",
    );
    const remove = database.prepare(
      "DELETE FROM visits WHERE key = ? AND token = ?",
    );
    this.begin = log.register("session", {
      change: ({ name, token, since, network, secure, server }) => {
        const key = name.toLowerCase();
        insert.run(key, token, since, network, Number(secure), server);
      },
      applied: (entry, _, own) => this.#keeper?.begun(entry, own),
    });
    this.change = log.register("session-changed", {
      change: (entry) => this.#change(entry),
      applied: (entry, rooms, own) => {
        if (rooms && !own) this.#keeper?.changed(entry, rooms);
      },
    });
    this.end = log.register("sessions-ended", {
      change: ({ sessions }) => {
        for (const [key, token] of sessions) remove.run(key, token);
      },
      applied: ({ sessions }) => {
        for (const [key, token] of sessions) this.#keeper?.ended(key, token);
      },
    });
  }

  /** From now on, `keeper` is told. */
  connect(keeper: SessionKeeper): void {
    this.#keeper = keeper;
  }

  /**
   * Those that began, and did not end; they were lost at `goneAt`.
   *
   * @throws {ChatError} 119 if the file is damaged.
   */
  load(goneAt: number): ResumableSession[] {
    return this.#all.all().map((row) => ({
      key: String(row["key"]),
      name: String(row["key"]),
      token: String(row["token"]),
      since: Number(row["since"]),
      rooms: this.#roomsOf(row),
      network: String(row["network"]),
      connection: undefined,
      host: undefined,
      goneAt,
      secure: Number(row["secure"]) === 1,
      server: String(row["server"]),
      hasEnded: false,
    }));
  }

  /** Inside of a change. @returns Its rooms; undefined if it has ended. */
  #change(
    { key, token, network, secure, server, joined = [], left = [] }:
      SessionChangedEntry,
  ): Map<string, number> | undefined {
    const row = this.#one.get(key, token);
    if (!row) return undefined;
    const rooms = this.#roomsOf(row);
    for (const room of left) rooms.delete(room);
    for (const [room, since] of joined) {
      if (!rooms.has(room)) rooms.set(room, since);
    }
    const list = JSON.stringify([...rooms]);
    this.#update.run(list, network, Number(secure), server, key);
    return rooms;
  }

  #roomsOf(row: Record<string, SQLOutputValue>): Map<string, number> {
    const read = () =>
      new Map<string, number>(JSON.parse(String(row["rooms"])));
    return this.#database.damage.readRow(read);
  }
}
