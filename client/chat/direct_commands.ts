/**
 * The commands about direct sessions.
 *
 * @module
 */
import { lookAlike, targetKind } from "../../protocol.ts";
import type { CommandName, RunCommand } from "../../core/text/typed_line.ts";
import type { Direct } from "../direct/direct.ts";
import type { Session } from "./session.ts";

/** Runs them; what they are for stands in core/text/typed_line.ts. */
export const DIRECT_COMMANDS = {
  call,
  accept: (session, rest) =>
    onName(session, rest, (direct) => direct.accept(rest)),
  decline: (session, rest) =>
    onName(session, rest, (direct) => direct.decline(rest)),
  direct,
  hangup: (session, rest) =>
    onName(session, rest, (direct) => direct.hangUp(rest)),
  listen,
} as const satisfies {
  readonly [Name in CommandName]?: RunCommand<Session>;
};

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
  else direct.message(name, text);
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

function listen(session: Session, rest: string): void | "usage" {
  const door = session.direct;
  if (rest !== "" && rest !== "on" && rest !== "off") return "usage";
  if (rest !== "") door.listening = rest === "on";
  session.note(
    door.listening
      ? "Users can call you; /listen off ends that"
      : "Calls are refused; /listen on allows them",
  );
}
