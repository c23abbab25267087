/**
 * One peer's visit: its frames in their order, the gate before what may be
 * asked, and what becomes of it all when the connection ends.
 *
 * Requests are answered in their order. SENDs that arrive together are stored
 * and forwarded together, which is where the speed comes from; whatever else
 * arrives waits until they are.
 *
 * @module
 */
import {
  ChatError,
  encode,
  encodeError,
  ERRORS,
  type Frame,
  startLine,
} from "../../protocol.ts";
import type { Command } from "./command.ts";
import { hostOf } from "./two_socket.ts";
import type { Connection, Ending } from "../net/connection.ts";
import type { Context, Session } from "./context.ts";
import { release } from "./register.ts";
import type { User } from "../chat/user.ts";
import { MAX_WAIT_MS, overRate } from "../limits/limits.ts";
import { Progress } from "../net/slow_consumer.ts";
import {
  answerUnsent,
  COMMANDS,
  logLeft,
  send,
  sendAgain,
  sendDrafts,
} from "./requests.ts";
import { nextTurn, TURN_MS } from "../net/turns.ts";
import type { ResumableSession } from "../accounts/resume_tokens.ts";

/**
 * One session, from the first byte to the last. What a peer does wrong ends in
 * here; what this throws is a bug of ours.
 */
export async function serve(
  connection: Connection,
  context: Context,
): Promise<void> {
  await using _hangingUp = connection;
  const session = newSession(connection, context);
  connection.onEnd = () => sayGoodbye(session, context);
  context.sessions.add(session);
  admit(session, context);
  try {
    if (!session.counted && hasManyFarewells(context)) return;
    for await (const batch of connection) {
      await seeTo(session, context, batch);
    }
    connection.end("connection closed");
  } catch (bug) {
    connection.end("server error");
    throw bug;
  } finally {
    context.sessions.delete(session);
    if (session.counted) context.limits.leave(session.pace);
  }
}

function newSession(
  connection: Connection,
  { limits, now }: Context,
): Session {
  return {
    connection,
    pace: limits.paceOf(hostOf(connection.remote), now()),
    counted: false,
    openedAt: now(),
    inLine: false,
    lookAt: Math.random(),
    user: undefined,
    account: undefined,
    login: undefined,
    reserved: undefined,
    visit: undefined,
    caughtUp: false,
    classic: undefined,
    bare: false,
    drafts: [],
    draftedWords: undefined,
    pingedAt: -Infinity,
    pingedId: undefined,
    confirmedId: 0,
    progress: new Progress(now()),
    turnAt: now(),
    refusal: undefined,
    wake: undefined,
    gone: false,
  };
}

/** Counts the connection, or ends it. */
function admit(session: Session, context: Context): void {
  const { bans, limits, log, now } = context;
  const { pace, connection: { remote, way } } = session;
  try {
    limits.enter(pace, now());
    session.counted = true;
    const over = way === "TCP" ? "" : ` over ${way}`;
    log(`<${remote}> connected${over}`);
    const value = hostOf(remote);
    const banned = bans.refusal({ kind: "address", value });
    if (banned) refuse(session, banned);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    context.logThrottled(`Let <${remote}> not in: ${error.message}`);
    refuse(session, error);
  }
}

/** So many who were not let in are waited for, until they have heard why. */
const MAX_FAREWELLS = 100;

function hasManyFarewells({ sessions, limits }: Context): boolean {
  return sessions.size - limits.connections > MAX_FAREWELLS;
}

/** Sees to what one read has held. */
async function seeTo(
  session: Session,
  context: Context,
  batch: Iterable<Frame | ChatError>,
): Promise<void> {
  const { connection, pace } = session;
  const now = context.now();
  if (now - connection.heardAt > 1) session.turnAt = now; // it had paused
  connection.heardAt = now;
  for (const item of batch) {
    if (session.gone) continue; // thrown away
    const pending = take(session, context, item);
    if (pending) await pending;
  }
  pace.countRead(connection.received, now);
  if (session.drafts.length > 0 && !session.gone) {
    await sendDrafts(session, context);
  }
  if (connection.outbox.behind) await connection.outbox.room();
  connection.heardAt = context.now(); // it was us who were busy
  if (pace.owes(connection.heardAt)) await slowDown(session, context);
  if (connection.heardAt - session.turnAt > TURN_MS) {
    await endTurn(session, context);
  }
}

/** Sees to one frame. Only what has to wait returns a promise. */
function take(
  session: Session,
  context: Context,
  item: Frame | ChatError,
): Promise<void> | undefined {
  const { pace } = session;
  if (item instanceof ChatError) return turnDown(session, context, item);
  const refusal = session.refusal && refusalOf(session, context, item);
  if (refusal) return turnDown(session, context, refusal, item);
  if (sendAgain(session, item)) return messageTaken(session, context);
  if (session.classic) {
    pace.count("messages", 1, context.now());
    return settle(session, context, () => classicAnswer(session, item), item);
  }
  try {
    const command = gate(session, item);
    if (command.run !== send) {
      const { kind = "requests", cost = 1 } = command;
      pace.count(kind, cost, context.now());
      return settle(session, context, command.run, item);
    }
    send(session, context, item);
    return messageTaken(session, context);
  } catch (error) {
    pace.count("requests", 1, context.now());
    return settle(
      session,
      context,
      () => answerUnsent(session, context, item, error),
      item,
    );
  }
}

/** Refuses a frame, which counts as a request whatever it was to be. */
function turnDown(
  session: Session,
  context: Context,
  error: ChatError,
  frame?: Frame,
): Promise<void> {
  session.pace.count("requests", 1, context.now());
  return settle(session, context, () => {
    throw error;
  }, frame);
}

/** Answers a frame, or refuses it, after the SENDs before it are answered. */
async function settle(
  session: Session,
  context: Context,
  run: Command["run"],
  frame: Frame = NO_FRAME,
): Promise<void> {
  if (session.drafts.length > 0) await sendDrafts(session, context);
  if (session.gone) return; // meanwhile: nothing may bring it back
  try {
    const answer = await run(session, context, frame);
    if (answer) session.connection.outbox.answer(answer);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    refuse(session, error, frame);
  }
  await session.connection.outbox.room();
  const now = context.now();
  if (session.pace.owes(now)) await slowDown(session, context);
  if (now - session.turnAt > TURN_MS) await endTurn(session, context);
}

/** Why the frame is refused, if it is one of too many from its address. */
function refusalOf(
  session: Session,
  context: Context,
  { verb }: Frame,
): ChatError | undefined {
  const now = context.now();
  if (!isRefused(session, now) || NEVER_REFUSED.has(verb)) return undefined;
  const { debt, until } = session.refusal!; // looked at above
  return overRate({ ...debt, waitMs: until - now });
}

/** Counts a message that was drafted. */
function messageTaken(
  session: Session,
  context: Context,
): Promise<void> | undefined {
  const { connection, pace } = session;
  const kept = pace.countMessage(connection.heardAt); // which is about now
  return kept ? undefined : slowDown(session, context);
}

/**
 * Lets everybody else have a turn. What is there at once is read and written
 * without one: a peer with much to ask could go on for ever.
 */
async function endTurn(session: Session, { now }: Context): Promise<void> {
  await nextTurn();
  session.turnAt = now();
}

/**
 * Waits until the peer is within its rates again, with what it sent so far
 * seen to. If its address is over them for long, requests are refused instead:
 * whoever waits in silence is taken for dead.
 */
async function slowDown(session: Session, context: Context): Promise<void> {
  const { connection, pace, classic } = session;
  if (session.drafts.length > 0) await sendDrafts(session, context);
  while (!session.gone) {
    const now = context.now();
    connection.heardAt = session.turnAt = now; // it is us who make it wait
    const debt = pace.addressOwes(now);
    if (debt.waitMs > MAX_WAIT_MS && !classic) { // those know no 108
      session.refusal ??= { debt, until: now + debt.waitMs };
    }
    // Who acknowledges late would be taken for dead, because of others.
    const exempt = isRefused(session, now) || classic?.role === "TORECV";
    const waitMs = Math.max(pace.waitMs(now), exempt ? 0 : debt.waitMs);
    if (waitMs === 0) return;
    const pauseMs = Math.min(Math.max(waitMs, PAUSE_MS), MAX_WAIT_MS);
    await pause(session, context, pauseMs);
  }
}

/** Waits, and no longer than the session lasts. */
async function pause(
  session: Session,
  context: Context,
  ms: number,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  session.wake = resolve;
  using _timer = context.after(ms, resolve);
  await promise;
  session.wake = undefined;
}

/** At least so long a peer is paused: to wake up for each frame costs more. */
const PAUSE_MS = 100;

/**
 * Whether requests are refused, which goes on for as long as the first one was
 * told: or what is sent after it would overtake it.
 */
function isRefused(session: Session, now: number): boolean {
  if (session.refusal && now >= session.refusal.until) {
    session.refusal = undefined;
  }
  return session.refusal !== undefined;
}

/** What costs little, and keeps or ends a connection. */
const NEVER_REFUSED = new Set(["PING", "PONG", "LOGOUT"]);

const NO_FRAME: Frame = {
  verb: "",
  args: [],
  headers: [],
  body: new Uint8Array(),
};

/** Says `error`, as the answer to `frame` if there is one, and ends if it ends. */
export function refuse(
  session: Session,
  error: ChatError,
  frame: Frame = NO_FRAME,
): void {
  const answer = session.bare
    ? encode("ERROR", [`${error.code}`, ERRORS[error.code]])
    : encodeError(error, startLine(frame) || undefined);
  if (error.closes) session.connection.end(error, answer);
  else session.connection.outbox.answer(answer);
}

/** A word that a peer chose is found faster here than among properties. */
const BY_VERB: ReadonlyMap<string, Command> = new Map(Object.entries(COMMANDS));

/** Checks what every command requires, in one place. */
function gate(session: Session, frame: Frame): Command {
  const command = BY_VERB.get(frame.verb);
  if (!command) {
    throw new ChatError(
      105,
      `Cannot do that: known are ${[...BY_VERB.keys()].join(", ")}`,
    );
  }
  const [least, most] = command.words;
  if (frame.args.length < least || frame.args.length > most) {
    throw new ChatError(
      105,
      `Cannot do that: ${frame.verb} with ${frame.args.length} words after it`,
    );
  }
  if (!session.user && !command.open) {
    throw new ChatError(101, "Cannot do that before REGISTER");
  }
  return command;
}

function classicAnswer(
  { classic }: Session,
  frame: Frame,
): Promise<Uint8Array | undefined> {
  if (classic?.role === "TOSEND") return classic.user.fromSender(frame);
  classic?.user.fromReceiver(frame);
  return Promise.resolve(undefined);
}

/** Takes whoever this was out of everything. */
function sayGoodbye(session: Session, context: Context): void {
  session.gone = true;
  session.wake?.();
  if (!session.counted) return; // it never was here
  const { connection, visit, classic } = session;
  const reason = inWords(connection.ending);
  const user = session.user ?? classic?.user.user;
  if (classic) context.twoSocketUsers.remove(classic.user, reason);
  release(session, context);
  if (visit) {
    visit.goneAt = context.now();
    visit.connection = undefined;
    if (user) dropRooms(user, visit, context);
  }
  if (user) {
    for (const room of context.hub.exit(user, reason)) {
      logLeft(user, room.name, context);
    }
  }
  const name = user ? ` ${user.name}` : "";
  context.log(`<${connection.remote}>${name} disconnected: ${reason}`);
}

/** Drops rooms of earlier connections, unless it had yet to enter any. */
function dropRooms(
  user: User,
  visit: ResumableSession,
  { visits }: Context,
): void {
  if (user.rooms.size === 0) return;
  const names = new Set(Array.from(user.rooms.keys(), ({ name }) => name));
  const dropped = [...visit.rooms.keys()].filter((name) => !names.has(name));
  visits.left(visit, dropped);
}

function inWords(ending: Ending | undefined): string {
  if (ending instanceof ChatError) return ERRORS[ending.code].toLowerCase();
  return ending ?? "server error";
}
