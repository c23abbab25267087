/**
 * Which rooms there are, when that is asked for.
 *
 * @module
 */
import { DEFAULT_ROOM, isPrivateName } from "../../protocol.ts";
import type { Hub } from "./hub.ts";
import { isDefaultRoom } from "./room_shares.ts";
import type { RoomHistory } from "./user.ts";

/**
 * All rooms, with those that have only history, and with those that have members
 * only on other servers; the default room is first. Private rooms are left out, but
 * for the operator.
 */
export function listRooms(
  hub: Hub,
  history: RoomHistory,
  { withPrivate = false } = {},
): { name: string; members: number }[] {
  const rooms = new Map([[DEFAULT_ROOM, 0]]);
  for (const room of hub.rooms()) rooms.set(room.name, hub.members(room));
  for (const name of hub.elsewhere?.rooms() ?? []) {
    if (hub.roomNamed(name)) continue;
    const known = isDefaultRoom(name)
      ? DEFAULT_ROOM
      : history.roomName(name) ?? name;
    rooms.set(known, hub.elsewhere?.count(name) ?? 0);
  }
  for (const name of history.rooms()) {
    if (!rooms.has(name)) rooms.set(name, 0);
  }
  return Array.from(rooms, ([name, members]) => ({ name, members }))
    .filter(({ name }) => withPrivate || !isPrivateName(name));
}

/**
 * Whether there is a room that is `name` or looks like it.
 *
 * @throws {ChatError} 109 if no room can have that name.
 */
export function roomExists(
  hub: Hub,
  history: RoomHistory,
  name: string,
): boolean {
  return hub.roomNamed(name) !== undefined || isDefaultRoom(name) ||
    hub.elsewhere?.roomName(name) !== undefined ||
    history.roomName(name) !== undefined;
}
