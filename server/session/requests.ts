/**
 * The table of commands, and what most of them do.
 *
 * A command checks, changes the hub, and returns its answer; a
 * {@linkcode ChatError} that it throws is the answer, too. The gate in serve.ts
 * checks before who may ask.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  header,
  type Headers,
  type RequestVerb,
  targetKind,
} from "../../protocol.ts";
import { encodeSents } from "../chat/batch.ts";
import { logJoined, logLeft, type Room, type User } from "../chat/user.ts";
import { MAX_HISTORY } from "../journal/journal.ts";
import {
  type Command,
  type Context,
  EXPENSIVE,
  number,
  sendAnswers,
} from "./session.ts";
import { REGISTRATIONS } from "./register.ts";
import { type Registered, send } from "./sender.ts";
import type { Hub } from "../chat/hub.ts";

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
  CALL: { words: [1, 1], cost: EXPENSIVE, run: call },
  ACCEPT: { words: [1, 1], run: accept },
  DECLINE: { words: [1, 1], run: decline },
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
  registered: Registered,
  { journal }: Context,
  { frame, error }: { frame: Frame; error: ChatError },
): Uint8Array {
  const to = frame.args[0];
  if (!MAY_CHANGE.has(error.code) || to === undefined || !targetKind(to)) {
    throw error;
  }
  const key = registered.keyOf(frame);
  const stored = key === undefined ? undefined : journal.repeated(key);
  if (!stored) throw error;
  const { firstId, at, count, delivery: { recipients } } = stored;
  return encodeSents({ to, firstId, at, count, recipients });
}

/** Errors of a SEND that was allowed before, perhaps. */
const MAY_CHANGE: ReadonlySet<number> = new Set([102, 109, 120]);

async function history(
  { connection }: Registered,
  { hub, journal, settings, now }: Context,
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
  const sent = await sendAnswers(connection, now, frames);
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

/** Limit of the addresses that one CALL or ACCEPT names. */
export const MAX_ADDRESSES = 8;

// CALL, ACCEPT and DECLINE, for direct sessions, are passed on to the user who is
// named, and nothing is remembered. Only what the protocol knows is passed on, in
// the form that it has there: no user gets another user's bytes under the server's
// name. Whether a call is answered, and in time, is left to the clients.

function call(
  { user }: Registered,
  { hub }: Context,
  frame: Frame,
): Uint8Array {
  if (user.muted) {
    throw new ChatError(120, "Cannot call: the operator has muted you");
  }
  const to = otherUser(user, hub, frame);
  to.peer.notify(encode("CALL", [user.name], {
    Session: one(frame, "Session"),
    From: user.peer.remote,
    Address: addresses(frame),
    Commit: one(frame, "Commit"),
    ...purpose(frame),
  }));
  return encode("CALLING", [to.name]);
}

function accept(
  { user }: Registered,
  { hub }: Context,
  frame: Frame,
): Uint8Array {
  const to = otherUser(user, hub, frame);
  to.peer.notify(encode("ACCEPT", [user.name], {
    Session: one(frame, "Session"),
    From: user.peer.remote,
    Address: addresses(frame),
    Key: one(frame, "Key"),
  }));
  return encode("ACCEPTED", [to.name]);
}

function decline(
  { user }: Registered,
  { hub }: Context,
  frame: Frame,
): Uint8Array {
  const to = otherUser(user, hub, frame);
  to.peer.notify(encode("DECLINE", [user.name], {
    Session: one(frame, "Session"),
    Reason: maybe(frame, "Reason"),
  }));
  return encode("DECLINED", [to.name]);
}

/** @throws {ChatError} 102 if there is no such user, 118 if it cannot do it. */
function otherUser(
  user: User,
  hub: Hub,
  { args: [name = ""], verb }: Frame,
): User {
  const other = hub.userNamed(name);
  if (!other) throw new ChatError(102, `no user "${name}" is connected`);
  if (other === user) {
    throw new ChatError(118, `Cannot ${verb} "${name}": that is you`);
  }
  if (other.peer.kind !== "classic") return other;
  throw new ChatError(118, `"${other.name}" has a client without direct calls`);
}

/** The purpose of a call; a file has a name and a size. */
function purpose(frame: Frame): Headers {
  const Purpose = one(frame, "Purpose");
  if (Purpose === "chat") return { Purpose };
  const [Name, Size] = [one(frame, "Name"), one(frame, "Size")];
  return { Purpose, Name, Size, Files: maybe(frame, "Files") };
}

function addresses(frame: Frame): string[] {
  const found = frame.headers.filter(([name]) => name === "address")
    .map(([, value]) => value);
  if (found.length > MAX_ADDRESSES) {
    throw wrong(`over ${MAX_ADDRESSES} of Address`);
  }
  if (found.every((value) => FORMS.Address.test(value))) return found;
  throw wrong("Address is no address:port");
}

/** @throws {ChatError} 105 if the header is missing, or of the wrong form. */
function one(frame: Frame, name: keyof typeof FORMS): string {
  const value = maybe(frame, name);
  if (value !== undefined) return value;
  throw wrong(`${name} is missing`);
}

function maybe(frame: Frame, name: keyof typeof FORMS): string | undefined {
  const value = header(frame, name.toLowerCase());
  if (value === undefined || FORMS[name].test(value)) return value;
  throw wrong(`${name} is of the wrong form`);
}

function wrong(why: string): ChatError {
  return new ChatError(105, `Cannot do that: ${why}`);
}

/** The form of each header. Heads have no control characters at all. */
const FORMS = {
  Session: /^[0-9a-f]{32}$/,
  Commit: /^[0-9a-f]{64}$/,
  Key: /^[0-9a-f]{64}$/,
  Address: /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\]):\d{1,5}$/,
  Purpose: /^(chat|file)$/,
  Name: /^.{1,255}$/u,
  Size: /^\d{1,15}$/,
  Files: /^\d{1,7}$/,
  Reason: /^.{1,200}$/u,
} as const;
