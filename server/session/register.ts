/**
 * Coming in: as a guest, by signing up, by logging in; what a new user is told,
 * and what it missed.
 *
 * A name that has an account is for whoever proves to be its owner: by LOGIN
 * and PROVE, or by the token of a visit that began so.
 *
 * @module
 */
import {
  ChatError,
  encode,
  type Frame,
  PROTOCOL,
  text,
} from "../../protocol.ts";
import {
  type Account,
  exists,
  type PendingLogin,
  type Proved,
} from "../accounts/accounts.ts";
import type { Missed } from "../journal/journal.ts";
import { hostOf } from "./two_socket.ts";
import { type Command, DEAR, number, sendAnswers, single } from "./command.ts";
import type { Context, Session } from "./context.ts";
import type { Newcomer } from "../chat/hub.ts";
import type { Peer } from "../chat/user.ts";
import type { Batch } from "../chat/batch.ts";
import { parseVerifier } from "../../core/scram_server.ts";
import type { ResumableSession } from "../accounts/resume_tokens.ts";

/** What may be asked by somebody who is not in yet, by verb. */
export const ENTRANCES = {
  REGISTER: {
    words: [1, Infinity],
    open: true,
    cost: DEAR,
    run: inLine(register),
  },
  SIGNUP: { words: [1, 1], open: true, cost: DEAR, run: inLine(signUp) },
  LOGIN: { words: [1, 1], open: true, cost: DEAR, run: inLine(logIn) },
  PROVE: { words: [1, 1], open: true, cost: DEAR, run: inLine(proveLogin) },
} as const satisfies Record<string, Command>;

/** Does `run` when it is the session's turn, unless it is gone by then. */
function inLine(run: Command["run"]): Command["run"] {
  return async (session, context, frame) => {
    const turn = context.admission.pass();
    if (turn) await wait(session, context, turn);
    return session.gone ? undefined : run(session, context, frame);
  };
}

/** Waits for a turn, of which the time does not count as the session's own. */
async function wait(
  session: Session,
  { now }: Context,
  turn: Promise<void>,
): Promise<void> {
  const since = now();
  session.inLine = true;
  await turn;
  session.inLine = false;
  session.openedAt += now() - since;
}

async function register(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<Uint8Array | undefined> {
  refuseUsers(session, "register");
  const [name = "", ...rest] = frame.args;
  session.bare = name === "TOSEND" || name === "TORECV";
  if (session.bare) return registerClassic(session, context, frame.args);
  if (rest.length > 0) {
    throw new ChatError(105, "Cannot register: a name has no spaces");
  }
  const { accounts, hub, visits } = context;
  const after = number(frame, "after");
  const token = single(frame, "token");
  const visit = token === undefined ? undefined : visits.find(name, token);
  const account = accounts.named(name);
  // Under the very name of an account, only its owner can have a visit; one
  // under a look-alike may be of a guest who was here before it was made. The
  // token alone is no proof of that where others could hear it.
  const isOwner = account && session.connection.way === "TLS" &&
    visit?.key === account.name.toLowerCase();
  if (!isOwner) refuseGuest(context, name, account);
  replace(visit?.connection);
  hub.reserve(name, session.connection);
  await enter(session, context, {
    name: account?.name ?? name,
    visit,
    account,
    after,
    deed: "registered",
  });
  return undefined;
}

/** @throws {ChatError} 110 if one has to log in, or sign up. */
function refuseGuest(
  { hub, settings }: Context,
  name: string,
  account: Account | undefined,
): void {
  if (!account && !settings.requireLogin) return;
  hub.checkName(name);
  const why = account
    ? `Cannot enter as "${name}" without a password: this name, or one that looks like it, has an account`
    : `Cannot enter as "${name}" without an account: this server has no guests`;
  throw new ChatError(110, why, {
    headers: account
      ? { Account: account.name, Suggestion: hub.freeName(name) }
      : {},
  });
}

async function signUp(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<Uint8Array | undefined> {
  const { accounts, hub } = context;
  const { user, visit } = session;
  const name = user?.name ?? frame.args[0]!;
  if (name.toLowerCase() !== frame.args[0]!.toLowerCase()) {
    throw new ChatError(105, `Cannot sign up as another: you are ${name}`);
  }
  hub.checkName(name);
  const verifier = bodyText(frame);
  parseVerifier(verifier);
  if (session.account && accounts.has(name, verifier)) { // it asks once more
    return registered(session, context);
  }
  if (hub.owns(name)) throw exists(name);
  if (user && visit) {
    session.pace.address.countSignUp(context.now());
    const { since, token: keyScope } = visit; // its messages' keys stay good
    const account = { name, verifier, since, keyScope };
    session.account = await accounts.create(account);
    context.log(`${name} signed up from <${session.connection.remote}>`);
    return registered(session, context);
  }
  hub.reserve(name, session.connection);
  const account = await createReserved(session, context, { name, verifier });
  if (session.gone) hub.release(name);
  else await enter(session, context, { name, account, deed: "signed up" });
  return undefined;
}

/** Makes an account for a name that is reserved until then. */
async function createReserved(
  { pace }: Session,
  { accounts, hub, journal, visits, now }: Context,
  { name, verifier }: { name: string; verifier: string },
): Promise<Account> {
  const keyScope = crypto.randomUUID();
  const since = journal.lastId;
  try {
    pace.address.countSignUp(now());
    await visits.forget(name); // of a guest, who must not come back to it
    return await accounts.create({ name, verifier, since, keyScope });
  } catch (error) {
    hub.release(name);
    throw error;
  }
}

function logIn(session: Session, context: Context, frame: Frame): Uint8Array {
  refuseUsers(session, "log in");
  if (session.login) {
    throw new ChatError(
      105,
      `Cannot log in: the LOGIN of ${session.login.name} waits for its PROVE`,
    );
  }
  const name = frame.args[0]!;
  context.hub.checkName(name);
  const address = hostOf(session.connection.remote);
  session.login = context.accounts.begin(name, address, bodyText(frame));
  return encode("CHALLENGE", [name], {}, session.login.challenge.message);
}

async function proveLogin(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<undefined> {
  refuseUsers(session, "log in");
  const { login } = session;
  session.login = undefined; // a challenge is good for one answer
  if (!login) throw new ChatError(105, "Cannot prove anything before LOGIN");
  if (login.name !== frame.args[0]) {
    throw new ChatError(105, `Cannot prove: the LOGIN was of ${login.name}`);
  }
  const { hub, visits } = context;
  const after = number(frame, "after");
  const token = single(frame, "token") ?? "";
  const { account, signature } = await checkProof(session, context, {
    login,
    message: bodyText(frame),
  });
  if (session.gone) return;
  const { name } = account;
  const visit = visits.find(name, token);
  replace(visits.newest(name)?.connection);
  replace(hub.newcomer(name)); // who proved it a moment ago
  hub.reserve(name, session.connection);
  const deed = "logged in";
  await enter(session, context, {
    name,
    visit,
    account,
    after,
    signature,
    deed,
  });
}

/** Checks it, and logs who guesses. */
async function checkProof(
  { connection: { remote } }: Session,
  { accounts, log }: Context,
  { login, message }: { login: PendingLogin; message: string },
): Promise<Proved> {
  try {
    return await accounts.prove(login, message);
  } catch (error) {
    const code = error instanceof ChatError ? error.code : undefined;
    if (code === 111) log(`${login.name}: wrong password from <${remote}>`);
    if (code === 112) log(`${login.name}: locked out at <${remote}>`);
    throw error;
  }
}

/** Who comes in, and how. */
interface Entrance {
  readonly name: string;
  /** The visit that is taken up again; without, one begins. */
  readonly visit?: ResumableSession | undefined;
  readonly account: Account | undefined;
  /** The newest message that the client says it has. */
  readonly after?: number | undefined;
  /** The server's answer to a proof. */
  readonly signature?: string;
  /** What the log says of it. */
  readonly deed: string;
}

/** Lets somebody in under a reserved name. */
async function enter(
  session: Session,
  context: Context,
  entrance: Entrance,
): Promise<void> {
  const { hub, journal, settings } = context;
  const { name, account, signature, deed } = entrance;
  const { connection } = session;
  session.reserved = name;
  const visit = entrance.visit ?? await beginVisit(session, context, name);
  const banned = context.bans.refusal({ kind: "name", value: name }); // by now
  if (session.gone || banned) {
    visit.goneAt = context.now();
    release(session, context);
    if (banned) throw banned;
    return;
  }
  const peer = new NativePeer(session);
  session.login = undefined;
  session.reserved = undefined;
  session.account = account;
  session.user = hub.enter(name, peer);
  session.visit = visit;
  visit.connection = connection;
  visit.goneAt = Infinity;
  connection.maxBodyBytes = settings.maxBodyBytes;
  context.log(`${name} ${deed} from <${connection.remote}>`);
  const upTo = journal.lastId;
  connection.outbox.answer(registered(session, context, signature));
  await replay(session, context, { entrance, visit, upTo });
  peer.release();
  session.caughtUp = true;
}

/** Sends what the visit has missed, up to an id. */
async function replay(
  session: Session,
  { accounts, journal }: Context,
  { entrance, visit, upTo }: {
    entrance: Entrance;
    visit: ResumableSession;
    upTo: number;
  },
): Promise<void> {
  const { account, after } = entrance;
  // An id that is still to come is of a server that counted otherwise.
  const known = after !== undefined && after <= upTo ? after : undefined;
  if (account && known !== undefined) await accounts.received(account, known);
  const missed = missedBy(visit, entrance, known);
  if (missed) await sendAnswers(session, journal.missed({ ...missed, upTo }));
}

/** Begins a visit under a reserved name, or gives the name back. */
async function beginVisit(
  session: Session,
  context: Context,
  name: string,
): Promise<ResumableSession> {
  try {
    return await context.visits.begin(name, context.journal.lastId);
  } catch (error) {
    release(session, context);
    throw error;
  }
}

/** Gives back the name under which the session was about to enter, if any. */
export function release(session: Session, { hub }: Context): void {
  if (session.reserved !== undefined) hub.release(session.reserved);
  session.reserved = undefined;
}

/**
 * What somebody who comes in is to hear first. A guest who cannot say which
 * message was the last hears nothing; an account what was sent to it since the
 * last one that surely arrived.
 */
function missedBy(
  visit: ResumableSession,
  { name, visit: before, account }: Entrance,
  after: number | undefined,
): Omit<Missed, "upTo"> | undefined {
  const { rooms } = visit;
  if (account) {
    const { since, seen } = account;
    if (after !== undefined) return { after, user: name, since, rooms };
    return { after: seen, user: name, since, rooms: new Map(), alone: true };
  }
  if (!before || after === undefined) return undefined;
  return { after, user: name, since: visit.since, rooms };
}

function registered(
  { visit, user }: Session,
  { journal, settings }: Context,
  signature?: string,
): Uint8Array {
  return encode("REGISTERED", [user!.name], { // set by `enter`, as the visit is
    Server: settings.software,
    Protocol: PROTOCOL,
    "Max-body": settings.maxBodyBytes,
    Token: visit!.token,
    "Last-id": journal.lastId,
  }, signature);
}

/** Ends a connection, dead or alive, for which there is a newer one. */
function replace(connection: Newcomer | undefined): void {
  connection?.end(
    new ChatError(117, "Cannot stay: you came in from another connection"),
  );
}

/** @throws {ChatError} 105 if the session has a user. */
function refuseUsers({ user }: Session, deed: string): void {
  if (!user) return;
  throw new ChatError(105, `Cannot ${deed}: you are ${user.name}`);
}

/** @throws {ChatError} 107 if the body is not UTF-8. */
function bodyText(frame: Frame): string {
  const body = text(frame.body);
  if (body !== undefined) return body;
  throw new ChatError(107, "Cannot read a body that is not UTF-8");
}

async function registerClassic(
  session: Session,
  { accounts, twoSocketUsers, settings, visits }: Context,
  [role, name, ...rest]: readonly string[],
): Promise<Uint8Array> {
  if (name === undefined || rest.length > 0) {
    throw new ChatError(100, "Cannot register: a name is one word");
  }
  if (settings.requireLogin) {
    throw new ChatError(110, "Cannot register: this server has no guests");
  }
  if (accounts.named(name)) {
    throw new ChatError(100, "Cannot register: the name has an account");
  }
  const which = role === "TOSEND" ? "TOSEND" : "TORECV";
  const user = twoSocketUsers.register(which, name, session.connection);
  session.classic = { user, role: which };
  session.connection.maxBodyBytes = settings.maxBodyBytes;
  await visits.forget(name); // of a guest, who must not hear what is for this one
  return encode("REGISTERED", [which, name]);
}

/**
 * A user of our own protocol, as the hub sees one. Until {@linkcode release},
 * what others say is held back: what was missed comes first.
 */
class NativePeer implements Peer {
  readonly #session: Session;
  #held: Uint8Array[] | undefined = [];
  #heldBytes = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  get kind(): "account" | "guest" {
    return this.#session.account ? "account" : "guest";
  }

  get remote(): string {
    return this.#session.connection.remote;
  }

  get congested(): boolean {
    return this.#session.connection.outbox.congested;
  }

  relief(): Promise<void> {
    return this.#session.connection.outbox.relief();
  }

  notify(bytes: Uint8Array): void {
    if (!this.#held) return this.#session.connection.outbox.push(bytes);
    const { maxBytes } = this.#session.connection.outbox;
    if (this.#heldBytes > maxBytes) {
      return this.#session.connection.overflowed();
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  forward(_run: Batch, forwards: Uint8Array): undefined {
    this.notify(forwards);
  }

  release(): void {
    for (const bytes of this.#held ?? []) {
      this.#session.connection.outbox.push(bytes);
    }
    this.#held = undefined;
  }
}
