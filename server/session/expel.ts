/**
 * Ends the connections of users who are not to be here any more. It follows a ban,
 * or an account that is deleted or has another password, on whatever server that
 * was done.
 *
 * @module
 */
import {
  covers,
  parseAddress,
  parseNetwork,
} from "../../core/net/ip_address.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { ChatError } from "../../protocol.ts";
import type { Account } from "../accounts/accounts.ts";
import type { Bans } from "../accounts/bans.ts";
import type { Target } from "../accounts/targets.ts";
import { hostOf } from "../net/connection.ts";
import type { Registered } from "./sender.ts";
import type { Context, Session } from "./session.ts";

/** What was ended. */
export interface Expelled {
  /** How many connections. */
  readonly count: number;
  /**
   * Resolves when it is stored that they cannot be resumed; rejects with a
   * ChatError 119.
   */
  readonly storing: Promise<void>;
}

/** Ends the connections for which there is an error; returns how many. */
export function expel(
  { sessions }: Pick<Context, "sessions">,
  errorFor: (session: Session) => ChatError | undefined,
): number {
  let count = 0;
  for (const session of sessions) {
    const error = session.hasEnded ? undefined : errorFor(session);
    if (!error) continue;
    session.refuse(error);
    count++;
  }
  return count;
}

/**
 * Ends the connections of a user or of a network; `reason` says who does, perhaps
 * on another server, and why.
 *
 * @returns How many.
 */
export function disconnect(
  { hub, sessions }: Pick<Context, "hub" | "sessions">,
  target: string,
  reason: string,
): number {
  const user = hub.userNamed(target);
  const network = user ? undefined : parseNetwork(target);
  const isMeant = ({ name, connection }: Session) => {
    if (!network) return user !== undefined && name === user.name;
    const address = parseAddress(hostOf(connection.remote));
    return address !== undefined && covers(network, address);
  };
  const error = new ChatError(
    117,
    `Cannot stay connected: ${sanitize(reason)}`,
  );
  return expel({ sessions }, (session) => isMeant(session) ? error : undefined);
}

/** Ends the connections and sessions of this server that a ban of `target` refuses. */
export function expelBanned(
  context: Pick<Context, "sessions" | "resumables">,
  bans: Bans,
  target: Target,
): Expelled {
  const refusalOf = (session: Session) =>
    bans.refusal(targetIn(session, target));
  const count = expel(context, refusalOf);
  // Of a session from before a restart, only the network is known.
  const storing = context.resumables.endThose((
    { name, network, host = network },
  ) =>
    bans.find({ kind: "name", value: name }) !== undefined ||
    bans.find({ kind: "address", value: host }) !== undefined
  );
  return { count, storing };
}

/** Why connections of an account end, and which one stays. */
export interface ExpelOptions {
  /** What has happened to the account, in words. */
  readonly why: string;
  /** The user who did it: this connection stays, and its session. */
  readonly but?: Registered | undefined;
}

/** Ends the connections and the sessions of an account, but one. */
export function expelOwner(
  context: Pick<Context, "sessions" | "resumables">,
  account: Pick<Account, "name">,
  { why, but }: ExpelOptions,
): Expelled {
  const error = new ChatError(117, `Cannot stay connected: ${why}`);
  const isMeant = (session: Session) =>
    session.state !== but && isOf(session, account);
  const count = expel(
    context,
    (session) => isMeant(session) ? error : undefined,
  );
  const key = account.name.toLowerCase();
  const storing = context.resumables.endThose((one) =>
    one.key === key && one !== but?.resumable
  );
  return { count, storing };
}

/** Why the connections of an account end that has another password, or none. */
export function passwordGone(name: string, needsCode: boolean): string {
  return needsCode
    ? `"${name}" needs a code of the operator now, to sign up`
    : `the password of "${name}" was changed`;
}

/**
 * Deletes an account, with the messages to it, and ends its connections. Messages to
 * rooms stay, and the name is free.
 *
 * @throws {ChatError} 119 if that cannot be stored; then the account is there.
 */
export async function deleteAccount(
  context: Pick<Context, "accounts" | "journal" | "resumables" | "sessions">,
  account: Account,
  options: ExpelOptions,
): Promise<Expelled> {
  const { accounts, journal } = context;
  await (await accounts.load()).delete(account);
  const { count, storing } = expelOwner(context, account, options);
  const forgetting = journal.forget(account.name);
  return {
    count,
    storing: Promise.all([storing, forgetting]).then(() => {}),
  };
}

/** Whether a session is of the owner of the account, or about to be. */
function isOf(
  { name, state }: Session,
  account: Pick<Account, "name">,
): boolean {
  const coming = state.type === "new"
    ? [state.reserved, state.login?.account.name]
    : [name];
  return coming.some((one) =>
    one?.toLowerCase() === account.name.toLowerCase()
  );
}

/** The target of a ban that would refuse this session. */
function targetIn(session: Session, { kind }: Target): Target {
  const value = kind === "name"
    ? session.name ?? ""
    : hostOf(session.connection.remote);
  return { kind, value };
}
