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
import { OPERATOR } from "../../core/frames.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { ChatError, encode, isPrivateName } from "../../protocol.ts";
import type { UserElsewhere } from "../chat/user.ts";
import { UndecidedError } from "../chat/not_stored.ts";
import {
  counted,
  type Desk,
  list,
  quoted,
  type Run,
  table,
  typed,
  type Words,
} from "./desk.ts";
import { listRooms } from "../chat/room_list.ts";
import type { UserKind } from "../chat/user.ts";
import { becauseOf } from "../accounts/mutes.ts";
import { accounts, deleteAccounts, forget, reset, unblock } from "./owners.ts";
import { cluster } from "./cluster_report.ts";
import { deop, ofOperator, op } from "./moderators.ts";
import { ban, bans, kick, mute, unban, unmute } from "./people.ts";
import type { Context } from "../session/session.ts";

/** The usage has the arguments: TEXT and [REASON] may have many words. */
type Command = readonly [run: Run, help: string, usage?: string];

/** The commands that moderators have, too. */
const OF_MODERATORS: ReadonlySet<string> = new Set([
  ...["help", "users", "rooms", "say", "kick", "ban", "unban", "bans"],
  ...["mute", "unmute", "unblock", "forget"],
]);

/** Those that a moderator does not have while muted. */
const NOT_WHILE_MUTED: ReadonlySet<string> = new Set(["say", "unmute"]);

/** Limit of what the log has of a moderator's command, in characters. */
const MAX_LOGGED = 300;

/** What a ban, a mute or a lock is of. */
const TARGET = "NAME|ADDRESS|PREFIX";

/** All commands, in the order of the help. */
const COMMANDS: ReadonlyMap<string, Command> = new Map(Object.entries<Command>({
  help: [help, "List the commands"],
  users: [users, "List the users with address and rooms"],
  rooms: [rooms, "List the rooms and their creators"],
  accounts: [accounts, "List accounts; make those of a class", "[import FILE]"],
  say: [say, "Send a notice to all users", "TEXT"],
  kick: [kick, "Disconnect; users may return", `${TARGET} [REASON]`],
  ban: [ban, "Disconnect, and refuse connections", `${TARGET} [TIME] [REASON]`],
  unban: [unban, "Remove a ban", TARGET],
  bans: [bans, "List bans, mutes, locks, used shares"],
  mute: [mute, "Stop users from sending", `${TARGET} [TIME]`],
  unmute: [unmute, "Allow users to send again", TARGET],
  unblock: [unblock, "Unlock an account, or an address", TARGET],
  delete: [
    deleteAccounts,
    "Delete an account, or new accounts",
    "NAME|ADDRESS [TIME]",
  ],
  reset: [reset, "Make a code for a lost password", "NAME"],
  op: [op, "Make a user a moderator", "NAME"],
  deop: [deop, "End that a user is a moderator", "NAME"],
  forget: [forget, "Delete the messages of rooms", "ROOM|ADDRESS"],
  cluster: [cluster, "List the servers of this chat"],
  backup: [backup, "Copy messages and accounts to a file", "FILE"],
  stop: [stop, "Send a notice to all users, and stop"],
}));

/**
 * Obeys `line`; returns the answer, without a last line break.
 *
 * @throws {ChatError} 122 if a moderator gives a command of the operator, 120 if a
 * muted one sends, or unmutes.
 */
export async function runCommand(desk: Desk, line: string): Promise<string> {
  const [name, words] = parse(line);
  if (name === "") return "";
  const command = COMMANDS.get(name);
  if (!command) return await unknown(desk, name);
  if (desk.by && !OF_MODERATORS.has(name)) throw ofOperator(name);
  if (desk.by && NOT_WHILE_MUTED.has(name)) {
    const user = desk.hub.userNamed(desk.by);
    if (user) desk.hub.muting.check(user, name);
  }
  const wrong = wrongCount(command, words);
  if (wrong) return `${wrong}. Usage: ${typed(desk, usageOf(name, command))}`;
  const [run] = command;
  try {
    return await run(desk, words);
  } catch (error) {
    const isTold = error instanceof ChatError ||
      error instanceof UndecidedError;
    if (!isTold) throw error; // a bug of ours
    return error.message;
  }
}

/** A moderator who gives a command. */
export interface Giver {
  readonly name: string;
  readonly remote: string;
  /** Gets a line of the log, however many there are. */
  log(line: string): void;
  /**
   * Counts the bytes of a message for the moderator's address.
   *
   * @throws {ChatError} 108 if it has used up its share.
   */
  count(bytes: number): void;
}

/**
 * Obeys a moderator, who is known to be one; returns the answer. The log gets the
 * command before that, also if it is refused, and the first 300 characters of it.
 *
 * @throws {ChatError} 122 if only the operator may do that, 120 if the moderator
 * is muted.
 */
export async function moderate(
  context: Context,
  { name, remote, log, count }: Giver,
  line: string,
): Promise<string> {
  const shown = [...sanitize(line.slice(0, MAX_LOGGED + 1))];
  const end = shown.length > MAX_LOGGED ? "…" : "";
  const logged = shown.slice(0, MAX_LOGGED).join("");
  log(`The moderator ${name} <${remote}>: ${logged}${end}`);
  const forbidden = () => {
    throw ofOperator(line);
  };
  const desk = {
    ...{ ...context, by: name, count, stop: forbidden, backup: forbidden },
  };
  return await runCommand(desk, line);
}

/** What could complete `line`, and which part of it that replaces. */
export function completeCommand(
  { hub, journal }: Desk,
  line: string,
): [candidates: string[], part: string] {
  const [, before = "", part = ""] = /^(.*\s)?(\S*)$/.exec(line) ?? [];
  const [command] = parse(before);
  const all: Iterable<string> = command === ""
    ? COMMANDS.keys()
    : command === "forget"
    ? journal.rooms()
    : [...hub.users(), ...hub.elsewhere?.members("ALL") ?? []]
      .map(({ name }) => name);
  const start = part.toLowerCase();
  const found = Iterator.from(all)
    .filter((word) => word.toLowerCase().startsWith(start));
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
  const names = usage.split(" ");
  if (!/^\[|^$/.test(usage) && first === "") {
    return `Missing argument: ${names[0]}`;
  }
  if (/TEXT|REASON|FILE/.test(usage)) return undefined;
  const words = [first, ...rest.split(/\s+/)].filter((word) => word !== "");
  const most = usage === "" ? 0 : names.length;
  const surplus = words[most];
  return surplus === undefined
    ? undefined
    : `Too many arguments: ${quoted(surplus)}`;
}

function usageOf(name: string, [, , usage = ""]: Command): string {
  return `${name} ${usage}`.trim();
}

async function unknown(desk: Desk, name: string): Promise<string> {
  // Loaded for the first mistake, and not at every start.
  const { nearest } = await import("../../core/text/nearest.ts");
  const meant = ENDS.includes(name) ? "stop" : nearest(name, COMMANDS.keys());
  const guess = meant ? ` Did you mean ${typed(desk, meant)}?` : "";
  return `Unknown command ${quoted(name)}.${guess} Type ${
    typed(desk, "help")
  }.`;
}

/** How other programs call `stop`. */
const ENDS = ["quit", "exit", "bye"];

function help(desk: Desk): string {
  const offered = desk.by === undefined
    ? [...COMMANDS]
    : [...COMMANDS].filter(([name]) => OF_MODERATORS.has(name));
  return table(
    offered.map(([name, command]) => [
      typed(desk, usageOf(name, command)),
      command[1],
    ]),
  );
}

async function users(desk: Desk): Promise<string> {
  const { hub } = desk;
  const mutes = await desk.mutes.load();
  const shown = (
    name: string,
    { kind: own, remote }: UserElsewhere["peer"],
  ) => {
    const kind = kindOf(desk, name, own);
    const muted = mutes.of(name, remote);
    return muted ? `${kind}, muted${becauseOf(muted)}` : kind;
  };
  const rows = Array.from(hub.users(), ({ name, peer, rooms }) => [
    name,
    peer.remote,
    shown(name, peer),
    shownRooms(desk, Array.from(rooms.keys(), (room) => room.name)),
  ]);
  const others = Array.from(
    hub.elsewhere?.members("ALL") ?? [],
    ({ name, server, peer, rooms }) => [
      name,
      peer.remote,
      `${shown(name, peer)}, on ${server}`,
      shownRooms(desk, rooms()),
    ],
  );
  return list("user", [...rows, ...others]) ?? "No users are connected";
}

/** Private rooms are shown to the operator alone. */
function shownRooms({ by }: Desk, names: readonly string[]): string {
  return names.filter((name) => by === undefined || !isPrivateName(name))
    .join(" ");
}

function kindOf({ moderators }: Desk, name: string, kind: UserKind): string {
  return kind === "account" && moderators.loaded?.isModerator(name)
    ? "moderator"
    : kind;
}

function rooms({ by, hub, journal }: Desk): string {
  const listed = listRooms(hub, journal, { withPrivate: by === undefined });
  const rows = listed.map(({ name, members }) => {
    const { network = "" } = hub.shares.ownerOf(name) ?? {};
    const from = network === "" ? "" : `from ${network}`;
    return [name, `${members}`, isPrivateName(name) ? "private" : from];
  });
  return table(rows);
}

/** A notice is a message, so that a user who reconnects gets it as well. */
async function say(
  { by, count, hub, journal, settings }: Desk,
  { all }: Words,
): Promise<string> {
  // In front: no text can hide it, or add the name of another moderator.
  const text = by === undefined ? all : `The moderator ${by}: ${all}`;
  const body = new TextEncoder().encode(text);
  if (body.length > settings.maxBodyBytes) {
    return `Cannot send the notice: it has ${body.length} bytes, ` +
      `the limit is ${settings.maxBodyBytes}`;
  }
  count?.(body.length);
  try {
    const [stored] = await journal.append(OPERATOR, [{ to: "ALL", body }]);
    const receivers = stored?.delivery.recipients ?? 0;
    return receivers === 0
      ? "No users are connected. Users who reconnect get the notice."
      : `Sent to ${
        counted(receivers, "user")
      }. Users who reconnect get it, too.`;
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    const notice = encode("NOTICE", ["server"], {}, text);
    for (const { peer } of hub.users()) peer.notify(notice); // it is worth one
    return `Sent to all users who are connected, and not stored. ${error.message}`;
  }
}

/** The console waits for the copy, and no user does. */
function backup({ backup }: Desk, { all: file }: Words): Promise<string> {
  return backup(file);
}

function stop({ stop }: Desk): string {
  stop();
  return ""; // server.ts prints that it shuts down
}
