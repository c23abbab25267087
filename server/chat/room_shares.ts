/**
 * Which rooms exist, and which of them gives way when there are too many.
 *
 * A room counts for the network of the user who created it, and exists while it
 * has members or history. A network that has its share of rooms gets a new one
 * in the place of the one of its own that is empty for longest, if no user was in
 * that for a day, and if no user of another network has ever joined it. If the
 * total is reached, the empty room that gives way is one of the network that has
 * most rooms. `#default` counts for no network, and private rooms have limits of
 * their own: see server/accounts/private_rooms.ts.
 *
 * @module
 */
import {
  ChatError,
  DEFAULT_ROOM,
  isPrivateName,
  lookAlike,
} from "../../protocol.ts";
import { NameMap } from "./names/names.ts";
import { unlessNotStored } from "./not_stored.ts";
import { type ShareLimits, Shares } from "./shares.ts";
import type { RoomKeeper, RoomOwner, RoomRules, StoredRoom } from "./user.ts";

/** Limits of the rooms that exist. */
export const ROOM_LIMITS: ShareLimits = { perAddress: 500, total: 10_000 };

/** A room does not give way to its own network so soon, in milliseconds. */
export const ROOM_REST_MS = 24 * 60 * 60 * 1_000;

/** Where the history of rooms is deleted. */
type Forgetful = { forget(room: string): Promise<void> };

/** A room that exists. */
interface Room extends RoomOwner {
  readonly name: string;
  network: string;
  isShared: boolean;
  hasMembers: boolean;
  hasHistory: boolean;
  /** When its last member left, in milliseconds since the epoch. */
  emptySince: number;
}

/** See the top of the file. */
export class RoomShares implements RoomKeeper {
  readonly #now: () => number;
  readonly #rules: Pick<RoomRules, "ended"> | undefined;
  readonly #rooms = new NameMap<Room>();
  readonly #shares: Shares<Room>;
  readonly #elsewhere = new NameMap<true>(); // have members on other servers
  // Those that ended a moment ago: a message to one may be on its way to the file.
  readonly #ended = new Map<string, Room>();

  /** No rooms; `now` gives milliseconds since the epoch; `rules` are told. */
  constructor(
    limits: ShareLimits,
    now: () => number,
    rules?: Pick<RoomRules, "ended">,
  ) {
    this.#rules = rules;
    this.#shares = new Shares(limits);
    this.#now = now;
  }

  /** Adds rooms with history, the one whose newest message is oldest first. */
  restore(rooms: Iterable<StoredRoom>): void {
    for (const { name, network, isShared, at } of rooms) {
      if (isUncounted(name) || this.#rooms.get(name)) continue;
      this.#add({ name, network, isShared, emptySince: at, hasHistory: true });
    }
  }

  /**
   * A room without members gets its first one, from `network`. If it is a new
   * one, others give way to it, and lose their `history`.
   *
   * @throws {ChatError} 109 if none can give way.
   */
  open(name: string, network: string, history: Forgetful): void {
    if (isUncounted(name)) return;
    const known = this.#rooms.get(name);
    if (!known) this.#makeWay(name, network, history);
    const room = known ?? this.#add({ name, network, emptySince: Infinity });
    room.hasMembers = true;
    this.#shares.setIdle(room, false);
  }

  /** A user joins a room with members. @returns Whether that makes it shared. */
  join(name: string, network: string): boolean {
    const room = this.#rooms.get(name);
    const isOwned = room && !room.isShared && room.network !== "";
    if (!isOwned || room.network === network) return false;
    room.isShared = true;
    return room.hasHistory;
  }

  /** The last member left. */
  empty(name: string): void {
    const room = this.#rooms.get(name);
    if (!room) return;
    room.hasMembers = false;
    room.emptySince = this.#now();
    if (room.hasHistory) this.#shares.setIdle(room, this.#isFree(name));
    else this.#end(room);
  }

  /**
   * A room has members on other servers of the chat from now on, or none any more:
   * meanwhile it gives way to no other.
   */
  occupy(name: string, isOccupied: boolean): void {
    if (isUncounted(name)) return;
    if (isOccupied) this.#elsewhere.add(name, true);
    else this.#elsewhere.delete(name);
    const room = this.#rooms.get(name);
    if (!room || room.hasMembers) return;
    if (!isOccupied) room.emptySince = this.#now();
    this.#shares.setIdle(room, !isOccupied);
  }

  /** The owner of a room; undefined if no network is known for it. */
  ownerOf(name: string): RoomOwner | undefined {
    return this.#rooms.get(name) ?? this.#ended.get(name);
  }

  /** See {@linkcode RoomKeeper}. */
  keep(name: string, hasHistory: boolean, owner?: RoomOwner): void {
    if (isUncounted(name)) return;
    const room = this.#rooms.get(name);
    if (room) room.hasHistory = hasHistory;
    if (room && !hasHistory && !room.hasMembers) this.#end(room);
    if (room && owner) this.#give(room, owner);
    if (room || !hasHistory) return;
    const { network = "", isShared = false } = owner ?? this.#ended.get(name) ??
      {};
    const emptySince = this.#now();
    this.#add({ name, network, isShared, emptySince, hasHistory });
  }

  /** See {@linkcode RoomKeeper}. */
  share(name: string): void {
    const room = this.#rooms.get(name);
    if (room) room.isShared = true;
  }

  /** Forgets what ended some time ago. Call it each second. */
  tidy(): void {
    this.#ended.clear();
  }

  /** Adds one without members. */
  #add(room: Pick<Room, "name" | "network" | "emptySince"> & Partial<Room>) {
    const added: Room = {
      ...{ isShared: false, hasMembers: false, hasHistory: false },
      ...room,
    };
    this.#rooms.add(added.name, added);
    this.#shares.add(added);
    this.#shares.setIdle(added, this.#isFree(added.name));
    return added;
  }

  #isFree(name: string): boolean {
    return this.#elsewhere.get(name) === undefined;
  }

  /** It has another owner than was known here: the one that is stored. */
  #give(room: Room, { network, isShared }: RoomOwner): void {
    room.isShared ||= isShared;
    if (room.network === network) return;
    this.#shares.delete(room);
    room.network = network;
    this.#shares.add(room);
    const isIdle = !room.hasMembers && room.hasHistory;
    this.#shares.setIdle(room, isIdle && this.#isFree(room.name));
  }

  #end(room: Room): void {
    this.#rooms.delete(room.name);
    this.#shares.delete(room);
    this.#ended.set(room.name, room);
  }

  #makeWay(name: string, network: string, history: Forgetful): void {
    for (;;) {
      const over = this.#shares.over(network);
      if (!over) return;
      const room = over.isShare
        ? Iterator.from(over.idle).find(({ isShared }) => !isShared)
        : Iterator.from(over.idle).next().value;
      const rests = over.isShare && room &&
        this.#now() - room.emptySince < ROOM_REST_MS;
      if (!room || rests) throw tooMany(name, over);
      this.#rooms.delete(room.name);
      this.#shares.delete(room);
      this.#rules?.ended(room.name);
      // What cannot be deleted now is there again after a restart.
      history.forget(room.name).catch(unlessNotStored);
    }
  }
}

/** Whether it is the room that always exists. */
export function isDefaultRoom(name: string): boolean {
  return name.length === DEFAULT_ROOM.length &&
    lookAlike(name) === DEFAULT_LOOK;
}

/** Those that are not of a network: private rooms have limits of their own. */
function isUncounted(name: string): boolean {
  return isPrivateName(name) || isDefaultRoom(name);
}

const DEFAULT_LOOK = lookAlike(DEFAULT_ROOM);

function tooMany(
  name: string,
  { limit, isShare }: { limit: number; isShare: boolean },
): ChatError {
  const why = isShare
    ? `limit for your address: ${limit} rooms; a room that is empty for a day gives way`
    : `the limit of ${limit} rooms is reached; ask the operator to delete some`;
  return new ChatError(109, `Cannot create ${name}: ${why}`, {
    headers: { Limit: limit },
  });
}
