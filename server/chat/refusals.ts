/**
 * The errors of requests about rooms, and of SEND.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import { printable } from "./names/names.ts";

/** The error for a name that no room can have. */
export function malformedRoom(name: string): ChatError {
  return new ChatError(
    109,
    `Cannot use the room "${
      printable(name)
    }": its name is # and 1 to 32 letters, digits, _ and -`,
  );
}

/** Limit of the rooms of one user. */
export const MAX_ROOMS_PER_USER = 100;

/** @throws {ChatError} 109 if a user of `rooms` rooms cannot join one more. */
export function checkRoomCount(name: string, rooms: number): void {
  const limit = MAX_ROOMS_PER_USER;
  if (rooms < limit) return;
  throw new ChatError(
    109,
    `Cannot join ${name}: you are in ${limit} rooms, which is the limit`,
    { headers: { Limit: limit } },
  );
}

/** The error for a private room that the user may know nothing of. */
export function noSuchRoom(name: string, deed: string): ChatError {
  const why = "there is no such private room, or you are no member of it";
  return new ChatError(109, `Cannot ${deed} ${name}: ${why}`);
}

/** The error for a user who is not in the room. */
export function notMember(name: string, deed: string): ChatError {
  return new ChatError(109, `Cannot ${deed} ${name}: you are not in it`);
}

/** The error for a user who cannot send to `ALL`. */
export function onlyModerators(): ChatError {
  const why = "on this server, only moderators can";
  return new ChatError(120, `Cannot send to ALL: ${why}`);
}

/** The error for a header Key, of which this is said. */
export function malformedKey(what: string): ChatError {
  return new ChatError(105, `Cannot send: Key ${what}`);
}

/** The error for a message that a two-socket program would misread. */
export function notShown(to: string): ChatError {
  const why = "its end looks like a message of another user";
  return new ChatError(102, `Cannot send to the program of ${to}: ${why}`);
}
