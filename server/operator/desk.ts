/**
 * What the operator's commands work on, and the parts of their answers. Nothing
 * here knows a terminal.
 *
 * @module
 */
import { sanitize } from "../../core/text/sanitize.ts";
import { ChatError } from "../../protocol.ts";
import { readDuration } from "../../terminal/options.ts";
import type { Context } from "../session/session.ts";

/** Limit of a reason, in characters: it must fit the head of a frame. */
const MAX_REASON = 200;

/** What the commands work on. */
export interface Desk extends Context {
  /** The moderator who gives the command; undefined: the operator. */
  readonly by?: string;
  /** Counts what a moderator sends: see `Giver` in console.ts. */
  readonly count?: (bytes: number) => void;
  /** Shuts the server down, soon. */
  stop(): void;
  /** Copies the database to a new file; returns the answer. */
  backup(file: string): Promise<string>;
}

/** The words after the name of a command. */
export interface Words {
  /** The first word; empty if there is none. */
  readonly first: string;
  /** The words after the first. */
  readonly rest: string;
  /** All of them, as they were typed. */
  readonly all: string;
}

/** Names who gives a command, in a sentence for the users whom it concerns. */
export function giverOf({ by }: Desk): string {
  return by === undefined ? "the operator" : `the moderator ${by}`;
}

/** A command in an answer, as the one who gave this one types it. */
export function typed({ by }: Desk, command: string): string {
  return by === undefined ? command : `/${command}`;
}

/** Does it, and returns the answer. */
export type Run = (desk: Desk, words: Words) => string | Promise<string>;

/** What is typed after a target: how long, and why. */
export interface Term {
  /** Infinity if there is no time. */
  readonly ms: number;
  /** The first word, if it is no time, but looks like one: `10min`, `-5m`. */
  readonly doubtful: string | undefined;
  /** Sanitized; may be empty. */
  readonly reason: string;
}

/** The answer to a reason that is too long. */
export function tooLong(deed: string, reason: string): string | undefined {
  if (reason.length <= MAX_REASON) return undefined;
  return `Cannot ${deed}: the reason has ${reason.length} characters, ` +
    `the limit is ${MAX_REASON}`;
}

/** Reads `[TIME] [REASON]`; a text if that cannot be used: why. */
export function readTerm(deed: string, words: string): Term | string {
  const [, word = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(words) ?? [];
  const ms = readDuration(word);
  const reason = ms === undefined ? words : rest;
  if (ms === 0) return `Cannot ${deed} for ${word}: the shortest time is 1s`;
  const long = tooLong(deed, reason);
  if (long) return long;
  const looksLikeTime = ms === undefined && /^[-+]?\d/.test(word);
  return {
    ms: ms ?? Infinity,
    doubtful: looksLikeTime ? word : undefined,
    reason: sanitize(reason),
  };
}

/** What to type for an end, if there is none: a mistyped time is a reason. */
export function endless(command: string, { ms, doubtful }: Term): string {
  if (ms !== Infinity) return "";
  const why = doubtful === undefined
    ? ""
    : `: ${quoted(doubtful)} is no time such as 90s, 10m or 2h`;
  return `\nIt has no end${why}. To give it an end, type: ${command} 10m`;
}

/** The answer to a word that is no target. */
export function noTarget(desk: Desk, deed: string, word: string): string {
  return `Cannot ${deed} ${quoted(word)}: it must be a name of 1 to 32 ` +
    "letters and digits, an address such as 192.168.1.5, or a prefix such as " +
    `192.168.1.0/24. ${listUsers(desk)}`;
}

/** The answer when there are as many bans or mutes as there can be. */
export function tooMany(
  desk: Desk,
  deed: "ban" | "mute",
  limit: number,
): string {
  return `Cannot ${deed}: the limit of ${
    limit.toLocaleString("en")
  } ${deed}s ` +
    `is reached. Type ${typed(desk, "bans")} to see all, and ${
      typed(desk, `un${deed}`)
    } to remove one.`;
}

/** The answer for a name that no account has. Moderators cannot list them. */
export function noAccount({ by }: Desk, deed: string, name: string): string {
  return `Cannot ${deed} ${quoted(name)}: there is no such account.` +
    (by === undefined ? " Type accounts to see all." : "");
}

/** Where the one who gives commands finds names and addresses. */
export function listUsers(desk: Desk): string {
  return `Type ${typed(desk, "users")} to see all.`;
}

/** Waits until an entry is stored; if that fails, returns what follows. */
export async function warning(
  storing: Promise<unknown>,
  otherwise: string,
): Promise<string> {
  return await storing.then(() => "", (error) => {
    if (!(error instanceof ChatError)) throw error;
    return `\n${error.message}; ${otherwise}`;
  });
}

/** A typed word as an answer repeats it. */
export function quoted(word: string): string {
  const shown = [...sanitize(word)]; // a half of a character is none
  return `"${shown.slice(0, 64).join("")}${shown.length > 64 ? "…" : ""}"`;
}

/** A number and what it counts. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/**
 * How many there are, and a row for each, or for the first of them; undefined if
 * there are none.
 */
export function list(
  what: string,
  rows: string[][],
  count = rows.length,
): string | undefined {
  if (count === 0) return undefined;
  return `${counted(count, what)}:\n${table(rows)}`;
}

/** Rows of cells as lines, in columns, each two spaces in; sanitized. */
export function table(rows: readonly string[][]): string {
  const shown = rows.map((row) => row.map((cell) => sanitize(cell)));
  const widths = shown[0]?.map((_, column) =>
    shown.reduce((most, row) => Math.max(most, row[column]!.length), 0)
  );
  const line = (row: string[]) =>
    row.map((cell, i) => `  ${cell.padEnd(widths![i]!)}`).join("").trimEnd();
  return shown.map(line).join("\n");
}
