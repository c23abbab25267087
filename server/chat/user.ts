/**
 * Users, rooms and peers: the types that the parts of the chat share.
 *
 * @module
 */
import type { Headers } from "../../protocol.ts";
import type { Batch } from "./batch.ts";
import type { NameRules } from "./names/names.ts";
import type { ShareLimits } from "./shares.ts";

/** How a user registered, as WHO lists it. */
export type UserKind = "guest" | "account" | "classic";

/** A receiver of messages, which may read slowly. */
export interface Reader {
  /** Whether a flooding sender must wait for {@linkcode Reader.relief}. */
  readonly congested: boolean;
  /** Resolves when it has caught up, or makes no progress. */
  relief(): Promise<void>;
}

/** The connection, or connections, of a user. */
export interface Peer extends Reader {
  /** `address:port` of the client. */
  readonly remote: string;
  /** The network of the client, for which the user's rooms count. */
  readonly network: string;
  readonly kind: UserKind;

  /** Which device of an account it is. */
  readonly device?: number | undefined;
  /** What of it outlives the connection. */
  readonly resumable?: object;
  /** The devices of an account that are connected here, if there are several. */
  readonly devices?: readonly Peer[];

  /** Queues a NOTICE. `bytes` are shared. */
  notify(bytes: Uint8Array): void;

  /**
   * Queues a batch that the user sent, for the user's other devices. A guest has
   * one.
   */
  echo?(batch: Batch, forwards: Uint8Array): void;

  /** The peer without a device whose connection ended; undefined if none is left. */
  without?(device: Peer): Peer | undefined;

  /**
   * Queues a batch: as `forwards`, which are shared, or made from `batch`.
   *
   * @returns If the client acknowledges messages: whether it acknowledges all
   * of these; `false` itself if it cannot be sent any of them.
   */
  forward(
    batch: Batch,
    forwards: Uint8Array,
  ): Promise<boolean> | false | undefined;
}

/** A registered user. */
export interface User {
  /** As it is shown; case is ignored for identity. */
  readonly name: string;
  /** All devices of an account together. */
  peer: Peer;
  /** The user's rooms, and the newest message when each was joined. */
  readonly rooms: Map<Room, number>;
  /** Why the user cannot send; undefined if the user can. */
  muted: string | undefined;
}

/** These rules say which users cannot send. `remote` is `address:port` of the client. */
export interface MuteRules {
  /** A user enters. @returns Why the user cannot send; undefined if the user can. */
  entered(name: string, remote: string): string | undefined;
  /** The same for a user who is connected. */
  reason(name: string, remote: string): string | undefined;
  /** A user takes a name, and does not prove to be the one who had it before. */
  newcomer(name: string): void;
}

/** These rules say who sends to rooms that are quiet. */
export interface RoomRules {
  /** The name of the room with settings that is `name` or looks like it. */
  named(name: string): string | undefined;
  /** Whether only some users send to the room. */
  isQuiet(room: string): boolean;
  /** @throws {ChatError} 120 if the room is quiet, and the user has no voice. */
  check(user: User, room: string): void;
  /** Absent: all can send to `ALL`. @throws {ChatError} 120 if the user cannot. */
  readonly checkAll: ((user: User) => void) | undefined;
  /** The room gave way to another. */
  ended(room: string): void;
}

/** What a hub is made of. */
export interface HubOptions
  extends Pick<NameRules, "owned" | "similar" | "refusal"> {
  readonly muting: MuteRules;
  readonly roomRules: RoomRules;
  /** Gets a line for each user that joins or leaves a room, and where that user is. */
  log(line: string, remote: string): void;
  /** Gives milliseconds since the epoch. */
  now(): number;
  /** Limits of the rooms that exist. */
  readonly roomLimits: ShareLimits;
  /**
   * How often the users of a network join and leave before that is told less
   * often.
   */
  readonly changesAtOnce: number;
}

/** A room with members. */
export interface Room {
  /** As its first member wrote it, `#` included. */
  readonly name: string;
  /** In the order of joining. */
  readonly members: Set<User>;
  /** Whether only some users send to it. */
  quiet: boolean;
}

/** What the hub asks about the messages of rooms; a journal is one. */
export interface RoomHistory {
  /** The id of the newest message anywhere. */
  readonly lastId: number;
  /** The name of the room with history that is `name` or looks like it. */
  roomName(name: string): string | undefined;
  /** All rooms with history, by name. */
  rooms(): Iterable<string>;
  /** Stores that users of other networks have joined a room with history. */
  share(room: string): void;
  /** Deletes the history of a room, at once. */
  forget(room: string): Promise<void>;
}

/** A user who joins or leaves, as others are told of it. */
export interface Mover {
  readonly name: string;
  readonly peer: Pick<Peer, "remote" | "network">;
}

/** What one user sends another, of which nothing is stored: see requests.ts. */
export interface Signal {
  readonly verb: "CALL" | "ACCEPT" | "DECLINE";
  /** The name of the user who sends it. */
  readonly from: string;
  readonly headers: Headers;
  /** The device of the account that sends it. */
  readonly device?: number | undefined;
  /** It is for all devices but this one. */
  readonly but?: number | undefined;
}

/** A user of another server of the chat. */
export interface UserElsewhere {
  readonly name: string;
  /** The name of that server. */
  readonly server: string;
  readonly peer: Pick<Peer, "remote" | "network" | "kind">;
  /** The names of the user's rooms. */
  rooms(): string[];
}

/**
 * The users of the other servers of the chat; a lone server has none. A user who
 * moves between servers can be here and there for a moment, and counts once.
 */
export interface Elsewhere {
  /** The user there of that name, or of one that looks like it. */
  named(name: string): UserElsewhere | undefined;
  /** The servers where devices of a user are. */
  serversOf(name: string): string[];
  /**
   * Whether a user there has the name, or one that looks like it. One who has moved,
   * or whose server is gone, is listed for a while and does not have it any more.
   */
  holds(name: string): boolean;
  /** A name there that is similar to `name`. */
  similar(name: string): string | undefined;
  /** How many there are in a room, or in all for `ALL`, who are not here too. */
  count(room: string): number;
  /**
   * A message was queued for the users here, who acknowledge it or not: a sender
   * with a two-socket client there is told.
   *
   * @returns How many users there it is for.
   */
  delivered(batch: Batch, acknowledged: Delivery["acknowledged"]): number;
  /**
   * For each server with two-socket receivers of a message that was sent here:
   * whether all of them acknowledge it.
   */
  acknowledged(to: string, firstId: number): Promise<boolean>[];
  /** Those whom {@linkcode Elsewhere.count} counts. */
  members(room: string): Iterable<UserElsewhere>;
  /** Whether a user of that very name is in the room there. */
  isIn(room: string, name: string): boolean;
  /** The name of a room with members there that is `name` or looks like it. */
  roomName(name: string): string | undefined;
  /** All rooms with members there, by name. */
  rooms(): Iterable<string>;
  /** Passes a signal on to a user there; it may be lost. */
  pass(user: Pick<UserElsewhere, "name" | "server">, signal: Signal): void;
  /** A user enters here. */
  entered(user: User): void;
  /** A user leaves the chat here; call it before the user leaves the rooms. */
  exited(user: User, reason: string): void;
  /** The user has moved to another server, and is about to leave the chat here. */
  moves(user: User): void;
  /** A user joins a room here. */
  joined(user: User, room: Room): void;
  /** A user leaves a room here, and stays. */
  left(user: User, room: Room): void;
  /** A user here has another kind. */
  changed(user: User): void;
  /** This server stops: its users move to others. */
  closing(): void;
}

/** Result of handing on a batch. */
export interface Delivery {
  /** How many users it was queued for. */
  readonly recipients: number;
  /** One for each two-socket user: whether it acknowledged every message. */
  readonly acknowledged: readonly (Promise<boolean> | false)[];
  /** The receivers that read more slowly than they are sent to. */
  readonly congested: readonly Reader[];
}

/** For whom a room counts. */
export interface RoomOwner {
  /** The network of the user who created it; empty if that is not known. */
  readonly network: string;
  /** Whether users of other networks have joined it. */
  readonly isShared: boolean;
}

/** A room with history, as a journal has stored it. */
export interface StoredRoom extends RoomOwner {
  readonly name: string;
  /** The time of its newest message, in milliseconds since the epoch. */
  readonly at: number;
}

/** Where a journal hands on what it stored, in the order of ids. */
export interface Output {
  /** `forwards` are the FORWARD frames of `batch`; do not change them. */
  deliver(batch: Batch, forwards: Uint8Array): Delivery;
}

/** What a journal tells of rooms, and asks. */
export interface RoomKeeper {
  /** Rooms with history, the one whose newest message is oldest first. */
  restore(rooms: Iterable<StoredRoom>): void;
  /** For whom a room counts whose first message is stored. */
  ownerOf(room: string): RoomOwner | undefined;
  /**
   * The room has history from now on, or has none any more. With history it is
   * the room of `owner`, if that is known.
   */
  keep(room: string, hasHistory: boolean, owner?: RoomOwner): void;
  /** Users of other networks have joined the room. */
  share(room: string): void;
}
