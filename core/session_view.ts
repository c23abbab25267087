/**
 * What a session tells the client that draws it. Both clients implement this;
 * nothing else in which they differ is known to the session.
 *
 * @module
 */
import type { ChatError, Frame } from "../protocol.ts";
import type {
  ChatMessage,
  NickChange,
  Presence,
  RoleChange,
} from "./frames.ts";
import type { RoomNews } from "./rooms/private_rooms.ts";
import type { Request } from "./net/connection.ts";
import type { RoomSettings, SettingsChange } from "./rooms/room_settings.ts";

/** A room that we are in. */
export interface JoinedRoom {
  /** As the server has it, with `#`. */
  readonly name: string;
  /** Newer messages are ours to get; older ones we have, or never will. */
  since: number;
  /** After reconnecting, everything up to this id was fetched, and may be held. */
  fetchedTo?: number;
  /** What the server has told of it last. */
  settings: RoomSettings;
  /** Another device of ours has joined it, and not we. */
  followed?: boolean;
}

/** What a client draws. */
export interface SessionView {
  /** The connection is lost, and the client tries to reconnect. */
  lost(why: Error): void;
  /** The server refuses to reconnect us, for now and for a new reason. */
  refused?(why: ChatError): void;
  /** Messages of ours wait for longer than a moment: what the user is told. */
  slowed(text: string): void;
  /**
   * We are registered, or `again`, and then perhaps `to` another server than before;
   * what was missed and held is shown next.
   */
  registered(again: boolean, to?: string): void;
  /** A message; `request` is the SEND of ours that it comes from, if it is one. */
  message(message: ChatMessage, request: Request | undefined): void;
  /** A private message that came while we were away. Default: as any other. */
  stored?(message: ChatMessage): void;
  /** A message of ours was refused. */
  notSent?(request: Request, error: ChatError): void;
  /** Users joined, left, or went offline. */
  presence(presence: Presence, at: Date): void;
  /** The operator sends a notice to all users; `at` if it is stored. */
  notice(text: string, at?: Date): void;
  /** A user is a moderator now, or none any more. */
  role?(change: RoleChange): void;
  /** A room that we are in has other settings, which it has already. */
  settings?(room: JoinedRoom, change: SettingsChange): void;
  /** A user has another display name, or none any more. */
  nick?(change: NickChange): void;
  /** Something has happened in a private room; we are still in it, if we were. */
  roomNews?(news: RoomNews): void;
  /** A CALL, ACCEPT or DECLINE of another user. */
  call(frame: Frame): void;
  /** We are in a room; `again` after a reconnect. */
  joined(room: JoinedRoom, answer: Frame, again: boolean): void;
  /** We have left a room, named as the server names it. */
  left?(room: string, at: Date): void;
  /**
   * On another device of ours, a room was joined, or left; so we are in it, or not
   * any more.
   */
  moved?(room: JoinedRoom, isIn: boolean, notice: Frame): void;
  /** On another device of ours, what is with a target was read, up to an id. */
  read?(target: string, id: number): void;
  /** A room that we were in does not let us in again. */
  expelled(room: JoinedRoom, error: ChatError): void;
  /** The server has another journal, whose ids begin anew. */
  restarted(): void;
  /** Some of what was missed may have been deleted by the server. */
  missedDeleted(): void;
  /** More messages of a room were missed than are shown. */
  missedMore(room: JoinedRoom): void;
  /** The server has forgotten our account. */
  accountLost(): void;
}
