/**
 * Runs a typed line in the terminal client. What a line means, and which
 * commands there are, is decided in core/text/typed_line.ts.
 *
 * @module
 */
import { ChatError, targetKind } from "../../protocol.ts";
import { SHARED_COMMANDS } from "../../core/commands.ts";
import { accountCreated, alreadyAccount } from "../../core/text/sentences.ts";
import {
  type CommandName,
  parseLine,
  type RunCommand,
  usageHelp,
} from "../../core/text/typed_line.ts";
import { DIRECT_COMMANDS } from "./direct_commands.ts";
import { FILE_COMMANDS } from "./file_commands.ts";
import type { Session } from "./session.ts";

/** Runs a typed line. Shows what the server refuses. */
export async function runLine(session: Session, line: string): Promise<void> {
  const typed = parseLine(line);
  const room = session.room;
  const direct = session.direct.opened;
  try {
    switch (typed.kind) {
      case "nothing":
        if (!room && !direct?.current) await session.join("");
        return;
      case "message":
        if (direct?.current) return direct.message("", typed.text);
        return room
          ? session.sendTo(room, typed.text)
          : await session.join(line);
      case "private":
        return session.sendTo(typed.to, typed.text);
      case "invalid":
        return session.show({ kind: "error", text: typed.help });
      case "command": {
        const run: RunCommand<Session> = RUN[typed.name];
        if (await run(session, typed.rest) !== "usage") return;
        return session.show({ kind: "error", text: usageHelp(typed.name) });
      }
    }
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    session.explain(error);
  }
}

/** Every command. */
const RUN = {
  ...SHARED_COMMANDS,
  join: (session, rest) => rest === "" ? "usage" : session.join(rest),
  leave: (session, rest) => session.leave(rest || undefined),
  rooms: (session) => session.showRooms(),
  history: (session, rest) =>
    /^([1-9]\d{0,4})?$/.test(rest)
      ? session.history(rest === "" ? undefined : Number(rest))
      : "usage",
  ignore,
  unignore(session, rest): void | "usage" {
    if (targetKind(rest) !== "user") return "usage";
    session.messages.ignore(rest, false);
    session.note(`Showing ${rest}'s messages again`);
  },
  ...DIRECT_COMMANDS,
  ...FILE_COMMANDS,
  signup: (session, rest) => rest === "" ? signUp(session) : "usage",
  clear: (session) => session.clear(),
  quit: (session) => session.logout(),
} as const satisfies Readonly<Record<CommandName, RunCommand<Session>>>;

function ignore(session: Session, rest: string): void | "usage" {
  if (rest === "") {
    const names = session.messages.ignored.join(", ");
    return session.note(names ? `Ignored: ${names}` : "No user is ignored");
  }
  if (targetKind(rest) !== "user") return "usage";
  session.messages.ignore(rest, true);
  session.note(`Hiding ${rest}'s messages; /unignore ${rest} ends that`);
}

async function signUp(session: Session): Promise<void> {
  const { access, server, name } = session;
  if (access.signIn.owned) {
    return session.note(alreadyAccount(name));
  }
  if (!access.asks) {
    const text = "Cannot ask for a password: the input is no terminal. " +
      "Start the client with --signup and --password-file FILE.";
    return session.show({ kind: "error", text });
  }
  const done = await access.signUpHere(server, name);
  session.note(
    done
      ? `${accountCreated(name)}. It needs your password.`
      : "No password was entered. Nothing has changed.",
  );
}
