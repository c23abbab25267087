/**
 * Calls of other users: those about files go to what carries files.
 *
 * @module
 */
import type { Requester } from "../../../core/net/connection.ts";
import type { DeclineLimit } from "../../../core/requests.ts";
import { type Frame, header } from "../../../protocol.ts";
import type { Carrier, Watcher } from "./watcher.ts";

/** The parts of the chat that a call needs. */
interface Caller {
  readonly carrier: Carrier | undefined;
  readonly server: Requester;
  readonly watcher: Watcher;
  readonly declines: DeclineLimit;
  ignores(name: string): boolean;
}

/**
 * Hands a CALL, ACCEPT or DECLINE about files to the carrier. The page cannot
 * listen: any other call is declined, and the user is told.
 */
export function takeCall(chat: Caller, frame: Frame): void {
  const { carrier, server, watcher, declines } = chat;
  const { verb, args: [caller = ""] } = frame;
  const isForFiles = header(frame, "purpose") === "file";
  const isIgnored = verb === "CALL" && chat.ignores(caller);
  const isTaken = !isIgnored && (isForFiles || verb !== "CALL");
  if (isTaken && carrier?.take(frame)) return;
  if (verb === "DECLINE" || !declines.allows()) return;
  const [did, what] = isForFiles
    ? ["has files for you", "files"]
    : ["called you", "direct sessions"];
  const Reason = verb === "ACCEPT"
    ? "there is no such call"
    : `this user's page takes no ${what}`;
  const Session = header(frame, "session") ?? "";
  server.request("DECLINE", [caller], { Session, Reason })
    .catch(() => {}); // the other user may be gone
  if (verb !== "CALL" || isIgnored) return;
  watcher.told(`${caller} ${did}, but the page takes no ${what}`);
}
