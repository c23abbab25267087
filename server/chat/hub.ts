/**
 * The chat itself: who is here, in which rooms, and who hears what.
 *
 * Plain synchronous state: no sockets, no clock, no await, and so no races.
 * Everything that talks to the outside hands it a {@linkcode Peer}.
 *
 * @module
 */
import {
  ChatError,
  DEFAULT_ROOM,
  encode,
  isRoomName,
  isUserName,
  lookAlike,
  targetKind,
} from "../../protocol.ts";
import { NameMap } from "./name_map.ts";
import { type Change, Presence } from "./presence.ts";
import type { Batch } from "./batch.ts";
import type { Delivery, Output, Peer, Reader, Room, User } from "./user.ts";

/** How many rooms can have somebody inside, and how many can have history. */
export const MAX_ROOMS = 10_000;

/** How many rooms one user can be in. */
export const MAX_ROOMS_PER_USER = 100;

/** So many numbers are put behind a taken name to find a free one. */
const MAX_TRIES = 20;

/** The name that is `name` or looks like it, if it belongs to somebody. */
export type Owned = (name: string) => string | undefined;

/** Why nobody may come in as `name`, if it is so. */
export type Refusal = (name: string) => ChatError | undefined;

/** What was said in rooms, which the hub does not keep itself. */
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

/** Somebody who is about to come in; a connection is one. */
export interface Newcomer {
  /** Sends the newcomer away again. */
  end(error: ChatError): void;
}

/** See the top of the file. */
export class Hub implements Output {
  readonly #users = new NameMap<User>();
  readonly #rooms = new NameMap<Room>();
  readonly #reserved = new NameMap<Newcomer>();
  readonly #presence = new Presence();
  readonly #muted = new NameMap<string>();
  readonly #owned: Owned;
  readonly #refusal: Refusal;
  #closed = false;

  /**
   * Nobody is here. `owned` names belong to somebody who may be away; those of
   * a `refusal` are not let in.
   */
  constructor(
    owned: Owned = () => undefined,
    refusal: Refusal = () => undefined,
  ) {
    this.#owned = owned;
    this.#refusal = refusal;
  }

  /** Everybody who is here. */
  users(): MapIterator<User> {
    return this.#users.values();
  }

  /** Whoever is here under that name or one that looks like it. */
  userNamed(name: string): User | undefined {
    return this.#users.get(name);
  }

  /**
   * The room of that name or of one that looks like it.
   *
   * @throws {ChatError} 109 if no room can be called that.
   */
  roomNamed(name: string): Room | undefined {
    if (!isRoomName(name)) throw malformedRoom(name);
    return this.#rooms.get(name);
  }

  /**
   * Keeps a name for somebody who is about to come in: for `newcomer`, if a
   * newer one may take it over.
   *
   * @throws {ChatError} 100, or 104 with a free name as `Suggestion`; 117 if the
   * name is banned.
   */
  reserve(name: string, newcomer: Newcomer = STAYS): void {
    this.checkName(name);
    if (this.#taken(name)) {
      throw new ChatError(
        104,
        `Cannot use the name "${name}": somebody is here under it or one that looks like it`,
        { headers: { Suggestion: this.freeName(name) } },
      );
    }
    this.#reserved.add(name, newcomer);
  }

  /**
   * Does nothing if somebody may be called `name`.
   *
   * @throws {ChatError} 100 if not, with a name as `Suggestion`; 117 if the name
   * is banned.
   */
  checkName(name: string): void {
    const refusal = this.#refusal(name);
    if (refusal) throw refusal;
    if (isUserName(name)) return;
    const suggestion = legalName(name);
    throw new ChatError(
      100,
      `Cannot use the name "${
        printable(name)
      }": a name is 1 to 32 letters and digits, and none of ALL, TOSEND, TORECV, SERVER, SYSTEM, ADMIN`,
      { headers: { Suggestion: suggestion && this.freeName(suggestion) } },
    );
  }

  /** For whom a name is kept. */
  newcomer(name: string): Newcomer | undefined {
    return this.#reserved.get(name);
  }

  /** Gives a reserved name back. */
  release(name: string): void {
    this.#reserved.delete(name);
  }

  /** A name that is free and begins like `name`, to be suggested. */
  freeName(name: string): string | undefined {
    const stem = name.slice(0, 28);
    for (let number = 2; number < 2 + MAX_TRIES; number++) {
      const candidate = `${stem}${number}`;
      if (
        isUserName(candidate) && !this.#taken(candidate) &&
        !this.owns(candidate)
      ) return candidate;
    }
    return undefined;
  }

  /** Whether the name belongs to somebody, who may be away. */
  owns(name: string): boolean {
    return this.#owned(name) !== undefined;
  }

  /** Lets somebody in under a reserved name. */
  enter(name: string, peer: Peer): User {
    this.#reserved.delete(name);
    const muted = this.#muted.get(name) !== undefined;
    const user: User = { name, peer, rooms: new Map(), muted };
    this.#users.add(name, user);
    return user;
  }

  /**
   * Takes the user out of everything and tells the rooms, with `reason`.
   *
   * @returns The rooms that were left.
   */
  exit(user: User, reason: string): Room[] {
    if (this.#users.get(user.name) !== user) return [];
    this.#users.delete(user.name);
    const left = [...user.rooms.keys()];
    for (const room of left) {
      this.#remove(room, user, { kind: "offline", reason });
    }
    return left;
  }

  /**
   * Puts the user into the room, making the room if there is none. To be in it
   * already is no error, and nobody is told.
   *
   * @throws {ChatError} 109 if the name is malformed, or there are too many.
   */
  join(user: User, name: string, history: RoomHistory): Room {
    const room = this.roomNamed(name);
    if (room && user.rooms.has(room)) return room;
    if (user.rooms.size >= MAX_ROOMS_PER_USER) {
      throw new ChatError(
        109,
        `Cannot join ${name}: you are in ${MAX_ROOMS_PER_USER} rooms, which is the most`,
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
   * Takes the user out of the room and tells the others.
   *
   * @throws {ChatError} 109 if the user is not in it.
   */
  leave(user: User, name: string): Room {
    const room = this.#memberRoom(user, name, "leave");
    this.#remove(room, user, { kind: "left" });
    return room;
  }

  /**
   * Whom `word` means when `user` sends to it: the name of a room or a user, or
   * `ALL`. Whoever owns a name need not be here.
   *
   * @throws {ChatError} 109 for a room the user is not in; 102 for somebody who
   * is not here; 120 if the user is muted.
   */
  address(user: User, word: string): string {
    if (user.muted) {
      throw new ChatError(120, "Cannot send: the operator has muted you");
    }
    if (word.startsWith("#")) {
      return this.#memberRoom(user, word, "send to").name;
    }
    const kind = targetKind(word);
    if (kind === "all") return "ALL";
    const receiver = kind && (this.#users.get(word)?.name ?? this.#owned(word));
    if (receiver !== undefined) return receiver;
    throw new ChatError(102, `no user "${printable(word)}" is connected`);
  }

  /** All rooms, those that have only history too; the default room is first. */
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

  /** Queues a run for everybody whom it is for. */
  deliver(run: Batch, forwards: Uint8Array): Delivery {
    const sender = this.#users.get(run.from);
    const acknowledged: Promise<boolean>[] = [];
    const congested: Reader[] = [];
    let recipients = 0;
    for (const user of this.#audience(run.to)) {
      if (user === sender && run.to !== user.name) continue;
      recipients++;
      const acknowledgement = user.peer.forward(run, forwards);
      if (acknowledgement) acknowledged.push(acknowledgement);
      if (user.peer.congested) congested.push(user.peer);
    }
    return { recipients, acknowledged, congested };
  }

  /** From now on refuses what users of that name send, also who comes later. */
  mute(name: string): void {
    if (this.#muted.get(name) === undefined) this.#muted.add(name, name);
    this.#markMuted();
  }

  /**
   * Ends that.
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

  /** Tells everybody what the operator says. */
  tellAll(text: string): void {
    const notice = encode("NOTICE", ["server"], {}, text);
    for (const user of this.#users.values()) user.peer.notify(notice);
  }

  /** Tells everybody that the server stops; who then goes is no more news. */
  close(retryAfterSeconds: number): void {
    this.#closed = true;
    const headers = { "Retry-after": retryAfterSeconds };
    const notice = encode("NOTICE", ["closing"], headers);
    for (const user of this.#users.values()) user.peer.notify(notice);
  }

  /** Tells crowded rooms who came and went; to be called once a second. */
  tellGathered(): void {
    this.#presence.tellGathered();
  }

  /** Marks whom it concerns, so that a SEND costs no search. */
  #markMuted(): void {
    for (const user of this.#users.values()) {
      user.muted = this.#muted.get(user.name) !== undefined;
    }
  }

  #audience(to: string): Iterable<User> {
    if (to === "ALL") return this.#users.values();
    if (isRoomName(to)) return this.#rooms.get(to)?.members ?? [];
    const user = this.#users.get(to);
    return user ? [user] : [];
  }

  #taken(name: string): boolean {
    return this.#users.get(name) !== undefined ||
      this.#reserved.get(name) !== undefined;
  }

  #create(name: string, history: RoomHistory): Room {
    const standing = lookAlike(name) === lookAlike(DEFAULT_ROOM)
      ? DEFAULT_ROOM
      : history.roomName(name) ?? name;
    const empty = history.roomName(standing) === undefined
      ? history.roomCount
      : 0;
    const full = Math.max(this.#rooms.size, empty) >= MAX_ROOMS;
    if (full && standing !== DEFAULT_ROOM) {
      throw new ChatError(
        109,
        `Cannot create ${name}: there are ${MAX_ROOMS} rooms, which is the most`,
        { headers: { Limit: MAX_ROOMS } },
      );
    }
    const room = { name: standing, members: new Set<User>() };
    this.#rooms.add(standing, room);
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
    this.#presence.forget(room);
  }

  #announce(room: Room, user: User, change: Change): void {
    if (!this.#closed) this.#presence.announce(room, user, change);
  }
}

/** Nobody takes the name over from this one. */
const STAYS: Newcomer = { end: () => {} };

function malformedRoom(name: string): ChatError {
  return new ChatError(
    109,
    `Cannot use the room "${
      printable(name)
    }": its name is # and 1 to 32 letters, digits, _ and -`,
  );
}

/** What a peer sent, fit to be quoted in a head. */
function printable(word: string): string {
  return word.slice(0, 64).replaceAll(/[^\x20-\x7e]/g, "?");
}

/** The nearest legal name, if there is anything to make it of. */
function legalName(name: string): string | undefined {
  return name.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 32) || undefined;
}
