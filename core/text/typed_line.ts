/**
 * The meaning of a typed line, for the terminal client and the web client.
 *
 *     hello            a message to the room or person in view
 *     @bob: hi         a private message; so does "@bob hi"; @ALL is all users
 *     /join lab        a command; "//join" sends the text "/join"
 *     LIST             the course's words, if a line has nothing else
 *
 * This is the one place that decides whether a line is private, a command or
 * a message. A line that is none of them is explained and never sent: a room
 * must not read a mistyped command.
 *
 * {@linkcode COMMANDS} names the commands. Each client has a table of its own
 * that runs them; the compiler checks that the table is complete.
 *
 * @module
 */
import { nearest } from "./nearest.ts";
import { targetKind } from "../../protocol.ts";
import { withoutLead } from "./sanitize.ts";

/** The meaning of a typed line. */
export type TypedLine =
  | { readonly kind: "nothing" }
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "private"; readonly to: string; readonly text: string }
  | {
    readonly kind: "command";
    readonly name: CommandName;
    /** What follows the name, without spaces around it. */
    readonly rest: string;
  }
  /** Nothing to send or run; `help` says why, and what to type instead. */
  | { readonly kind: "invalid"; readonly help: string };

/** A command, as the help shows it. */
export interface Command {
  /** Its other names. */
  readonly aliases?: readonly string[];
  /**
   * The words after its name, empty if there are none. A first word `NAME` or
   * `ROOM` is what the Tab key completes.
   */
  readonly usage: string;
  /** What it does, beginning with a verb. */
  readonly help: string;
  /** Whether only `/help all` shows it: the help has to fit a screen. */
  readonly more?: true;
  /** Whether it runs while the connection to the server is lost. */
  readonly offline?: true;
  /** Whether it is for moderators: the server obeys it, as on its own console. */
  readonly moderator?: true;
  /** The web client's answer, if only the terminal client has the command. */
  readonly terminalOnly?: string;
}

const NO_DIRECT_SESSIONS =
  "The web client has no direct sessions. Use the terminal client.";
const DROP_FILES =
  'To send files in the web client, drop them on a name, or use "Send files" ' +
  "in a private conversation.";
const USE_CARDS =
  "The web client shows offers and transfers, with buttons, above the message box.";

/** Every command by its first name, in the order of the help. */
export const COMMANDS = {
  help: {
    aliases: ["h", "?"],
    usage: "[COMMAND | all]",
    help: "Show the commands, one of them, or all",
    offline: true,
  },
  join: {
    aliases: ["j"],
    usage: "ROOM [--private]",
    help: "Join a room, or switch to it, or make a private one",
  },
  leave: {
    aliases: ["part"],
    usage: "[ROOM]",
    help: "Leave this room, or the room named (LEAVE)",
  },
  topic: { more: true, usage: "[TEXT | none]", help: "Show or set the topic" },
  quiet: { more: true, usage: "[on | off]", help: "Let only some users send" },
  voice: { more: true, usage: "NAME [off]", help: "Let a user send there" },
  rooms: { usage: "", help: "Show the rooms, and how many users are in each" },
  list: {
    aliases: ["names"],
    usage: "",
    help: "Show the users in the room, and their addresses (LIST)",
  },
  who: {
    aliases: ["w"],
    usage: "[ROOM | all]",
    help: "Show the users in a room, or all users",
  },
  msg: {
    aliases: ["m"],
    usage: "NAME TEXT",
    help: "Send a private message, as @NAME: TEXT does",
  },
  reply: {
    aliases: ["r"],
    usage: "TEXT",
    help: "Reply to the last private message",
  },
  history: {
    usage: "[@NAME] [NUMBER]",
    help: "Show older messages here, or those with a user",
  },
  ignore: {
    usage: "[NAME]",
    help: "Hide a user's messages; alone: show who is hidden",
    offline: true,
  },
  unignore: {
    more: true,
    usage: "NAME",
    help: "Show a user's messages again",
    offline: true,
  },
  call: {
    usage: "NAME",
    help: "Call a user to an encrypted session without the server",
    terminalOnly: NO_DIRECT_SESSIONS,
  },
  accept: {
    usage: "[NAME | NUMBER]",
    help: "Accept a call, or files that are offered",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  decline: {
    more: true,
    usage: "[NAME | NUMBER]",
    help: "Decline a call, or files that are offered",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  direct: {
    aliases: ["d"],
    usage: "[@NAME] [TEXT]",
    help: "Send TEXT directly, or switch to the session and back",
    offline: true,
    terminalOnly: NO_DIRECT_SESSIONS,
  },
  hangup: {
    usage: "[NAME]",
    help: "End a direct session, or a call of yours",
    offline: true,
    terminalOnly: NO_DIRECT_SESSIONS,
  },
  listen: {
    more: true,
    usage: "[on | off]",
    help: "Allow calls, or refuse them",
    offline: true,
    terminalOnly: NO_DIRECT_SESSIONS,
  },
  send: {
    usage: "NAME FILE ...",
    help: "Send files or folders directly; quote a name with spaces",
    offline: true,
    terminalOnly: DROP_FILES,
  },
  get: {
    more: true,
    usage: "NAME [FILE]",
    help: "Get a file or folder that a user shares; without FILE, list them",
    offline: true,
    terminalOnly: "Only the terminal client can get shared files.",
  },
  files: {
    more: true,
    usage: "",
    help: "Show the files that are being sent and received",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  cancel: {
    more: true,
    usage: "[NUMBER]",
    help: "Cancel a transfer; give its number if there are several",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  nick: {
    more: true,
    usage: "[DISPLAY NAME | off]",
    help: "Set a display name, in any script; alone: show it",
  },
  invite: {
    more: true,
    usage: "NAME [ROOM]",
    help: "Let an account into this private room, or another of yours",
  },
  remove: {
    more: true,
    usage: "NAME",
    help: "Take a member out of your private room; or yourself",
  },
  owner: {
    more: true,
    usage: "NAME",
    help: "Pass your private room on to a member",
  },
  close: {
    more: true,
    usage: "ROOM",
    help: "Close your private room, and delete its messages",
  },
  signup: {
    usage: "",
    help: "Create an account for your name, with a password",
  },
  devices: {
    more: true,
    usage: "[end NUMBER]",
    help: "List the devices of your account, or end one",
  },
  password: {
    more: true,
    usage: "",
    help: "Change the password of your account",
  },
  unregister: {
    more: true,
    usage: "",
    help: "Delete your account, and quit",
  },
  clear: {
    more: true,
    usage: "",
    help: "Clear the screen",
    offline: true,
    terminalOnly: "Only the terminal client can clear the screen.",
  },
  ping: {
    more: true,
    usage: "",
    help: "Measure how long the server takes to answer",
  },
  users: {
    moderator: true,
    usage: "",
    help: "List all users, with address and rooms",
  },
  kick: {
    moderator: true,
    usage: "NAME [REASON]",
    help: "Disconnect a user, who may return",
  },
  ban: {
    moderator: true,
    usage: "NAME [TIME] [REASON]",
    help: "Disconnect a user, and refuse connections",
  },
  unban: { moderator: true, usage: "NAME", help: "Remove a ban" },
  mute: {
    moderator: true,
    usage: "NAME [TIME]",
    help: "Stop a user from sending",
  },
  unmute: {
    moderator: true,
    usage: "NAME",
    help: "Allow a user to send again",
  },
  bans: {
    moderator: true,
    usage: "",
    help: "List bans, mutes and locks",
  },
  unblock: {
    moderator: true,
    usage: "NAME",
    help: "Unlock an account after wrong passwords",
  },
  say: {
    moderator: true,
    usage: "TEXT",
    help: "Send a notice to all users",
  },
  forget: {
    moderator: true,
    usage: "ROOM",
    help: "Delete the messages of a room",
  },
  quit: {
    aliases: ["exit", "logout", "q"],
    usage: "",
    help: "Disconnect and quit (LOGOUT)",
    offline: true,
  },
} as const satisfies Readonly<Record<string, Command>>;

/** The first name of a command. */
export type CommandName = keyof typeof COMMANDS;

/** A command of moderators, which the server obeys. */
export type ModeratorCommandName = {
  [Name in CommandName]: (typeof COMMANDS)[Name] extends
    { readonly moderator: true } ? Name : never;
}[CommandName];

/** The commands that the web client has too. */
export type WebCommandName = {
  [Name in CommandName]: (typeof COMMANDS)[Name] extends
    { readonly terminalOnly: string } ? never : Name;
}[CommandName];

/**
 * Runs a command of a client. Gives `"usage"` if `rest` does not fit, and
 * `"kept"` if the user knows why it failed and may correct the line.
 */
export type RunCommand<Client> = (
  client: Client,
  rest: string,
) => Promise<void | "usage"> | void | "usage" | "kept";

/**
 * Reads a typed line. A line may have line breaks: pastes do.
 *
 * @param pasted Whether it begins with a paste of several lines. Then it is
 * text, whatever it looks like.
 */
export function parseLine(line: string, pasted = false): TypedLine {
  const words = withoutLead(line).replace(/^[\uff20\ufe6b]/, "@")
    .replace(/^\uff0f/, "/");
  if (words === "") return { kind: "nothing" };
  if (pasted) return { kind: "message", text: line };
  if (words.startsWith("//")) return { kind: "message", text: words.slice(1) };
  const course = WORDS.get(words.trimEnd());
  if (course) return { kind: "command", name: course, rest: "" };
  if (words.startsWith("/")) return parseCommand(words);
  if (words.startsWith("@")) return parsePrivate(words.slice(1));
  return { kind: "message", text: line };
}

function parseCommand(line: string): TypedLine {
  const [, typed = "", rest = ""] = /^\/(\S*)\s*([^]*)$/.exec(line) ?? [];
  const name = findCommand(typed.toLowerCase());
  const isPaste = rest.includes("\n"); // which has spaces of its own
  if (name) {
    return { kind: "command", name, rest: isPaste ? rest : rest.trim() };
  }
  const text = rest === "" ? typed : `${typed} …`;
  const help = `${unknown(typed)} To send it as text, type //${text}`;
  return { kind: "invalid", help };
}

/** What a user reads who types `/` and a word that is no command. */
export function unknown(typed: string): string {
  const names = [...NAMES.keys()].filter((one) => one.length > 1);
  const near = nearest(typed.toLowerCase(), names);
  const guess = near ? `Did you mean /${near}?` : "Type /help.";
  return `Unknown command "/${typed}". ${guess}`;
}

function parsePrivate(typed: string): TypedLine {
  const read = readPrivate(typed);
  if (!read) return { kind: "invalid", help: PRIVATE_HELP };
  const { to, text } = read;
  // "@bob @carol: x" is meant for both; "@bob: @carol is here" for bob.
  const isAddressed = /[:\uff1a]/.test(
    typed.replace(/^@/, "").charAt(to.length),
  );
  const several = isAddressed ? ADDRESS : SECOND_NAME;
  if (several.test(text)) {
    const help = "Nothing was sent: a private message goes to one user. " +
      `Type a line for each. /msg ${to} TEXT sends any text to ${to} alone.`;
    return { kind: "invalid", help };
  }
  return { kind: "private", to, text };
}

/**
 * Reads what follows `@` or `/msg`; undefined if a name or the text is missing.
 * Of a text of several lines, one space separates it: more are its indentation.
 */
export function readPrivate(
  typed: string,
): { to: string; text: string } | undefined {
  const [, to = "", text = ""] =
    /^@?([^\s:\uff1a]*)[:\uff1a]?(?:[^\S\n](?=.*\n)|\s*)([^]*)$/.exec(typed) ??
      [];
  const kind = targetKind(to);
  const isRead = text.trim() !== "" && (kind === "user" || kind === "all");
  return isRead ? { to, text } : undefined;
}

/** The beginning of a text that names another user, and one that addresses it. */
const SECOND_NAME = /^(?:(?:and|[,;&+])\s*)*[@\uff20\ufe6b][A-Za-z0-9]/i;
const ADDRESS = /^(?:(?:and|[,;&+])\s*)*[@\uff20\ufe6b][A-Za-z0-9]+[:\uff1a]/i;

/**
 * `line` with the receiver of a `/reply` in it: the user who had written last
 * when the line was begun. A user who writes later must not get it, and of a
 * message of a direct session the server must not read the answer: `directly`.
 */
export function withReceiver(
  line: string,
  lastSender: string | undefined,
  directly = false,
): string {
  const typed = parseLine(line);
  const isReply = typed.kind === "command" && typed.name === "reply";
  if (!isReply || typed.rest === "" || lastSender === undefined) return line;
  const command = directly ? "/direct @" : "/msg ";
  return `${command}${lastSender} ${typed.rest}`;
}

/** The command with this name or alias, in lower case and without `/`. */
export function findCommand(name: string): CommandName | undefined {
  return NAMES.get(name);
}

/** A command as it is typed, such as `/join ROOM`. */
export function usageOf(name: CommandName): string {
  return `/${name} ${COMMANDS[name].usage}`.trim();
}

/** What a client shows when `rest`, the words after a command, does not fit. */
export function usageHelp(name: CommandName, rest: string): string {
  const { usage }: Command = COMMANDS[name];
  const least = wordsIn(usage.replaceAll(/\[.*?\]|\.{3}/g, ""));
  const wrong = wordsIn(rest) < least
    ? "Missing argument"
    : `Cannot use "${rest.slice(0, 40)}"`;
  return `${wrong}. Usage: ${usageOf(name)}`;
}

function wordsIn(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

/** Every name and alias, of the command that it names. */
const NAMES: ReadonlyMap<string, CommandName> = new Map(
  // The cast: these are the entries of that very table.
  (Object.entries(COMMANDS) as [CommandName, Command][]).flatMap(
    ([name, { aliases = [] }]) =>
      [name, ...aliases].map((one) => [one, name] as const),
  ),
);

/** The words of the course, which are commands without `/`. */
const WORDS: ReadonlyMap<string, CommandName> = new Map([
  ["LIST", "list"],
  ["LEAVE", "leave"],
  ["LOGOUT", "quit"],
]);

const PRIVATE_HELP = "To send a private message: @NAME: TEXT, " +
  'as in "@bob: hi"; to all users: "@ALL: hi". ' +
  "Names have 1 to 32 letters and digits. Nothing was sent.";
