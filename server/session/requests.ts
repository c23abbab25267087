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
  concat,
  encode,
  type Frame,
  header,
  type Headers,
  isPrivateName,
  isRoomName,
  type RequestVerb,
  type ServerVerb,
  startLine,
  targetKind,
  text,
} from "../../protocol.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import { noSuchRoom } from "../chat/refusals.ts";
import { listRooms } from "../chat/room_list.ts";
import type { Signal, User, UserElsewhere } from "../chat/user.ts";
import { MAX_HISTORY } from "../journal/journal.ts";
import {
  type Answer,
  type Command,
  type Context,
  EXPENSIVE,
  malformed,
  number,
  type OpenCommand,
  type Session,
  single,
  type UserCommand,
} from "./session.ts";
import { makeAnswer, sendAnswers } from "./answers.ts";
import { register, registration } from "./register.ts";
import { type Registered, send } from "./sender.ts";
import type { Hub } from "../chat/hub.ts";

/** All commands, by verb. */
export const COMMANDS: { readonly [V in RequestVerb]: Command } = {
  REGISTER: registration([1, Infinity], register),
  SIGNUP: registration([1, 1], signingIn("signUp")),
  LOGIN: registration([1, 1], signingIn("logIn")),
  PROVE: registration([1, 1], signingIn("prove")),
  JOIN: { words: [1, 1], kind: "joins", run: join },
  LEAVE: { words: [1, 1], kind: "joins", run: leave },
  ROOMS: { words: [0, 0], cost: EXPENSIVE, run: rooms },
  WHO: { words: [1, 1], cost: EXPENSIVE, run: who },
  SEND: { words: [1, 1], kind: "messages", run: send },
  HISTORY: { words: [1, 1], cost: EXPENSIVE, run: history },
  INVITE: { words: [1, 1], cost: EXPENSIVE, run: invite },
  SET: { words: [1, 1], cost: EXPENSIVE, run: set },
  MODERATE: { words: [0, 0], cost: EXPENSIVE, run: moderate },
  NICK: {
    words: [0, 0],
    cost: EXPENSIVE,
    run: async (...asked) => (await import("./nick.ts")).nick(...asked),
  },
  CALL: {
    words: [1, 1],
    cost: EXPENSIVE,
    run: passOn("CALL", "CALLING", (frame, From) => ({
      From,
      Address: addresses(frame),
      Commit: one(frame, "Commit"),
      ...purpose(frame),
    })),
  },
  ACCEPT: {
    words: [1, 1],
    run: passOn("ACCEPT", "ACCEPTED", (frame, From) => ({
      From,
      Address: addresses(frame),
      Key: one(frame, "Key"),
    })),
  },
  DECLINE: {
    words: [1, 1],
    run: passOn("DECLINE", "DECLINED", (frame) => ({
      Reason: maybe(frame, "Reason"),
    })),
  },
  PING: { words: [0, 0], always: true, run: () => encode("PONG") },
  PONG: { words: [0, 0], always: true, run: pong },
  LOGOUT: { words: [0, 0], always: true, run: logout },
  RECEIVED: { words: [0, 1], run: refuseReceived },
};

/** A command of sign_in.ts, which is loaded with the first one. */
function signingIn(name: "signUp" | "logIn" | "prove"): OpenCommand["run"] {
  return async (session, context, frame) => {
    const commands = await import("./sign_in.ts");
    const accounts = await context.accounts.load();
    if (session.hasEnded) return undefined;
    return await commands[name](session, context, { accounts, frame });
  };
}

async function join(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array | undefined> {
  const { account, connection, user, resumable } = registered;
  const { hub, journal, nicks, privateRooms, resumables } = context;
  const name = await joinable(registered, context, frame);
  if (connection.ending !== undefined) return undefined; // meanwhile
  const roomsBefore = user.rooms.size;
  const room = hub.join(user, name, journal);
  const isPrivate = account && privateRooms.loaded?.find(room.name, account);
  const headers = {
    Members: hub.members(room),
    "Last-id": journal.lastId,
    Time: hub.time(),
    ...isPrivate && privateRooms.loaded?.headersOf(isPrivate),
  };
  const answer = () =>
    encode("JOINED", [room.name], headers, nicks.loaded?.linesOf(hub, room));
  if (user.rooms.size === roomsBefore) return answer();
  try {
    const since = user.rooms.get(room)!; // just joined
    await resumables.joined(resumable, room.name, since);
    if (isPrivate) await privateRooms.loaded?.joined(isPrivate, account!);
    return answer();
  } catch (error) { // it cannot be stored
    if (user.rooms.has(room)) hub.leave(user, room.name);
    throw error;
  }
}

/** The name of the room that JOIN is about, which it makes if it is to be private. */
async function joinable(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<string> {
  const word = frame.args[0]!;
  const asked = single(frame, "private");
  if (asked === undefined) return visible(registered, context, word, "join");
  if (asked !== "yes") throw malformed("Private is not yes");
  const { makePrivate } = await import("../accounts/membership.ts");
  const key = single(frame, "key");
  return await makePrivate(registered, context, { name: word, key });
}

/**
 * The name of a room as it is known, if the user may know it.
 *
 * @throws {ChatError} 109 for a private room of which the user is no member, and
 * alike if there is none.
 */
function visible(
  { account }: Registered,
  { privateRooms }: Context,
  word: string,
  deed: string,
): string {
  if (!isRoomName(word) || !isPrivateName(word)) return word;
  const room = account && privateRooms.loaded?.find(word, account);
  if (!room) throw noSuchRoom(word, deed);
  return room.name;
}

async function invite(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const room = single(frame, "room");
  if (room === undefined) throw malformed("Room is missing");
  const { invite } = await import("../accounts/membership.ts");
  return await invite(registered, context, { name: frame.args[0]!, room });
}

async function set(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const [remove, owner, closed] = ["remove", "owner", "closed"]
    .map((name) => single(frame, name));
  if (closed !== undefined && closed !== "yes") {
    throw malformed("Closed is not yes");
  }
  const given = [remove, owner, closed].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw malformed("it must have one of Remove, Owner and Closed");
  }
  const { changeRoom } = await import("../accounts/membership.ts");
  const change = { remove, owner, closed: closed === "yes" };
  const word = frame.args[0]!;
  const room = await changeRoom(registered, context, { word, change });
  return encode("CHANGED", [room]);
}

async function leave(
  { user, resumable }: Registered,
  { hub, resumables }: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const room = hub.leave(user, frame.args[0]!);
  await resumables.left(resumable, [room.name]);
  return encode("LEFT", [room.name], { Time: hub.time() });
}

function rooms(
  user: Registered,
  context: Context,
): Promise<Uint8Array> {
  const { hub, journal, now, privateRooms, roomList } = context;
  const { account } = user;
  const make = () => {
    const rooms = listRooms(hub, journal);
    const lines = rooms.map(({ name, members }) => `${name} ${members}\n`);
    const bytes = encode("ROOMS", [], {}, lines.join(""));
    return { bytes, lines: lines.length };
  };
  return makeAnswer(user, context, () => {
    const all = roomList.at(now(), make);
    const own = account && privateRooms.loaded?.linesOf(account, hub);
    return own ? encode("ROOMS", [], {}, concat([bodyOf(all), own])) : all;
  });
}

/** What follows the head of a frame. */
function bodyOf(frame: Uint8Array): Uint8Array {
  const LF = 0x0a;
  let at = 0;
  while (frame[at] !== LF || frame[at + 1] !== LF) at++;
  return frame.subarray(at + 2);
}

function who(
  user: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  return makeAnswer(user, context, () => {
    const word = visible(user, context, frame.args[0]!, "list");
    return whoIn(context, word);
  });
}

function whoIn(
  { hub, moderators, privateRooms }: Context,
  word: string,
): Uint8Array {
  const all = word.toUpperCase() === "ALL";
  const room = all ? undefined : hub.roomNamed(word);
  const { elsewhere } = hub;
  const target = all ? "ALL" : room?.name ?? elsewhere?.roomName(word) ?? word;
  const lineOf = (
    { name, peer: { kind, remote } }: Pick<UserElsewhere, "name" | "peer">,
  ) => {
    const hasRole = kind === "account" && moderators.loaded?.isModerator(name);
    return `${name} ${remote} ${kind}${hasRole ? " moderator" : ""}\n`;
  };
  const lines = [
    ...Array.from(all ? hub.users() : room?.members ?? [], lineOf),
    ...Array.from(elsewhere?.members(target) ?? [], lineOf),
    ...isPrivateName(target) ? privateRooms.loaded!.away(target, hub) : [],
  ];
  return encode("WHO", [target], {}, lines.join(""));
}

/**
 * Answers a frame that is refused: a SEND that is stored already as it was
 * answered then, and a browser over HTTP.
 *
 * @throws {ChatError} The `error`, for any other frame.
 */
export function answerRefused(
  session: Session,
  context: Context,
  { frame, error }: { frame?: Frame | undefined; error: ChatError },
): Answer {
  const { state } = session;
  if (state.type === "registered" && frame?.verb === "SEND") {
    return answerRepeated(state, { frame, error });
  }
  const line = frame ? startLine(frame) : `${error.headers["For"]}`;
  if (state.type !== "new" || !HTTP_REQUEST.test(line)) throw error;
  return answerHttp(session, context, frame);
}

/** No command of ours: the methods of HTTP (RFC 9110), and what follows them. */
const HTTP_REQUEST =
  /^(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) \S+ HTTP\/1\.[01]$/;

async function answerHttp(
  { connection }: Session,
  { page }: Context,
  frame: Frame | undefined,
): Promise<undefined> {
  const host = frame && header(frame, "host");
  const { httpAnswer } = await import("../net/http_answer.ts");
  const why = "Cannot read head: it is HTTP, and this is the port of the chat";
  connection.end(new ChatError(103, why), httpAnswer({ host, page }));
}

/**
 * The answer to a SEND that is refused now: if it was stored before and only its
 * answer was lost, it is that answer again. Its target may be gone since.
 *
 * @throws {ChatError} The `error`, if it was not stored.
 */
function answerRepeated(
  registered: Registered,
  { frame, error }: { frame: Frame; error: ChatError },
): Uint8Array {
  const to = frame.args[0]!; // without a target it is another error
  if (!MAY_CHANGE.has(error.code) || !targetKind(to)) throw error;
  const sent = registered.repeated(to, registered.keyOf(frame));
  if (!sent) throw error;
  return sent;
}

/** Errors of a SEND that was allowed before, perhaps. */
const MAY_CHANGE: ReadonlySet<number> = new Set([102, 109, 120]);

async function history(
  user: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const { hub, journal, settings } = context;
  const word = frame.args[0]!;
  const before = number(frame, "before");
  const limit = number(frame, "limit") ?? settings.history;
  const talk = targetKind(word) === "user"
    ? (await import("./private_history.ts")).talkWith(user, context, word)
    : undefined;
  const room = talk?.name ?? visible(user, context, word, "read");
  const name = talk?.name ?? hub.roomNamed(room)?.name ??
    journal.roomName(room) ?? room;
  const frames = journal.history(talk?.of ?? name, {
    limit: Math.min(limit, MAX_HISTORY),
    after: Math.max(number(frame, "after") ?? 0, talk?.since ?? 0),
    ...(before === undefined ? {} : { before }),
  });
  const sent = await sendAnswers(user, context, frames);
  return encode("HISTORY", [name], { Count: sent });
}

/** @throws {ChatError} 122 if the user is no moderator, or may not do that. */
async function moderate(
  registered: Registered,
  { moderate, moderators }: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const { account } = registered;
  if (!account || !moderators.loaded?.has(account)) {
    throw new ChatError(122, "Cannot do that: you are no moderator");
  }
  const line = text(frame.body)?.trim() ?? "";
  if (line === "" || /[\r\n]/.test(line)) {
    throw malformed("the body is not one line with a command");
  }
  return encode("MODERATED", [], {}, await moderate(registered, line));
}

/** A client that answers a PING has everything that was sent before it. */
async function pong(
  registered: Registered,
  { accounts }: Context,
): Promise<undefined> {
  const { account } = registered;
  const id = registered.pings.ponged();
  if (account && id !== undefined) await accounts.loaded?.received(account, id);
}

/**
 * Ends the session, also if that cannot be stored, and then the connection. The
 * client has everything that could be sent to it.
 */
async function logout(
  registered: Registered,
  { accounts, journal, resumables }: Context,
): Promise<undefined> {
  const { connection, account } = registered;
  await resumables.end(registered.resumable).catch(unlessNotStored);
  if (connection.ending !== undefined) return; // it was lost meanwhile
  const { caughtUp } = registered;
  const { lastId } = journal;
  connection.outbox.answer(encode("BYE"));
  connection.end("logged out");
  if (!account || !caughtUp) return;
  await connection.outbox.flushed();
  if (connection.outbox.empty) await accounts.loaded?.received(account, lastId);
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

/** What passes a request on as `verb`, and answers with `answer`. */
function passOn(
  verb: Signal["verb"],
  answer: ServerVerb,
  headersOf: (frame: Frame, from: string) => Headers,
): UserCommand["run"] {
  return ({ user, remote, address }, { hub, now }, frame) => {
    if (verb === "CALL") hub.muting.check(user, "call");
    const to = otherUser(user, hub, frame);
    const Session = one(frame, "Session");
    const all = { Session, ...headersOf(frame, remote) };
    // The only text of a user in them: one who is muted answers without.
    const headers = hub.muting.isMuted(user)
      ? { ...all, Reason: undefined }
      : all;
    if (verb === "CALL") address.calls.count(to.name, now());
    if ("server" in to) {
      hub.elsewhere?.pass(to, { verb, from: user.name, headers });
    } else to.peer.notify(encode(verb, [user.name], headers));
    return encode(answer, [to.name]);
  };
}

/** @throws {ChatError} 102 if there is no such user, 118 if it cannot do it. */
function otherUser(
  user: User,
  hub: Hub,
  { args: [name = ""], verb }: Frame,
): User | UserElsewhere {
  const other = hub.userNamed(name) ?? hub.elsewhere?.named(name);
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
    throw malformed(`over ${MAX_ADDRESSES} of Address`);
  }
  if (found.every((value) => FORMS.Address.test(value))) return found;
  throw malformed("Address is no address:port");
}

/** @throws {ChatError} 105 if the header is missing, or of the wrong form. */
function one(frame: Frame, name: keyof typeof FORMS): string {
  const value = maybe(frame, name);
  if (value !== undefined) return value;
  throw malformed(`${name} is missing`);
}

function maybe(frame: Frame, name: keyof typeof FORMS): string | undefined {
  const value = header(frame, name.toLowerCase());
  if (value === undefined || FORMS[name].test(value)) return value;
  throw malformed(`${name} is of the wrong form`);
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
