/**
 * The chat itself: the connected users, their rooms, and who receives a message.
 *
 * Plain synchronous state: no sockets, no clock, no await, and so no races. Each
 * user has a {@linkcode Peer}, which queues what the user is sent.
 *
 * @module
 */
import {
  ChatError,
  DEFAULT_ROOM,
  encode,
  isRoomName,
  lookAlike,
  targetKind,
} from "../../protocol.ts";
import type { Batch } from "./batch.ts";
import { NameMap, type NameRules, printable, UserNames } from "./names.ts";
import { type Change, Presence } from "./presence.ts";
import type { Delivery, Output, Peer, Reader, Room, User } from "./user.ts";

/** Limit of the rooms with members, and of those with history. */
export const MAX_ROOMS = 10_000;

/** Limit of the rooms of one user. */
export const MAX_ROOMS_PER_USER = 100;

/** What the hub asks about the messages of rooms; a journal is one. */
export interface RoomHistory {
  /** The id of the newest message anywhere. */
  readonly lastId: number;
  /** The name of the room with history that is `name` or looks like it. */
  roomName(name: string): string | undefined;
  /** How many rooms have history. */
  readonly roomCount: number;
  /** All rooms with history, by name. */
  rooms(): Iterable<string>;
}

/** See the top of the file. */
export class Hub implements Output {
  /** The names of users. */
  readonly names: UserNames;
  readonly #users = new NameMap<User>();
  readonly #rooms = new NameMap<Room>();
  // The same by their exact names, by which messages find their receivers.
  readonly #userBy = new Map<string, User>();
  readonly #roomBy = new Map<string, Room>();
  readonly #presence = new Presence();
  readonly #muted = new NameMap<string>();
  #closed = false;

  /**
   * An empty chat. `owned` gives the name with an account that is a name or looks
   * like it; `refusal` gives the error for a banned name.
   */
  constructor({ owned = () => undefined, refusal = () => undefined }: Partial<
    Pick<NameRules, "owned" | "refusal">
  > = {}) {
    const isConnected = (name: string) => this.userNamed(name) !== undefined;
    this.names = new UserNames({ owned, refusal, isConnected });
  }

  /** All connected users. */
  users(): MapIterator<User> {
    return this.#users.values();
  }

  /** The connected user of that name or of one that looks like it. */
  userNamed(name: string): User | undefined {
    return this.#users.get(name);
  }

  /**
   * The room of that name or of one that looks like it.
   *
   * @throws {ChatError} 109 if no room can have that name.
   */
  roomNamed(name: string): Room | undefined {
    if (!isRoomName(name)) throw malformedRoom(name);
    return this.#rooms.get(name);
  }

  /** Adds a user under a reserved name. */
  enter(name: string, peer: Peer): User {
    this.names.release(name);
    const muted = this.#muted.get(name) !== undefined;
    const user: User = { name, peer, rooms: new Map(), muted };
    this.#users.add(name, user);
    this.#userBy.set(name, user);
    return user;
  }

  /**
   * Removes the user from all rooms, which are told the `reason`.
   *
   * @returns The rooms that were left.
   */
  exit(user: User, reason: string): Room[] {
    if (this.#users.get(user.name) !== user) return [];
    this.#users.delete(user.name);
    this.#userBy.delete(user.name);
    const left = [...user.rooms.keys()];
    for (const room of left) {
      this.#remove(room, user, { kind: "offline", reason });
    }
    return left;
  }

  /**
   * Adds the user to the room, and creates the room if there is none. A second
   * join is no error, and no member is told.
   *
   * @throws {ChatError} 109 if the name is malformed, or a limit is reached.
   */
  join(user: User, name: string, history: RoomHistory): Room {
    const room = this.roomNamed(name);
    if (room && user.rooms.has(room)) return room;
    if (user.rooms.size >= MAX_ROOMS_PER_USER) {
      throw new ChatError(
        109,
        `Cannot join ${name}: you are in ${MAX_ROOMS_PER_USER} rooms, which is the limit`,
        { headers: { Limit: MAX_ROOMS_PER_USER } },
      );
    }
    const joined = room ?? this.#create(name, history);
    joined.members.add(user);
    user.rooms.set(joined, history.lastId);
    this.#announce(joined, user, { kind: "joined" });
    return joined;
  }

  /**
   * Removes the user from the room, and tells the members.
   *
   * @throws {ChatError} 109 if the user is not in it.
   */
  leave(user: User, name: string): Room {
    const room = this.#memberRoom(user, name, "leave");
    this.#remove(room, user, { kind: "left" });
    return room;
  }

  /**
   * The target of a SEND of `user` to `word`: the name of a room or a user as it
   * is shown, or `ALL`. A user with an account need not be connected.
   *
   * @throws {ChatError} 109 for a room of which the user is no member; 102 for a
   * user who is not connected; 120 if the sender is muted.
   */
  checkTarget(user: User, word: string): string {
    if (user.muted) {
      throw new ChatError(120, "Cannot send: the operator has muted you");
    }
    if (this.#roomBy.get(word)?.members.has(user)) return word;
    if (this.#userBy.has(word)) return word;
    if (word.startsWith("#")) {
      return this.#memberRoom(user, word, "send to").name;
    }
    const kind = targetKind(word);
    if (kind === "all") return "ALL";
    const receiver = kind &&
      (this.#users.get(word)?.name ?? this.names.owned(word));
    if (receiver !== undefined) return receiver;
    throw new ChatError(102, `no user "${printable(word)}" is connected`);
  }

  /** All rooms, with those that have only history; the default room is first. */
  list(history: RoomHistory): { name: string; members: number }[] {
    const rooms = new Map([[DEFAULT_ROOM, 0]]);
    for (const room of this.#rooms.values()) {
      rooms.set(room.name, room.members.size);
    }
    for (const name of history.rooms()) {
      if (!rooms.has(name)) rooms.set(name, 0);
    }
    return [...rooms].map(([name, members]) => ({ name, members }));
  }

  /**
   * Queues a batch for its receivers. The sender is one of them only if it names
   * itself.
   */
  deliver(batch: Batch, forwards: Uint8Array): Delivery {
    const sender = this.#userBy.get(batch.from);
    const acknowledged: Promise<boolean>[] = [];
    const congested: Reader[] = [];
    let recipients = 0;
    for (const user of this.#receivers(batch.to)) {
      if (user === sender && batch.to !== user.name) continue;
      recipients++;
      const acknowledgement = user.peer.forward(batch, forwards);
      if (acknowledgement) acknowledged.push(acknowledgement);
      if (user.peer.congested) congested.push(user.peer);
    }
    return { recipients, acknowledged, congested };
  }

  /** Mutes users of that name, also those who register later. */
  mute(name: string): void {
    if (this.#muted.get(name) === undefined) this.#muted.add(name, name);
    this.#markMuted();
  }

  /**
   * Unmutes a name.
   *
   * @returns The name as it was muted; undefined if it was not.
   */
  unmute(name: string): string | undefined {
    const muted = this.#muted.get(name);
    if (muted === undefined) return undefined;
    this.#muted.delete(muted);
    this.#markMuted();
    return muted;
  }

  /** The names that are muted. */
  mutes(): MapIterator<string> {
    return this.#muted.values();
  }

  /** Sends a notice of the operator to all users. */
  tellAll(text: string): void {
    const notice = encode("NOTICE", ["server"], {}, text);
    for (const user of this.#users.values()) user.peer.notify(notice);
  }

  /** Tells all users that the server stops; from now on no exit is told. */
  close(retryAfterSeconds: number): void {
    this.#closed = true;
    const headers = { "Retry-after": retryAfterSeconds };
    const notice = encode("NOTICE", ["closing"], headers);
    for (const user of this.#users.values()) user.peer.notify(notice);
  }

  /** Tells crowded rooms of joins and leaves; the ticks of start.ts call it. */
  tellGathered(): void {
    this.#presence.tellGathered();
  }

  /** Marks the users, so that a SEND needs no search. */
  #markMuted(): void {
    for (const user of this.#users.values()) {
      user.muted = this.#muted.get(user.name) !== undefined;
    }
  }

  #receivers(to: string): Iterable<User> {
    const room = this.#roomBy.get(to);
    if (room) return room.members;
    const user = this.#userBy.get(to);
    if (user) return [user];
    if (to === "ALL") return this.#userBy.values();
    // The user, or all members, left after the message was checked.
    if (isRoomName(to)) return this.#rooms.get(to)?.members ?? [];
    const similar = this.#users.get(to);
    return similar ? [similar] : [];
  }

  #create(name: string, history: RoomHistory): Room {
    const isDefault = lookAlike(name) === lookAlike(DEFAULT_ROOM);
    const known = isDefault ? DEFAULT_ROOM : history.roomName(name);
    // A room with history counts already among those.
    const count = known ? this.#rooms.size : history.roomCount;
    const limited = Math.max(this.#rooms.size, count) >= MAX_ROOMS;
    if (limited && !isDefault) {
      throw new ChatError(
        109,
        `Cannot create ${name}: the limit of ${MAX_ROOMS} rooms is reached`,
        { headers: { Limit: MAX_ROOMS } },
      );
    }
    const room = { name: known ?? name, members: new Set<User>() };
    this.#rooms.add(room.name, room);
    this.#roomBy.set(room.name, room);
    return room;
  }

  #memberRoom(user: User, name: string, deed: string): Room {
    const room = this.#rooms.get(name);
    if (room?.members.has(user)) return room;
    if (!isRoomName(name)) throw malformedRoom(name);
    throw new ChatError(109, `Cannot ${deed} ${name}: you are not in it`);
  }

  #remove(room: Room, user: User, change: Change): void {
    room.members.delete(user);
    user.rooms.delete(room);
    if (room.members.size > 0) return this.#announce(room, user, change);
    this.#rooms.delete(room.name);
    this.#roomBy.delete(room.name);
    this.#presence.forget(room);
  }

  #announce(room: Room, user: User, change: Change): void {
    if (!this.#closed) this.#presence.announce(room, user, change);
  }
}

function malformedRoom(name: string): ChatError {
  return new ChatError(
    109,
    `Cannot use the room "${
      printable(name)
    }": its name is # and 1 to 32 letters, digits, _ and -`,
  );
}
