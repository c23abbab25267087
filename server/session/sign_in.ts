/**
 * Signing up and signing in: names that have an owner, who proves it by LOGIN and
 * PROVE. Loaded with the first of these commands.
 *
 * @module
 */
import { ChatError, encode, type Frame, text } from "../../protocol.ts";
import { type Account, type Accounts, exists } from "../accounts/accounts.ts";
import { codeRequired } from "../accounts/code_errors.ts";
import type { ResumableSession } from "../accounts/session_table.ts";
import { parseVerifier } from "../accounts/scram.ts";
import { unlessNotStored } from "../chat/not_stored.ts";
import { hostOf } from "../net/connection.ts";
import { enter, registered, replace } from "./enter.ts";
import {
  addressOf,
  afterOf,
  askHolder,
  refuseStranger,
  unregistered,
} from "./register.ts";
import type { Registered } from "./sender.ts";
import { type Context, type Session, single } from "./session.ts";

/** A request, and the accounts that it is about. */
interface Asked {
  readonly accounts: Accounts;
  readonly frame: Frame;
}

/** SIGNUP: makes an account, for a guest or for a new user. */
export async function signUp(
  session: Session,
  context: Context,
  { accounts, frame }: Asked,
): Promise<Uint8Array | undefined> {
  const { hub } = context;
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
  const code = single(frame, "code");
  const known = user ? undefined : accounts.named(name);
  if (known?.waitsUntil !== undefined || code !== undefined) {
    const asked = { accounts, name, code, verifier };
    return await signUpByCode(session, context, asked);
  }
  if (user?.account && accounts.has(name, verifier)) { // it asks once more
    return registered(user, context);
  }
  const retryAfter = user ? undefined : await askHolder(session, context, name);
  if (session.hasEnded) return undefined;
  if (!user) refuseStranger(session, context, name);
  if (hub.names.owned(name) !== undefined) throw exists(name);
  const account = await createAccount(session, context, {
    ...{ accounts, name, verifier, user, retryAfter },
  });
  await appoint(context, name);
  if (user) {
    user.account = account;
    hub.elsewhere?.changed(user.user);
    await context.nicks.loaded?.adopt(name).catch(unlessNotStored);
    const { remote } = session.connection;
    context.log(`${name} signed up from <${remote}>`, remote);
    return registered(user, context);
  }
  if (session.hasEnded) hub.names.release(name);
  else await enter(session, context, { name, account, deed: "signed up" });
  return undefined;
}

/** Makes the owner of a new account a moderator, if the operator wants that. */
async function appoint(
  { moderators, settings }: Context,
  name: string,
): Promise<void> {
  // Only this one: the operator can have ended since that others are moderators.
  const appointed = settings.moderators.filter((one) =>
    one.toLowerCase() === name.toLowerCase()
  );
  if (appointed.length > 0) {
    await (await moderators.load()).appoint(appointed);
  }
}

/**
 * Signs up with the code of an account that waits for it, which keeps all it has.
 *
 * @throws {ChatError} 113 if the code was used, 121 if there is no account, 123 if
 * the code is missing or has expired; as {@linkcode Credentials.useCode}.
 */
async function signUpByCode(
  session: Session,
  context: Context,
  { accounts, name, code, verifier }: {
    readonly accounts: Accounts;
    readonly name: string;
    readonly code: string | undefined;
    readonly verifier: string;
  },
): Promise<undefined> {
  const account = accounts.named(name);
  if (!account) {
    const why = `there is no account ${name} that waits for one`;
    throw new ChatError(121, `Cannot sign up with a code: ${why}`);
  }
  if (code === undefined) throw codeRequired(name);
  const { connection } = session;
  unregistered(session, "sign up with a code");
  const address = hostOf(connection.remote);
  await accounts.credentials.useCode(account, {
    ...{ name, address, code, verifier },
  }).catch(logFailure(context, name, connection.remote));
  await appoint(context, account.name);
  const owner = accounts.named(account.name);
  if (session.hasEnded || !owner) return;
  takeName(context, owner.name);
  const entry = { name: owner.name, account: owner };
  await enter(session, context, { ...entry, deed: "signed up with a code" });
}

/** Takes the name of an account, which the client has proved, for one more device. */
function takeName(
  { hub }: Context,
  name: string,
  resumed?: ResumableSession,
): void {
  replace(resumed?.connection); // the older connection of this device
  hub.names.reserve(name, { isOwn: true, isBeside: true });
}

/** Logs why a proof or a code is refused, and throws it. */
export function logFailure(
  { log }: Pick<Context, "log">,
  name: string,
  remote: string,
): (error: unknown) => never {
  return (error) => {
    const code = error instanceof ChatError ? error.code : undefined;
    const tell = (what: string) => log(`${name}: ${what}`, remote);
    if (code === 111) tell(`wrong password from <${remote}>`);
    if (code === 112) tell(`temporarily locked at <${remote}>`);
    throw error;
  };
}

/** Makes an account for a guest, or for a name that is reserved for the owner. */
async function createAccount(
  { address }: Session,
  { hub, journal, resumables, now }: Context,
  { accounts, name, verifier, user, retryAfter }: {
    accounts: Accounts;
    name: string;
    verifier: string;
    user: Registered | undefined;
    retryAfter: number | undefined;
  },
): Promise<Account> {
  // A guest's token stays the scope of the keys of its messages.
  const { since, token: keyScope } = user?.resumable ??
    { since: journal.lastId, token: crypto.randomUUID() };
  if (!user) hub.names.reserve(name, { retryAfter });
  // It came back under a name that has become similar to that of an account.
  else if (accounts.similar(name) !== undefined) throw exists(name);
  try {
    address.countSignUp(now());
    // A guest who had the name must not resume as its owner.
    if (!user) await resumables.forget(name);
    const { network } = address;
    return await accounts.create({ name, verifier, since, keyScope, network });
  } catch (error) {
    if (!user) hub.names.release(name);
    throw error;
  }
}

/** LOGIN: asks the client to prove that it has the password. */
export function logIn(
  session: Session,
  context: Context,
  { accounts, frame }: Asked,
): Uint8Array {
  const state = unregistered(session, "sign in");
  if (state.login) {
    throw new ChatError(
      105,
      `Cannot sign in: the LOGIN of ${state.login.name} waits for its PROVE`,
    );
  }
  const { hub, resumables } = context;
  const name = frame.args[0]!;
  hub.names.check(name);
  const account = accounts.named(name);
  const resumed = resumables.find(name, single(frame, "token") ?? "");
  const address = addressOf(session, context, { name, account, resumed });
  state.login = accounts.begin(name, address, bodyText(frame));
  return encode("CHALLENGE", [name], {}, state.login.challenge.message);
}

/** PROVE: enters the chat, if the proof is right. */
export async function prove(
  session: Session,
  context: Context,
  { accounts, frame }: Asked,
): Promise<undefined> {
  const state = unregistered(session, "sign in");
  const { login } = state;
  state.login = undefined; // a challenge is good for one answer
  if (!login) throw new ChatError(105, "Cannot prove anything before LOGIN");
  if (login.name !== frame.args[0]) {
    throw new ChatError(105, `Cannot prove: the LOGIN was of ${login.name}`);
  }
  const { journal, resumables } = context;
  const after = afterOf(frame, journal);
  const token = single(frame, "token") ?? "";
  const { account, signature } = await accounts.prove(login, bodyText(frame))
    .catch(logFailure(context, login.name, session.connection.remote));
  if (session.hasEnded) return;
  const { name } = account;
  const resumed = resumables.find(name, token);
  takeName(context, name, resumed);
  const entry = { name, resumed, account, after, signature };
  await enter(session, context, { ...entry, deed: "signed in" });
}

/** @throws {ChatError} 107 if the body is not UTF-8. */
export function bodyText(frame: Frame): string {
  const body = text(frame.body);
  if (body !== undefined) return body;
  throw new ChatError(107, "Cannot read a body that is not UTF-8");
}
