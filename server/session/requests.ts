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
  isPrivateName,
  type RequestVerb,
  startLine,
  targetKind,
  text,
} from "../../protocol.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import { listRooms, roomExists } from "../chat/room_list.ts";
import {
  joinedNotice,
  leftNotice,
  tellOthers,
} from "../chat/devices/follow.ts";
import type { UserElsewhere } from "../chat/user.ts";
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
  visible,
} from "./session.ts";
import { makeAnswer, sendAnswers } from "./answers.ts";
import { CALLS } from "./calls.ts";
import { register, registration } from "./register.ts";
import { type Registered, send } from "./sender.ts";

/** All commands, by verb. */
export const COMMANDS: { readonly [V in RequestVerb]: Command } = {
  REGISTER: registration([1, Infinity], register),
  SIGNUP: registration([1, 1], signingIn("signUp")),
  LOGIN: registration([1, 1], logIn),
  PROVE: registration([1, 1], signingIn("prove")),
  PASSWORD: { words: [1, 1], cost: EXPENSIVE, run: own("changePassword") },
  UNREGISTER: { words: [1, 1], cost: EXPENSIVE, run: own("unregister") },
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
    run: async (...asked) => (await import("./later/nick.ts")).nick(...asked),
  },
  DEVICES: { words: [0, 2], cost: EXPENSIVE, run: ofDevices("devices") },
  READ: { words: [1, 1], run: ofDevices("read") },
  ...CALLS,
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

/** LOGIN: also that of a registered user, for PASSWORD or UNREGISTER. */
function logIn(session: Session, context: Context, frame: Frame): Answer {
  const { state } = session;
  return state.type === "registered"
    ? own("challengeOwner")(state, context, frame)
    : signingIn("logIn")(session, context, frame);
}

/** A command of own_account.ts, which is loaded with the first one. */
function own(
  name: "challengeOwner" | "changePassword" | "unregister",
): UserCommand["run"] {
  return async (registered, context, frame) => {
    const commands = await import("./own_account.ts");
    const accounts = await context.accounts.load();
    return await commands[name](registered, context, { accounts, frame });
  };
}

/** A command of devices/commands.ts, which is loaded with the first one. */
function ofDevices(name: "devices" | "read"): UserCommand["run"] {
  return async (registered, context, frame) => {
    const commands = await import("./devices/commands.ts");
    return await commands[name](registered, context, frame);
  };
}

const NOTHING = new Uint8Array();

async function join(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array | undefined> {
  const { account, connection, user, resumable } = registered;
  const { hub, journal, privateRooms, resumables, roomSettings } = context;
  const name = await joinable(registered, context, frame);
  if (connection.ending !== undefined) return undefined; // meanwhile
  checkAgain(registered, { hub, resumables }, { name, frame });
  const roomsBefore = user.rooms.size;
  const isNew = (account || roomSettings.loaded) && !isPrivateName(name) &&
    !roomExists(hub, journal, name);
  const room = hub.join(user, name, journal);
  const isPrivate = account && privateRooms.loaded?.find(room.name, account);
  const headers = {
    Members: hub.members(room),
    "Last-id": journal.lastId,
    Time: hub.time(),
  };
  const answer = () => {
    const told = roomSettings.loaded?.told(room.name);
    const all = {
      ...headers,
      ...told?.headers,
      ...isPrivate && privateRooms.loaded?.headersOf(isPrivate),
    };
    const nicks = context.nicks.loaded?.listOf(hub, room) ?? NOTHING;
    return concat([encode("JOINED", [room.name], all, told?.topic), nicks]);
  };
  if (user.rooms.size === roomsBefore) return answer();
  tellOthers(user, registered, () => joinedNotice(hub, user, room));
  try {
    const since = user.rooms.get(room)!; // just joined
    await Promise.all([
      resumables.joined(resumable, room.name, since),
      isPrivate && privateRooms.loaded?.joined(isPrivate, account!),
      isNew && roomSettings.load()
        .then((settings) => settings.begin(room.name, account))
        .catch(unlessNotStored), // the room has no owner then
    ]);
    hub.memberRoom(user, room.name, "join"); // it may be taken out meanwhile
    return answer();
  } catch (error) { // it cannot be stored
    if (user.rooms.has(room)) {
      hub.leave(user, room.name);
      tellOthers(user, registered, () => leftNotice(hub, user, room));
    }
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

async function invite(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const room = single(frame, "room");
  if (room === undefined) throw malformed("Room is missing");
  const { invite } = await import("../accounts/membership.ts");
  const name = frame.args[0]!; // it has one
  const count = () => registered.pace.countStored(1, 0, context.now());
  return await invite(registered, context, { name, room, count });
}

/** A command of room_settings.ts, which is loaded with the first one. */
async function set(
  registered: Registered,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const { set } = await import("./room_settings.ts");
  return await set(registered, context, frame);
}

/**
 * A client that reconnects joins its rooms again, but not one that another device
 * has left meanwhile.
 *
 * @throws {ChatError} 109 if it is such a room.
 */
function checkAgain(
  { user, resumable }: Registered,
  { hub, resumables }: Pick<Context, "hub" | "resumables">,
  { name, frame }: { readonly name: string; readonly frame: Frame },
): void {
  if (single(frame, "again") !== "yes") return;
  const isAlone = resumables.all(resumable.key)
    .every((one) => one === resumable || one.goneAt < Infinity);
  const room = hub.roomNamed(name);
  const isIn = room && user.rooms.has(room) ||
    resumable.rooms.has(room?.name ?? name);
  if (isAlone || isIn) return;
  const why = "another device of your account left it";
  throw new ChatError(109, `Cannot join "${name}" again: ${why}`);
}

async function leave(
  registered: Registered,
  { hub, resumables }: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const { user, resumable } = registered;
  const room = hub.leave(user, frame.args[0]!);
  tellOthers(user, registered, () => leftNotice(hub, user, room));
  await resumables.left(resumable, [room.name]);
  return encode("LEFT", [room.name], { Time: hub.time() });
}

function rooms(
  user: Registered,
  context: Context,
): Promise<Uint8Array> {
  const { hub, journal, now, privateRooms, roomList, roomSettings } = context;
  const { account } = user;
  const make = () => {
    const rooms = listRooms(hub, journal);
    const lines = rooms.map(({ name, members }) => {
      const more = roomSettings.loaded?.listed(name) ?? "";
      return `${name} ${members}${more}\n`;
    });
    const bytes = encode("ROOMS", [], {}, lines.join(""));
    return { bytes, lines: lines.length };
  };
  return makeAnswer(user, context, () => {
    const all = roomList.at(now(), make);
    const own = account && privateRooms.loaded?.linesOf(
      account,
      hub,
      (name) => roomSettings.loaded?.listed(name) ?? "",
    );
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
    ? (await import("./later/private_history.ts")).talkWith(user, context, word)
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
