/**
 * Entries: every lasting effect, as plain data.
 *
 * An entry is made by the server that wants the effect, and says all that the
 * others cannot know: the time, random words, the networks of users. Then each
 * server applies the same entries in the same order; see log.ts. So what an entry
 * changes is the same everywhere, whenever and wherever it is applied.
 *
 * Entries are JSON, but for the bodies of messages. A time is in milliseconds since
 * the epoch; {@linkcode End} is one that may never come.
 *
 * @module
 */
import type { Draft } from "../chat/batch.ts";
import type { RoomOwner } from "../chat/user.ts";

/** When something ends; null: until it is removed. JSON has no Infinity. */
export type End = number | null;

/** The kinds of entries, and what each says. */
export interface Entries {
  readonly "messages": MessagesEntry;
  readonly "keys-forgotten": KeysForgottenEntry;
  readonly "room-shared": RoomSharedEntry;
  readonly "history-forgotten": HistoryForgottenEntry;
}

/** Messages of one user, in their order. Ids are given when they are applied. */
export interface MessagesEntry {
  /** The sender's name. */
  readonly from: string;
  readonly at: number;
  /** Keys of messages from before this time are not known any more. */
  readonly keysSince: number;
  readonly drafts: readonly Draft[];
  /** Whose the rooms are that have no history, and get it with these messages. */
  readonly owners?: readonly OwnedRoom[] | undefined;
}

/** A room, and for whom it counts. */
export interface OwnedRoom extends RoomOwner {
  readonly room: string;
}

/** The keys of messages up to an id are not known any more. */
export interface KeysForgottenEntry {
  readonly upTo: number;
}

/** Users of other networks have joined the room. */
export interface RoomSharedEntry {
  readonly room: string;
}

/** All messages to a room or a user are forgotten, up to the newest there is then. */
export interface HistoryForgottenEntry {
  readonly target: string;
}
