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
import {
  type Beginning,
  besideOf,
  changeRooms,
  endedByDevice,
  freeDevice,
  MAX_DEVICES,
  type ResumableSession,
  type ResumableSessionTable,
  type SessionKeeper,
  type SessionOptions,
} from "./session_table.ts";

/** A session of another server is forgotten here so much later: it does that. */
const GRACE_MS = 60_000;

/** A session can be resumed for this time after its connection is lost. */
export const RESUME_WINDOW_MS = 5 * 60 * 1_000;

/** The same while another device of the account is connected. */
export const HELD_MS = 60 * 60 * 1_000;

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

/** All resumable sessions: one of a guest's name, and one of each device of an account. */
export class ResumableSessions implements SessionKeeper {
  readonly #server: string;
  readonly #sessions = new Map<string, ResumableSession[]>(); // the newest is last
  readonly #shares: Shares<ResumableSession>;
  readonly #table: ResumableSessionTable | undefined;
  readonly #moved: SessionOptions["moved"];
  readonly #goesOn: SessionOptions["goesOn"];

  /** Without a table they end with the process. */
  constructor(
    table?: ResumableSessionTable,
    { now = 0, limits = SESSION_LIMITS, server = "", isUp, ...told }:
      SessionOptions = {},
  ) {
    this.#server = server;
    this.#moved = told.moved;
    this.#goesOn = told.goesOn;
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
   * message.
   *
   * @throws {ChatError} 119 if it cannot be stored; 124 if the account has as many
   * devices as may be, and all are connected. Then there is none.
   */
  async begin(
    name: string,
    since: number,
    network: string,
    { secure = false, isBeside, address = "", client = "" }: Beginning = {},
  ): Promise<ResumableSession> {
    const token = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
    const entry: SessionEntry = {
      ...{ name, token, since, network, secure, address, client },
      ...{ server: this.#server, at: Date.now() },
      ...isBeside ? this.#besideOf(name) : {},
    };
    return await this.#table?.begin(entry) ?? this.#begunHere(entry);
  }

  /** See {@linkcode SessionKeeper}. */
  begun(entry: SessionEntry, device: number, own: boolean): ResumableSession {
    const { name, isBeside, gone } = entry;
    const others = this.all(name);
    const session: ResumableSession = {
      ...{ name, token: entry.token, since: entry.since, at: entry.at ?? 0 },
      ...{ network: entry.network, secure: entry.secure },
      // Entries of earlier versions do not have them.
      ...{ address: entry.address ?? "", client: entry.client ?? "" },
      server: entry.server,
      key: name.toLowerCase(),
      device,
      rooms: new Map(entry.isIn ? besideOf(others, entry.isIn)?.rooms : []),
      connection: undefined,
      host: undefined,
      goneAt: Infinity,
      hasEnded: false,
    };
    for (const other of others) {
      if (isBeside && other.token !== gone) continue;
      this.#drop(other);
      if (!own) other.connection?.end(signedInElsewhere());
    }
    if (own) this.#makeWay(session.network);
    this.#hold(session);
    return session;
  }

  /** See {@linkcode SessionKeeper}. */
  changed(
    entry: SessionChangedEntry,
    rooms: ReadonlyMap<string, number>,
  ): void {
    const session = this.#of(entry.key, entry.token);
    if (!session) return;
    const { connection } = session;
    this.#drop(session);
    Object.assign(session, { secure: entry.secure, network: entry.network });
    Object.assign(session, { server: entry.server, goneAt: Infinity });
    session.address = entry.address ?? "";
    session.rooms.clear();
    for (const [room, since] of rooms) session.rooms.set(room, since);
    this.#hold(session);
    if (entry.joined || entry.left) {
      for (const one of this.all(entry.key)) changeRooms(one.rooms, entry);
      this.#moved?.(session.key, entry);
    }
    if (entry.server === this.#server) return;
    session.connection = undefined;
    if (!connection) return;
    this.#goesOn?.(session.key);
    connection.end(signedInElsewhere());
  }

  /** See {@linkcode SessionKeeper}. */
  ended(key: string, token: string, error?: ChatError): void {
    const session = this.#of(key, token);
    if (!session) return;
    session.hasEnded = true;
    this.#drop(session);
    if (error) session.connection?.end(error);
  }

  /** Another server has lost the user of that name, who can resume for a while. */
  lostElsewhere(name: string, server: string, now: number): void {
    for (const session of this.all(name)) this.#lostBy(server, session, now);
  }

  /** Another server is gone, and has lost all its users. */
  serverLost(server: string, now: number): void {
    for (const session of this.#every()) {
      this.#lostBy(server, session, now);
    }
  }

  /**
   * This server has read all that it stored in earlier lives, and has no users yet:
   * they can resume for a while.
   */
  restarted(now: number): void {
    for (const session of this.#every()) {
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
    const { connection, network, rooms, address, client } = old;
    const known = { secure, isBeside: true, address, client };
    const session = await this.begin(name, since, network, known);
    session.connection = connection;
    for (const [room, id] of rooms) session.rooms.set(room, id);
    if (rooms.size > 0) await this.#store(session, { joined: [...rooms] });
    return session;
  }

  /** A client of `network` has the session from now on. */
  resume(
    session: ResumableSession,
    connection: ResumableSession["connection"],
    { network, address = "" }: { network: string; address?: string },
  ): void {
    const isMoved = session.server !== this.#server ||
      session.address !== address;
    session.address = address;
    session.connection = connection;
    session.goneAt = Infinity;
    session.server = this.#server;
    if (session.hasEnded) return;
    const isHeld = this.has(session);
    this.#drop(session);
    session.network = network;
    if (isHeld || !this.newest(session.key)) this.#hold(session);
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
    const wanted = encoder.encode(token);
    return this.all(name).find((session) =>
      !session.hasEnded &&
      timingSafeEqual(encoder.encode(session.token), wanted)
    );
  }

  /** The newest session of that name: a guest has one. */
  newest(name: string): ResumableSession | undefined {
    return this.all(name).at(-1);
  }

  /** All sessions of that name, one for each device. */
  all(name: string): readonly ResumableSession[] {
    return this.#sessions.get(name.toLowerCase()) ?? [];
  }

  /** Whether the session can still be resumed: there is no newer one in its place. */
  has(session: ResumableSession): boolean {
    return this.all(session.key).includes(session);
  }

  /**
   * Adds a room, and the id of the message since which the session, and those of
   * the other devices, are in it. A room that an earlier connection joined keeps its
   * id.
   *
   * @throws {ChatError} 119 if it cannot be stored; then it is not added.
   */
  async joined(
    session: ResumableSession,
    room: string,
    since: number,
  ): Promise<void> {
    const joined = [[room, since]] as const;
    const without = this.#with(session).filter(({ rooms }) => !rooms.has(room));
    if (without.length === 0) return;
    for (const { rooms } of without) changeRooms(rooms, { joined });
    try {
      await this.#store(session, { joined });
    } catch (error) {
      for (const { rooms } of without) rooms.delete(room);
      throw error;
    }
  }

  /** Removes rooms, of all devices, also if that cannot be stored. */
  async left(
    session: ResumableSession,
    rooms: readonly string[],
  ): Promise<void> {
    const left = rooms.filter((room) => session.rooms.has(room));
    for (const one of this.#with(session)) changeRooms(one.rooms, { left });
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
    return this.#endAll(this.#every().filter(isOver).toArray());
  }

  /**
   * Ends a session and its connection, for another device of its account.
   *
   * @throws {ChatError} 119 if that cannot be stored; then it has not ended.
   */
  async endByDevice(session: ResumableSession): Promise<void> {
    const { key, token } = session;
    await this.#table?.end({ sessions: [[key, token]], byDevice: true });
    this.ended(key, token, endedByDevice());
  }

  /**
   * Ends the sessions of that name: they cannot be resumed. It is for a name that
   * gets another owner or another password.
   *
   * @throws {ChatError} 119 if that cannot be stored; then they have not ended.
   */
  async forget(name: string): Promise<void> {
    const sessions = [...this.all(name)];
    if (sessions.length === 0) return;
    await this.#storeEnd(sessions);
    for (const session of sessions) {
      session.hasEnded = true;
      this.#drop(session);
    }
  }

  /** Forgets the sessions whose time to resume is over. */
  forgetOld(now: number): void {
    const old = this.#every()
      .filter((session) => this.#endOf(session) < now).toArray();
    this.#forgetAll(old);
  }

  #endOf(session: ResumableSession): number {
    if (session.goneAt === Infinity) return Infinity;
    const graceMs = this.#isElsewhere(session) ? GRACE_MS : 0;
    const others = this.all(session.key);
    const isHeld = others.some(({ goneAt }) => goneAt === Infinity);
    const windowMs = isHeld ? HELD_MS : RESUME_WINDOW_MS;
    return session.goneAt + windowMs + graceMs;
  }

  /** What the session of one more device of an account says of the others. */
  #besideOf(name: string): Pick<SessionEntry, "isBeside" | "isIn" | "gone"> {
    const sessions = this.all(name);
    const lost = sessions.filter(({ goneAt }) => goneAt < Infinity)
      .sort((a, b) => a.goneAt - b.goneAt);
    const isIn = sessions.find(({ goneAt }) => goneAt === Infinity)?.token;
    const isFull = sessions.length >= MAX_DEVICES;
    return { isBeside: true, isIn, gone: isFull ? lost[0]?.token : undefined };
  }

  #begunHere(entry: SessionEntry): ResumableSession {
    const stay = this.all(entry.name)
      .filter(({ token }) => token !== entry.gone);
    const used = stay.map(({ device }) => device);
    return this.begun(entry, entry.isBeside ? freeDevice(used) : 1, true);
  }

  /** The session and those of the other devices, also if it has ended. */
  #with(session: ResumableSession): readonly ResumableSession[] {
    const all = this.all(session.key);
    return all.includes(session) ? all : [session];
  }

  #of(key: string, token: string): ResumableSession | undefined {
    return this.all(key).find((one) => one.token === token);
  }

  *#every(): Generator<ResumableSession> {
    for (const sessions of this.#sessions.values()) yield* sessions;
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
    if (this.has(session)) this.#shares.setIdle(session, true);
  }

  /** Resolves when it is stored as it is now, with these rooms more, or less. */
  async #store(
    { key, token, network, secure, server, address }: ResumableSession,
    rooms: Pick<SessionChangedEntry, "joined" | "left"> = {},
  ): Promise<void> {
    const entry = { key, token, network, secure, server, address };
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

  #hold(session: ResumableSession): void {
    const all = this.#sessions.get(session.key);
    if (all) all.push(session);
    else this.#sessions.set(session.key, [session]);
    this.#shares.add(session);
  }

  #drop(session: ResumableSession): void {
    const all = this.#sessions.get(session.key) ?? [];
    const at = all.indexOf(session);
    if (at < 0) return;
    all.splice(at, 1);
    if (all.length === 0) this.#sessions.delete(session.key);
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
