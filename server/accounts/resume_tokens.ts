/**
 * Resumable sessions: what stays of a user's connection for a while after it is
 * gone. With the resume token the user takes the name back and receives what
 * was missed.
 *
 * With a table they survive a restart: then nothing is answered before it is
 * stored. Without one they end with the process.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { ChatError } from "../../protocol.ts";
import type { StatementSync } from "node:sqlite";
import type { Database } from "../journal/database.ts";

/** A session can be resumed for this time after its connection is lost. */
export const RESUME_WINDOW_MS = 5 * 60 * 1_000;

/** Over this limit the oldest session without a connection is forgotten. */
const MAX_SESSIONS = 100_000;

const TOKEN_BYTES = 16; // 128 bits: not to be guessed
const TOKEN = /^[0-9a-f]{32}$/;

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
  /** The connection that has it now. */
  connection: { end(error: ChatError): void } | undefined;
  /** When its connection was lost, by the server's clock. */
  goneAt: number;
}

type Table = Pick<ResumableSessionTable, "load" | "save" | "forget">;

/** All resumable sessions. Of one name, only the newest is kept. */
export class ResumableSessions {
  readonly #sessions = new Map<string, ResumableSession>();
  readonly #table: Table | undefined;

  /**
   * Without a table they end with the process. Stored sessions count as lost at
   * `now`, by the server's clock.
   */
  constructor(table?: Table, now = 0) {
    this.#table = table;
    for (const session of table?.load(now) ?? []) {
      this.#sessions.set(session.key, session);
    }
  }

  /**
   * Starts a session. `since` is the id of the newest message.
   *
   * @throws {ChatError} 119 if it cannot be stored; then there is none.
   */
  async begin(name: string, since: number): Promise<ResumableSession> {
    const session: ResumableSession = {
      key: name.toLowerCase(),
      token: crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex(),
      since,
      rooms: new Map(),
      connection: undefined,
      goneAt: Infinity,
    };
    await this.#table?.save(session);
    this.#sessions.set(session.key, session);
    if (this.#sessions.size > MAX_SESSIONS) this.#forgetOne();
    return session;
  }

  /** The session of that name, if `token` is its token. */
  find(name: string, token: string): ResumableSession | undefined {
    if (!TOKEN.test(token)) return undefined; // timingSafeEqual needs one length
    const session = this.newest(name);
    const same = session &&
      timingSafeEqual(encoder.encode(session.token), encoder.encode(token));
    return same ? session : undefined;
  }

  /** The session of that name. */
  newest(name: string): ResumableSession | undefined {
    return this.#sessions.get(name.toLowerCase());
  }

  /**
   * Adds a room, and the id of the message since which the session is in it. A
   * room that an earlier connection joined keeps its id.
   *
   * @throws {ChatError} 119 if it cannot be stored; then it is not added.
   */
  async joined(
    session: ResumableSession,
    room: string,
    since: number,
  ): Promise<void> {
    if (session.rooms.has(room)) return;
    session.rooms.set(room, since);
    try {
      await this.#table?.save(session);
    } catch (error) {
      session.rooms.delete(room);
      throw error;
    }
  }

  /** Removes rooms, also if that cannot be stored. */
  async left(
    session: ResumableSession,
    rooms: readonly string[],
  ): Promise<void> {
    const left = rooms.filter((room) => session.rooms.delete(room));
    if (left.length === 0) return;
    await this.#table?.save(session).catch(unlessNotStored);
  }

  /**
   * Ends the session of that name: it cannot be resumed.
   *
   * @throws {ChatError} 119 if that cannot be stored; then it has not ended.
   */
  async forget(name: string): Promise<void> {
    const session = this.newest(name);
    if (!session) return;
    await this.#table?.forget([session]);
    if (this.newest(name) === session) this.#sessions.delete(session.key);
  }

  /** Forgets the sessions whose time to resume is over. */
  forgetOld(now: number): void {
    const old = this.#sessions.values()
      .filter(({ goneAt }) => goneAt + RESUME_WINDOW_MS < now).toArray();
    this.#forgetAll(old);
  }

  #forgetOne(): void {
    const lost = this.#sessions.values().find(({ connection }) => !connection);
    if (lost) this.#forgetAll([lost]);
  }

  #forgetAll(sessions: readonly ResumableSession[]): void {
    if (sessions.length === 0) return;
    for (const { key } of sessions) this.#sessions.delete(key);
    this.#table?.forget(sessions).catch(unlessNotStored);
  }
}

/** What cannot be stored now expires after the next start. */
function unlessNotStored(error: unknown): void {
  if (!(error instanceof ChatError)) throw error;
}

const encoder = new TextEncoder();

/** The table of resumable sessions; in files its name is `visits`. */
export class ResumableSessionTable {
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

  /** Those that were saved, and not forgotten; they were lost at `goneAt`. */
  load(goneAt: number): ResumableSession[] {
    return this.#select.all().map((row) => ({
      key: String(row["key"]),
      token: String(row["token"]),
      since: Number(row["since"]),
      rooms: new Map<string, number>(JSON.parse(String(row["rooms"]))),
      connection: undefined,
      goneAt,
    }));
  }

  /**
   * Resolves when the session is stored as it is now, in the place of an earlier
   * one with its key.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  save({ key, token, since, rooms }: ResumableSession): Promise<void> {
    const list = JSON.stringify([...rooms]); // as they are now
    return this.#database.write(() => {
      this.#save.run(key, token, since, list);
    });
  }

  /** Forgets sessions, unless they have another token by now. */
  forget(sessions: readonly ResumableSession[]): Promise<void> {
    return this.#database.write(() => {
      for (const { key, token } of sessions) this.#forget.run(key, token);
    });
  }
}
