/**
 * Moderators: who is one, and what they cannot do with the operator's commands,
 * which they give from their own clients.
 *
 * @module
 */
import {
  covers,
  parseAddress,
  parseNetwork,
} from "../../core/net/ip_address.ts";
import { ChatError, lookAlike } from "../../protocol.ts";
import { timeText } from "../../core/net/connection_error.ts";
import type { Moderators } from "../accounts/moderators.ts";
import { type Target, targetText } from "../accounts/targets.ts";
import { TokenBucket } from "../limits/pacing.ts";
import type { Rate } from "../limits/rates.ts";
import { hostOf } from "../net/connection.ts";
import { type Desk, noAccount, quoted, type Words } from "./desk.ts";

/** The error for a command that moderators do not have. */
export function ofOperator(command: string): ChatError {
  return new ChatError(
    122,
    `Cannot do that: ${
      quoted(command)
    } is for the operator, where the server ` +
      "runs",
  );
}

/** Makes the owner of an account a moderator. */
export function op(desk: Desk, words: Words): Promise<string> {
  return setModerator(desk, words, true);
}

/** Ends that the owner of an account is a moderator. */
export function deop(desk: Desk, words: Words): Promise<string> {
  return setModerator(desk, words, false);
}

async function setModerator(
  desk: Desk,
  { first }: Words,
  isModerator: boolean,
): Promise<string> {
  const { hub } = desk;
  const deed = isModerator ? "op" : "deop";
  const account = (await desk.accounts.load()).named(first);
  const isMeant = account?.name.toLowerCase() === first.toLowerCase();
  if (!account || !isMeant) {
    const guest = hub.userNamed(first) ?? hub.elsewhere?.named(first);
    const isGuest = guest !== undefined && guest.peer.kind !== "account";
    if (!isGuest || !isModerator) return noAccount(desk, deed, first);
    return `Cannot op ${guest.name}: a moderator needs an account, and ` +
      `${guest.name} is a guest. ${guest.name} can type /signup first.`;
  }
  const { name } = account;
  const moderators = await desk.moderators.load();
  if (moderators.has(account) === isModerator) {
    return `${name} is ${isModerator ? "a moderator already" : "no moderator"}`;
  }
  await moderators.set(account, isModerator);
  return isModerator
    ? `${name} is a moderator now. To end that, type: deop ${name}`
    : `${name} is no moderator any more`;
}

/**
 * Why a moderator cannot lift a lock now; undefined if the operator or a moderator
 * can. Without a limit a moderator could try any number of passwords.
 */
export function tooManyUnblocks(desk: Desk): string | undefined {
  const { by, moderators: { loaded } } = desk;
  if (by === undefined || !loaded) return undefined;
  const now = desk.now();
  const buckets = unblocks.get(loaded) ?? new Map<string, TokenBucket>();
  const bucket = buckets.get(by) ?? new TokenBucket(UNBLOCKS, now);
  unblocks.set(loaded, buckets.set(by, bucket));
  if (bucket.waitMs(now, 1) === 0) {
    bucket.take(1, now);
    return undefined;
  }
  return `Cannot unblock: a moderator can do that ${UNBLOCKS.burst} times, and ` +
    `then once in ${timeText(1_000 / UNBLOCKS.perSecond)}. Ask the operator.`;
}

/** How often a moderator can lift locks. */
const UNBLOCKS: Rate = { perSecond: 1 / 360, burst: 10 };

/** What each moderator has left, by name. */
const unblocks = new WeakMap<Moderators, Map<string, TokenBucket>>();

/**
 * Why a moderator cannot do something to a target: it is the moderator's own, or
 * that of another moderator. Undefined if the operator or a moderator can.
 */
export function protectedFrom(
  desk: Desk,
  deed: string,
  target: Target | undefined,
): string | undefined {
  if (!desk.by || !target) return undefined;
  const here = Array.from(desk.hub.users(), ({ name, peer }) => ({
    ...{ name, peer },
    places: (peer.devices ?? [peer]).map(({ remote }) => remote),
  }));
  const others = Array.from(
    desk.hub.elsewhere?.members("ALL") ?? [],
    ({ name, peer }) => ({ name, peer, places: [peer.remote] }),
  );
  for (const { name, peer, places } of [...here, ...others]) {
    const isOwn = name === desk.by;
    const isModerator = isOwn || peer.kind === "account" &&
        desk.moderators.loaded?.isModerator(name);
    const isMeant = places.some((remote) => concerns(target, name, remote));
    if (!isModerator || !isMeant) continue;
    const whom = isOwn ? "you are" : `${name} is`;
    const why = target.kind === "address"
      ? `${isOwn ? whom : `the moderator ${whom}`} connected from there`
      : isOwn
      ? "that is you"
      : `${whom} a moderator, too`;
    return `Cannot ${deed} ${targetText(target)}: ${why}. Ask the operator.`;
  }
  // Another moderator may be away.
  const away = target.kind === "name" && named(desk, target.value);
  if (!away) return undefined;
  return `Cannot ${deed} ${away}: ${away} is a moderator, too. Ask the operator.`;
}

/** The moderator of that name, or of one that looks like it. */
function named({ accounts, moderators }: Desk, word: string) {
  const account = accounts.loaded?.named(word);
  return account && moderators.loaded?.has(account) ? account.name : undefined;
}

function concerns(
  { kind, value }: Target,
  name: string,
  remote: string,
): boolean {
  if (kind === "name") return lookAlike(value) === lookAlike(name);
  const network = parseNetwork(value);
  const address = parseAddress(hostOf(remote));
  return network !== undefined && address !== undefined &&
    covers(network, address);
}
