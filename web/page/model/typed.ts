/**
 * Runs a typed line in the web client. What a line means, and which commands
 * there are, is decided in core/text/typed_line.ts.
 *
 * @module
 */
import {
  type CommandClient,
  roomNamed,
  runCommand,
  type SHARED_COMMANDS,
} from "../../../core/commands.ts";
import {
  type Command,
  COMMANDS,
  parseLine,
  type RunCommand,
  type TypedLine,
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
      return runTyped(typed, { chat, ...actions });
  }
}

/** Runs a command; the user is told if there is nothing to run. */
function runTyped(
  typed: TypedLine & { readonly kind: "command" },
  page: ChatPage,
): boolean {
  const { chat, told } = page;
  const { terminalOnly }: Command = COMMANDS[typed.name];
  if (terminalOnly !== undefined) {
    told(terminalOnly);
    return true;
  }
  let taken = true;
  const check = (result: void | "usage") => {
    if (result !== "usage") return;
    told(usageHelp(typed.name));
    taken = false;
  };
  const shared = sharedClient(chat, () => taken = false);
  const own = { table: OWN_COMMANDS, client: page };
  const result = runCommand(typed, shared, own);
  if (result instanceof Promise) {
    result.then(check, (error) => chat.explain(error));
  } else check(result);
  return taken;
}

/** The chat as the shared commands see it. */
function sharedClient(chat: Chat, refused: () => void): CommandClient {
  const { kind, target } = chat.current;
  return {
    server: chat.server,
    room: kind === "room" ? target : undefined,
    lastSender: chat.lastSender,
    isWeb: true,
    send: (to, text) => {
      if (!chat.sendTo(to, text)) refused();
    },
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
