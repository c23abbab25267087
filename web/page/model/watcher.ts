/**
 * The types of the two modules that the chat of the page needs: one draws the
 * chat, and one carries files.
 *
 * @module
 */
import type { Frame } from "../../../protocol.ts";
import type { Conversation, Entry } from "./conversation.ts";

/** Draws, and tells the user. */
export interface Watcher {
  /** Something has changed. */
  changed(): void;
  /** Another user has sent a message; `calls` if it is above all for us. */
  said(conversation: Conversation, entry: Entry, calls: boolean): void;
  /** Something is noted in a conversation, which is news. */
  noted(conversation: Conversation, text: string): void;
  /** Something that belongs to no conversation; `passing` if it can be missed. */
  told(text: string, passing?: boolean): void;
  /** The user ignores only these from now on. */
  ignored?(names: readonly string[]): void;
  /** The user has seen all of a conversation. */
  seen?(conversation: Conversation): void;
  /** The user wants to create, change or delete the own account. */
  own(deed: OwnDeed): void;
}

/** What a user does with the own account. */
export type OwnDeed = "create" | "change" | "remove";

/** Carries files. */
export interface Carrier {
  /** We are registered, perhaps again. */
  arrived(): void;
  /** Takes a frame; returns false if it cannot now. */
  take(frame: Frame): boolean;
  /** The session is about to end. */
  leave(): void;
  /** The session has ended. */
  end(): void;
}
