/**
 * The conversations that the user is in: the rooms, the users, and all users.
 *
 * @module
 */
import type { Presence } from "../../../core/frames.ts";
import { lookAlike } from "../../../protocol.ts";
import { Conversation, type ConversationKind } from "./conversation.ts";

/** Limit of private conversations: any user, under any name, can begin one. */
export const MAX_PRIVATE = 200;

/** To a user, over that limit. */
export const MANY_USERS =
  "Too many users have written: the oldest private messages " +
  "are not shown any more";

/** Limit of stored characters of messages in all conversations. */
export const MAX_CHARACTERS = 32_000_000;

/** See the top of the file. */
export class Conversations {
  /** The conversation with all users, which never ends. */
  readonly all: Conversation = new Conversation("all", "ALL");
  #list: readonly Conversation[] = [this.all];

  /** All of them, as they came. */
  get list(): readonly Conversation[] {
    return this.#list;
  }

  /** Rooms, all users, single users; those of a kind as they came. */
  get sorted(): Conversation[] {
    const kinds = ["room", "all", "user"];
    return [...this.#list].sort((a, b) =>
      kinds.indexOf(a.kind) - kinds.indexOf(b.kind)
    );
  }

  /** The number of messages that the user has not seen. */
  get unread(): number {
    return this.#list.reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Whether a message of ours has no answer yet. */
  get waits(): boolean {
    return this.#list.some(({ waits }) => waits);
  }

  /** The conversation with a room or a user of that name, or one that looks like it. */
  find(kind: ConversationKind, name: string): Conversation | undefined {
    const wanted = lookAlike(name);
    return this.#list.find((one) =>
      one.kind === kind && lookAlike(one.target) === wanted
    );
  }

  /** The same, which begins now at the latest. */
  open(kind: ConversationKind, name: string): Conversation {
    const known = this.find(kind, name);
    if (known) return known;
    const begun = new Conversation(kind, name);
    this.#list = [...this.#list, begun];
    return begun;
  }

  /**
   * Keeps the limits. The newest private conversation stays, and those that the
   * user sees or writes in. Of the others, the first to give way are those in
   * which the user has never written, then those that are read, then the oldest.
   *
   * @returns Those that have given way.
   */
  limit(shown: Conversation): Conversation[] {
    const people = this.#list.filter(({ kind }) => kind === "user");
    const gone = people.length <= MAX_PRIVATE ? [] : people.slice(0, -1)
      .filter((one) => one !== shown && !one.draft && !one.waits)
      .sort((a, b) =>
        Number(a.mine) - Number(b.mine) ||
        Number(a.unread > 0) - Number(b.unread > 0) || a.end - b.end
      )
      .slice(0, people.length - MAX_PRIVATE);
    gone.forEach((one) => this.remove(one));
    const over = this.#list.reduce((sum, one) => sum + one.characters, 0) -
      MAX_CHARACTERS;
    if (over <= 0) return gone;
    const [largest] = this.sorted.sort((a, b) => b.characters - a.characters);
    largest?.shrink(largest.characters - over); // the next message does the rest
    return gone;
  }

  /**
   * Notes who joined or left a room, of those who are `news`: in the room, and in
   * the private conversations with them.
   */
  notePresence(
    presence: Presence,
    how: Parameters<Conversation["notePresence"]>[1],
  ): void {
    const room = this.find("room", presence.room);
    for (const one of this.#list) {
      if (one !== room && one.kind !== "user") continue;
      one.notePresence(presence, how);
    }
  }

  /** Notes in each conversation what may be missing after what it has. */
  noteGap(kind: "event" | "error", text: string): void {
    for (const conversation of this.#list) {
      if (conversation.entries.length === 0) continue;
      conversation.note(kind, text, { apart: true });
    }
  }

  /** Keeps who is a moderator. */
  setModerator(name: string, isModerator: boolean): void {
    for (const one of this.#list) one.setModerator(name, isModerator);
  }

  /** Ends one. */
  remove(conversation: Conversation): void {
    this.#list = this.#list.filter((one) => one !== conversation);
  }
}
