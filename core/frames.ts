/**
 * What frames say, as values: lines, times, ids, and who came or went in words.
 *
 * @module
 */
import { type Frame, header } from "../protocol.ts";
import { sanitizeName } from "./text/sanitize.ts";

/** The lines of a body. */
export function linesOf(frame: Frame): string[] {
  return textOf(frame).split("\n").filter((line) => line !== "");
}

/** A body as text; what is not UTF-8 is shown as U+FFFD. */
export function textOf({ body }: Pick<Frame, "body">): string {
  return decoder.decode(body);
}

/** When it was said. A server that does not tell, or lies, gets our clock. */
export function timeOf(frame: Frame): Date {
  const at = new Date(header(frame, "time") ?? NaN);
  return Number.isNaN(at.getTime()) ? new Date() : at;
}

/** The whole number that a header gives; undefined if it gives none. */
export function numberOf(frame: Frame, name: string): number | undefined {
  const value = header(frame, name) ?? "";
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** Whether two bodies are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** What a NOTICE tells of who came or went; undefined for another one. */
export function presenceOf(frame: Frame): string | undefined {
  const one = header(frame, "user");
  const user = one === undefined ? usersOf(frame) : sanitizeName(one);
  const room = sanitizeName(header(frame, "room") ?? "");
  switch (frame.args[0]) {
    case "joined":
      return `${user} joined ${room}`;
    case "left":
      return `${user} left ${room}`;
    case "offline": {
      const reason = header(frame, "reason");
      return `${user} went offline${reason ? ` (${reason})` : ""}`;
    }
  }
  return undefined;
}

/** Whom a NOTICE is about that tells of many: crowded rooms have those. */
function usersOf(frame: Frame): string {
  const users = linesOf(frame).map((line) => sanitizeName(line.split(" ")[0]!));
  const more = users.length - USERS_TOLD;
  const told = users.slice(0, USERS_TOLD).join(", ");
  return more > 0 ? `${told} and ${more} more` : told;
}

const USERS_TOLD = 5;

const decoder = new TextDecoder();
