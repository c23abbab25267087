/**
 * What the operator can type where the server runs.
 *
 *     kick bob he spams     a command, whom it concerns, and the rest
 *
 * Every line gets an answer: what was done, or why it cannot be done and what
 * to type. A wrong word never stops the server, and nothing in an answer can
 * harm the operator's terminal. Reading lines and printing answers is done by
 * server/operator/screen.ts.
 *
 * @module
 */
import { ChatError, isUserName } from "../../protocol.ts";
import { type BanTarget, parseTarget } from "../accounts/bans.ts";
import { hostOf } from "../session/two_socket.ts";
import type { Context, Session } from "../session/context.ts";
import { refuse } from "../session/session.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { localTime } from "./screen.ts";
import { table } from "./table.ts";

/** A reason has to fit the head of a frame, in characters. */
const MAX_REASON = 200;

/** What a command works on. */
interface Desk extends Context {
  /** Begins the end of the server. */
  stop(): void;
}

/** What was typed after the name of a command. */
interface Words {
  /** The first one; empty if there is none. */
  readonly first: string;
  /** Those after it. */
  readonly rest: string;
  /** All of it. */
  readonly all: string;
}

/** A command. */
interface Command {
  /** What follows the name, for the help. */
  readonly usage: string;
  /** What it does, in one line. */
  readonly help: string;
  /** How many words follow the name. */
  readonly words: readonly [least: number, most: number];
  /** Does it, and gives the answer. */
  run(desk: Desk, words: Words): string | Promise<string>;
}

/** Everything that can be typed, in the order of the help. */
const COMMANDS: ReadonlyMap<string, Command> = new Map(Object.entries(
  {
    help: {
      usage: "",
      help: "Show what can be typed",
      words: [0, 0],
      run: help,
    },
    users: {
      usage: "",
      help: "Show who is here, from where, and in which rooms",
      words: [0, 0],
      run: users,
    },
    rooms: {
      usage: "",
      help: "Show the rooms, and how many are in each",
      words: [0, 0],
      run: rooms,
    },
    accounts: {
      usage: "",
      help: "Show the accounts, and which are in use now",
      words: [0, 0],
      run: accounts,
    },
    say: {
      usage: "TEXT",
      help: "Tell everybody",
      words: [1, Infinity],
      run: say,
    },
    kick: {
      usage: "NAME [REASON]",
      help: "End somebody's connection",
      words: [1, Infinity],
      run: kick,
    },
    ban: {
      usage: "NAME|ADDRESS [REASON]",
      help: "Kick, and let in no more",
      words: [1, Infinity],
      run: ban,
    },
    unban: {
      usage: "NAME|ADDRESS",
      help: "Let in again",
      words: [1, 1],
      run: unban,
    },
    bans: {
      usage: "",
      help: "Show who is banned, and who is muted",
      words: [0, 0],
      run: bans,
    },
    mute: {
      usage: "NAME",
      help: "Let somebody read and not send",
      words: [1, 1],
      run: mute,
    },
    unmute: {
      usage: "NAME",
      help: "Let somebody send again",
      words: [1, 1],
      run: unmute,
    },
    unblock: {
      usage: "NAME",
      help: "Lift the locks that wrong passwords left",
      words: [1, 1],
      run: unblock,
    },
    stop: {
      usage: "",
      help: "Tell everybody, and end the server",
      words: [0, 0],
      run: stop,
    },
  } satisfies Record<string, Command>,
));

/** See the top of the file. */
export class Console {
  /** Resolves when the operator wants the server to end. */
  readonly stopped: Promise<void>;
  readonly #desk: Desk;

  /** Commands work on `context`. */
  constructor(context: Context) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stopped = promise;
    this.#desk = { ...context, stop: resolve };
  }

  /** Does what `line` says, and gives the answer, without a last line break. */
  async run(line: string): Promise<string> {
    const [name, words] = parse(line);
    if (name === "") return "";
    const command = COMMANDS.get(name);
    if (!command) return await unknown(name);
    const count = words.all === "" ? 0 : words.all.split(/\s+/).length;
    const [least, most] = command.words;
    if (count < least || count > most) {
      const what = count < least ? "something is missing" : "too many words";
      return `Cannot do that: ${what}; type ${usageOf(name, command)}`;
    }
    return await command.run(this.#desk, words);
  }

  /** What could complete `line`, and which part of it that replaces. */
  complete(line: string): [candidates: string[], part: string] {
    const [, before = "", part = ""] = /^(.*\s)?(\S*)$/.exec(line) ?? [];
    const all = before.trim() === ""
      ? [...COMMANDS.keys()]
      : Array.from(this.#desk.hub.users(), ({ name }) => name);
    const start = part.toLowerCase();
    const found = all.filter((word) => word.toLowerCase().startsWith(start));
    return [found.map((word) => `${word} `), part];
  }
}

/** A name in lower case, as the client's users may write it, and the rest. */
function parse(line: string): [name: string, words: Words] {
  const [, name = "", all = ""] = /^\/?(\S*)\s*([^]*)$/.exec(line.trim()) ?? [];
  const [, first = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(all) ?? [];
  return [name.toLowerCase(), { first, rest, all }];
}

function usageOf(name: string, { usage }: Command): string {
  return `${name} ${usage}`.trim();
}

async function unknown(name: string): Promise<string> {
  const nearest = ENDS.includes(name) ? "stop" : await nearestCommand(name);
  const guess = nearest ? `did you mean ${nearest}? ` : "";
  return `Cannot do ${quoted(name)}: there is no such command; ${guess}` +
    "help shows all";
}

/** How other programs are ended. */
const ENDS = ["quit", "exit", "bye"];

/** What may have been meant by `name`: at most two mistakes away. */
async function nearestCommand(name: string): Promise<string | undefined> {
  // Loaded for the first mistake, and not at every start.
  const { nearest } = await import("../../terminal/nearest.ts");
  return nearest(name, COMMANDS.keys());
}

function help(): string {
  return table(
    Array.from(COMMANDS, ([name, command]) => {
      return [usageOf(name, command), command.help];
    }),
  );
}

function users({ hub }: Desk): string {
  const all = [...hub.users()];
  if (all.length === 0) return "Nobody is here";
  const rows = all.map(({ name, peer, rooms, muted }) => [
    name,
    peer.remote,
    muted ? `${peer.kind}, muted` : peer.kind,
    Array.from(rooms.keys(), (room) => room.name).join(" "),
  ]);
  return `${counted(all.length, "user")}:\n${table(rows)}`;
}

function rooms({ hub, journal }: Desk): string {
  const all = hub.list(journal);
  return table(all.map(({ name, members }) => [name, `${members}`]));
}

function accounts({ accounts, hub }: Desk): string {
  const all = accounts.all();
  if (all.length === 0) return "There are no accounts";
  const rows = all.map(({ name, createdAt }) => [
    name,
    `since ${localTime(new Date(createdAt))}`,
    hub.userNamed(name)?.name === name ? "here" : "",
  ]);
  return `${counted(all.length, "account")}:\n${table(rows)}`;
}

function say({ hub }: Desk, { all: text }: Words): string {
  const kinds = Array.from(hub.users(), ({ peer }) => peer.kind);
  if (kinds.length === 0) return "Cannot say that: nobody is here";
  hub.tellAll(text);
  const deaf = kinds.filter((kind) => kind === "classic").length;
  const told = `Told ${counted(kinds.length - deaf, "user")}`;
  if (deaf === 0) return told;
  return `${told}; clients of the course cannot hear it: ${deaf}`;
}

function kick(desk: Desk, { first, rest: reason }: Words): string {
  const user = desk.hub.userNamed(first);
  if (!user) {
    return `Cannot kick ${quoted(first)}: nobody is here under that name; ` +
      "users shows who is";
  }
  if (isTooLong(reason)) return tooLong("kick", reason);
  const why = reason === "" ? "" : ` (${sanitize(reason)})`;
  const error = new ChatError(
    117,
    `Cannot stay: the operator has removed you${why}`,
  );
  end(desk, (session) => nameOf(session) === user.name ? error : undefined);
  return `Kicked ${user.name}`;
}

async function ban(
  desk: Desk,
  { first, rest: reason }: Words,
): Promise<string> {
  const target = parseTarget(first);
  if (!target) return noTarget("ban", first);
  if (isTooLong(reason)) return tooLong("ban", reason);
  const { bans } = desk;
  const banned = { ...target, since: Date.now(), reason: sanitize(reason) };
  const storing = bans.add(banned);
  const count = end(desk, (session) => bans.refusal(targetIn(session, target)));
  const gone = count === 0 ? "" : `, and ended ${counted(count, "connection")}`;
  return `Banned ${said(target)}${gone}` +
    await warning(storing, "the ban ends with the server");
}

async function unban({ bans }: Desk, { first }: Words): Promise<string> {
  const target = parseTarget(first);
  if (!target) return noTarget("unban", first);
  const ban = bans.find(target);
  if (!ban) {
    return `Cannot unban ${said(target)}: there is no such ban; ` +
      "bans shows them";
  }
  const storing = bans.remove(ban);
  return `Lifted the ban of ${said(ban)}` +
    await warning(storing, "it comes back when the server is started again");
}

function bans({ bans, hub }: Desk): string {
  const all = bans.all();
  const rows = all.map(({ value, since, reason }) => [
    value,
    `since ${localTime(new Date(since))}`,
    reason,
  ]);
  const banned = all.length === 0
    ? "Nobody is banned"
    : `${counted(all.length, "ban")}:\n${table(rows)}`;
  const muted = [...hub.mutes()].join(", ");
  return muted === "" ? banned : `${banned}\nMuted: ${muted}`;
}

function mute({ hub }: Desk, { first: name }: Words): string {
  if (!isUserName(name)) {
    return `Cannot mute ${quoted(name)}: nobody can be called that; ` +
      "users shows who is here";
  }
  hub.mute(name);
  const user = hub.userNamed(name);
  if (user) return `Muted ${user.name}, who can read and not send`;
  return `Muted ${name}; nobody is here under that name, so it concerns ` +
    "whoever comes";
}

function unmute({ hub }: Desk, { first: name }: Words): string {
  const muted = hub.unmute(name);
  if (muted !== undefined) return `Unmuted ${muted}`;
  return `Cannot unmute ${quoted(name)}: nobody is muted under that name; ` +
    "bans shows who is";
}

async function unblock(
  { accounts }: Desk,
  { first: name }: Words,
): Promise<string> {
  const account = accounts.named(name);
  const count = await accounts.unlock(name); // also of a name without account
  if (count > 0) return `Unblocked ${account?.name ?? sanitize(name)}`;
  if (!account) {
    return `Cannot unblock ${quoted(name)}: there is no such account; ` +
      "accounts shows them";
  }
  return `Cannot unblock ${account.name}: nobody gave a wrong password`;
}

function stop({ stop }: Desk): string {
  stop();
  return ""; // whoever stops the server says so
}

/** Ends those connections for which there is an error; says how many. */
function end(
  { sessions }: Desk,
  errorFor: (session: Session) => ChatError | undefined,
): number {
  let count = 0;
  for (const session of sessions) {
    const error = session.gone ? undefined : errorFor(session);
    if (!error) continue;
    refuse(session, error);
    count++;
  }
  return count;
}

/** Under which name a session is here, or about to be. */
function nameOf({ user, classic }: Session): string | undefined {
  return user?.name ?? classic?.user.name;
}

/** What of a session a ban like that of `target` may concern. */
function targetIn(session: Session, { kind }: BanTarget): BanTarget {
  const value = kind === "name"
    ? nameOf(session) ?? ""
    : hostOf(session.connection.remote);
  return { kind, value };
}

function isTooLong(reason: string): boolean {
  return reason.length > MAX_REASON;
}

function tooLong(deed: string, reason: string): string {
  return `Cannot ${deed} for a reason of ${reason.length} characters: ` +
    `the limit is ${MAX_REASON}`;
}

function noTarget(deed: string, word: string): string {
  return `Cannot ${deed} ${quoted(word)}: it is no name, which has 1 to 32 ` +
    "letters and digits, and no address such as 192.168.1.5; " +
    "users shows both";
}

/** How a target is called in an answer. */
function said({ kind, value }: BanTarget): string {
  return kind === "name" ? value : `the address ${value}`;
}

/** Waits until something is stored; what is to be known if it cannot be. */
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

/** What was typed, as an answer repeats it. */
function quoted(word: string): string {
  const shown = [...sanitize(word)]; // a half of a character is none
  return `"${shown.slice(0, 64).join("")}${shown.length > 64 ? "…" : ""}"`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
