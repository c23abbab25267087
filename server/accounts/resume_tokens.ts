/**
 * Resumable sessions: what stays of a user's connection for a while after it is
 * gone. With the resume token the user takes the name back and receives what
 * was missed. A user who logs out, and a ban, end it before.
 *
 * With a table they survive a restart: then nothing is answered before it is
 * stored. Without one they end with the process.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import type { ChatError } from "../../protocol.ts";
import type { StatementSync } from "node:sqlite";
import type { Database } from "../journal/database.ts";
import { type ShareLimits, Shares } from "../chat/shares.ts";
import { unlessNotStored } from "../chat/not_stored.ts";

/** A session can be resumed for this time after its connection is lost. */
export const RESUME_WINDOW_MS = 5 * 60 * 1_000;

/**
 * Limits of the sessions. Over one of them, a session without a connection is
 * forgotten: that which was lost first of its network, or of the network that has
 * most.
 */
export const SESSION_LIMITS: ShareLimits = {
  perAddress: 2_000,
  total: 100_000,
};

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
  /** Its token is worth nothing any more. */
  hasEnded: boolean;
}

type Table = Pick<ResumableSessionTable, "load" | "save" | "forget">;

/** All resumable sessions. Of one name, only the newest is kept. */
export class ResumableSessions {
  readonly #sessions = new Map<string, ResumableSession>();
  readonly #shares: Shares<ResumableSession>;
  readonly #table: Table | undefined;

  /**
   * Without a table they end with the process. Stored sessions count as lost at
   * `now`, by the server's clock.
   */
  constructor(
    table?: Table,
    { now = 0, limits = SESSION_LIMITS }: {
      now?: number;
      limits?: ShareLimits;
    } = {},
  ) {
    this.#table = table;
    this.#shares = new Shares(limits);
    for (const session of table?.load(now) ?? []) {
      this.#hold(session);
      this.#shares.setIdle(session, true);
    }
  }

  /**
   * Starts a session of a client of `network`. `since` is the id of the newest
   * message; `secure`: its token goes over TLS.
   *
   * @throws {ChatError} 119 if it cannot be stored; then there is none.
   */
  async begin(
    name: string,
    since: number,
    network: string,
    secure = false,
  ): Promise<ResumableSession> {
    const session: ResumableSession = {
      key: name.toLowerCase(),
      name,
      token: crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex(),
      since,
      rooms: new Map(),
      network,
      connection: undefined,
      host: undefined,
      goneAt: Infinity,
      secure,
      hasEnded: false,
    };
    await this.#table?.save(session);
    const before = this.newest(name);
    if (before) this.#drop(before);
    this.#makeWay(network);
    this.#hold(session);
    return session;
  }

  /** A client of `network` has the session from now on. */
  resume(
    session: ResumableSession,
    connection: ResumableSession["connection"],
    network: string,
  ): void {
    session.connection = connection;
    session.goneAt = Infinity;
    if (session.hasEnded) return;
    this.#drop(session);
    session.network = network;
    if (!this.newest(session.key)) this.#hold(session);
  }

  /**
   * Its token goes over a connection without TLS. Resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  async expose(session: ResumableSession): Promise<void> {
    if (!session.secure) return;
    session.secure = false;
    if (!session.hasEnded) await this.#table?.save(session);
  }

  /** The session has lost its connection at `now`, or got none. */
  lose(session: ResumableSession, now: number): void {
    session.connection = undefined;
    session.goneAt = now;
    if (this.#holds(session)) this.#shares.setIdle(session, true);
  }

  /** The session of that name, if `token` is its token. */
  find(name: string, token: string): ResumableSession | undefined {
    if (!TOKEN.test(token)) return undefined; // timingSafeEqual needs one length
    const session = this.newest(name);
    const same = session && !session.hasEnded &&
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
    // What has ended stays away from the table.
    if (left.length === 0 || session.hasEnded) return;
    await this.#table?.save(session).catch(unlessNotStored);
  }

  /**
   * Ends a session at once: its token is worth nothing any more. Resolves when
   * that is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored; then a restart brings the
   * session back, for {@linkcode RESUME_WINDOW_MS}.
   */
  end(session: ResumableSession): Promise<void> {
    return this.#endAll([session]);
  }

  /** Ends all sessions for which `isOver`, as {@linkcode end} does. */
  endThose(isOver: (session: ResumableSession) => boolean): Promise<void> {
    return this.#endAll(this.#sessions.values().filter(isOver).toArray());
  }

  /**
   * Ends the session of that name: it cannot be resumed. It is for a name that
   * gets another owner or another password.
   *
   * @throws {ChatError} 119 if that cannot be stored; then it has not ended.
   */
  async forget(name: string): Promise<void> {
    const session = this.newest(name);
    if (!session) return;
    await this.#table?.forget([session]);
    session.hasEnded = true;
    this.#drop(session);
  }

  /** Forgets the sessions whose time to resume is over. */
  forgetOld(now: number): void {
    const old = this.#sessions.values()
      .filter(({ goneAt }) => goneAt + RESUME_WINDOW_MS < now).toArray();
    this.#forgetAll(old);
  }

  async #endAll(sessions: readonly ResumableSession[]): Promise<void> {
    if (sessions.length === 0) return;
    for (const session of sessions) session.hasEnded = true;
    try {
      await this.#table?.forget(sessions);
    } finally {
      for (const session of sessions) this.#drop(session);
    }
  }

  /** Whether there is no newer one of the name by now. */
  #holds(session: ResumableSession): boolean {
    return this.#sessions.get(session.key) === session;
  }

  #hold(session: ResumableSession): void {
    this.#sessions.set(session.key, session);
    this.#shares.add(session);
  }

  #drop(session: ResumableSession): void {
    if (!this.#holds(session)) return;
    this.#sessions.delete(session.key);
    this.#shares.delete(session);
  }

  /** Forgets sessions without a connection, if there are any. */
  #makeWay(network: string): void {
    for (;;) {
      const [lost] = this.#shares.over(network)?.idle ?? [];
      if (!lost) return;
      this.#forgetAll([lost]);
    }
  }

  #forgetAll(sessions: readonly ResumableSession[]): void {
    if (sessions.length === 0) return;
    for (const session of sessions) this.#drop(session);
    // What cannot be stored now expires after the next start.
    this.#table?.forget(sessions).catch(unlessNotStored);
  }
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
      "INSERT OR REPLACE INTO visits VALUES (?,?,?,?,?,?)",
    );
    this.#forget = database.prepare(
      "DELETE FROM visits WHERE key = ? AND token = ?",
    );
  }

  /**
   * Those that were saved, and not forgotten; they were lost at `goneAt`.
   *
   * @throws {ChatError} 119 if the file is damaged.
   */
  load(goneAt: number): ResumableSession[] {
    const { damage } = this.#database;
    return this.#select.all().map((row) => ({
      key: String(row["key"]),
      name: String(row["key"]),
      token: String(row["token"]),
      since: Number(row["since"]),
      rooms: damage.readRow(() =>
        new Map<string, number>(JSON.parse(String(row["rooms"])))
      ),
      network: String(row["network"]),
      connection: undefined,
      host: undefined,
      goneAt,
      secure: Number(row["secure"]) === 1,
      hasEnded: false,
    }));
  }

  /**
   * Resolves when the session is stored as it is now, in the place of an earlier
   * one with its key.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  save(session: ResumableSession): Promise<void> {
    const { key, token, since, rooms, network } = session;
    const list = JSON.stringify([...rooms]); // as they are now
    const secure = session.secure ? 1 : 0;
    return this.#database.write(() => {
      this.#save.run(key, token, since, list, network, secure);
    });
  }

  /** Forgets sessions, unless they have another token by now. */
  forget(sessions: readonly ResumableSession[]): Promise<void> {
    return this.#database.write(() => {
      for (const { key, token } of sessions) this.#forget.run(key, token);
    });
  }
}
