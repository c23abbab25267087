/**
 * Resumable sessions: what stays of a user's connection for a while after it is
 * gone. With the resume token the user takes the name back and receives what
 * was missed. A user who logs out, and a ban, end it before.
 *
 * With a table they survive a restart: then nothing is answered before it is
 * stored. Without one they end with the process. With several servers, each knows
 * the sessions of all; a session can be resumed on any of them.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { ChatError } from "../../protocol.ts";
import type { SessionChangedEntry, SessionEntry } from "../journal/entries.ts";
import { type ShareLimits, Shares } from "../chat/shares.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import type {
  ResumableSession,
  ResumableSessionTable,
  SessionKeeper,
} from "./session_table.ts";

/** A session of another server is forgotten here so much later: it does that. */
const GRACE_MS = 60_000;

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

/** Settings of {@linkcode ResumableSessions}. */
export interface SessionOptions {
  /** The time by the server's clock. Stored sessions count as lost then. */
  readonly now?: number;
  readonly limits?: ShareLimits;
  /** The name of this server among several; empty if there is one. */
  readonly server?: string;
  /** Whether another server has its stored sessions now. */
  isUp?(server: string): boolean;
}

/** All resumable sessions. Of one name, only the newest is kept. */
export class ResumableSessions implements SessionKeeper {
  readonly #server: string;
  readonly #sessions = new Map<string, ResumableSession>();
  readonly #shares: Shares<ResumableSession>;
  readonly #table: ResumableSessionTable | undefined;

  /** Without a table they end with the process. */
  constructor(
    table?: ResumableSessionTable,
    { now = 0, limits = SESSION_LIMITS, server = "", isUp }: SessionOptions =
      {},
  ) {
    this.#server = server;
    this.#table = table;
    this.#shares = new Shares(limits);
    table?.connect(this);
    for (const session of table?.load(now) ?? []) {
      const isElsewhere = session.server !== server && isUp?.(session.server);
      if (isElsewhere) session.goneAt = Infinity;
      this.#hold(session);
      this.#shares.setIdle(session, !isElsewhere);
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
    const token = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
    const server = this.#server;
    const entry = { name, token, since, network, secure, server };
    return await this.#table?.begin(entry) ?? this.begun(entry, true);
  }

  /** See {@linkcode SessionKeeper}. */
  begun(entry: SessionEntry, own: boolean): ResumableSession {
    const session: ResumableSession = {
      ...entry,
      key: entry.name.toLowerCase(),
      rooms: new Map(),
      connection: undefined,
      host: undefined,
      goneAt: Infinity,
      hasEnded: false,
    };
    const before = this.newest(session.key);
    if (before) this.#drop(before);
    if (own) this.#makeWay(session.network);
    else before?.connection?.end(signedInElsewhere());
    this.#hold(session);
    return session;
  }

  /** See {@linkcode SessionKeeper}. */
  changed(
    entry: SessionChangedEntry,
    rooms: ReadonlyMap<string, number>,
  ): void {
    const session = this.newest(entry.key);
    if (session?.token !== entry.token) return;
    const { connection } = session;
    this.#drop(session);
    Object.assign(session, { secure: entry.secure, network: entry.network });
    Object.assign(session, { server: entry.server, goneAt: Infinity });
    session.rooms.clear();
    for (const [room, since] of rooms) session.rooms.set(room, since);
    this.#hold(session);
    if (entry.server === this.#server) return;
    session.connection = undefined;
    connection?.end(signedInElsewhere());
  }

  /** See {@linkcode SessionKeeper}. */
  ended(key: string, token: string): void {
    const session = this.newest(key);
    if (session?.token !== token) return;
    session.hasEnded = true;
    this.#drop(session);
  }

  /** Another server has lost the user of that name, who can resume for a while. */
  lostElsewhere(name: string, server: string, now: number): void {
    const session = this.newest(name);
    if (session) this.#lostBy(server, session, now);
  }

  /** Another server is gone, and has lost all its users. */
  serverLost(server: string, now: number): void {
    for (const session of this.#sessions.values()) {
      this.#lostBy(server, session, now);
    }
  }

  /**
   * This server has read all that it stored in earlier lives, and has no users yet:
   * they can resume for a while.
   */
  restarted(now: number): void {
    for (const session of this.#sessions.values()) {
      const isOwn = session.server === this.#server;
      if (isOwn && session.goneAt === Infinity) this.#lost(session, now);
    }
  }

  /**
   * Gives a session another token, as a session that begins now in the place of
   * `old`, whose token is worth nothing any more. Its connection and rooms stay.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  async renew(
    old: ResumableSession,
    { name, since, secure }: Pick<
      ResumableSession,
      "name" | "since" | "secure"
    >,
  ): Promise<ResumableSession> {
    await this.end(old);
    const { connection, network, rooms } = old;
    const session = await this.begin(name, since, network, secure);
    session.connection = connection;
    for (const [room, id] of rooms) session.rooms.set(room, id);
    if (rooms.size > 0) await this.#store(session, { joined: [...rooms] });
    return session;
  }

  /** A client of `network` has the session from now on. */
  resume(
    session: ResumableSession,
    connection: ResumableSession["connection"],
    network: string,
  ): void {
    const isMoved = session.server !== this.#server;
    session.connection = connection;
    session.goneAt = Infinity;
    session.server = this.#server;
    if (session.hasEnded) return;
    this.#drop(session);
    session.network = network;
    if (!this.newest(session.key)) this.#hold(session);
    if (isMoved) this.#store(session).catch(unlessNotStored);
  }

  /**
   * Its token goes over a connection without TLS. Resolves when that is stored.
   *
   * @throws {ChatError} 119 if it cannot be stored.
   */
  async expose(session: ResumableSession): Promise<void> {
    if (!session.secure) return;
    session.secure = false;
    if (!session.hasEnded) await this.#store(session);
  }

  /** The session has lost its connection at `now`, or got none. */
  lose(session: ResumableSession, now: number): void {
    // Another server may have it by now.
    if (!this.#isElsewhere(session)) this.#lost(session, now);
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
      await this.#store(session, { joined: [[room, since]] });
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
    await this.#store(session, { left }).catch(unlessNotStored);
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
    await this.#storeEnd([session]);
    session.hasEnded = true;
    this.#drop(session);
  }

  /** Forgets the sessions whose time to resume is over. */
  forgetOld(now: number): void {
    const old = this.#sessions.values()
      .filter((session) => this.#endOf(session) < now).toArray();
    this.#forgetAll(old);
  }

  #endOf(session: ResumableSession): number {
    const graceMs = this.#isElsewhere(session) ? GRACE_MS : 0;
    return session.goneAt + RESUME_WINDOW_MS + graceMs;
  }

  #isElsewhere({ server }: ResumableSession): boolean {
    return server !== this.#server;
  }

  #lostBy(server: string, session: ResumableSession, now: number): void {
    const isThere = session.server === server && session.goneAt === Infinity;
    if (isThere && server !== this.#server) this.#lost(session, now);
  }

  #lost(session: ResumableSession, now: number): void {
    session.connection = undefined;
    session.goneAt = now;
    if (this.#holds(session)) this.#shares.setIdle(session, true);
  }

  /** Resolves when it is stored as it is now, with these rooms more, or less. */
  async #store(
    { key, token, network, secure, server }: ResumableSession,
    rooms: Pick<SessionChangedEntry, "joined" | "left"> = {},
  ): Promise<void> {
    const entry = { key, token, network, secure, server };
    await this.#table?.change({ ...entry, ...rooms });
  }

  async #storeEnd(ended: readonly ResumableSession[]): Promise<void> {
    const sessions = ended.map(({ key, token }) => [key, token] as const);
    await this.#table?.end({ sessions });
  }

  async #endAll(sessions: readonly ResumableSession[]): Promise<void> {
    if (sessions.length === 0) return;
    for (const session of sessions) session.hasEnded = true;
    try {
      await this.#storeEnd(sessions);
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
    this.#storeEnd(sessions).catch(unlessNotStored);
  }
}

const encoder = new TextEncoder();

/** The error for a connection whose user has another one now. */
export function signedInElsewhere(): ChatError {
  return new ChatError(117, "Cannot stay connected: you signed in elsewhere");
}
