/**
 * Who is in a conversation, and notes about who joined or left.
 *
 * @module
 */
import type { Person } from "../../../core/frames.ts";
import {
  namesText,
  type Presence,
  updatePeople,
} from "../../../core/presence.ts";
import type { Conversation } from "./conversation.ts";

/** Replaces who is in `conversation`. */
export function setPeople(
  conversation: Conversation,
  people: readonly Person[],
): void {
  const users = people.map(({ name }) => name);
  conversation.people.clear();
  updatePeople(conversation.people, { kind: "joined", users });
  conversation.members = conversation.people.size;
}

/**
 * Keeps who is in `room`, and notes who joined or left. A crowded room reports
 * us to ourselves too, which is no news.
 */
export function notePresence(
  room: Conversation,
  presence: Presence,
  me: string,
): void {
  updatePeople(room.people, presence);
  room.members = presence.members ?? room.members;
  const others = presence.users.filter((name) => name !== me);
  if (others.length === 0) return;
  room.note("event", `${namesText(others)} ${DEEDS[presence.kind]}`);
}

const DEEDS = { joined: "joined", left: "left", offline: "went offline" };
