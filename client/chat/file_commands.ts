/**
 * The commands about files.
 *
 * @module
 */
import { SENT_TO_SELF } from "../../core/text/sentences.ts";
import { lookAlike, targetKind } from "../../protocol.ts";
import type { CommandName, RunCommand } from "../../core/text/typed_line.ts";
import type { Session } from "./session.ts";
import { splitWords } from "./words.ts";

/** Runs them; what they are for stands in core/text/typed_line.ts. */
export const FILE_COMMANDS = { send, get, files, cancel } as const satisfies {
  readonly [Name in CommandName]?: RunCommand<Session>;
};

async function send(session: Session, rest: string): Promise<void | "usage"> {
  const [name = "", ...paths] = splitWords(rest) ?? [];
  if (targetKind(name) !== "user" || paths.length === 0) return "usage";
  if (isUs(session, name)) return session.note(SENT_TO_SELF);
  await (await session.direct.open()).send(name, paths);
}

async function get(session: Session, rest: string): Promise<void | "usage"> {
  const [name = "", ...paths] = splitWords(rest) ?? [];
  if (targetKind(name) !== "user" || paths.length > 1) return "usage";
  if (isUs(session, name)) return session.note("Cannot get from yourself");
  (await session.direct.open()).get(name, paths[0]);
}

async function files(session: Session, rest: string): Promise<void | "usage"> {
  if (rest !== "") return "usage";
  (await session.direct.open()).files.showAll();
}

async function cancel(session: Session, rest: string): Promise<void | "usage"> {
  if (!/^\d{0,9}$/.test(rest)) return "usage";
  const { files } = await session.direct.open();
  if (rest !== "") files.cancel(Number(rest));
  else if (files.only !== undefined) files.cancel(files.only);
  else files.showAll();
}

function isUs({ name: us }: Session, name: string): boolean {
  return lookAlike(name) === lookAlike(us);
}
