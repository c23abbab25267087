/**
 * The commands that the operator can type where the server runs.
 *
 *     kick bob he spams     a command, its target, and the rest
 *
 * Every line gets an answer: what was done, or why it cannot be done and what
 * to type. A wrong word never stops the server, and no answer can harm the
 * operator's terminal. server/operator/screen.ts reads lines and prints answers.
 *
 * @module
 */
import { ChatError, isUserName } from "../../protocol.ts";
import { type BanTarget, parseTarget } from "../accounts/bans.ts";
import { hostOf } from "../net/connection.ts";
import type { Context, Session } from "../session/session.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { localTime } from "./screen.ts";

/** Limit of a reason, in characters: it must fit the head of a frame. */
const MAX_REASON = 200;

/** What the commands work on. */
export interface Desk extends Context {
  /** Shuts the server down, soon. */
  stop(): void;
}

/** The words after the name of a command. */
interface Words {
  /** The first word; empty if there is none. */
  readonly first: string;
  /** The words after the first. */
  readonly rest: string;
  /** All of them, as they were typed. */
  readonly all: string;
}

/** Does it, and returns the answer. */
type Run = (desk: Desk, words: Words) => string | Promise<string>;

/** The usage has the arguments: TEXT and [REASON] may have many words. */
type Command = readonly [run: Run, help: string, usage?: string];

/** All commands, in the order of the help. */
const COMMANDS: ReadonlyMap<string, Command> = new Map(Object.entries<Command>({
  help: [help, "List the commands"],
  users: [users, "List the users, with their addresses and rooms"],
  rooms: [rooms, "List the rooms, with the number of users in each"],
  accounts: [accounts, "List the accounts, and which are in use"],
  say: [say, "Send a notice to all users", "TEXT"],
  kick: [kick, "Disconnect a user, who may return", "NAME [REASON]"],
  ban: [ban, "Disconnect and ban", "NAME|ADDRESS [REASON]"],
  unban: [unban, "Remove a ban", "NAME|ADDRESS"],
  bans: [bans, "List the bans and the muted users"],
  mute: [mute, "Mute a user, who can then only read", "NAME"],
  unmute: [unmute, "Let a muted user send again", "NAME"],
  unblock: [unblock, "Unlock an account after wrong passwords", "NAME"],
  stop: [stop, "Send a notice to all users, and shut down"],
}));

/** Obeys `line`; returns the answer, without a last line break. */
export async function runCommand(desk: Desk, line: string): Promise<string> {
  const [name, words] = parse(line);
  if (name === "") return "";
  const command = COMMANDS.get(name);
  if (!command) return await unknown(name);
  const wrong = wrongCount(command, words);
  if (wrong) return `${wrong}. Usage: ${usageOf(name, command)}`;
  const [run] = command;
  return await run(desk, words);
}

/** What could complete `line`, and which part of it that replaces. */
export function completeCommand(
  { hub }: Desk,
  line: string,
): [candidates: string[], part: string] {
  const [, before = "", part = ""] = /^(.*\s)?(\S*)$/.exec(line) ?? [];
  const all = before.trim() === ""
    ? COMMANDS.keys()
    : hub.users().map(({ name }) => name);
  const start = part.toLowerCase();
  const found = all.filter((word) => word.toLowerCase().startsWith(start));
  return [Array.from(found, (word) => `${word} `), part];
}

/** The name in lower case, also of `/name` as in the client, and the rest. */
function parse(line: string): [name: string, words: Words] {
  const [, name = "", all = ""] = /^\/?(\S*)\s*([^]*)$/.exec(line.trim()) ?? [];
  const [, first = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(all) ?? [];
  return [name.toLowerCase(), { first, rest, all }];
}

/** What is wrong with the number of the words after a command. */
function wrongCount(
  [, , usage = ""]: Command,
  { first, rest }: Words,
): string | undefined {
  if (usage !== "" && first === "") return "Missing argument";
  const isLong = /TEXT|REASON/.test(usage);
  const tooMany = usage === "" ? first !== "" : !isLong && rest !== "";
  return tooMany ? "Too many arguments" : undefined;
}

function usageOf(name: string, [, , usage = ""]: Command): string {
  return `${name} ${usage}`.trim();
}

async function unknown(name: string): Promise<string> {
  const nearest = ENDS.includes(name) ? "stop" : await nearestCommand(name);
  const guess = nearest ? ` Did you mean ${nearest}?` : "";
  return `Unknown command ${quoted(name)}.${guess} Type help.`;
}

/** How other programs call `stop`. */
const ENDS = ["quit", "exit", "bye"];

/** What may have been meant by `name`: at most two mistakes away. */
async function nearestCommand(name: string): Promise<string | undefined> {
  // Loaded for the first mistake, and not at every start.
  const { nearest } = await import("../../core/text/nearest.ts");
  return nearest(name, COMMANDS.keys());
}

function help(): string {
  return table(
    Array.from(COMMANDS, ([name, command]) => {
      const [, text] = command;
      return [usageOf(name, command), text];
    }),
  );
}

function users({ hub }: Desk): string {
  const rows = Array.from(hub.users(), ({ name, peer, rooms, muted }) => [
    name,
    peer.remote,
    muted ? `${peer.kind}, muted` : peer.kind,
    Array.from(rooms.keys(), (room) => room.name).join(" "),
  ]);
  return list("user", rows) ?? "No users are connected";
}

function rooms({ hub, journal }: Desk): string {
  const all = hub.list(journal);
  return table(all.map(({ name, members }) => [name, `${members}`]));
}

function accounts({ accounts, hub }: Desk): string {
  const rows = accounts.all().map(({ name, createdAt }) => [
    name,
    `since ${localTime(new Date(createdAt))}`,
    hub.userNamed(name)?.name === name ? "connected" : "",
  ]);
  return list("account", rows) ?? "No accounts";
}

function say({ hub }: Desk, { all: text }: Words): string {
  const kinds = Array.from(hub.users(), ({ peer }) => peer.kind);
  if (kinds.length === 0) {
    return "Cannot send the notice: no users are connected";
  }
  hub.tellAll(text);
  const twoSocket = kinds.filter((kind) => kind === "classic").length;
  const sent = `Sent to ${counted(kinds.length - twoSocket, "user")}`;
  if (twoSocket === 0) return sent;
  return `${sent}; ${
    counted(twoSocket, "two-socket client")
  } cannot receive it`;
}

function kick(desk: Desk, { first, rest: reason }: Words): string {
  const user = desk.hub.userNamed(first);
  if (!user) {
    return `Cannot kick ${quoted(first)}: no user has that name. ${LIST_USERS}`;
  }
  if (reason.length > MAX_REASON) return tooLong("kick", reason);
  const why = reason === "" ? "" : ` (${sanitize(reason)})`;
  const error = new ChatError(
    117,
    `Cannot stay connected: the operator disconnected you${why}`,
  );
  end(desk, (session) => session.name === user.name ? error : undefined);
  return `Disconnected ${user.name}`;
}

async function ban(
  desk: Desk,
  { first, rest: reason }: Words,
): Promise<string> {
  const target = parseTarget(first);
  if (!target) return noTarget("ban", first);
  if (reason.length > MAX_REASON) return tooLong("ban", reason);
  const { bans } = desk;
  const banned = { ...target, since: Date.now(), reason: sanitize(reason) };
  const storing = bans.add(banned);
  const count = end(desk, (session) => bans.refusal(targetIn(session, target)));
  const gone = count === 0 ? "" : ` and ended ${counted(count, "connection")}`;
  return `Banned ${textOf(target)}${gone}` +
    await warning(storing, "the ban is lost when the server stops");
}

async function unban({ bans }: Desk, { first }: Words): Promise<string> {
  const target = parseTarget(first);
  if (!target) return noTarget("unban", first);
  const ban = bans.find(target);
  if (!ban) {
    return `Cannot unban ${textOf(target)}: there is no such ban. ` +
      "Type bans to see all.";
  }
  const storing = bans.remove(ban);
  return `Removed the ban of ${textOf(ban)}` +
    await warning(storing, "the ban returns when the server restarts");
}

function bans({ bans, hub }: Desk): string {
  const rows = bans.all().map(({ value, since, reason }) => [
    value,
    `since ${localTime(new Date(since))}`,
    reason,
  ]);
  const banned = list("ban", rows) ?? "No bans";
  const muted = [...hub.mutes()].join(", ");
  return muted === "" ? banned : `${banned}\nMuted: ${muted}`;
}

function mute({ hub }: Desk, { first: name }: Words): string {
  if (!isUserName(name)) {
    return `Cannot mute ${quoted(name)}: it is not a user name. ${LIST_USERS}`;
  }
  hub.mute(name);
  const user = hub.userNamed(name);
  if (user) return `Muted ${user.name}`;
  return `Muted ${name}. No user has that name now; the next one is muted.`;
}

function unmute({ hub }: Desk, { first: name }: Words): string {
  const muted = hub.unmute(name);
  if (muted !== undefined) return `Unmuted ${muted}`;
  return `Cannot unmute ${quoted(name)}: that user is not muted. ` +
    "Type bans to see the muted users.";
}

async function unblock(
  { accounts }: Desk,
  { first: name }: Words,
): Promise<string> {
  const account = accounts.named(name);
  const count = await accounts.unlock(name); // also of a name without account
  if (count > 0) return `Unlocked ${account?.name ?? sanitize(name)}`;
  if (!account) {
    return `Cannot unblock ${quoted(name)}: there is no such account. ` +
      "Type accounts to see all.";
  }
  return `Cannot unblock ${account.name}: no wrong password was entered`;
}

function stop({ stop }: Desk): string {
  stop();
  return ""; // server.ts prints that it shuts down
}

/** Ends the connections for which there is an error; returns how many. */
function end(
  { sessions }: Desk,
  errorFor: (session: Session) => ChatError | undefined,
): number {
  let count = 0;
  for (const session of sessions) {
    const isOpen = session.connection.ending === undefined;
    const error = isOpen ? errorFor(session) : undefined;
    if (!error) continue;
    session.refuse(error);
    count++;
  }
  return count;
}

/** The target of a ban that would refuse this session. */
function targetIn(session: Session, { kind }: BanTarget): BanTarget {
  const value = kind === "name"
    ? session.name ?? ""
    : hostOf(session.connection.remote);
  return { kind, value };
}

function tooLong(deed: string, reason: string): string {
  return `Cannot ${deed}: the reason has ${reason.length} characters, ` +
    `the limit is ${MAX_REASON}`;
}

function noTarget(deed: string, word: string): string {
  return `Cannot ${deed} ${quoted(word)}: it must be a name of 1 to 32 ` +
    `letters and digits, or an address such as 192.168.1.5. ${LIST_USERS}`;
}

/** A target in an answer. */
function textOf({ kind, value }: BanTarget): string {
  return kind === "name" ? value : `the address ${value}`;
}

/** Where an operator finds names and addresses. */
const LIST_USERS = "Type users to see all.";

/** Waits until an entry is stored; if that fails, returns what follows. */
async function warning(
  storing: Promise<void>,
  otherwise: string,
): Promise<string> {
  try {
    await storing;
    return "";
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    return `\n${error.message}; ${otherwise}`;
  }
}

/** A typed word as an answer repeats it. */
function quoted(word: string): string {
  const shown = [...sanitize(word)]; // a half of a character is none
  return `"${shown.slice(0, 64).join("")}${shown.length > 64 ? "…" : ""}"`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** How many there are, and a row for each; undefined if there are none. */
function list(what: string, rows: string[][]): string | undefined {
  if (rows.length === 0) return undefined;
  return `${counted(rows.length, what)}:\n${table(rows)}`;
}

/** Rows of cells as lines, in columns, each two spaces in; sanitized. */
function table(rows: readonly string[][]): string {
  const shown = rows.map((row) => row.map((cell) => sanitize(cell)));
  const widths = shown[0]?.map((_, column) =>
    Math.max(...shown.map((row) => row[column]!.length))
  );
  const line = (row: string[]) =>
    row.map((cell, i) => `  ${cell.padEnd(widths![i]!)}`).join("").trimEnd();
  return shown.map(line).join("\n");
}
