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
import { UndecidedError } from "../chat/not_stored.ts";
import { overRate } from "../limits/limits.ts";
import type { RestTiming, WorkTiming } from "../limits/timing.ts";
import type { Connection } from "../net/connection.ts";
import { nextTurn } from "../net/clock.ts";
import {
  type Answer,
  type Command,
  type Context,
  malformed,
  type Session,
  wrongWords,
} from "./session.ts";
import { giveAnswer } from "./answers.ts";
import { mayWait, openSession } from "./lifecycle.ts";
import type { Registered } from "./sender.ts";
import { answerRefused, COMMANDS } from "./requests.ts";

/**
 * Serves one connection, from the first byte to the last. Whatever a client does
 * wrong is answered; an error that this throws is a bug of the server.
 */
export async function serve(
  connection: Connection,
  context: Context,
): Promise<void> {
  await using _closing = connection;
  const { after, limits, now, sessions, turns } = context;
  const session = openSession(connection, context);
  const { address, admitted, pace } = session;
  if (!admitted) address.refused++;
  try {
    if (!admitted && !mayWait(session, context)) return;
    const timing = { now, after, nextTurn, turns, network: address.network };
    for await (const frames of connection) {
      pace.heard(connection, now());
      const turn = pace.work.begin(timing);
      if (turn) await session.wait(turn, now);
      for (const frame of frames) {
        if (connection.ending !== undefined) continue; // thrown away
        const answered = handle(session, context, frame);
        if (answered || pace.mustRest(connection, now)) {
          await pause(session, timing, answered);
        }
      }
      pace.countRead(connection.received, connection.idleSince);
      await rest(session, timing);
    }
    connection.end("connection closed");
  } catch (bug) {
    connection.end("server error");
    // The client asks again, with the same key: that shows what became of it.
    if (!(bug instanceof UndecidedError)) throw bug;
  } finally {
    pace.work.end(now);
    sessions.delete(session);
    if (admitted) limits.leave(session);
    else address.refused--;
  }
}

/** Waits within a read: for an answer, and until the client may go on. */
async function pause(
  session: Session,
  timing: RestTiming & WorkTiming,
  answered: Promise<void> | undefined,
): Promise<void> {
  session.pace.work.end(timing.now); // others have their turn meanwhile
  await answered;
  await rest(session, timing);
  const turn = session.pace.work.begin(timing);
  if (turn) await session.wait(turn, timing.now);
}

/** Ends a portion of SENDs, and waits until the client may go on. */
async function rest(session: Session, timing: RestTiming): Promise<void> {
  const flushed = flush(session);
  session.pace.work.end(timing.now);
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
    const { kind, exempt } = state.user.judge(state.role, frame);
    pace.count(kind, 1, context.now());
    pace.debts.neverRefuse({ exempt });
    pace.work.isExempt = exempt;
    return answer(session, () => {
      const { verb, body } = frame;
      if (verb === "SEND") pace.countStored(1, body.length, context.now());
      return state.user.obey(state.role, frame);
    }, frame);
  }
  try {
    const command = gate(session, context, frame);
    if (command.open || frame.verb !== "SEND") {
      return obey(session, context, frame, command);
    }
    // A draft, which is answered when all drafts are stored.
    command.run(state as Registered, context, frame); // see gate()
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    return refuse(session, context, error, frame);
  }
  pace.countMessage(connection.idleSince);
  return undefined;
}

/** Runs a command that is answered at once, which is any but SEND. */
function obey(
  session: Session,
  context: Context,
  frame: Frame,
  command: Command,
): Promise<void> {
  const { pace, state } = session;
  pace.count(command.kind ?? "requests", command.cost ?? 1, context.now());
  return answer(
    session,
    () =>
      command.open
        ? command.run(session, context, frame)
        : command.run(state as Registered, context, frame), // see gate()
    frame,
  );
}

/** A Map: a verb that a client chose could be a property of every object. */
const BY_VERB: ReadonlyMap<string, Command> = new Map(Object.entries(COMMANDS));

/** Checks what every command requires. @throws {ChatError} If it is missing. */
function gate(
  { pace, state }: Session,
  { now }: Context,
  { verb, args }: Frame,
): Command {
  const command = BY_VERB.get(verb);
  const { debts } = pace;
  const debt = !command?.always && debts.refusal && debts.refusing(now);
  if (debt) throw overRate(debt);
  if (!command) {
    throw malformed(`the commands are ${[...BY_VERB.keys()].join(", ")}`);
  }
  const { words } = command; // not taken apart: an iterator for each SEND
  if (args.length >= words[0] && args.length <= words[1]) {
    if (command.open || state.type === "registered") return command;
    throw new ChatError(101, "Cannot do that before REGISTER");
  }
  throw wrongWords(verb, args.length, words);
}

/** Refuses a frame, which counts as a request whatever it was to be. */
function refuse(
  session: Session,
  context: Context,
  error: ChatError,
  frame?: Frame,
): Promise<void> {
  session.pace.count("requests", 1, context.now());
  const refused = { frame, error };
  return answer(session, () => answerRefused(session, context, refused), frame);
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
    if (bytes) giveAnswer(session, bytes);
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
