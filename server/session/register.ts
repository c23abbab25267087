/**
 * Registration: as a guest, and what signing up and signing in (sign_in.ts) have
 * in common with it. What follows is in enter.ts.
 *
 * A name that has an account is for its owner, who proves it: by LOGIN and PROVE,
 * or over TLS by the token of a session that began so.
 *
 * @module
 */
import { ChatError, encode, type Frame, header } from "../../protocol.ts";
import type { Account } from "../accounts/accounts.ts";
import { codeRequired } from "../accounts/code_errors.ts";
import { RESUME_WINDOW_MS } from "../accounts/resume_tokens.ts";
import type { ResumableSession } from "../accounts/session_table.ts";
import { hostOf } from "../net/connection.ts";
import {
  type Answer,
  type Context,
  EXPENSIVE,
  type New,
  number,
  type OpenCommand,
  type Session,
  single,
} from "./session.ts";
import { ASK_AFTER_MS, ASKED_FOR_MS } from "./keepalive.ts";
import { enter, replace } from "./enter.ts";
import { Registered } from "./sender.ts";

/** A command of a session that is not registered. */
export function registration(
  words: OpenCommand["words"],
  run: OpenCommand["run"],
): OpenCommand {
  return { words, open: true, cost: EXPENSIVE, run: admitted(run) };
}

/**
 * Waits for admission before `run`, and for what other servers have stored before,
 * unless the connection ends meanwhile. If it fails, the name that it reserved is
 * free again.
 */
function admitted(run: OpenCommand["run"]): OpenCommand["run"] {
  return async (session, context, frame) => {
    const turn = context.admission.pass(session.address.network);
    if (turn) await session.wait(turn, context.now);
    if (session.hasEnded) return undefined;
    const { cluster, now } = context;
    const { state } = session;
    if (state.type === "new") {
      state.isTwoSocket = isOfTwoSockets(frame);
      state.client = clientOf(frame) ?? state.client;
    }
    try {
      if (cluster) await session.wait(cluster.caughtUp(), now);
      if (session.hasEnded) return undefined;
      return await run(session, context, frame);
    } catch (error) {
      release(session, context);
      if (state.type === "new" && error instanceof ChatError) {
        state.refusal = error;
      }
      throw error;
    }
  };
}

/** Limit of the characters of a `Client`. */
const MAX_CLIENT = 64;

/** The program of the client, as it says, fit to be shown. */
function clientOf(frame: Frame): string | undefined {
  return header(frame, "client")?.replaceAll(/[^\x20-\x7e]/g, "?")
    .slice(0, MAX_CLIENT);
}

/** REGISTER: as a guest, with a resume token, or as one of two sockets. */
export function register(
  session: Session,
  context: Context,
  frame: Frame,
): Answer {
  unregistered(session, "register");
  const [name = "", ...rest] = frame.args;
  if (isOfTwoSockets(frame)) {
    return registerTwoSocket(session, context, frame.args);
  }
  if (rest.length > 0) {
    throw new ChatError(105, "Cannot register: a name has no spaces");
  }
  return registerName(session, context, { name, frame });
}

function isOfTwoSockets({ verb, args: [role] }: Frame): boolean {
  return verb === "REGISTER" && (role === "TOSEND" || role === "TORECV");
}

async function registerName(
  session: Session,
  context: Context,
  { name, frame }: { name: string; frame: Frame },
): Promise<undefined> {
  const { hub, journal, resumables } = context;
  const after = afterOf(frame, journal);
  const resumed = resumables.find(name, single(frame, "token") ?? "");
  const retryAfter = resumed || context.accounts.loaded?.named(name)
    ? undefined
    : await askHolder(session, context, name);
  if (session.hasEnded) return;
  const account = context.accounts.loaded?.named(name);
  const claim = { name, account, resumed };
  // A token that ever went over the network without TLS is no proof.
  const isProof = resumed?.secure && session.isSecure;
  if (!isProof || !sessionOfOwner(claim)) {
    refuseGuest(session, context, claim);
  }
  if (!resumed) refuseStranger(session, context, name);
  replace(resumed?.connection);
  const isBeside = account !== undefined;
  const isOwn = isBeside || resumed !== undefined;
  hub.names.reserve(name, { retryAfter, isOwn, isBeside });
  await enter(session, context, {
    name: account?.name ?? name,
    resumed,
    account,
    after,
    deed: "registered",
  });
}

/** @throws {ChatError} 104 if the name is kept, see {@linkcode keptFor}. */
export function refuseStranger(
  session: Session,
  context: Context,
  name: string,
): void {
  const kept = keptFor(session, context, name);
  if (kept) throw kept;
}

/**
 * While a guest can resume a session, its name is for its token, and for clients
 * of its address. Others would get the messages to that guest, and could take the
 * names of a whole class while the server restarts.
 *
 * @returns The error for the client of another address.
 */
function keptFor(
  { address }: Session,
  { accounts, hub, now, resumables }: Context,
  name: string,
): ChatError | undefined {
  const lost = resumables.newest(name);
  if (!lost || lost.connection || accounts.loaded?.named(name)) {
    return undefined;
  }
  if (lost.network === address.network) return undefined;
  const leftMs = lost.goneAt + RESUME_WINDOW_MS - now();
  // A user who is connected to another server has the name itself.
  if (leftMs <= 0 || leftMs === Infinity) return undefined;
  return hub.names.kept(name, Math.ceil(leftMs / 1_000) + 1); // it is checked each second
}

/**
 * Asks the client that has a name whether it is there, if it is idle: it may be
 * the dead connection of the very user who wants the name. It may be on another
 * server.
 *
 * @returns If it does not answer: in how many seconds the name is free at latest.
 */
export async function askHolder(
  session: Session,
  context: Context,
  name: string,
): Promise<number | undefined> {
  const { cluster, hub, now } = context;
  const { network } = session.address;
  const elsewhere = hub.userNamed(name)
    ? undefined
    : hub.elsewhere?.named(name);
  const asking = cluster && elsewhere
    ? cluster.askHolder(elsewhere.server, elsewhere.name, network)
    : holderGone(context, name, network);
  await session.wait(asking.then(() => {}), now);
  return await asking;
}

/**
 * Asks the client of this server that has a name whether it is there, if it is
 * idle; a client of `network` wants the name.
 *
 * @returns If it does not answer: in how many seconds the name is free at latest.
 */
export async function holderGone(
  context: Context,
  name: string,
  network: string,
): Promise<number | undefined> {
  const { hub, now, settings } = context;
  const holder = hub.userNamed(name)?.peer;
  if (!(holder instanceof Registered)) return undefined;
  if (now() - holder.connection.idleSince < ASK_AFTER_MS) return undefined;
  // Other addresses must not make a client lose its name that hung for a moment.
  const isOwn = holder.network === network;
  const { idleSince } = holder.connection;
  await holder.pings.ask(context, isOwn);
  if (holder.connection.idleSince > idleSince) return undefined; // it is there
  const freeAt = isOwn
    ? holder.pings.askedAt + ASKED_FOR_MS
    : idleSince + settings.idleAfterMs;
  return Math.ceil((freeAt - now()) / 1_000) + 1; // it is checked each second
}

/** What a client claims, and what the server knows of it. */
interface Claim {
  readonly name: string;
  readonly account: Account | undefined;
  /** The session of its token. */
  readonly resumed: ResumableSession | undefined;
}

/**
 * The session, if it is one of the owner. Under the very name of an account only
 * the owner has one; one under a similar name can be that of a guest from before.
 */
function sessionOfOwner(
  { account, resumed }: Claim,
): ResumableSession | undefined {
  const key = account?.name.toLowerCase();
  return resumed?.key === key ? resumed : undefined;
}

/**
 * For what wrong passwords lock an account: a session of the owner, or an address.
 * A thief of the token can lock the session; the owner then has the address.
 */
export function addressOf(
  { connection }: Pick<Session, "connection">,
  { accounts }: Context,
  claim: Claim,
): string {
  const host = hostOf(connection.remote);
  const { name, account } = claim;
  const own = sessionOfOwner(claim);
  if (!account || !own) return host;
  const session = `session ${own.token}`;
  return accounts.loaded?.locked(account, name, session) ? host : session;
}

/**
 * @throws {ChatError} 110 if the client must sign in, 112 if it cannot now, 123 if
 * the owner needs a code.
 */
function refuseGuest(
  session: Session,
  context: Context,
  claim: Claim,
): void {
  const { accounts, hub, settings } = context;
  const { name, account } = claim;
  if (!account && !settings.requireLogin) return;
  hub.names.check(name);
  const address = addressOf(session, context, claim);
  const locked = account && accounts.loaded?.locked(account, name, address);
  if (locked) {
    const Suggestion = hub.names.freeName(name);
    const headers = { ...locked.headers, Suggestion };
    throw new ChatError(112, locked.message, { headers });
  }
  if (account?.waitsUntil !== undefined) {
    const Suggestion = hub.names.freeName(name);
    const headers = { Account: account.name, Suggestion };
    throw new ChatError(123, codeRequired(name).message, { headers });
  }
  const why = account
    ? "this name (or a similar one) has an account; sign in"
    : "guests are not allowed; sign in or sign up";
  throw new ChatError(110, `Cannot register as "${name}": ${why}`, {
    headers: account
      ? { Account: account.name, Suggestion: hub.names.freeName(name) }
      : {},
  });
}

/** The newest message that the client has, if it is one of this journal. */
export function afterOf(
  frame: Frame,
  { id }: { id: string },
): number | undefined {
  const after = number(frame, "after");
  return (single(frame, "journal") ?? id) === id ? after : undefined;
}

/** Releases the name that is reserved for the session, if there is one. */
export function release({ state }: Session, { hub }: Context): void {
  if (state.type !== "new" || state.reserved === undefined) return;
  hub.names.release(state.reserved);
  state.reserved = undefined;
}

/** @throws {ChatError} 105 if the session has a user. */
export function unregistered({ state }: Session, deed: string): New {
  if (state.type === "new") return state;
  const { name } = state.user;
  throw new ChatError(
    105,
    `Cannot ${deed}: you are ${name} already; send LOGOUT, and connect again`,
  );
}

async function registerTwoSocket(
  session: Session,
  context: Context,
  [role, name, ...rest]: readonly string[],
): Promise<undefined> {
  const { accounts, settings, resumables, log, now } = context;
  const twoSocketUsers = await context.twoSocketUsers.load();
  if (session.hasEnded) return;
  if (name === undefined || rest.length > 0) {
    throw new ChatError(100, "Cannot register: a name is one word");
  }
  if (settings.requireLogin) {
    throw new ChatError(
      110,
      "Cannot register: guests are not allowed; sign in or sign up",
    );
  }
  if (accounts.loaded?.named(name)) {
    throw new ChatError(100, "Cannot register: the name has an account");
  }
  const kept = keptFor(session, context, name);
  if (kept) throw new ChatError(100, kept.message);
  const which = role === "TOSEND" ? "TOSEND" : "TORECV";
  const user = twoSocketUsers.register(which, name, session.connection);
  session.state = { type: "two-socket", user, role: which };
  session.openedAt = now(); // the other socket has all of its time
  session.pace.debts.neverRefuse({ exempt: which === "TORECV" });
  session.pace.work.isExempt = which === "TORECV";
  session.connection.decoder.maxBodyBytes = settings.maxBodyBytes;
  await resumables.forget(name); // of a guest, whose messages these are not
  if (user.claiming) await twoSocketUsers.claimed(user);
  if (session.hasEnded) return;
  session.connection.outbox.answer(encode("REGISTERED", [which, name]));
  user.registered();
  const other = which === "TOSEND" ? "TORECV" : "TOSEND";
  const part = user.user ? `completes ${other}` : `waits for ${other}`;
  const { remote } = session.connection;
  log(`${name} registered from <${remote}>, ${which} ${part}`, remote);
}
