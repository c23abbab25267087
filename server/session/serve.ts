/**
 * One connection's dialogue: its frames in their order, the gate before the table
 * of commands, and the answers. How a session begins and ends: lifecycle.ts.
 *
 * Requests are answered in their order. SENDs of one portion are stored and
 * delivered together; every other request waits until they are answered.
 *
 * @module
 */
import { ChatError, type Frame } from "../../protocol.ts";
import { overRate } from "../limits/limits.ts";
import type { Timing } from "../limits/pacing.ts";
import type { Connection } from "../net/connection.ts";
import { nextTurn } from "../net/clock.ts";
import type { Answer, Command, Context, Session } from "./session.ts";
import { closeSession, hasManyRefused, openSession } from "./lifecycle.ts";
import type { Registered } from "./sender.ts";
import { COMMANDS } from "./requests.ts";

/**
 * Serves one connection, from the first byte to the last. Whatever a client does
 * wrong is answered; an error that this throws is a bug of the server.
 */
export async function serve(
  connection: Connection,
  context: Context,
): Promise<void> {
  await using _closing = connection;
  const { after, now } = context;
  const session = openSession(connection, context);
  const { pace } = session;
  try {
    if (!session.admitted && hasManyRefused(context)) return;
    const timing = { now, after, nextTurn };
    for await (const frames of connection) {
      pace.heard(connection, now());
      for (const frame of frames) {
        if (connection.ending !== undefined) continue; // thrown away
        const answered = handle(session, context, frame);
        if (answered) await answered;
        if (pace.mustRest(connection, now)) await rest(session, timing);
      }
      pace.countRead(connection.received, connection.idleSince);
      await rest(session, timing);
    }
    connection.end("connection closed");
  } catch (bug) {
    connection.end("server error");
    throw bug;
  } finally {
    closeSession(session, context);
  }
}

/** Ends a portion of SENDs, and waits until the client may go on. */
async function rest(session: Session, timing: Timing): Promise<void> {
  const flushed = flush(session);
  if (flushed) await flushed;
  const resting = session.pace.rest(session.connection, timing);
  if (resting) await resting;
}

/** Handles one frame. Only what has to wait returns a promise. */
function handle(
  session: Session,
  context: Context,
  frame: Frame | ChatError,
): Promise<void> | undefined {
  const { connection, pace, state } = session;
  if (frame instanceof ChatError) return refuse(session, context, frame);
  if (state.type === "registered" && state.repeat(frame)) {
    pace.countMessage(connection.idleSince); // which is about now
    return undefined;
  }
  if (state.type === "two-socket") {
    pace.count("messages", 1, context.now());
    return answer(session, () => state.user.obey(state.role, frame), frame);
  }
  const command = gate(session, context, frame);
  if (command instanceof ChatError) {
    return refuse(session, context, command, frame);
  }
  const registered = state as Registered; // unless the command is open: gate()
  if (command.open || !command.drafts) {
    pace.count(command.kind ?? "requests", command.cost ?? 1, context.now());
    return answer(
      session,
      () =>
        command.open
          ? command.run(session, context, frame)
          : command.run(registered, context, frame),
      frame,
    );
  }
  try {
    command.run(registered, context, frame);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    return refuse(session, context, error, frame, () => {
      if (!command.refused) throw error;
      return command.refused(registered, context, { frame, error });
    });
  }
  pace.countMessage(connection.idleSince);
  return undefined;
}

/** A Map: a verb that a client chose could be a property of every object. */
const BY_VERB: ReadonlyMap<string, Command> = new Map(Object.entries(COMMANDS));

/** Checks what every command requires. */
function gate(
  { pace, state }: Session,
  { now }: Context,
  { verb, args }: Frame,
): Command | ChatError {
  const command = BY_VERB.get(verb);
  const debt = command?.always ? undefined : pace.refusing(now);
  if (debt) return overRate(debt);
  if (!command) {
    const known = [...BY_VERB.keys()].join(", ");
    return new ChatError(105, `Cannot do that: the commands are ${known}`);
  }
  const { words } = command; // not taken apart: an iterator for each SEND
  if (args.length >= words[0] && args.length <= words[1]) {
    if (command.open || state.type === "registered") return command;
    return new ChatError(101, "Cannot do that before REGISTER");
  }
  const [least, most] = words;
  const found = `${args.length} words after ${verb}`;
  const wanted = most === Infinity
    ? `at least ${least}`
    : least === most
    ? `${least}`
    : `${least} to ${most}`;
  return new ChatError(105, `Cannot do that: ${found} instead of ${wanted}`);
}

/** Refuses a frame, which counts as a request whatever it was to be. */
function refuse(
  session: Session,
  { now }: Context,
  error: ChatError,
  frame?: Frame,
  run: () => Answer = () => {
    throw error;
  },
): Promise<void> {
  session.pace.count("requests", 1, now());
  return answer(session, run, frame);
}

/** Answers a frame, or refuses it, after the SENDs before it are answered. */
async function answer(
  session: Session,
  run: () => Answer,
  frame?: Frame,
): Promise<void> {
  const flushed = flush(session);
  if (flushed) await flushed;
  if (session.connection.ending !== undefined) return; // meanwhile
  try {
    const bytes = await run();
    if (bytes) session.connection.outbox.answer(bytes);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    session.refuse(error, frame);
  }
}

/** Stores, delivers and answers the SENDs that were checked, if there are any. */
function flush({ connection, state }: Session): Promise<void> | undefined {
  if (state.type !== "registered" || connection.ending !== undefined) return;
  return state.flush();
}
