/**
 * What a person can type about direct sessions.
 *
 * @module
 */
import { lookAlike, targetKind } from "../../protocol.ts";
import type { Command } from "./commands.ts";
import type { Direct } from "../direct/direct.ts";
import type { Session } from "./session.ts";

/** In the order of the help. */
export const DIRECT_COMMANDS: readonly Command[] = [
  {
    names: ["call"],
    usage: "NAME",
    help: "Ask for a direct session: nobody else, the server included, listens",
    run: call,
  },
  {
    names: ["accept"],
    usage: "[NAME | NUMBER]",
    help: "Talk directly with whoever calls; take files that are offered",
    run: (session, rest) =>
      onName(session, rest, (direct) => direct.accept(rest)),
  },
  {
    names: ["decline"],
    usage: "[NAME | NUMBER]",
    help: "Do not talk with whoever calls; do not take files",
    run: (session, rest) =>
      onName(session, rest, (direct) => direct.decline(rest)),
  },
  {
    names: ["direct", "d"],
    usage: "[@NAME] [TEXT]",
    help: "Say it directly; without TEXT, what you type goes there, or back",
    run: direct,
  },
  {
    names: ["hangup"],
    usage: "[NAME]",
    help: "End a direct session, or a call of yours",
    run: (session, rest) =>
      onName(session, rest, (direct) => direct.hangUp(rest)),
  },
  {
    names: ["listen"],
    usage: "[on | off]",
    help: "Whether you can be called",
    run: listen,
  },
];

/** Those of them that need no server. */
export const DIRECT_LOCAL: readonly string[] = ["direct", "hangup", "listen"];

async function call(session: Session, rest: string): Promise<void | "usage"> {
  if (targetKind(rest) !== "user") return "usage";
  if (lookAlike(rest) === lookAlike(session.name)) {
    return session.note("Cannot call yourself");
  }
  (await session.direct.open()).call(rest);
}

async function direct(
  session: Session,
  rest: string,
): Promise<void | "usage"> {
  const [, name = "", text = ""] =
    /^(?:@([^\s:]+):?(?:\s+|$))?([^]*)$/.exec(rest) ??
      [];
  const direct = await session.direct.open();
  if (text === "") direct.switch(name);
  else direct.say(name, text);
}

/** Does something with the call or session of a name, or of no name. */
async function onName(
  session: Session,
  rest: string,
  run: (direct: Direct) => void | Promise<void>,
): Promise<void | "usage"> {
  if (rest !== "" && targetKind(rest) !== "user") return "usage";
  await run(await session.direct.open());
}

function listen(session: Session, rest: string): Promise<void | "usage"> {
  const door = session.direct;
  if (rest !== "" && rest !== "on" && rest !== "off") {
    return Promise.resolve("usage");
  }
  if (rest !== "") door.listening = rest === "on";
  session.note(
    door.listening
      ? "You can be called; /listen off ends that"
      : "You cannot be called; /listen on ends that",
  );
  return Promise.resolve();
}
