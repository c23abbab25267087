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
} from "../protocol.ts";
import type { Command } from "./command.ts";
import { hostOf } from "./classic.ts";
import type { Connection, Ending } from "./connection.ts";
import type { Context, Session } from "./context.ts";
import type { User } from "./hub.ts";
import {
  answerUnsent,
  COMMANDS,
  send,
  sendAgain,
  sendDrafts,
} from "./requests.ts";
import { nextTurn, TURN_MS } from "./tasks.ts";
import type { Visit } from "./visits.ts";

/**
 * One session, from the first byte to the last. What a peer does wrong ends in
 * here; what this throws is a bug of ours.
 */
export async function serve(
  connection: Connection,
  context: Context,
): Promise<void> {
  await using _hangingUp = connection;
  const session: Session = {
    connection,
    openedAt: context.now(),
    user: undefined,
    account: undefined,
    login: undefined,
    visit: undefined,
    caughtUp: false,
    classic: undefined,
    bare: false,
    drafts: [],
    draftedWords: undefined,
    pingedAt: -Infinity,
    pingedId: undefined,
    confirmedId: 0,
    writtenBefore: 0,
    turnAt: context.now(),
    gone: false,
  };
  connection.onEnd = () => sayGoodbye(session, context);
  context.sessions.add(session);
  const way = connection.way === "TCP" ? "" : ` over ${connection.way}`;
  context.log(`<${connection.remote}> connected${way}`);
  refuseBanned(session, context);
  try {
    for await (const batch of connection) {
      const now = context.now();
      if (now - connection.heardAt > 1) session.turnAt = now; // it had paused
      connection.heardAt = now;
      for (const item of batch) {
        if (session.gone) continue; // thrown away
        const pending = take(session, context, item);
        if (pending) await pending;
      }
      if (session.drafts.length > 0 && !session.gone) {
        await sendDrafts(session, context);
      }
      await connection.outbox.room();
      connection.heardAt = context.now(); // it was us who were busy
      if (connection.heardAt - session.turnAt > TURN_MS) {
        await endTurn(session, context);
      }
    }
    connection.end("connection closed");
  } catch (bug) {
    connection.end("server error");
    throw bug;
  } finally {
    context.sessions.delete(session);
  }
}

/** Ends the connection if it is from an address that is banned. */
function refuseBanned(session: Session, { bans }: Context): void {
  const value = hostOf(session.connection.remote);
  const refusal = bans.refusal({ kind: "address", value });
  if (refusal) refuse(session, refusal);
}

/** Pings who is silent, and ends who stays so; to be called once a second. */
export function checkSilence(session: Session, context: Context): void {
  const { connection, user, classic, openedAt } = session;
  const { registerWithinMs, pingAfterMs, idleAfterMs } = context.settings;
  const now = context.now();
  if (connection.outbox.written > session.writtenBefore) {
    // Who takes a long answer is there, though we do not read meanwhile.
    session.writtenBefore = connection.outbox.written;
    if (connection.outbox.behind) connection.heardAt = now;
  }
  const silence = now - connection.heardAt;
  if (!user) {
    if (classic?.user.user) return; // the course's protocol has no PING
    if (now - openedAt < (classic ? idleAfterMs : registerWithinMs)) return;
    refuse(session, idle("no registration", now - openedAt));
  } else if (silence >= idleAfterMs) {
    refuse(session, idle("no frame and no PONG", silence));
  } else if (silence >= pingAfterMs && session.pingedAt < connection.heardAt) {
    ping(session, context);
  } else if (now - session.pingedAt >= pingAfterMs) {
    // It is not silent, but only a PONG says what an account has received.
    if (hasUnconfirmed(session, context)) ping(session, context);
  }
}

function hasUnconfirmed(session: Session, { journal }: Context): boolean {
  const { account, pingedId, confirmedId } = session;
  return account !== undefined && pingedId === undefined &&
    journal.lastId > confirmedId;
}

function ping(session: Session, { journal, now }: Context): void {
  session.pingedAt = now();
  if (session.caughtUp) session.pingedId ??= journal.lastId;
  session.connection.outbox.answer(PING);
}

const PING = encode("PING");

function idle(what: string, forMs: number): ChatError {
  const seconds = Math.round(forMs / 1_000);
  return new ChatError(
    116,
    `Cannot keep the connection: ${what} for ${seconds} seconds`,
  );
}

/** Sees to one frame. Only what has to wait returns a promise. */
function take(
  session: Session,
  context: Context,
  item: Frame | ChatError,
): Promise<void> | undefined {
  if (item instanceof ChatError) {
    return settle(session, context, () => {
      throw item;
    });
  }
  if (sendAgain(session, item)) return undefined;
  if (session.classic) {
    return settle(session, context, () => classicAnswer(session, item), item);
  }
  try {
    const command = gate(session, item);
    if (command.run !== send) {
      return settle(session, context, command.run, item);
    }
    send(session, context, item);
    return undefined;
  } catch (error) {
    return settle(
      session,
      context,
      () => answerUnsent(session, context, item, error),
      item,
    );
  }
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
  if (context.now() - session.turnAt > TURN_MS) await endTurn(session, context);
}

/**
 * Lets everybody else have a turn. What is there at once is read and written
 * without one: a peer with much to ask could go on for ever.
 */
async function endTurn(session: Session, { now }: Context): Promise<void> {
  await nextTurn();
  session.turnAt = now();
}

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
  const { connection, visit, classic } = session;
  const reason = inWords(connection.ending);
  const user = session.user ?? classic?.user.user;
  if (classic) context.classics.remove(classic.user, reason);
  if (visit) {
    visit.goneAt = context.now();
    visit.connection = undefined;
    if (user) dropRooms(user, visit, context);
  }
  const left = user ? context.hub.exit(user, reason) : [];
  for (const room of left) {
    context.log(`${user?.name} left room [${room.name.slice(1)}]`);
  }
  const name = user ? ` ${user.name}` : "";
  context.log(`<${connection.remote}>${name} disconnected: ${reason}`);
}

/** Drops rooms of earlier connections, unless it had yet to enter any. */
function dropRooms(user: User, visit: Visit, { visits }: Context): void {
  if (user.rooms.size === 0) return;
  const names = new Set(Array.from(user.rooms.keys(), ({ name }) => name));
  const dropped = [...visit.rooms.keys()].filter((name) => !names.has(name));
  visits.left(visit, dropped);
}

function inWords(ending: Ending | undefined): string {
  if (ending instanceof ChatError) return ERRORS[ending.code].toLowerCase();
  return ending ?? "server error";
}
