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
  /** Whether it runs while the connection to the server is lost. */
  readonly offline?: true;
  /** The web client's answer, if only the terminal client has the command. */
  readonly terminalOnly?: string;
}

const NO_DIRECT_SESSIONS =
  "The web client has no direct sessions. Use the terminal client.";
const DROP_FILES = "To send files in the web client, drop them on a name.";
const USE_CARDS = "Files have buttons in the web client. Use those.";

/** Every command by its first name, in the order of the help. */
export const COMMANDS = {
  help: {
    aliases: ["h", "?"],
    usage: "[COMMAND]",
    help: "Show the commands, or one of them",
    offline: true,
  },
  join: {
    aliases: ["j"],
    usage: "ROOM",
    help: "Join a room, or switch to one you are in",
  },
  leave: {
    aliases: ["part"],
    usage: "[ROOM]",
    help: "Leave this room, or the room named (LEAVE)",
  },
  rooms: { usage: "", help: "Show the rooms, and how many users are in each" },
  list: {
    aliases: ["names"],
    usage: "",
    help: "Show the names of the users in the room (LIST)",
  },
  who: {
    aliases: ["w"],
    usage: "[ROOM | all]",
    help: "Show the users in a room, or all users, and their addresses",
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
    usage: "[NUMBER]",
    help: "Show the last messages again, or older ones",
    terminalOnly: "Scroll up to see older messages.",
  },
  ignore: {
    usage: "[NAME]",
    help: "Hide a user's messages; without NAME, show the hidden users",
    offline: true,
    terminalOnly: "Only the terminal client can hide a user's messages.",
  },
  unignore: {
    usage: "NAME",
    help: "Show a user's messages again",
    offline: true,
    terminalOnly: "Only the terminal client can hide a user's messages.",
  },
  call: {
    usage: "NAME",
    help: "Call a user to a direct session: encrypted, without the server",
    terminalOnly: NO_DIRECT_SESSIONS,
  },
  accept: {
    usage: "[NAME | NUMBER]",
    help: "Accept a call, or files that are offered",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  decline: {
    usage: "[NAME | NUMBER]",
    help: "Decline a call, or files that are offered",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  direct: {
    aliases: ["d"],
    usage: "[@NAME] [TEXT]",
    help: "Send TEXT directly; without it, switch to the session, or back",
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
    usage: "NAME [FILE]",
    help: "Get a file or folder that a user shares; without FILE, list them",
    offline: true,
    terminalOnly: "Only the terminal client can get shared files.",
  },
  files: {
    usage: "",
    help: "Show the files that are being sent and received",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  cancel: {
    usage: "[NUMBER]",
    help: "Cancel a transfer; give its number if there are several",
    offline: true,
    terminalOnly: USE_CARDS,
  },
  signup: {
    usage: "",
    help: "Create an account for your name, with a password",
  },
  clear: {
    usage: "",
    help: "Clear the screen",
    offline: true,
    terminalOnly: "Only the terminal client can clear the screen.",
  },
  ping: { usage: "", help: "Measure how long the server takes to answer" },
  quit: {
    aliases: ["exit", "logout", "q"],
    usage: "",
    help: "Disconnect and quit (LOGOUT)",
    offline: true,
  },
} as const satisfies Readonly<Record<string, Command>>;

/** The first name of a command. */
export type CommandName = keyof typeof COMMANDS;

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

/** Reads a typed line. A line may have line breaks: pastes do. */
export function parseLine(line: string): TypedLine {
  const words = line.trimStart(); // a space must not make a line public
  if (words === "") return { kind: "nothing" };
  if (words.startsWith("//")) return { kind: "message", text: words.slice(1) };
  const course = WORDS.get(words.trimEnd());
  if (course) return { kind: "command", name: course, rest: "" };
  if (words.startsWith("/")) return parseCommand(words);
  if (words.startsWith("@")) return parsePrivate(words);
  return { kind: "message", text: line };
}

function parseCommand(line: string): TypedLine {
  const [, typed = "", rest = ""] = /^\/(\S*)\s*([^]*)$/.exec(line) ?? [];
  const name = findCommand(typed.toLowerCase());
  if (name) return { kind: "command", name, rest: rest.trim() };
  const help = `${unknown(typed)} To send text that begins with /, type //.`;
  return { kind: "invalid", help };
}

function unknown(typed: string): string {
  const near = nearestCommand(typed.toLowerCase());
  const guess = near ? `Did you mean /${near}?` : "Type /help.";
  return `Unknown command "/${typed}". ${guess}`;
}

function parsePrivate(line: string): TypedLine {
  const [, to = "", text = ""] = /^@([^\s:]*):?\s*([^]*)$/.exec(line) ?? [];
  const kind = targetKind(to);
  if (text.trim() === "" || (kind !== "user" && kind !== "all")) {
    return { kind: "invalid", help: PRIVATE_HELP };
  }
  return { kind: "private", to, text };
}

/** The command with this name or alias, in lower case and without `/`. */
export function findCommand(name: string): CommandName | undefined {
  return NAMES.get(name);
}

/** What may have been meant by `name`: at most two mistakes away. */
export function nearestCommand(name: string): string | undefined {
  return nearest(name, [...NAMES.keys()].filter((one) => one.length > 1));
}

/** A command as it is typed, such as `/join ROOM`. */
export function usageOf(name: CommandName): string {
  return `/${name} ${COMMANDS[name].usage}`.trim();
}

/** What a client shows when the words after a command do not fit. */
export function usageHelp(name: CommandName): string {
  return `Usage: ${usageOf(name)}`;
}

/**
 * The help as lines: what is typed, and what it does.
 *
 * @param typed What follows `/help`; an empty one asks for all commands.
 * @param web Whether the web client asks, which has fewer commands.
 */
export function helpLines(typed: string, { web = false } = {}): string[] {
  const word = typed.replace(/^\//, "").toLowerCase();
  const one = findCommand(word);
  if (one) {
    const { aliases = [], help, terminalOnly }: Command = COMMANDS[one];
    const others = aliases.map((alias) => `/${alias}`).join(", ");
    return [
      row(usageOf(one), web && terminalOnly ? terminalOnly : help),
      ...(others ? [`Also: ${others}`] : []),
    ];
  }
  if (word !== "") return [unknown(word)];
  // The cast: these are the keys of that very table.
  const names = (Object.keys(COMMANDS) as CommandName[]).filter((name) => {
    const { terminalOnly }: Command = COMMANDS[name];
    return !web || terminalOnly === undefined;
  });
  return [
    row("TEXT", "Send a message to the room"),
    row("@NAME: TEXT", "Send a private message; @ALL: to all users"),
    ...names.map((name) => row(usageOf(name), COMMANDS[name].help)),
    row("//TEXT", "Send a message that begins with /"),
    web
      ? row("Alt+Up, Alt+Down", "Switch the conversation")
      : row("Tab, Up, Ctrl-D", "Complete a name; show the last line; quit"),
  ];
}

function row(typed: string, does: string): string {
  return `${typed.padEnd(20)} ${does}`;
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
