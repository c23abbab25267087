/**
 * The errors of SEND that are about its key, or the receiver's program.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";

/** The error for a header Key, of which this is said. */
export function malformedKey(what: string): ChatError {
  return new ChatError(105, `Cannot send: Key ${what}`);
}

/** The error for a message that a two-socket program would misread. */
export function notShown(to: string): ChatError {
  const why = "its end looks like a message of another user";
  return new ChatError(102, `Cannot send to the program of ${to}: ${why}`);
}
