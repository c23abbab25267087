/**
 * Runs a typed line in the web client. What a line means, and which commands
 * there are, is decided in core/text/typed_line.ts.
 *
 * @module
 */
import {
  type CommandClient,
  roomNamed,
  SHARED_COMMANDS,
} from "../../../core/commands.ts";
import {
  type Command,
  type CommandName,
  COMMANDS,
  parseLine,
  type RunCommand,
  usageHelp,
  type WebCommandName,
} from "../../../core/text/typed_line.ts";
import { alreadyAccount } from "../../../core/text/sentences.ts";
import { lookAlike } from "../../../protocol.ts";
import type { Chat } from "./chat.ts";

/** What the page does beside the chat. */
export interface PageActions {
  /** Shows the form that creates an account. */
  signUp(): void;
  /** Shows a hint. */
  told(text: string): void;
}

/** A chat in its page. */
interface ChatPage extends PageActions {
  readonly chat: Chat;
}

/**
 * Runs a typed line.
 *
 * @returns Whether it was taken; if not, it should stay to be corrected.
 */
export function runLine(
  chat: Chat,
  line: string,
  actions: PageActions,
): boolean {
  const typed = parseLine(line);
  switch (typed.kind) {
    case "nothing":
      return false;
    case "message":
      return chat.send(typed.text);
    case "private":
      return chat.sendTo(typed.to, typed.text);
    case "invalid":
      actions.told(typed.help);
      return false;
    case "command":
      return runCommand({ chat, ...actions }, typed.name, typed.rest);
  }
}

function runCommand(page: ChatPage, name: CommandName, rest: string): boolean {
  const { terminalOnly }: Command = COMMANDS[name];
  if (terminalOnly !== undefined) {
    page.told(terminalOnly);
    return true;
  }
  const fits = (result: void | "usage") => {
    if (result === "usage") page.told(usageHelp(name));
    return result !== "usage";
  };
  const result = name in SHARED_COMMANDS
    // The cast: that is what was just tested.
    ? SHARED_COMMANDS[name as keyof typeof SHARED_COMMANDS](
      clientOf(page),
      rest,
    )
    : OWN_COMMANDS[name as keyof typeof OWN_COMMANDS](page, rest);
  if (!(result instanceof Promise)) return fits(result);
  result.then(fits, (error) => page.chat.explain(error));
  return true;
}

/** The chat as the shared commands see it. */
function clientOf({ chat }: ChatPage): CommandClient {
  const { kind, target } = chat.current;
  return {
    server: chat.server,
    room: kind === "room" ? target : undefined,
    lastSender: chat.lastSender,
    isWeb: true,
    send: (to, text) => void chat.sendTo(to, text),
    showRooms: () => showRooms(chat),
    answer: (lines) => chat.answer(lines),
  };
}

/** The commands that the web client runs in its own way. */
const OWN_COMMANDS = {
  join: ({ chat }, rest) => rest === "" ? "usage" : chat.join(rest),
  leave: ({ chat, told }, rest): Promise<void> | void => {
    const wanted = roomNamed(rest);
    const room = rest === "" ? chat.current : chat.conversations.find((one) => {
      return wanted && lookAlike(one.target) === lookAlike(wanted);
    });
    if (room && room.kind !== "all") return chat.leave(room);
    told(rest === "" ? "You are in no room" : `You are not in ${rest}`);
  },
  rooms: ({ chat }) => showRooms(chat),
  signup: ({ chat, told, signUp }) => {
    if (chat.signIn.owned) told(alreadyAccount(chat.me));
    else signUp();
  },
  quit: ({ chat }) => chat.logout(),
} as const satisfies {
  readonly [
    Name in Exclude<WebCommandName, keyof typeof SHARED_COMMANDS>
  ]: RunCommand<ChatPage>;
};

async function showRooms(chat: Chat): Promise<void> {
  await chat.refreshRooms();
  chat.answer(chat.rooms.map(({ name, members }) => `${name} (${members})`));
}
