/**
 * What may be asked of the server: the table of commands, and what each does.
 *
 * A command checks, changes the hub, and returns its answer; what it throws as
 * a {@linkcode ChatError} is the answer too. Who may ask is checked before, by
 * the gate in server/session.ts.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  header,
  isText,
  PROTOCOL,
  type RequestVerb,
} from "../protocol.ts";
import type { Context, Session } from "./context.ts";
import type { Peer, User } from "./hub.ts";
import type { Connection } from "./connection.ts";
import { encodeSents, type Run } from "./run.ts";
import type { Visit, Visits } from "./visits.ts";

/** The most messages that one HISTORY gives. */
export const MAX_HISTORY = 1_000;

/** One thing that may be asked. */
export interface Command {
  /** How many words the start line has after the verb. */
  readonly words: readonly [least: number, most: number];
  /** May be asked before registration. */
  readonly open?: true;
  /**
   * Does it. What it returns is the answer, if that was not sent by `run`.
   *
   * @throws {ChatError} The answer, if it cannot be done.
   */
  run(
    session: Session,
    context: Context,
    frame: Frame,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** Everything that may be asked, by verb. */
export const COMMANDS: { readonly [V in RequestVerb]: Command } = {
  REGISTER: { words: [1, Infinity], open: true, run: register },
  JOIN: { words: [1, 1], run: join },
  LEAVE: { words: [1, 1], run: leave },
  ROOMS: { words: [0, 0], run: rooms },
  WHO: { words: [1, 1], run: who },
  SEND: { words: [1, 1], run: send },
  HISTORY: { words: [1, 1], run: history },
  PING: { words: [0, 0], run: () => encode("PONG") },
  PONG: { words: [0, 0], run: () => undefined },
  LOGOUT: { words: [0, 0], run: logout },
  RECEIVED: { words: [0, 1], run: onlyClassic },
};

/** The user of a session that has passed the gate. */
function userOf(session: Session): User {
  if (!session.user) throw new TypeError("Cannot pass the gate as nobody");
  return session.user;
}

async function register(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<Uint8Array | undefined> {
  if (session.user) {
    throw new ChatError(105, `Cannot register: you are ${session.user.name}`);
  }
  const [name = "", ...rest] = frame.args;
  session.bare = name === "TOSEND" || name === "TORECV";
  if (session.bare) return registerClassic(session, context, frame.args);
  if (rest.length > 0) {
    throw new ChatError(105, "Cannot register: a name has no spaces");
  }
  const { hub, journal, visits, settings } = context;
  const after = number(frame, "after");
  const visit = resume(visits, name, header(frame, "token"));
  hub.reserve(name);

  const peer = new NativePeer(session);
  session.user = hub.enter(name, peer);
  session.visit = visit ?? visits.begin(name, journal.lastId);
  session.visit.connection = session.connection;
  session.visit.goneAt = Infinity;
  session.connection.maxBodyBytes = settings.maxBodyBytes;
  context.log(
    `${session.user.name} registered from <${session.connection.remote}>`,
  );
  await welcome(session, context, visit && after);
  peer.release();
  return undefined;
}

/** Says REGISTERED, and then what was missed. */
async function welcome(
  session: Session,
  { journal, settings }: Context,
  after: number | undefined,
): Promise<void> {
  const { outbox } = session.connection;
  const { rooms, since, token } = session.visit!; // set by `register`
  const { name } = userOf(session);
  const upTo = journal.lastId;
  outbox.answer(encode("REGISTERED", [name], {
    Server: settings.software,
    Protocol: PROTOCOL,
    "Max-body": settings.maxBodyBytes,
    Token: token,
    "Last-id": upTo,
  }));
  if (after !== undefined) {
    const query = { after, upTo, user: name, since, rooms: rooms ?? new Map() };
    await sendAnswers(session, await journal.missed(query));
  }
}

/**
 * The visit that `token` proves to be one's own. Whatever connection still has
 * it, dead or alive, is replaced.
 */
function resume(
  visits: Visits,
  name: string,
  token: string | undefined,
): Visit | undefined {
  const visit = token === undefined ? undefined : visits.find(name, token);
  visit?.connection?.end(
    new ChatError(117, "Cannot stay: you came in from another connection"),
  );
  return visit;
}

function registerClassic(
  session: Session,
  { classics, settings }: Context,
  [role, name, ...rest]: readonly string[],
): Uint8Array {
  if (name === undefined || rest.length > 0) {
    throw new ChatError(100, "Cannot register: a name is one word");
  }
  const which = role === "TOSEND" ? "TOSEND" : "TORECV";
  const user = classics.register(which, name, session.connection);
  session.classic = { user, role: which };
  session.connection.maxBodyBytes = settings.maxBodyBytes;
  return encode("REGISTERED", [which, name]);
}

/**
 * A user of our own protocol, as the hub sees one. Until {@linkcode release},
 * what others say is held back: what was missed comes first.
 */
class NativePeer implements Peer {
  readonly kind = "guest";
  readonly #connection: Connection;
  #held: Uint8Array[] | undefined = [];
  #heldBytes = 0;

  constructor({ connection }: Session) {
    this.#connection = connection;
  }

  get remote(): string {
    return this.#connection.remote;
  }

  get congested(): boolean {
    return this.#connection.outbox.congested;
  }

  relief(): Promise<void> {
    return this.#connection.outbox.relief();
  }

  notify(bytes: Uint8Array): void {
    if (!this.#held) return this.#connection.outbox.push(bytes);
    const { maxBytes } = this.#connection.outbox;
    if (this.#heldBytes > maxBytes) return this.#connection.overflowed();
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  forward(_run: Run, forwards: Uint8Array): undefined {
    this.notify(forwards);
  }

  release(): void {
    for (const bytes of this.#held ?? []) this.#connection.outbox.push(bytes);
    this.#held = undefined;
  }
}

function join(session: Session, context: Context, frame: Frame): Uint8Array {
  const { hub, journal } = context;
  const user = userOf(session);
  const roomsBefore = user.rooms.size;
  const room = hub.join(user, frame.args[0]!, journal);
  if (user.rooms.size > roomsBefore) {
    logJoined(user, room.name, context);
  }
  return encode("JOINED", [room.name], {
    Members: room.members.size,
    "Last-id": journal.lastId,
  });
}

/** Logs that a user came into a room. */
export function logJoined(
  user: User,
  room: string,
  { log }: Pick<Context, "log">,
): void {
  log(`${user.name} joined room [${room.slice(1)}] from <${user.peer.remote}>`);
}

function leave(session: Session, context: Context, frame: Frame): Uint8Array {
  const user = userOf(session);
  const room = context.hub.leave(user, frame.args[0]!);
  session.visit?.rooms?.delete(room.name);
  context.log(`${user.name} left room [${room.name.slice(1)}]`);
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
  const key = header(frame, "key");
  session.draftedWords = key === undefined ? frame.args : undefined;
  if (key === undefined) session.drafts.push({ to, body: frame.body });
  else if (/^[\x20-\x7e]{1,64}$/.test(key)) {
    const { token } = session.visit!; // a name alone may have had other owners
    session.drafts.push({ to, body: frame.body, key: `${token} ${key}` });
  } else {
    throw new ChatError(
      105,
      "Cannot send: Key is not 1 to 64 printable characters",
    );
  }
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
 * Stores what was drafted, which hands it on, and answers SENT. Then waits for
 * readers who have fallen behind: a flood goes as fast as it is read.
 */
export async function sendDrafts(
  session: Session,
  context: Context,
): Promise<void> {
  const { drafts } = session;
  session.drafts = [];
  const stored = await context.journal.append(userOf(session).name, drafts);
  let draft = 0;
  for (const { delivery: { recipients }, ...run } of stored) {
    const { to } = drafts[draft]!;
    session.connection.outbox.answer(encodeSents({ ...run, to, recipients }));
    draft += run.count;
  }
  const slow = new Set(stored.flatMap((run) => run.delivery.congested));
  if (slow.size > 0) {
    await Promise.all(Array.from(slow, (reader) => reader.relief()));
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
  const frames = await journal.history(name, {
    limit: Math.min(limit, MAX_HISTORY),
    ...(after === undefined ? {} : { after }),
    ...(before === undefined ? {} : { before }),
  });
  await sendAnswers(session, frames);
  return encode("HISTORY", [name], { Count: frames.length });
}

/** Sends frames no faster than they are read. */
async function sendAnswers(
  { connection }: Session,
  frames: readonly Uint8Array[],
): Promise<void> {
  const { outbox } = connection;
  for (const frame of frames) {
    outbox.answer(frame);
    await outbox.room();
  }
}

/** @throws {ChatError} 105 if the header is there and not a whole number. */
function number(frame: Frame, name: string): number | undefined {
  const value = header(frame, name);
  if (value === undefined) return undefined;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  const shown = name[0]!.toUpperCase() + name.slice(1); // of "after" and such
  throw new ChatError(105, `Cannot do that: ${shown} is not a whole number`);
}

function logout(session: Session): undefined {
  session.connection.outbox.answer(encode("BYE"));
  session.connection.end("logged out");
}

function onlyClassic(): never {
  throw new ChatError(105, "Cannot do that: RECEIVED is for TORECV sockets");
}
