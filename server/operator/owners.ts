/**
 * The operator's commands about what users own: accounts and the history of rooms.
 *
 * @module
 */
import {
  ChatError,
  isPrivateName,
  isRoomName,
  isUserName,
} from "../../protocol.ts";
import { readDuration } from "../../terminal/options.ts";
import {
  covers,
  type Network,
  networkText,
  parseNetwork,
} from "../../core/net/ip_address.ts";
import { type Account, FIRST_DAY_MS } from "../accounts/accounts.ts";
import { newCode } from "../accounts/credentials.ts";
import { parseTarget, targetText } from "../accounts/targets.ts";
import { deleteAccount, expelOwner, passwordGone } from "../session/expel.ts";
import {
  counted,
  type Desk,
  list,
  noAccount,
  noTarget,
  quoted,
  typed,
  warning,
  type Words,
} from "./desk.ts";
import { tooManyUnblocks } from "./moderators.ts";
import { localTime } from "./screen.ts";

/** Lists the accounts, or makes those of a class list. */
export async function accounts(desk: Desk, { first, rest }: Words): Promise<
  string
> {
  if (first === "") return await listAccounts(desk);
  const [, file = "", time = ""] = /^(.*?)(?:\s+(\d+[smhd]))?$/.exec(rest) ??
    [];
  const ms = time === "" ? LIST_MS : readDuration(time);
  if (first.toLowerCase() !== "import" || file === "" || !ms) {
    return "Usage: accounts, or accounts import FILE [TIME]";
  }
  const { importList } = await import("./class_list.ts");
  return await importList(desk, file, ms);
}

/** For so long the codes of a class list are good, in milliseconds. */
const LIST_MS = 30 * 24 * 60 * 60 * 1_000;

async function listAccounts(
  { accounts, hub, moderators }: Desk,
): Promise<string> {
  const all = (await accounts.load()).all();
  const appointed = await moderators.load();
  const rows = all.map((account) => {
    const { name, createdAt, network, isUsed, waitsUntil } = account;
    const user = hub.userNamed(name) ?? hub.elsewhere?.named(name);
    const isHere = user?.name === name;
    return [
      name,
      `since ${localTime(new Date(createdAt))}`,
      network === "" ? "" : `from ${network}`,
      [
        isHere
          ? "connected"
          : waitsUntil !== undefined
          ? waitText(waitsUntil)
          : isUsed
          ? ""
          : unusedText(createdAt),
        appointed.has(account) ? "moderator" : "",
      ].filter((text) => text !== "").join(", "),
    ];
  });
  return list("account", rows) ?? "No accounts";
}

/** Of an account without a password. */
function waitText(until: number): string {
  return until < Date.now()
    ? "without password, its code has expired"
    : `without password, its code is good until ${localTime(new Date(until))}`;
}

/**
 * Takes the password of an account away, which its owner has forgotten or another
 * user knows, and all its sessions. With the code its owner signs up again, and the
 * account keeps all it has.
 */
export async function reset(desk: Desk, { first }: Words): Promise<string> {
  const accounts = await desk.accounts.load();
  const account = accounts.named(first);
  if (account?.name.toLowerCase() !== first.toLowerCase()) {
    const meant = account ? ` Did you mean ${account.name}?` : "";
    return `${noAccount(desk, "reset", first)}${meant}`;
  }
  const { name } = account;
  const { code, hash } = newCode();
  await accounts.credentials.reset(account, {
    hash,
    until: Date.now() + RESET_MS,
  });
  const why = passwordGone(name, true);
  const { count, storing } = expelOwner(desk, account, { why });
  const gone = count === 0 ? "" : `, and ${counted(count, "connection")} ended`;
  return `The password of ${name} does not work any more${gone}. ` +
    `With this code, good for a day and once, ${name} signs up again:\n` +
    `  ${code}` + await warning(storing, "it has no effect");
}

/** For so long the code of `reset` is good, in milliseconds. */
const RESET_MS = 24 * 60 * 60 * 1_000;

/** Of an account that was not signed in to after its first day. */
function unusedText(createdAt: number): string {
  return Date.now() - createdAt <= FIRST_DAY_MS
    ? "new"
    : "no sign-in after the first day";
}

/**
 * Ends locks after wrong passwords: those of an account, or of a network, which
 * also gets its shares again.
 */
export async function unblock(desk: Desk, { first }: Words): Promise<string> {
  const accounts = await desk.accounts.load();
  const target = parseTarget(first);
  if (!target) return noTarget(desk, "unblock", first);
  const forbidden = tooManyUnblocks(desk);
  if (forbidden) return forbidden;
  const network = target.kind === "address" ? parseNetwork(first) : undefined;
  if (network) return await unblockNetwork(desk, network, targetText(target));
  const account = accounts.named(first);
  if (!account) return noAccount(desk, "unblock", first);
  const { name } = account;
  const locked = accounts.locks().filter((lock) => lock.account === undefined)
    .map(({ address }) => address);
  const count = await accounts.unlock(account);
  if (locked.length === 0) {
    return count > 0
      ? `Unlocked ${name}`
      : `Cannot unblock ${name}: no wrong password was entered`;
  }
  return `Unlocked ${name}, also where all accounts are locked: ` +
    `${locked.slice(0, 3).join(", ")}${locked.length > 3 ? ", …" : ""}. ` +
    `To unlock the others there, type: ${typed(desk, `unblock ${locked[0]}`)}`;
}

async function unblockNetwork(
  desk: Desk,
  network: Network,
  text: string,
): Promise<string> {
  const { limits, now } = desk;
  const accounts = await desk.accounts.load();
  const given = limits.giveShares(network, now());
  const count = await accounts.unlockNetwork(network);
  if (count + given === 0) {
    return `Cannot unblock ${text}: no wrong password was entered there, and ` +
      `no share is used up. Type ${typed(desk, "bans")} to see all.`;
  }
  const whose = count > 0 ? `, for ${counted(count, "account")}` : "";
  return `Unlocked ${text}${whose}` +
    (given > 0 ? ". It gets its shares again." : "");
}

/**
 * Deletes an account: its name is free, and nothing of its owner reaches the next
 * one. What it sent to rooms stays. For an address and a time it deletes all that
 * were created there within this time.
 */
export async function deleteAccounts(
  desk: Desk,
  { first, rest }: Words,
): Promise<string> {
  const network = isUserName(first) ? undefined : parseNetwork(first);
  if (network) return await deleteFrom(desk, network, rest);
  const account = (await desk.accounts.load()).named(first);
  if (!account) return noAccount(desk, "delete", first);
  const { name } = account;
  if (name.toLowerCase() !== first.toLowerCase()) { // it cannot be undone
    return `${noAccount(desk, "delete", first)} Did you mean ${name}?`;
  }
  if (rest !== "") {
    return `Cannot delete ${name}: a time is only for an address. ` +
      `Type: delete ${name}`;
  }
  const deleted = await deleteOne(desk, account);
  if (typeof deleted === "string") return deleted;
  const { count, storing } = deleted;
  const gone = count === 0 ? "" : ` and ended ${counted(count, "connection")}`;
  return `Deleted the account ${name}${gone}. The name is free. ` +
    `Messages to ${name} are deleted; those in rooms stay.` +
    await warning(storing, RETURNING);
}

/** Those that an address has created lately: it has perhaps squatted names. */
async function deleteFrom(
  desk: Desk,
  network: Network,
  time: string,
): Promise<string> {
  const place = networkText(network);
  const ms = readDuration(time);
  if (ms === undefined) {
    return `Cannot delete the accounts from ${place}: a time is missing. ` +
      `To delete those that were created in the last hour, type: delete ${place} 1h`;
  }
  const after = Date.now() - ms;
  const meant = (await desk.accounts.load()).all().filter((account) =>
    account.createdAt >= after && isFrom(account.network, network)
  );
  const done = await Promise.all(meant.map((one) => deleteOne(desk, one)));
  const failure = done.find((one) => typeof one === "string");
  const deleted = done.filter((one) => typeof one !== "string");
  const ended = deleted.reduce((sum, { count }) => sum + count, 0);
  const gone = ended === 0 ? "" : ` and ended ${counted(ended, "connection")}`;
  return `Deleted ${counted(deleted.length, "account")} from ${place}${gone}.` +
    (failure === undefined ? "" : `\n${failure}`) +
    await warning(Promise.all(deleted.map((one) => one.storing)), RETURNING);
}

const RETURNING = "messages may return when the server restarts";

/** Whether an owner's network, which may be empty, is one of `network`. */
function isFrom(owner: string, network: Network): boolean {
  const own = parseNetwork(owner);
  return own !== undefined && covers(network, own);
}

/** How many connections that ended; a text if it could not be done: why. */
async function deleteOne(
  desk: Desk,
  account: Account,
): Promise<{ count: number; storing: Promise<unknown> } | string> {
  const { name } = account;
  try {
    const why = `the operator deleted the account "${name}"`;
    return await deleteAccount(desk, account, { why });
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    return `Cannot delete ${name}: ${error.message}`;
  }
}

/**
 * Deletes the history of a room, and its settings; its members stay in it. For an address it
 * empties all rooms without members that were created there.
 */
export async function forget(
  desk: Desk,
  { first }: Words,
): Promise<string> {
  const { hub, journal } = desk;
  const network = parseNetwork(first);
  if (network) return await forgetFrom(desk, network);
  const room = first.startsWith("#") ? first : `#${first}`;
  const isHidden = desk.by !== undefined && isPrivateName(room);
  const settings = desk.roomSettings.loaded;
  const name = isRoomName(room) && !isHidden
    ? journal.roomName(room) ?? settings?.of(room)?.room
    : undefined;
  if (name === undefined) {
    return `Cannot forget ${
      quoted(first)
    }: no room of that name has messages. ` +
      `Type ${typed(desk, "rooms")} to see all.`;
  }
  const here = hub.roomNamed(name);
  const members = here ? hub.members(here) : hub.elsewhere?.count(name) ?? 0;
  const storing = forgetRoom(desk, name);
  const stay = members === 0
    ? ""
    : `; ${counted(members, "user")} ${members === 1 ? "stays" : "stay"} in it`;
  return `Deleted the messages of ${name}${stay}` +
    await warning(storing, "a part of them returns when the server restarts");
}

/** Forgets all that is stored of a room; resolves when that is stored. */
async function forgetRoom(
  { journal, roomSettings }: Desk,
  room: string,
): Promise<void> {
  await Promise.all([journal.forget(room), roomSettings.loaded?.end(room)]);
}

async function forgetFrom(
  desk: Desk,
  network: Network,
): Promise<string> {
  const { hub, journal } = desk;
  const meant = Array.from(journal.rooms()).filter((name) =>
    hub.roomNamed(name) === undefined &&
    hub.elsewhere?.roomName(name) === undefined &&
    isFrom(hub.shares.ownerOf(name)?.network ?? "", network)
  );
  const storing = Promise.all(meant.map((name) => forgetRoom(desk, name)));
  return `Deleted the messages of ${counted(meant.length, "room")} from ${
    networkText(network)
  }: those without members` +
    await warning(storing, "a part of them returns when the server restarts");
}
