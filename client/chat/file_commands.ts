/**
 * What a person can type about files.
 *
 * @module
 */
import { lookAlike, targetKind } from "../../protocol.ts";
import type { Command } from "./commands.ts";
import type { Session } from "./session.ts";
import { splitWords } from "./words.ts";

/** In the order of the help. */
export const FILE_COMMANDS: readonly Command[] = [
  {
    names: ["send"],
    usage: "NAME FILE ...",
    help: "Send files or folders, directly; with spaces, in quotes",
    run: send,
  },
  {
    names: ["get"],
    usage: "NAME [FILE]",
    help: "Get a file or folder that somebody shares; alone, list them",
    run: get,
  },
  {
    names: ["files"],
    usage: "",
    help: "Show what is being sent and received",
    run: files,
  },
  {
    names: ["cancel"],
    usage: "[NUMBER]",
    help: "End a transfer; its number is needed if there are several",
    run: cancel,
  },
];

/**
 * What can be done while the server is away: in a session that is open, or at
 * last when the server is back.
 */
export const FILE_LOCAL: readonly string[] = [
  ...["send", "get", "files", "cancel", "accept", "decline"],
];

async function send(session: Session, rest: string): Promise<void | "usage"> {
  const [name = "", ...paths] = splitWords(rest) ?? [];
  if (targetKind(name) !== "user" || paths.length === 0) return "usage";
  if (isUs(session, name)) return session.note("Cannot send to yourself");
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
