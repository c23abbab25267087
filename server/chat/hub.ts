/**
 * The chat itself: the connected users, their rooms, and who receives a message.
 *
 * Plain synchronous state: no sockets, no await, and so no races. Each user has
 * a {@linkcode Peer}, which queues what the user is sent.
 *
 * @module
 */
import {
  ChatError,
  DEFAULT_ROOM,
  encode,
  isRoomName,
  targetKind,
} from "../../protocol.ts";
import type { Batch } from "./batch.ts";
import { NameMap, printable, UserNames } from "./names/names.ts";
import { AT_ONCE, type Change, Presence } from "./presence.ts";
import { checkRoomCount, malformedRoom, notMember } from "./refusals.ts";
import { isDefaultRoom, ROOM_LIMITS, RoomShares } from "./room_shares.ts";
import { Muting } from "./muting.ts";
import type {
  Delivery,
  Elsewhere,
  HubOptions,
  Output,
  Peer,
  Reader,
  Room,
  RoomHistory,
  RoomRules,
  User,
} from "./user.ts";

const unknown = () => undefined;

/** See the top of the file. */
export class Hub implements Output {
  /** The names of users. */
  readonly names: UserNames;
  /** Which rooms exist, and for whom they count. */
  readonly shares: RoomShares;
  /** Marks users who cannot send. */
  readonly muting: Muting;
  /** Tells rooms of joins and leaves. */
  readonly presence: Presence;
  /** The time, as the wire has it. */
  readonly time: () => string;
  /** The users of other servers; undefined on a lone server. */
  elsewhere: Elsewhere | undefined;
  readonly #users = new NameMap<User>({ findsSimilar: true });
  readonly #rooms = new NameMap<Room>();
  // The same by their exact names, by which messages find their receivers.
  readonly #userBy = new Map<string, User>();
  readonly #roomBy = new Map<string, Room>();
  readonly #rules: RoomRules | undefined;
  readonly #log: (line: string, remote: string) => void;
  #closed = false;

  /** An empty chat. */
  constructor(options: Partial<HubOptions> = {}) {
    const { log = () => {}, now = Date.now, muting, roomRules } = options;
    const { owned = unknown, similar = unknown, refusal = unknown } = options;
    const { roomLimits = ROOM_LIMITS, changesAtOnce = AT_ONCE } = options;
    this.shares = new RoomShares(roomLimits, now, roomRules);
    this.time = () => new Date(now()).toISOString();
    const members = this.members.bind(this);
    this.presence = new Presence(this.time, changesAtOnce, members);
    this.muting = new Muting(muting);
    this.#rules = roomRules;
    this.#log = log;
    this.names = new UserNames({
      ...{ owned, refusal },
      isConnected: (name) => this.userNamed(name) !== undefined,
      isElsewhere: (name) => this.elsewhere?.holds(name) ?? false,
      similar: (name) =>
        this.#users.similar(name) ?? this.elsewhere?.similar(name) ??
          similar(name),
    });
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

  /** All rooms with members. */
  rooms(): MapIterator<Room> {
    return this.#rooms.values();
  }

  /** How many users are in a room, those of other servers included. */
  members(room: Room): number {
    return room.members.size + (this.elsewhere?.count(room.name) ?? 0);
  }

  /** Adds a user under a reserved name. */
  enter(name: string, peer: Peer): User {
    this.names.release(name);
    const muted = this.muting.entered(name, peer.remote);
    const user: User = { name, peer, rooms: new Map(), muted };
    this.#users.add(name, user);
    this.#userBy.set(name, user);
    this.elsewhere?.entered(user);
    return user;
  }

  /** Removes the user from all rooms, which are told the `reason`. Idempotent. */
  exit(user: User, reason: string): void {
    if (this.#users.get(user.name) !== user) return;
    this.elsewhere?.exited(user, reason);
    this.#users.delete(user.name);
    this.#userBy.delete(user.name);
    for (const room of [...user.rooms.keys()]) {
      this.#remove(room, user, { kind: "offline", reason });
    }
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
    checkRoomCount(name, user.rooms.size);
    const { network, remote } = user.peer;
    const joined = room ?? this.#create(name, network, history);
    joined.members.add(user);
    user.rooms.set(joined, history.lastId);
    this.elsewhere?.joined(user, joined);
    if (this.shares.join(joined.name, network)) history.share(joined.name);
    this.#log(
      `${user.name} joined room [${joined.name.slice(1)}] from <${remote}>`,
      remote,
    );
    this.#announce(joined, user, { kind: "joined" });
    return joined;
  }

  /**
   * Removes the user from the room, and tells the members of the `change`, if it
   * is to be told.
   *
   * @throws {ChatError} 109 if the user is not in it.
   */
  leave(user: User, name: string, change: Change | null = LEFT): Room {
    const room = this.memberRoom(user, name, "leave");
    this.elsewhere?.left(user, room);
    this.#remove(room, user, change);
    return room;
  }

  /**
   * The target of a SEND of `user` to `word`: the name of a room or a user as it
   * is shown, or `ALL`. A user with an account need not be connected.
   *
   * @throws {ChatError} 109 for a room of which the user is no member; 102 for a
   * user who is not connected; 120 if the sender is muted, or has no voice there.
   */
  checkTarget(user: User, word: string): string {
    if (user.muted !== undefined) this.muting.check(user, "send");
    const room = this.#roomBy.get(word);
    if (room?.members.has(user)) return this.#checked(user, room);
    if (this.#userBy.has(word)) return word;
    if (word.startsWith("#")) {
      return this.#checked(user, this.memberRoom(user, word, "send to"));
    }
    const kind = targetKind(word);
    if (kind === "all") {
      this.#rules?.checkAll?.(user);
      return "ALL";
    }
    const receiver = kind &&
      (this.#users.get(word)?.name ?? this.elsewhere?.named(word)?.name ??
        this.names.owned(word));
    if (receiver !== undefined) return receiver;
    throw new ChatError(102, `no user "${printable(word)}" is connected`);
  }

  /**
   * Queues a batch for its receivers. The sender is one of them only if it names
   * itself.
   */
  deliver(batch: Batch, forwards: Uint8Array): Delivery {
    const sender = this.#userBy.get(batch.from);
    const acknowledged: (Promise<boolean> | false)[] = [];
    const congested: Reader[] = [];
    let recipients = 0;
    for (const user of this.#receivers(batch.to)) {
      if (user === sender && batch.to !== user.name) continue;
      const acknowledgement = user.peer.forward(batch, forwards);
      if (acknowledgement !== undefined) acknowledged.push(acknowledgement);
      if (acknowledgement !== false) recipients++;
      if (user.peer.congested) congested.push(user.peer);
    }
    if (batch.to !== batch.from) sender?.peer.echo?.(batch, forwards);
    recipients += this.elsewhere?.delivered(batch, acknowledged) ?? 0;
    return { recipients, acknowledged, congested };
  }

  /** Tells all users that the server stops; from now on no exit is told. */
  close(retryAfterSeconds: number): void {
    this.#closed = true;
    this.elsewhere?.closing();
    const headers = { "Retry-after": retryAfterSeconds };
    const notice = encode("NOTICE", ["closing"], headers);
    for (const user of this.#users.values()) user.peer.notify(notice);
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

  #create(name: string, network: string, history: RoomHistory): Room {
    const known = isDefaultRoom(name)
      ? DEFAULT_ROOM
      : history.roomName(name) ?? this.elsewhere?.roomName(name) ??
        this.#rules?.named(name);
    const room = {
      name: known ?? name,
      members: new Set<User>(),
      quiet: false,
    };
    room.quiet = this.#rules?.isQuiet(room.name) ?? false;
    this.shares.open(room.name, network, history);
    this.#rooms.add(room.name, room);
    this.#roomBy.set(room.name, room);
    return room;
  }

  #checked(user: User, room: Room): string {
    if (room.quiet) this.#rules?.check(user, room.name);
    return room.name;
  }

  /**
   * The room that `user` is in, for a deed.
   *
   * @throws {ChatError} 109 if the user is not in it.
   */
  memberRoom(user: User, name: string, deed: string): Room {
    const room = this.#rooms.get(name);
    if (room?.members.has(user)) return room;
    if (!isRoomName(name)) throw malformedRoom(name);
    throw notMember(name, deed);
  }

  #remove(room: Room, user: User, change: Change | null): void {
    room.members.delete(user);
    user.rooms.delete(room);
    const { remote } = user.peer;
    this.#log(`${user.name} left room [${room.name.slice(1)}]`, remote);
    if (room.members.size > 0) return this.#announce(room, user, change);
    this.#rooms.delete(room.name);
    this.#roomBy.delete(room.name);
    this.presence.forget(room);
    this.shares.empty(room.name);
  }

  #announce(room: Room, user: User, change: Change | null): void {
    // A user who moves between servers stays in the room.
    if (this.elsewhere?.isIn(room.name, user.name)) return;
    if (change && !this.#closed) this.presence.announce(room, user, change);
  }
}

const LEFT: Change = { kind: "left" };
