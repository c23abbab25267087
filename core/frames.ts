/**
 * What frames say, as values: texts, times, ids, lists and messages.
 *
 * @module
 */
import { type Frame, header, lookAlike } from "../protocol.ts";

/** A body as text; what is not UTF-8 becomes U+FFFD. */
export function textOf({ body }: Pick<Frame, "body">): string {
  return decoder.decode(body);
}

/** The lines of a body. */
export function linesOf(frame: Pick<Frame, "body">): string[] {
  return textOf(frame).split("\n").filter((line) => line !== "");
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

/** A user, as a line of WHO has it. */
export interface Person {
  /** As its owner writes it. */
  readonly name: string;
  /** The rest of the line: address and kind. */
  readonly details: string;
}

/** The users in the answer to WHO, or in a NOTICE about many. */
export function peopleOf(frame: Pick<Frame, "body">): Person[] {
  return linesOf(frame).map((line) => {
    const [name = "", ...details] = line.split(" ");
    return { name, details: details.join(" ") };
  });
}

/** A room, as a line of ROOMS has it. */
export interface ListedRoom {
  /** With `#`. */
  readonly name: string;
  /** How many users are in it. */
  readonly members: number;
}

/** The rooms in the answer to ROOMS. */
export function roomsOf(frame: Pick<Frame, "body">): ListedRoom[] {
  return linesOf(frame).map((line) => {
    const [name = "", members] = line.split(" ");
    return { name, members: Number(members) || 0 };
  });
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
