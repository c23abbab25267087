/**
 * What frames say, as values: texts, times, ids, lists, messages and presence.
 *
 * @module
 */
import { type Frame, header, lookAlike } from "../protocol.ts";
import type { Request } from "./net/connection.ts";

/** The reserved name under which the operator's notices are forwarded. */
export const OPERATOR = "SERVER";

/** A body as text; what is not UTF-8 becomes U+FFFD. */
export function textOf({ body }: Pick<Frame, "body">): string {
  return decoder.decode(body);
}

/** When it was sent; our time if the server tells none that is valid. */
export function timeOf(frame: Frame): Date {
  const at = new Date(header(frame, "time") ?? NaN);
  return Number.isNaN(at.getTime()) ? new Date() : at;
}

/** The whole number in a header; undefined if there is none. */
export function numberOf(frame: Frame, name: string): number | undefined {
  const value = header(frame, name) ?? "";
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** Limit of the lines of a list: a hostile server may send 16 MiB of them. */
const MAX_ROWS = 100_000;

/** The lines of a body that is a list: the first word of each, and the rest. */
export function rowsOf(frame: Pick<Frame, "body">): [string, string][] {
  return textOf(frame).split("\n", MAX_ROWS).filter(Boolean).map((line) => {
    const [first = "", ...rest] = line.split(" ");
    return [first, rest.join(" ")];
  });
}

/** What a NOTICE tells about users. */
export interface Presence {
  /** `offline` is leaving by the end of the connection. */
  readonly kind: "joined" | "left" | "offline";
  /** Their names; a crowded room reports many at once, us among them. */
  readonly users: readonly string[];
  /** The address of a single user who joined. */
  readonly from?: string | undefined;
  /** With `#`; empty if the server names none. */
  readonly room: string;
  /** How many users the room has now; undefined if the server does not tell. */
  readonly members: number | undefined;
  /** Why they are offline; may be empty. */
  readonly reason: string;
  /** The display names of those who joined, by name. */
  readonly nicks: ReadonlyMap<string, string>;
}

/** What `notice` tells about users; undefined for another NOTICE. */
export function presenceOf(notice: Frame): Presence | undefined {
  const [kind] = notice.args;
  if (kind !== "joined" && kind !== "left" && kind !== "offline") {
    return undefined;
  }
  const user = header(notice, "user");
  const rows = user === undefined
    ? rowsOf(notice).map(([name, rest]) => [name, afterAddress(rest)] as const)
    : [[user, header(notice, "nick") ?? ""] as const];
  return {
    kind,
    users: rows.map(([name]) => name),
    nicks: new Map(rows.filter(([, nick]) => nick !== "")),
    from: header(notice, "from"),
    room: header(notice, "room") ?? "",
    members: numberOf(notice, "members"),
    reason: header(notice, "reason") ?? "",
  };
}

/** What follows the address in a line of those who joined. */
function afterAddress(rest: string): string {
  const space = rest.indexOf(" ");
  return space < 0 ? "" : rest.slice(space + 1);
}

/** The role of users who may use MODERATE. */
export const MODERATOR = "moderator";

/** A user has become a moderator, or is none any more. */
export interface RoleChange {
  /** The user. */
  readonly name: string;
  /** Whether the user may use MODERATE now. */
  readonly isModerator: boolean;
  /** Whether we are that user. */
  readonly isMe: boolean;
}

/** What `notice` tells of a user's role; undefined if it tells of none. */
export function roleOf(notice: Frame, me: string): RoleChange | undefined {
  const name = header(notice, "user");
  if (name === undefined) return undefined;
  const isModerator = header(notice, "role") === MODERATOR;
  return { name, isModerator, isMe: lookAlike(name) === lookAlike(me) };
}

/** A user has another display name. */
export interface NickChange {
  /** The user's name. */
  readonly name: string;
  /** Undefined: none any more. */
  readonly nick: string | undefined;
  /** The one before. */
  readonly before: string | undefined;
}

/** A message of a user. */
export interface ChatMessage {
  /** Undefined for what a version 1 server forwards. */
  readonly id: number | undefined;
  /** The server's time when it stored the message. */
  readonly at: Date;
  /** The sender's name. */
  readonly from: string;
  /** A room, a user, or `ALL`. */
  readonly to: string;
  /** As it was sent: sanitize it before it is shown. */
  readonly text: string;
  /** Whether we sent it ourselves; an earlier user may have had our name. */
  readonly own: boolean;
  /** For how many users it was queued; undefined of a message to us. */
  readonly recipients?: number | undefined;
}

/** With whom a private message was exchanged: the user who is not us. */
export function otherOf(
  { from, to, own }: Pick<ChatMessage, "from" | "to" | "own">,
): string {
  return own ? to : from;
}

/** The message in a FORWARD to `me`, or in the SENT that answers `request`. */
export function messageOf(
  frame: Frame,
  me: string,
  request?: Request,
): ChatMessage {
  const [name = ""] = frame.args; // a FORWARD has the sender, a SENT the target
  const from = request ? me : name;
  const to = request ? name : header(frame, "to") ?? me;
  return {
    id: numberOf(frame, "id"),
    at: timeOf(frame),
    from,
    to: to.toUpperCase() === "ALL" ? "ALL" : to, // can be written in any case
    text: textOf(request ?? frame),
    own: from === me || lookAlike(from) === lookAlike(me),
    recipients: request && numberOf(frame, "recipients"),
  };
}

const decoder = new TextDecoder();
