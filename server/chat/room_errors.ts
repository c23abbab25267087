/**
 * The errors of requests about rooms.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";
import { printable } from "./names.ts";

/** The error for a name that no room can have. */
export function malformedRoom(name: string): ChatError {
  return new ChatError(
    109,
    `Cannot use the room "${
      printable(name)
    }": its name is # and 1 to 32 letters, digits, _ and -`,
  );
}

/** The error for a user who is in as many rooms as can be. */
export function tooManyRooms(name: string, limit: number): ChatError {
  return new ChatError(
    109,
    `Cannot join ${name}: you are in ${limit} rooms, which is the limit`,
    { headers: { Limit: limit } },
  );
}

/** The error for a user who is not in the room. */
export function notMember(name: string, deed: string): ChatError {
  return new ChatError(109, `Cannot ${deed} ${name}: you are not in it`);
}
