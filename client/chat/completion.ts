/**
 * The Tab key: completes the word before the cursor.
 *
 * The kind of the word follows from the line alone. The names come from the
 * server at each Tab, so no list has to be kept up to date. A name that is not
 * legal is left out: nothing sanitizes the line that is edited.
 *
 * @module
 */
import { isRoomName, isUserName } from "../../protocol.ts";
import { listPeople, listRooms } from "../../core/requests.ts";
import { COMMANDS, findCommand } from "../../core/text/typed_line.ts";
import type { Session } from "./session.ts";

/** What a word may become. */
export interface Wanted {
  /** What kind of word. */
  readonly kind: "user" | "room" | "command" | "nothing";
  /** What was typed of it, and is replaced. */
  readonly part: string;
  /** What stands before a name in the part. */
  readonly before: string;
  /** What is put after a name. */
  readonly after: string;
}

/** Which word would complete `line`. In the chooser, rooms are meant. */
export function wantedWord(line: string, choosing = false): Wanted {
  const argument = wantedArgument(line);
  if (argument) return argument;
  for (const [pattern, kind, after] of PATTERNS) {
    const match = pattern.exec(line);
    if (!match) continue;
    const [, before = "", name = ""] = match;
    if (choosing && kind === "user" && before === "") {
      return { kind: "room", part: name, before, after: "" };
    }
    return { kind, part: before + name, before, after };
  }
  return { kind: "nothing", part: "", before: "", after: "" };
}

/** The first word after a command, as the usage of the command has it. */
function wantedArgument(line: string): Wanted | undefined {
  const [, typed = "", before = "", name = ""] =
    /^\/(\S+)\s+(#?)(\S*)$/.exec(line) ?? [];
  const command = findCommand(typed);
  const usage = command && COMMANDS[command].usage;
  const part = before + name;
  if (/^\[?ROOM/.test(usage ?? "")) {
    return { kind: "room", part, before, after: "" };
  }
  if (before !== "" || !/^\[?NAME/.test(usage ?? "")) return undefined;
  const after = usage === "[NAME]" || usage === "NAME" ? "" : " ";
  return { kind: "user", part, before, after };
}

/** The candidates for the end of `line`, and the part that they replace. */
export async function complete(
  session: Session | undefined,
  line: string,
): Promise<[candidates: string[], part: string]> {
  if (!session) return [[], line];
  const [, typed = "", path] = /^\s*\/(\S+)\s+\S+\s([^]*)$/.exec(line) ?? [];
  if (path !== undefined && findCommand(typed) === "send") {
    const { completePath } = await import("../files/typed_paths.ts");
    return await completePath(path);
  }
  const wanted = wantedWord(line, session.room === undefined);
  const names = await namesOf(session, wanted.kind);
  const found = matching(names, wanted);
  if (found.length > 0 || wanted.kind !== "user") return [found, wanted.part];
  const { part, before, after } = wanted;
  const start = part.slice(before.length);
  const people = start === "" ? [] : session.nicks.named(start);
  return [people.map((name) => before + name + after), part];
}

/** Those of `names` that begin like the part, whatever the case; but for ALL. */
export function matching(names: readonly string[], wanted: Wanted): string[] {
  const { part, before, after } = wanted;
  const start = part.slice(before.length);
  const isMeant = (name: string) =>
    name === "ALL"
      ? name.startsWith(start) // "@a" must not reach all users
      : name.toLowerCase().startsWith(start.toLowerCase());
  return names.filter(isMeant).map((name) => before + name + after).sort();
}

async function namesOf(
  session: Session,
  kind: Wanted["kind"],
): Promise<string[]> {
  if (kind === "command") return Object.keys(COMMANDS);
  if (kind === "nothing") return [];
  // This connection alone: after a reconnect the user does not wait any more.
  const server = session.server.registered;
  if (!server) return [];
  if (kind === "room") {
    return (await listRooms(server)).map(({ name }) => name)
      .filter(isRoomName).map((name) => name.slice(1));
  }
  const names = (await listPeople(server, "ALL")).map(({ name }) => name);
  const isOther = (name: string) => name !== session.name && isUserName(name);
  return ["ALL", ...names.filter(isOther)];
}

/** Ends of lines: what stands before the name, the name, what is put after. */
const PATTERNS: readonly [RegExp, Wanted["kind"], after: string][] = [
  [/^(\/)(\S*)$/, "command", " "],
  [/^(@)(\S*)$/, "user", ": "],
  [/\s(@)(\S*)$/, "user", " "],
  [/(?:^|\s)(#)(\S*)$/, "room", " "],
  [/^()(\S+)$/, "user", ": "],
  [/\s()(\S+)$/, "user", " "],
];
