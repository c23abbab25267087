/**
 * The table of commands, and what most of them do.
 *
 * A command checks, changes the hub, and returns its answer; a
 * {@linkcode ChatError} that it throws is the answer, too. The gate in session.ts
 * checks before who may ask.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  type RequestVerb,
  targetKind,
} from "../../protocol.ts";
import { encodeSents } from "../chat/batch.ts";
import type { Room, User } from "../chat/user.ts";
import { MAX_HISTORY } from "../journal/journal.ts";
import { CALLS } from "./calls.ts";
import { type Command, EXPENSIVE, number, sendAnswers } from "./command.ts";
import type { Context } from "./context.ts";
import { REGISTRATIONS } from "./register.ts";
import { type Registered, send } from "./registered.ts";

/** All commands, by verb. */
export const COMMANDS: { readonly [V in RequestVerb]: Command } = {
  ...REGISTRATIONS,
  JOIN: { words: [1, 1], kind: "joins", run: join },
  LEAVE: { words: [1, 1], kind: "joins", run: leave },
  ROOMS: { words: [0, 0], cost: EXPENSIVE, run: rooms },
  WHO: { words: [1, 1], cost: EXPENSIVE, run: who },
  SEND: {
    words: [1, 1],
    kind: "messages",
    drafts: true,
    run: send,
    refused: answerRepeated,
  },
  HISTORY: { words: [1, 1], cost: EXPENSIVE, run: history },
  ...CALLS,
  PING: { words: [0, 0], always: true, run: () => encode("PONG") },
  PONG: { words: [0, 0], always: true, run: pong },
  LOGOUT: { words: [0, 0], always: true, run: logout },
  RECEIVED: { words: [0, 1], run: refuseReceived },
};

async function join(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const { hub, journal } = context;
  const { user } = registered;
  const roomsBefore = user.rooms.size;
  const room = hub.join(user, frame.args[0]!, journal);
  const answer = encode("JOINED", [room.name], {
    Members: room.members.size,
    "Last-id": journal.lastId,
  });
  if (user.rooms.size > roomsBefore) {
    logJoined(user, room.name, context);
    await storeMembership(registered, context, room);
  }
  return answer;
}

/** @throws {ChatError} 119 if it cannot be stored; then the user has left. */
async function storeMembership(
  { user, resumable }: Registered,
  context: Context,
  room: Room,
): Promise<void> {
  const since = user.rooms.get(room)!; // just joined
  try {
    await context.resumables.joined(resumable, room.name, since);
  } catch (error) {
    if (user.rooms.has(room)) {
      context.hub.leave(user, room.name);
      logLeft(user, room.name, context);
    }
    throw error;
  }
}

/** Logs that a user joined a room. */
export function logJoined(
  user: User,
  room: string,
  { log }: Pick<Context, "log">,
): void {
  log(`${user.name} joined room [${room.slice(1)}] from <${user.peer.remote}>`);
}

/** Logs that a user left a room. */
export function logLeft(
  user: User,
  room: string,
  { log }: Pick<Context, "log">,
): void {
  log(`${user.name} left room [${room.slice(1)}]`);
}

async function leave(
  { user, resumable }: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const room = context.hub.leave(user, frame.args[0]!);
  logLeft(user, room.name, context); // now: the session may end meanwhile
  await context.resumables.left(resumable, [room.name]);
  return encode("LEFT", [room.name]);
}

function rooms(_user: Registered, { hub, journal }: Context): Uint8Array {
  const lines = hub.list(journal).map((room) =>
    `${room.name} ${room.members}\n`
  );
  return encode("ROOMS", [], {}, lines.join(""));
}

function who(_user: Registered, { hub }: Context, frame: Frame): Uint8Array {
  const word = frame.args[0]!;
  const all = word.toUpperCase() === "ALL";
  const room = all ? undefined : hub.roomNamed(word);
  const users = all ? hub.users() : room?.members ?? [];
  const lines = Array.from(
    users,
    ({ name, peer }) => `${name} ${peer.remote} ${peer.kind}\n`,
  );
  return encode("WHO", [all ? "ALL" : room?.name ?? word], {}, lines.join(""));
}

/**
 * The answer to a SEND that is refused now: if it was stored before and only its
 * answer was lost, it is that answer again. Its target may be gone since.
 *
 * @throws {ChatError} The `error`, if it was not stored.
 */
function answerRepeated(
  { outgoing }: Registered,
  { journal }: Context,
  { frame, error }: { frame: Frame; error: ChatError },
): Uint8Array {
  const to = frame.args[0];
  if (!MAY_CHANGE.has(error.code) || to === undefined || !targetKind(to)) {
    throw error;
  }
  const key = outgoing.keyOf(frame);
  const stored = key === undefined ? undefined : journal.repeated(key);
  if (!stored) throw error;
  const { firstId, at, count, delivery: { recipients } } = stored;
  return encodeSents({ to, firstId, at, count, recipients });
}

/** Errors of a SEND that was allowed before, perhaps. */
const MAY_CHANGE: ReadonlySet<number> = new Set([102, 109, 120]);

async function history(
  { connection }: Registered,
  { hub, journal, settings }: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const room = frame.args[0]!;
  const after = number(frame, "after");
  const before = number(frame, "before");
  const limit = number(frame, "limit") ?? settings.history;
  const name = hub.roomNamed(room)?.name ?? journal.roomName(room) ?? room;
  const frames = journal.history(name, {
    limit: Math.min(limit, MAX_HISTORY),
    ...(after === undefined ? {} : { after }),
    ...(before === undefined ? {} : { before }),
  });
  const sent = await sendAnswers(connection, frames);
  return encode("HISTORY", [name], { Count: sent });
}

/** A client that answers a PING has everything that was sent before it. */
async function pong(
  { account, keepalive }: Registered,
  { accounts }: Context,
): Promise<undefined> {
  const id = keepalive.ponged();
  if (account && id !== undefined) await accounts.received(account, id);
}

/** Ends the connection. The client has everything that could be sent to it. */
async function logout(
  { connection, account, caughtUp }: Registered,
  { accounts, journal }: Context,
): Promise<undefined> {
  const { lastId } = journal;
  connection.outbox.answer(encode("BYE"));
  connection.end("logged out");
  if (!account || !caughtUp) return;
  await connection.outbox.flushed();
  if (connection.outbox.empty) await accounts.received(account, lastId);
}

function refuseReceived(): never {
  throw new ChatError(105, "Cannot do that: RECEIVED is for TORECV sockets");
}
