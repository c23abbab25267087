/**
 * The help, in both clients.
 *
 * @module
 */
import {
  type Command,
  type CommandName,
  COMMANDS,
  findCommand,
  unknown,
  usageOf,
} from "./typed_line.ts";

/**
 * The help as lines: what is typed, and what it does.
 *
 * @param typed What follows `/help`; an empty one asks for all commands.
 * @param web Whether the web client asks, which has fewer commands.
 * @param moderator Whether a moderator asks, who has more.
 */
export function helpLines(
  typed: string,
  { web = false, moderator = false } = {},
): string[] {
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
  const all = word === "all";
  if (word !== "" && !all) return [unknown(word)];
  // The cast: these are the keys of that very table.
  const names = (Object.keys(COMMANDS) as CommandName[]).filter((name) => {
    const { more, moderator: isTheirs, terminalOnly }: Command = COMMANDS[name];
    const isShown = isTheirs ? all && moderator : all || !more;
    return isShown && (!web || terminalOnly === undefined);
  });
  return [
    row("TEXT", "Send a message to the room"),
    row("@NAME: TEXT", "Send a private message; @ALL: to all users"),
    ...names.map((name) => row(usageOf(name), COMMANDS[name].help)),
    row("//TEXT", "Send a message that begins with /"),
    web ? row("Alt+Up, Alt+Down", "Switch the conversation") : row(
      "Tab, Up, Ctrl-D",
      "Complete a name; last line; quit (on an empty line)",
    ),
    ...(all ? [] : [row("/help all", "Show the other commands too")]),
  ];
}

function row(typed: string, does: string): string {
  return `${typed.padEnd(20)} ${does}`;
}
