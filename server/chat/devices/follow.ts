/**
 * The devices of one account are in the same rooms: when one of them joins a room or
 * leaves it, the others are told, and so is a device that connects later. On another
 * server they follow when the entry of it is applied there.
 *
 * @module
 */
import { ChatError, encode } from "../../../protocol.ts";
import type { Hub } from "../hub.ts";
import type { Peer, Room, RoomHistory, User } from "../user.ts";

/** Rooms that a device has joined, with the newest message then, and has left. */
export interface MovedRooms {
  readonly joined?: readonly (readonly [room: string, since: number])[];
  readonly left?: readonly string[];
}

/** Tells the other devices of the user on this server. */
export function tellOthers(
  user: User,
  device: Peer,
  makeNotice: () => Uint8Array,
): void {
  const others = user.peer.devices?.filter((other) => other !== device) ?? [];
  if (others.length === 0) return;
  const notice = makeNotice();
  for (const other of others) other.notify(notice);
}

/** The notice for a device whose user is in a room, `since` the message of that id. */
export function joinedNotice(
  hub: Hub,
  user: User,
  room: Room,
  since: number | undefined = user.rooms.get(room),
): Uint8Array {
  return encode("NOTICE", ["joined"], {
    Room: room.name,
    User: user.name,
    From: user.peer.remote,
    Members: hub.members(room),
    "Last-id": since,
    Time: hub.time(),
  });
}

/** The notice for a device whose user has left a room. */
export function leftNotice(hub: Hub, user: User, room: Room): Uint8Array {
  return encode("NOTICE", ["left"], {
    Room: room.name,
    User: user.name,
    Members: hub.members(room),
    Time: hub.time(),
  });
}

/**
 * What a device that connects is told: in which rooms its user is, and since when by
 * its session. What was sent there later it is sent itself, also if the other devices
 * were away meanwhile and joined again.
 */
export function roomNotices(
  hub: Hub,
  user: User,
  rooms: ReadonlyMap<string, number>,
): Uint8Array[] {
  return Array.from(
    user.rooms.keys(),
    (room) => joinedNotice(hub, user, room, rooms.get(room.name)),
  );
}

/**
 * A device on another server has joined rooms, or left them: the user here does the
 * same, with all devices. A room that a limit of this server forbids is left out and
 * logged: an entry that is stored cannot be refused any more.
 */
export function follow(
  { hub, journal, log }: {
    readonly hub: Hub;
    readonly journal: RoomHistory;
    log(line: string, remote: string): void;
  },
  name: string,
  { joined = [], left = [] }: MovedRooms,
): void {
  const user = hub.userNamed(name);
  if (user?.name.toLowerCase() !== name.toLowerCase()) return;
  for (const [name] of joined) {
    const before = user.rooms.size;
    try {
      const room = hub.join(user, name, journal);
      if (user.rooms.size === before) continue;
      user.peer.notify(joinedNotice(hub, user, room));
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      const { remote } = user.peer;
      log(`${user.name} from <${remote}>: ${error.message}`, remote);
    }
  }
  for (const name of left) {
    const room = hub.roomNamed(name);
    if (!room || !user.rooms.has(room)) continue;
    hub.leave(user, name);
    user.peer.notify(leftNotice(hub, user, room));
  }
}
