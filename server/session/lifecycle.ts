/**
 * How a session begins and ends: it is counted and logged, and its user goes
 * offline with it.
 *
 * @module
 */
import { ChatError, ERRORS } from "../../protocol.ts";
import type { User } from "../chat/user.ts";
import { type Connection, type Ending, hostOf } from "../net/connection.ts";
import { type Context, Session, type State } from "./session.ts";
import { release } from "./register.ts";
import type { Registered } from "./sender.ts";

/** Limit of refused connections that wait until the client has read why. */
const MAX_REFUSED = 100;

/** The same for those of one address. */
export const MAX_REFUSED_PER_ADDRESS = 20;

/** Opens the session of a connection: counts it, or refuses it. */
export function openSession(
  connection: Connection,
  context: Context,
): Session {
  const { bans, limits, now, sessions } = context;
  const { remote, transport } = connection;
  const host = hostOf(remote);
  const limited = limits.connectionFrom(host, now());
  const session = new Session(connection, limited, now());
  connection.onEnd = () => end(session, context);
  if (transport === "TLS") {
    connection.onTurn = (turn) => void session.wait(turn, now);
  }
  sessions.add(session);
  try {
    limits.enter(session, now());
    session.admitted = true;
    const over = transport === "TCP" ? "" : ` over ${transport}`;
    context.log(`<${remote}> connected${over}`, remote);
    const banned = bans.loaded?.refusal({ kind: "address", value: host });
    if (banned) session.refuse(banned);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    context.logThrottled(`Refused <${remote}>: ${error.message}`);
    // Over TLS, to say why needs a handshake, which takes longer than all else.
    const isTold = transport === "TCP" || session.address.countRefusal(now());
    if (isTold) session.refuse(error);
    else connection.end("refused");
  }
  return session;
}

/** Whether a refused connection waits until the client has read why. */
export function mayWait(
  { address, connection }: Session,
  { limits, sessions }: Context,
): boolean {
  return connection.ending instanceof ChatError && // it is told
    address.refused <= MAX_REFUSED_PER_ADDRESS &&
    sessions.size - limits.connections <= MAX_REFUSED;
}

/** Ends the session: its user goes offline, and its token can be used. */
function end(session: Session, context: Context): void {
  const { connection, pace, state } = session;
  pace.debts.stop();
  if (!session.admitted) return;
  const reason = inWords(connection.ending);
  release(session, context);
  session.claim?.[Symbol.dispose]();
  if (state.type === "two-socket") {
    context.twoSocketUsers.loaded?.remove(state.user, reason);
  }
  if (state.type === "registered") startResumeWindow(state, context);
  const user = userOf(state);
  if (user) leave(user, session, context, reason);
  const name = user ? ` ${user.name}` : "";
  const why = detailOf(session);
  const { remote } = connection;
  context.log(`<${remote}>${name} disconnected: ${reason}${why}`, remote);
}

function startResumeWindow(
  { user, resumable }: Registered,
  context: Context,
): void {
  const { resumables } = context;
  resumables.lose(resumable, context.now());
  // Other devices of the account may be in the rooms, or come back to them.
  if (resumables.all(resumable.key).length > 1) return;
  // Rooms of an earlier connection are dropped, unless none was joined yet.
  if (user.rooms.size > 0) {
    const names = new Set(Array.from(user.rooms.keys(), ({ name }) => name));
    const dropped = resumable.rooms.keys().filter((name) => !names.has(name));
    resumables.left(resumable, [...dropped]);
  }
}

/** The user leaves the chat with the last device. */
function leave(
  user: User,
  { state }: Session,
  { hub }: Context,
  reason: string,
): void {
  const left = state.type === "registered" && user.peer.without?.(state);
  if (!left) return hub.exit(user, reason);
  user.peer = left;
  hub.elsewhere?.changed(user);
}

function userOf(state: State): User | undefined {
  if (state.type === "new") return undefined;
  return state.type === "registered" ? state.user : state.user.user;
}

/**
 * Why a client was not understood: perhaps its user has the wrong port. Or why a
 * user was refused, who may ask the operator.
 */
function detailOf({ connection: { ending }, state }: Session): string {
  if (ending instanceof ChatError && ending.code === 103) {
    return ` (${ending.message})`;
  }
  if (state.type !== "new") return "";
  const refusal = state.refusal ?? ending;
  const isTold = refusal instanceof ChatError && REFUSALS.has(refusal.code);
  return isTold ? ` (${refusal.message})` : "";
}

/** Errors that quote no text of a client but a legal name. */
const REFUSALS: ReadonlySet<number> = new Set([104, 110, 112, 117, 121]);

function inWords(ending: Ending | undefined): string {
  if (ending instanceof ChatError) return ERRORS[ending.code].toLowerCase();
  return ending ?? "server error";
}
