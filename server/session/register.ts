/**
 * Registration: as a guest, by signing up, by signing in; and what the client
 * gets first, which is what its user missed.
 *
 * A name that has an account is for its owner, who proves it: by LOGIN and PROVE,
 * or over TLS by the token of a session that began so.
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
import type { ResumableSession } from "../accounts/resume_tokens.ts";
import { parseVerifier } from "../../core/scram_server.ts";
import type { Newcomer } from "../chat/names.ts";
import type { Missed } from "../journal/journal.ts";
import { hostOf } from "../net/connection.ts";
import {
  type Answer,
  type Context,
  EXPENSIVE,
  type New,
  number,
  type OpenCommand,
  sendAnswers,
  type Session,
  single,
} from "./session.ts";
import { Registered } from "./sender.ts";

/** The commands of a session that is not registered, by verb. */
export const REGISTRATIONS = {
  REGISTER: row([1, Infinity], register),
  SIGNUP: row([1, 1], signUp),
  LOGIN: row([1, 1], logIn),
  PROVE: row([1, 1], prove),
} as const;

function row(words: OpenCommand["words"], run: OpenCommand["run"]) {
  return { words, open: true, cost: EXPENSIVE, run: admitted(run) } as const;
}

/** Waits for admission before `run`, unless the connection ends meanwhile. */
function admitted(run: OpenCommand["run"]): OpenCommand["run"] {
  return async (session, context, frame) => {
    const turn = context.admission.pass();
    if (turn) await session.keepalive.admitted(turn, context.now);
    return hasEnded(session) ? undefined : run(session, context, frame);
  };
}

function hasEnded({ connection }: Session): boolean {
  return connection.ending !== undefined;
}

function register(session: Session, context: Context, frame: Frame): Answer {
  const state = unregistered(session, "register");
  const [name = "", ...rest] = frame.args;
  state.isTwoSocket = name === "TOSEND" || name === "TORECV";
  if (state.isTwoSocket) return registerTwoSocket(session, context, frame.args);
  if (rest.length > 0) {
    throw new ChatError(105, "Cannot register: a name has no spaces");
  }
  return registerName(session, context, { name, frame });
}

async function registerName(
  session: Session,
  context: Context,
  { name, frame }: { name: string; frame: Frame },
): Promise<undefined> {
  const { accounts, hub, resumables } = context;
  const after = number(frame, "after");
  const token = single(frame, "token");
  const resumed = token === undefined
    ? undefined
    : resumables.find(name, token);
  const account = accounts.named(name);
  // Under the very name of an account only its owner has a resumable session; one
  // under a similar name can be that of a guest from before the account. Without
  // TLS the token is no proof: others could have read it.
  const isOwner = account && session.connection.transport === "TLS" &&
    resumed?.key === account.name.toLowerCase();
  if (!isOwner) refuseGuest(context, name, account);
  replace(resumed?.connection);
  hub.names.reserve(name, session.connection);
  await enter(session, context, {
    name: account?.name ?? name,
    resumed,
    account,
    after,
    deed: "registered",
  });
}

/** @throws {ChatError} 110 if the client must sign in. */
function refuseGuest(
  { hub, settings }: Context,
  name: string,
  account: Account | undefined,
): void {
  if (!account && !settings.requireLogin) return;
  hub.names.check(name);
  const why = account
    ? "this name (or a similar one) has an account; sign in"
    : "guests are not allowed; sign in";
  throw new ChatError(110, `Cannot register as "${name}": ${why}`, {
    headers: account
      ? { Account: account.name, Suggestion: hub.names.freeName(name) }
      : {},
  });
}

async function signUp(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<Uint8Array | undefined> {
  const { accounts, hub } = context;
  const { state } = session;
  const [word = ""] = frame.args;
  const user = state.type === "registered" ? state : undefined;
  const name = user?.user.name ?? word;
  if (name.toLowerCase() !== word.toLowerCase()) {
    throw new ChatError(105, `Cannot sign up as "${word}": you are ${name}`);
  }
  hub.names.check(name);
  const verifier = bodyText(frame);
  parseVerifier(verifier);
  if (user?.account && accounts.has(name, verifier)) { // it asks once more
    return registered(user, context);
  }
  if (hub.names.owned(name) !== undefined) throw exists(name);
  if (user) return await signUpUser(session, context, { user, verifier });
  hub.names.reserve(name, session.connection);
  const account = await createReserved(session, context, { name, verifier });
  if (hasEnded(session)) hub.names.release(name);
  else await enter(session, context, { name, account, deed: "signed up" });
  return undefined;
}

/** Makes an account for a guest. */
async function signUpUser(
  { address, connection }: Session,
  context: Context,
  { user, verifier }: { user: Registered; verifier: string },
): Promise<Uint8Array> {
  address.countSignUp(context.now());
  const { user: { name }, resumable: { since, token } } = user;
  const keyScope = token; // the keys of the guest's messages stay valid
  const account = { name, verifier, since, keyScope };
  user.account = await context.accounts.create(account);
  context.log(`${name} signed up from <${connection.remote}>`);
  return registered(user, context);
}

/** Makes an account for a name that is reserved until then. */
async function createReserved(
  { address }: Session,
  { accounts, hub, journal, resumables, now }: Context,
  { name, verifier }: { name: string; verifier: string },
): Promise<Account> {
  const keyScope = crypto.randomUUID();
  const since = journal.lastId;
  try {
    address.countSignUp(now());
    await resumables.forget(name); // of a guest, who must not resume as its owner
    return await accounts.create({ name, verifier, since, keyScope });
  } catch (error) {
    hub.names.release(name);
    throw error;
  }
}

function logIn(session: Session, context: Context, frame: Frame): Uint8Array {
  const state = unregistered(session, "sign in");
  if (state.login) {
    throw new ChatError(
      105,
      `Cannot sign in: the LOGIN of ${state.login.name} waits for its PROVE`,
    );
  }
  const name = frame.args[0]!;
  context.hub.names.check(name);
  const address = hostOf(session.connection.remote);
  state.login = context.accounts.begin(name, address, bodyText(frame));
  return encode("CHALLENGE", [name], {}, state.login.challenge.message);
}

async function prove(
  session: Session,
  context: Context,
  frame: Frame,
): Promise<undefined> {
  const state = unregistered(session, "sign in");
  const { login } = state;
  state.login = undefined; // a challenge is good for one answer
  if (!login) throw new ChatError(105, "Cannot prove anything before LOGIN");
  if (login.name !== frame.args[0]) {
    throw new ChatError(105, `Cannot prove: the LOGIN was of ${login.name}`);
  }
  const { hub, resumables } = context;
  const after = number(frame, "after");
  const token = single(frame, "token") ?? "";
  const { account, signature } = await checkProof(session, context, {
    login,
    message: bodyText(frame),
  });
  if (hasEnded(session)) return;
  const { name } = account;
  const resumed = resumables.find(name, token);
  replace(resumables.newest(name)?.connection);
  replace(hub.names.newcomer(name)); // another client that proved it a moment ago
  hub.names.reserve(name, session.connection);
  const deed = "signed in";
  await enter(session, context, {
    name,
    resumed,
    account,
    after,
    signature,
    deed,
  });
}

/** Checks a proof, and logs wrong ones. */
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
    if (code === 112) log(`${login.name}: temporarily locked at <${remote}>`);
    throw error;
  }
}

/** A user that may enter, and how. */
interface Entry {
  /** Reserved for the session. */
  readonly name: string;
  /** The session that is resumed; without, a new one starts. */
  readonly resumed?: ResumableSession | undefined;
  readonly account: Account | undefined;
  /** The newest message that the client says it has. */
  readonly after?: number | undefined;
  /** The server's answer to a proof. */
  readonly signature?: string;
  /** What the user did, for the log. */
  readonly deed: string;
}

/** Enters the chat, and sends what was missed. */
async function enter(
  session: Session,
  context: Context,
  entry: Entry,
): Promise<void> {
  const { journal, settings } = context;
  const { name, signature, deed } = entry;
  const { connection } = session;
  reserve(session, name);
  const resumable = entry.resumed ?? await startSession(session, context, name);
  const banned = context.bans.refusal({ kind: "name", value: name }); // by now
  if (hasEnded(session) || banned) {
    resumable.goneAt = context.now();
    release(session, context);
    if (banned) throw banned;
    return;
  }
  const user = new Registered(session, context, { ...entry, resumable });
  session.state = user;
  resumable.connection = connection;
  resumable.goneAt = Infinity;
  connection.maxBodyBytes = settings.maxBodyBytes;
  context.log(`${name} ${deed} from <${connection.remote}>`);
  const upTo = journal.lastId;
  connection.outbox.answer(registered(user, context, signature));
  await replay(user, context, { entry, upTo });
  user.release();
}

/** Sends what the user has missed, up to an id. */
async function replay(
  { connection, resumable }: Registered,
  { accounts, journal, now }: Context,
  { entry, upTo }: { entry: Entry; upTo: number },
): Promise<void> {
  const { account, after } = entry;
  // A greater id is that of another server, or of a database that is gone.
  const known = after !== undefined && after <= upTo ? after : undefined;
  if (account && known !== undefined) await accounts.received(account, known);
  const missed = missedBy(resumable, entry, known);
  if (!missed) return;
  await sendAnswers(connection, now, journal.missed({ ...missed, upTo }));
}

/** Starts a resumable session under a reserved name, or releases the name. */
async function startSession(
  session: Session,
  context: Context,
  name: string,
): Promise<ResumableSession> {
  try {
    return await context.resumables.begin(name, context.journal.lastId);
  } catch (error) {
    release(session, context);
    throw error;
  }
}

function reserve({ state }: Session, name: string): void {
  if (state.type === "new") state.reserved = name;
}

/** Releases the name that is reserved for the session, if there is one. */
export function release({ state }: Session, { hub }: Context): void {
  if (state.type !== "new" || state.reserved === undefined) return;
  hub.names.release(state.reserved);
  state.reserved = undefined;
}

/**
 * What the user gets first. A guest whose client does not know its last message
 * gets nothing; an account gets what was sent to it alone since the last message
 * that it has certainly received.
 */
function missedBy(
  { rooms, since: guestSince }: ResumableSession,
  { name, resumed, account }: Entry,
  after: number | undefined,
): Omit<Missed, "upTo"> | undefined {
  if (account) {
    const { since, seen } = account;
    if (after !== undefined) return { after, user: name, since, rooms };
    return { after: seen, user: name, since, rooms: new Map(), alone: true };
  }
  if (!resumed || after === undefined) return undefined;
  return { after, user: name, since: guestSince, rooms };
}

function registered(
  { user, resumable }: Registered,
  { journal, settings }: Context,
  signature?: string,
): Uint8Array {
  return encode("REGISTERED", [user.name], {
    Server: settings.software,
    Protocol: PROTOCOL,
    "Max-body": settings.maxBodyBytes,
    Token: resumable.token,
    "Last-id": journal.lastId,
  }, signature);
}

/** Ends a connection, dead or alive, for which there is a newer one. */
function replace(connection: Newcomer | undefined): void {
  connection?.end(
    new ChatError(117, "Cannot stay connected: you signed in elsewhere"),
  );
}

/** @throws {ChatError} 105 if the session has a user. */
function unregistered({ state }: Session, deed: string): New {
  if (state.type === "new") return state;
  const { name } = state.user;
  throw new ChatError(105, `Cannot ${deed}: you are ${name}`);
}

/** @throws {ChatError} 107 if the body is not UTF-8. */
function bodyText(frame: Frame): string {
  const body = text(frame.body);
  if (body !== undefined) return body;
  throw new ChatError(107, "Cannot read a body that is not UTF-8");
}

async function registerTwoSocket(
  session: Session,
  { accounts, twoSocketUsers, settings, resumables }: Context,
  [role, name, ...rest]: readonly string[],
): Promise<Uint8Array> {
  if (name === undefined || rest.length > 0) {
    throw new ChatError(100, "Cannot register: a name is one word");
  }
  if (settings.requireLogin) {
    throw new ChatError(110, "Cannot register: guests are not allowed");
  }
  if (accounts.named(name)) {
    throw new ChatError(100, "Cannot register: the name has an account");
  }
  const which = role === "TOSEND" ? "TOSEND" : "TORECV";
  const user = twoSocketUsers.register(which, name, session.connection);
  session.state = { type: "two-socket", user, role: which };
  session.pace.neverRefuse({ exempt: which === "TORECV" });
  session.connection.maxBodyBytes = settings.maxBodyBytes;
  await resumables.forget(name); // of a guest, whose messages these are not
  return encode("REGISTERED", [which, name]);
}
