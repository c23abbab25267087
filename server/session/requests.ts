/**
 * What may be asked of the server: the table of commands, and what each does.
 *
 * A command checks, changes the hub, and returns its answer; what it throws as
 * a {@linkcode ChatError} is the answer too. Who may ask is checked before, by
 * the gate in server/session/session.ts.
 *
 * @module
 */
import {
  ChatError,
  encode,
  encodeError,
  type Frame,
  isText,
  type RequestVerb,
  targetKind,
} from "../../protocol.ts";
import { MAX_HISTORY, type Stored } from "../journal/journal.ts";
import {
  type Command,
  DEAR,
  number,
  sendAnswers,
  single,
  userOf,
} from "./command.ts";
import type { Context, Session } from "./context.ts";
import { ENTRANCES } from "./register.ts";
import type { Room, User } from "../chat/user.ts";
import { INTRODUCTIONS } from "./calls.ts";
import { type Draft, encodeSents } from "../chat/batch.ts";

/** Everything that may be asked, by verb. */
export const COMMANDS: { readonly [V in RequestVerb]: Command } = {
  ...ENTRANCES,
  JOIN: { words: [1, 1], kind: "joins", run: join },
  LEAVE: { words: [1, 1], kind: "joins", run: leave },
  ROOMS: { words: [0, 0], cost: DEAR, run: rooms },
  WHO: { words: [1, 1], cost: DEAR, run: who },
  SEND: { words: [1, 1], run: send },
  HISTORY: { words: [1, 1], cost: DEAR, run: history },
  ...INTRODUCTIONS,
  PING: { words: [0, 0], run: () => encode("PONG") },
  PONG: { words: [0, 0], run: pong },
  LOGOUT: { words: [0, 0], run: logout },
  RECEIVED: { words: [0, 1], run: onlyClassic },
};

async function join(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const { hub, journal } = context;
  const user = userOf(session);
  const roomsBefore = user.rooms.size;
  const room = hub.join(user, frame.args[0]!, journal);
  const answer = encode("JOINED", [room.name], {
    Members: room.members.size,
    "Last-id": journal.lastId,
  });
  if (user.rooms.size > roomsBefore) {
    logJoined(user, room.name, context);
    await keepMembership(session, context, room);
  }
  return answer;
}

/** @throws {ChatError} 119 if it cannot be stored; then the room was left. */
async function keepMembership(
  session: Session,
  context: Context,
  room: Room,
): Promise<void> {
  const { hub, visits } = context;
  const user = userOf(session);
  const since = user.rooms.get(room)!; // just joined
  try {
    await visits.joined(session.visit!, room.name, since); // users have one
  } catch (error) {
    if (user.rooms.has(room)) {
      hub.leave(user, room.name);
      logLeft(user, room.name, context);
    }
    throw error;
  }
}

/** Logs that a user came into a room. */
export function logJoined(
  user: User,
  room: string,
  { log }: Pick<Context, "log">,
): void {
  log(`${user.name} joined room [${room.slice(1)}] from <${user.peer.remote}>`);
}

/** Logs that a user went out of a room. */
export function logLeft(
  user: User,
  room: string,
  { log }: Pick<Context, "log">,
): void {
  log(`${user.name} left room [${room.slice(1)}]`);
}

async function leave(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<Uint8Array> {
  const user = userOf(session);
  const room = context.hub.leave(user, frame.args[0]!);
  logLeft(user, room.name, context); // now: it may be gone while that is stored
  await context.visits.left(session.visit!, [room.name]); // users have one
  return encode("LEFT", [room.name]);
}

function rooms(_session: Session, { hub, journal }: Context): Uint8Array {
  const lines = hub.list(journal).map((room) =>
    `${room.name} ${room.members}\n`
  );
  return encode("ROOMS", [], {}, lines.join(""));
}

function who(_session: Session, { hub }: Context, frame: Frame): Uint8Array {
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

/** Makes a draft of it; {@linkcode sendDrafts} answers. */
export function send(
  session: Session,
  { hub }: Context,
  frame: Frame,
): undefined {
  const to = hub.address(userOf(session), frame.args[0]!);
  if (!isText(frame.body)) {
    throw new ChatError(107, "Cannot send what is not UTF-8");
  }
  const key = keyOf(session, frame);
  session.draftedWords = key === undefined ? frame.args : undefined;
  if (key === undefined) session.drafts.push({ to, body: frame.body });
  else session.drafts.push({ to, body: frame.body, key });
}

/**
 * The answer to a SEND that cannot be sent for `error`: if it was stored once,
 * and only the answer got lost, it is that answer. Its target may be gone since.
 *
 * @throws {ChatError} The `error`, if it was not.
 */
export function answerUnsent(
  session: Session,
  { journal }: Context,
  frame: Frame,
  error: unknown,
): Uint8Array {
  const late = error instanceof ChatError && MAY_COME_LATE.has(error.code);
  const to = frame.args[0];
  if (!late || to === undefined || !targetKind(to)) throw error;
  const key = keyOf(session, frame);
  const stored = key === undefined ? undefined : journal.repeated(key);
  if (!stored) throw error;
  const { delivery: { recipients }, ...run } = stored;
  return encodeSents({ ...run, to, recipients });
}

/** What may forbid a SEND that was allowed before. */
const MAY_COME_LATE: ReadonlySet<number> = new Set([102, 109, 120]);

/**
 * Under what the journal knows a SEND again; undefined if it has no Key.
 *
 * @throws {ChatError} 105 if that is malformed, or there twice.
 */
function keyOf(session: Session, frame: Frame): string | undefined {
  const key = single(frame, "key");
  if (key === undefined) return undefined;
  if (!/^[\x20-\x7e]{1,64}$/.test(key)) {
    throw new ChatError(
      105,
      "Cannot send: Key is not 1 to 64 printable characters",
    );
  }
  // A guest's name may have had other owners.
  const scope = session.account?.keyScope ?? session.visit!.token;
  return `${scope} ${key}`;
}

/**
 * Makes a draft of a SEND with the very head of the draft before it, which is
 * known to be allowed; says whether it was one. A head that repeats is decoded
 * once, so that to compare the words is to compare two references.
 */
export function sendAgain(session: Session, frame: Frame): boolean {
  const last = session.drafts.at(-1);
  const same = last && frame.args === session.draftedWords;
  if (!same || !isText(frame.body)) return false;
  session.drafts.push({ to: last.to, body: frame.body });
  return true;
}

/**
 * Stores what was drafted, which hands it on, and answers SENT. A flood then
 * waits for readers who have fallen behind, and so goes as fast as it is read;
 * who just talks never waits for anybody.
 */
export async function sendDrafts(
  session: Session,
  context: Context,
): Promise<void> {
  const { drafts } = session;
  session.drafts = [];
  const stored = await append(session, context, drafts);
  let draft = 0;
  for (const { delivery: { recipients }, ...run } of stored) {
    const { to } = drafts[draft]!;
    session.connection.outbox.answer(encodeSents({ ...run, to, recipients }));
    draft += run.count;
  }
  const slow = new Set(stored.flatMap((run) => run.delivery.congested));
  if (slow.size > 0 && session.pace.floods(context.now())) {
    await Promise.all(Array.from(slow, (reader) => reader.relief()));
  }
}

/** Stores drafts; answers them with why, if they cannot be stored. */
async function append(
  session: Session,
  { journal }: Context,
  drafts: readonly Draft[],
): Promise<Stored[]> {
  try {
    return await journal.append(userOf(session).name, drafts);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    for (const { to } of drafts) {
      session.connection.outbox.answer(encodeError(error, `SEND ${to}`));
    }
    return [];
  }
}

async function history(
  session: Session,
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
  const sent = await sendAnswers(session, frames);
  return encode("HISTORY", [name], { Count: sent });
}

/** Whoever answers a PING has everything that was sent before it. */
async function pong(session: Session, context: Context): Promise<undefined> {
  const { account, pingedId } = session;
  session.pingedId = undefined;
  if (!account || pingedId === undefined) return;
  session.confirmedId = pingedId;
  await context.accounts.received(account, pingedId);
}

/** Who takes leave has everything, if it was possible to send it. */
async function logout(
  { connection, account, caughtUp }: Session,
  { accounts, journal }: Context,
): Promise<undefined> {
  const { lastId } = journal;
  connection.outbox.answer(encode("BYE"));
  connection.end("logged out");
  if (!account || !caughtUp) return;
  await connection.outbox.flushed();
  if (connection.outbox.empty) await accounts.received(account, lastId);
}

function onlyClassic(): never {
  throw new ChatError(105, "Cannot do that: RECEIVED is for TORECV sockets");
}
