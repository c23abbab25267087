/**
 * Calls of other users: CALL, ACCEPT and DECLINE. The page cannot listen, and
 * says so. Calls about files go to the carrier, if there is one.
 *
 * @module
 */
import type { Requester } from "../../../core/net/connection.ts";
import { type Frame, header } from "../../../protocol.ts";

/** What carries files. */
export interface Carrier {
  /** We are registered, perhaps again. */
  arrived(): void;
  /** Takes a frame; returns false if it cannot now. */
  take(frame: Frame): boolean;
  /** The session is about to end. */
  leave(): void;
  /** The session has ended. */
  end(): void;
}

/** Hands a call to `carrier`, or declines it at once; then `told` tells the user. */
export function takeCall(
  frame: Frame,
  { carrier, server, told }: {
    carrier: Carrier | undefined;
    server: Requester;
    told(text: string): void;
  },
): void {
  const [caller = ""] = frame.args;
  const isForChat = frame.verb === "CALL" &&
    header(frame, "purpose") !== "file";
  if (!isForChat && carrier?.take(frame)) return;
  const answer = answerTo(frame, isForChat);
  if (!answer) return;
  server.request("DECLINE", [caller], {
    Session: header(frame, "session") ?? "",
    Reason: answer.reason,
  }).catch(() => {}); // the other user may be gone
  if (answer.told !== undefined) told(`${caller} ${answer.told}`);
}

/** What the other user is told, and ours; undefined for a DECLINE. */
function answerTo(
  { verb }: Frame,
  isForChat: boolean,
): { reason: string; told?: string } | undefined {
  if (verb === "DECLINE") return undefined;
  if (verb === "ACCEPT") return { reason: "there is no such call" };
  return isForChat
    ? {
      reason: "uses the page, which takes no direct sessions",
      told: "called you, but the page takes no direct sessions",
    }
    : {
      reason: "uses the page, which takes no files",
      told: "has files for you, which the page cannot take",
    };
}
