/**
 * Runs a typed line in the web client. What a line means, and which commands
 * there are, is decided in core/text/typed_line.ts.
 *
 * @module
 */
import { roomNamed } from "../../../core/command_client.ts";
import { readHistory, SHARED_COMMANDS } from "../../../core/commands.ts";
import { readJoin } from "../../../core/rooms/private_rooms.ts";
import {
  type Command,
  COMMANDS,
  parseLine,
  type RunCommand,
  usageHelp,
  type WebCommandName,
  withReceiver,
} from "../../../core/text/typed_line.ts";
import {
  alreadyAccount,
  invalidRoom,
  noOwnAccount,
} from "../../../core/text/sentences.ts";
import { isUserName, lookAlike } from "../../../protocol.ts";
import type { Chat } from "./chat.ts";
import type { OwnDeed } from "./watcher.ts";

/**
 * Runs a typed line.
 *
 * @param lastSender The sender of the last private message when the line was begun.
 * @returns Whether it was taken; if not, it should stay to be corrected.
 */
export function runLine(
  chat: Chat,
  line: string,
  lastSender: string | undefined,
): boolean {
  const typed = parseLine(withReceiver(line, lastSender));
  const hint = chat.nicks.personIn(typed, line);
  if (hint !== undefined) {
    chat.watcher.told(hint);
    return false;
  }
  switch (typed.kind) {
    case "nothing":
      return false;
    case "message":
      return chat.send(typed.text);
    case "private":
      return chat.sendTo(typed.to, typed.text) !== "kept";
    case "invalid":
      chat.watcher.told(typed.help);
      return false;
  }
  const { name, rest } = typed;
  const { terminalOnly }: Command = COMMANDS[name];
  if (terminalOnly !== undefined) {
    chat.watcher.told(
      OF_FILES.has(name) && !chat.carrier ? NO_PROGRAM : terminalOnly,
    );
    return true;
  }
  const check = (result: void | "usage" | "kept") => {
    if (result === "usage") chat.watcher.told(usageHelp(name, rest));
    return result === undefined;
  };
  // The cast: all commands but those of the terminal are there.
  const result = RUN[name as WebCommandName](chat, rest);
  if (!(result instanceof Promise)) return check(result);
  result.then(check, (error) => chat.explain(error));
  return true;
}

/** The answer of a page that cannot send or receive files. */
export const NO_PROGRAM =
  "Cannot send or receive files: this page has no program for it. " +
  "Start Parley's client with --gui on this computer.";

const OF_FILES = new Set(["send", "get", "files", "cancel"]);

/** Tells why a command failed; its line stays to be corrected. */
function keep({ watcher }: Chat, why: string): "kept" {
  watcher.told(why);
  return "kept";
}

/** Opens the dialog about the own account, for a user who has one. */
function own(deed: OwnDeed): RunCommand<Chat> {
  return ({ me, signIn, watcher }, rest): void | "usage" => {
    if (rest !== "") return "usage";
    if (signIn.owned) watcher.own(deed);
    else watcher.told(noOwnAccount(me));
  };
}

/** Every command of the web client. */
const RUN: Readonly<Record<WebCommandName, RunCommand<Chat>>> = {
  ...SHARED_COMMANDS,
  join(chat, rest) {
    if (rest === "") return "usage";
    const { word } = readJoin(rest);
    return roomNamed(word) ? chat.join(rest) : keep(chat, invalidRoom(word));
  },
  leave(chat, rest) {
    const room = rest === ""
      ? chat.current
      : chat.conversations.find("room", roomNamed(rest) ?? "");
    if (room && room.kind !== "all") return chat.leave(room);
    return keep(
      chat,
      rest === "" ? "You are in no room" : `You are not in ${rest}`,
    );
  },
  rooms: (chat) => chat.showRooms(),
  history(chat, rest): void | "usage" {
    const typed = readHistory(rest);
    if (!typed) return "usage";
    if (typed.user === undefined) {
      chat.watcher.told("Scroll up to see older messages.");
    } else chat.talkTo(typed.user);
  },
  ignore(chat, rest) {
    const names = [...chat.ignored.values()].join(", ");
    if (!rest) return chat.answer([`Ignored: ${names || "no users"}`]);
    if (!isUserName(rest)) return "usage";
    if (chat.isMe(rest)) return keep(chat, "You cannot ignore yourself");
    chat.ignore(rest, true);
    chat.answer([`Hiding ${rest}'s messages; /unignore ${rest} ends that`]);
  },
  unignore(chat, rest): void | "usage" | "kept" {
    if (!rest) return "usage";
    const was = chat.ignored.get(lookAlike(rest));
    if (was === undefined) return keep(chat, `${rest} is not ignored`);
    chat.ignore(was, false);
    chat.answer([`Showing ${was}'s messages again`]);
  },
  signup(chat) {
    if (chat.signIn.owned) chat.watcher.told(alreadyAccount(chat.me));
    else chat.watcher.own("create");
  },
  password: own("change"),
  unregister: own("remove"),
  quit: (chat) => chat.logout(),
};
