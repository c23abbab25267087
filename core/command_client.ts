/**
 * What the commands that both clients run alike need of a client.
 *
 * @module
 */
import { DEFAULT_ROOM, isRoomName } from "../protocol.ts";
import type { Requester } from "./net/connection.ts";
import type { RoomSettings } from "./rooms/room_settings.ts";
import type { Nicks } from "./text/nicks.ts";

/** What a command needs of a client. */
export interface CommandClient {
  /** To the server. */
  readonly server: Requester;
  /** The room that messages go to, with `#`; undefined in none. */
  readonly room: string | undefined;
  /** What is set of that room. */
  readonly settings: RoomSettings | undefined;
  /** Our name. */
  readonly me: string;
  /** Whether it is the web client, which has fewer commands. */
  readonly isWeb: boolean;
  /** Whether we are a moderator, who has more commands. */
  readonly isModerator: boolean;
  /** The display names of users. */
  readonly nicks: Nicks;
  /** Sends a message to a user, or to `ALL`; `"kept"` if it cannot be sent. */
  sendTo(to: string, text: string): void | "kept";
  /** Shows the rooms, and how many users are in each. */
  showRooms(): Promise<void> | void;
  /** Shows what a command found out. */
  answer(lines: readonly string[]): void;
}

/** The room that was typed, with or without `#`; nothing: the default room. */
export function roomNamed(word: string): string | undefined {
  const bare = word.trim().replace(/^#/, "");
  const name = bare === "" ? DEFAULT_ROOM : `#${bare}`;
  return isRoomName(name) ? name : undefined;
}
