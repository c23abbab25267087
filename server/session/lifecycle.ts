/**
 * How a session begins and ends: it is counted and logged, and its user goes
 * offline with it; and the timer that ends sessions of clients that are gone.
 *
 * @module
 */
import { ChatError, encode, ERRORS } from "../../protocol.ts";
import { logLeft, type User } from "../chat/user.ts";
import { type Connection, type Ending, hostOf } from "../net/connection.ts";
import { type Context, Session, type State } from "./session.ts";
import { release } from "./register.ts";
import type { Registered } from "./sender.ts";

/** Opens the session of a connection; refuses it if it is over a limit. */
export function openSession(
  connection: Connection,
  context: Context,
): Session {
  const { limits, now, sessions } = context;
  const limited = limits.connectionFrom(hostOf(connection.remote), now());
  const session = new Session(connection, limited, now());
  connection.onEnd = () => end(session, context);
  sessions.add(session);
  admit(session, context);
  return session;
}

/** Closes a session whose connection is over. */
export function closeSession(
  session: Session,
  { limits, sessions }: Context,
): void {
  sessions.delete(session);
  if (session.admitted) limits.leave(session);
}

/** Counts the connection, or ends it. */
function admit(session: Session, context: Context): void {
  const { bans, limits, log, now } = context;
  const { remote, transport } = session.connection;
  try {
    limits.enter(session, now());
    session.admitted = true;
    const over = transport === "TCP" ? "" : ` over ${transport}`;
    log(`<${remote}> connected${over}`);
    const value = hostOf(remote);
    const banned = bans.refusal({ kind: "address", value });
    if (banned) session.refuse(banned);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    context.logThrottled(`Refused <${remote}>: ${error.message}`);
    session.refuse(error);
  }
}

/** Limit of refused connections that wait until the client has read why. */
const MAX_REFUSED = 100;

/** Whether a connection that was refused is closed at once. */
export function hasManyRefused({ sessions, limits }: Context): boolean {
  return sessions.size - limits.connections > MAX_REFUSED;
}

/** Ends the session: its user goes offline, and its token can be used. */
function end(session: Session, context: Context): void {
  const { connection, pace, state } = session;
  pace.stop();
  if (!session.admitted) return;
  const reason = inWords(connection.ending);
  release(session, context);
  if (state.type === "two-socket") {
    context.twoSocketUsers.remove(state.user, reason);
  }
  if (state.type === "registered") startResumeWindow(state, context);
  const user = userOf(state);
  for (const room of user ? context.hub.exit(user, reason) : []) {
    logLeft(user!, room.name, context); // there is one, or no room
  }
  const name = user ? ` ${user.name}` : "";
  context.log(`<${connection.remote}>${name} disconnected: ${reason}`);
}

function startResumeWindow(
  { user, resumable }: Registered,
  context: Context,
): void {
  resumable.goneAt = context.now();
  resumable.connection = undefined;
  // Rooms of an earlier connection are dropped, unless none was joined yet.
  if (user.rooms.size > 0) {
    const names = new Set(Array.from(user.rooms.keys(), ({ name }) => name));
    const dropped = resumable.rooms.keys().filter((name) => !names.has(name));
    context.resumables.left(resumable, [...dropped]);
  }
}

function userOf(state: State): User | undefined {
  if (state.type === "new") return undefined;
  return state.type === "registered" ? state.user : state.user.user;
}

function inWords(ending: Ending | undefined): string {
  if (ending instanceof ChatError) return ERRORS[ending.code].toLowerCase();
  return ending ?? "server error";
}

/** Number of checks in a second; each connection is in one of them. */
const CHECKS = 10;

/** From one check to the next, in milliseconds. */
export const CHECK_EVERY_MS = 1_000 / CHECKS;

/** A check that is so late was delayed by this computer, in milliseconds. */
const STOOD_STILL_MS = 5_000;

/**
 * Checks all connections once a second: idle clients are sent PING, and clients
 * that stay idle or stop reading are disconnected.
 *
 * The checks are spread over the second. With many connections one check of all
 * would delay the clients that chat, and all that are disconnected in one moment
 * would also reconnect in one.
 */
export class KeepaliveTimer {
  readonly #context: Context;
  #checkedAt: number;
  #checks = 0;

  /** For the sessions of `context`. */
  constructor(context: Context) {
    this.#context = context;
    this.#checkedAt = context.now();
  }

  /** Checks the connections of this moment; every {@linkcode CHECK_EVERY_MS}. */
  check(): void {
    const now = this.#context.now();
    const late = now - this.#checkedAt - CHECK_EVERY_MS;
    this.#checkedAt = now;
    if (late >= STOOD_STILL_MS) this.#restartAll(now);
    const moment = this.#checks++ % CHECKS;
    for (const session of this.#context.sessions) {
      if (Math.floor(session.keepalive.phase * CHECKS) === moment) {
        check(session, this.#context);
      }
    }
  }

  #restartAll(now: number): void {
    for (const { connection, keepalive } of this.#context.sessions) {
      connection.idleSince = now;
      keepalive.restart(now);
    }
  }
}

function check(session: Session, context: Context): void {
  const { connection, keepalive, state } = session;
  const todo = keepalive.check(connection, {
    progress: session.progress,
    settings: context.settings,
    now: context.now(),
  });
  if (todo instanceof ChatError) return refuseInTurn(session, context, todo);
  if (todo === undefined || state.type !== "registered") return;
  const { lastId } = context.journal;
  const confirms = state.account && keepalive.isUnconfirmed(lastId);
  if (todo === "confirm" && !confirms) return;
  keepalive.pinged(context.now(), state.caughtUp ? lastId : undefined);
  connection.outbox.answer(PING);
}

/**
 * Refuses with an error that closes. Like a registration that takes time, and
 * many may be due in one moment: clients that chat do not wait for all of them.
 */
function refuseInTurn(
  session: Session,
  { admission }: Context,
  error: ChatError,
): void {
  const turn = admission.pass();
  if (turn) turn.then(() => session.refuse(error));
  else session.refuse(error);
}

const PING = encode("PING");
