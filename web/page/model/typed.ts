/**
 * Runs a typed line in the web client. What a line means, and which commands
 * there are, is decided in core/text/typed_line.ts.
 *
 * @module
 */
import { roomNamed, SHARED_COMMANDS } from "../../../core/commands.ts";
import {
  type Command,
  COMMANDS,
  parseLine,
  type RunCommand,
  usageHelp,
  type WebCommandName,
} from "../../../core/text/typed_line.ts";
import { alreadyAccount } from "../../../core/text/sentences.ts";
import { lookAlike } from "../../../protocol.ts";
import type { Chat } from "./chat.ts";

/**
 * Runs a typed line.
 *
 * @returns Whether it was taken; if not, it should stay to be corrected.
 */
export function runLine(chat: Chat, line: string): boolean {
  const typed = parseLine(line);
  switch (typed.kind) {
    case "nothing":
      return false;
    case "message":
      return chat.send(typed.text);
    case "private":
      return chat.sendTo(typed.to, typed.text) !== "kept";
    case "invalid":
      chat.told(typed.help);
      return false;
  }
  const { name, rest } = typed;
  const { terminalOnly }: Command = COMMANDS[name];
  if (terminalOnly !== undefined) {
    chat.told(OF_FILES.has(name) && !chat.carrier ? NO_PROGRAM : terminalOnly);
    return true;
  }
  const check = (result: void | "usage" | "kept") => {
    if (result === "usage") chat.told(usageHelp(name));
    return result === undefined;
  };
  // The cast: all commands but those of the terminal are there.
  const result = RUN[name as WebCommandName](chat, rest);
  if (!(result instanceof Promise)) return check(result);
  result.then(check, (error) => chat.explain(error));
  return true;
}

/** What a page says that cannot send or receive files. */
export const NO_PROGRAM =
  "Cannot send files: this page has no program for it. " +
  "Start deno run -A client.ts --gui on this computer.";

const OF_FILES = new Set(["send", "get", "files", "cancel"]);

/** Every command of the web client. */
const RUN: Readonly<Record<WebCommandName, RunCommand<Chat>>> = {
  ...SHARED_COMMANDS,
  join: (chat, rest) => rest === "" ? "usage" : chat.join(rest),
  leave(chat, rest): Promise<void> | void {
    const wanted = roomNamed(rest);
    const room = rest === "" ? chat.current : chat.conversations.find((one) => {
      return wanted && lookAlike(one.target) === lookAlike(wanted);
    });
    if (room && room.kind !== "all") return chat.leave(room);
    chat.told(rest === "" ? "You are in no room" : `You are not in ${rest}`);
  },
  rooms: (chat) => chat.showRooms(),
  signup(chat) {
    if (chat.signIn.owned) chat.told(alreadyAccount(chat.me));
    else chat.watcher.signUp();
  },
  quit: (chat) => chat.logout(),
};
