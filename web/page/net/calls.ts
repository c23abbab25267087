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
  const { verb, args: [caller = ""] } = frame;
  const isForFiles = header(frame, "purpose") === "file";
  if ((isForFiles || verb !== "CALL") && carrier?.take(frame)) return;
  if (verb === "DECLINE") return;
  const [did, what] = isForFiles
    ? ["has files for you", "files"]
    : ["called you", "direct sessions"];
  const Reason = verb === "ACCEPT"
    ? "there is no such call"
    : `this user's page takes no ${what}`;
  const Session = header(frame, "session") ?? "";
  server.request("DECLINE", [caller], { Session, Reason })
    .catch(() => {}); // the other user may be gone
  if (verb === "CALL") told(`${caller} ${did}, but the page takes no ${what}`);
}
