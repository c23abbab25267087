/**
 * What frames say, as values: texts, times, ids, lists, messages and presence.
 *
 * @module
 */
import { type Frame, header, lookAlike } from "../protocol.ts";

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

/** Whether two bodies are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The lines of a body that is a list: the first word of each, and the rest. */
export function rowsOf(frame: Pick<Frame, "body">): [string, string][] {
  return textOf(frame).split("\n").filter(Boolean).map((line) => {
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
  /** With `#`; empty if the server names none. */
  readonly room: string;
  /** How many users the room has now; undefined if the server does not tell. */
  readonly members: number | undefined;
  /** Why they are offline; may be empty. */
  readonly reason: string;
}

/** What `notice` tells about users; undefined for another NOTICE. */
export function presenceOf(notice: Frame): Presence | undefined {
  const [kind] = notice.args;
  if (kind !== "joined" && kind !== "left" && kind !== "offline") {
    return undefined;
  }
  const user = header(notice, "user");
  return {
    kind,
    users: user === undefined ? rowsOf(notice).map(([name]) => name) : [user],
    room: header(notice, "room") ?? "",
    members: numberOf(notice, "members"),
    reason: header(notice, "reason") ?? "",
  };
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
  /** Whether we sent it ourselves. */
  readonly own: boolean;
}

/** The message in a FORWARD to `me`. */
export function messageOf(frame: Frame, me: string): ChatMessage {
  const [from = ""] = frame.args;
  return {
    id: numberOf(frame, "id"),
    at: timeOf(frame),
    from,
    to: targetOf(header(frame, "to") ?? me),
    text: textOf(frame),
    own: lookAlike(from) === lookAlike(me),
  };
}

/** The message that `me` has sent, from the SENT that answers it. */
export function sentMessage(
  sent: Frame,
  { me, body }: { me: string; body: Uint8Array },
): ChatMessage {
  return {
    id: numberOf(sent, "id"),
    at: timeOf(sent),
    from: me,
    to: targetOf(sent.args[0] ?? ""),
    text: textOf({ body }),
    own: true,
  };
}

/** `ALL` can be written in any case. */
function targetOf(to: string): string {
  return to.toUpperCase() === "ALL" ? "ALL" : to;
}

const decoder = new TextDecoder();
