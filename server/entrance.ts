/**
 * Coming in: who may be who, what a new user is told, and what it missed.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  header,
  PROTOCOL,
} from "../protocol.ts";
import { type Command, number, sendAnswers, userOf } from "./command.ts";
import type { Connection } from "./connection.ts";
import type { Context, Session } from "./context.ts";
import type { Peer } from "./hub.ts";
import type { Run } from "./run.ts";
import type { Visit, Visits } from "./visits.ts";

/** What may be asked by somebody who is not in yet, by verb. */
export const ENTRANCES = {
  REGISTER: { words: [1, Infinity], open: true, run: register },
} as const satisfies Record<string, Command>;

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
    await sendAnswers(session, journal.missed(query));
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
