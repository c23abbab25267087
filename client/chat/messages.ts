/**
 * Messages on the way to the screen: which are shown, and how they are named.
 * core/session.ts has put them in order.
 *
 * @module
 */
import {
  type ChatMessage,
  otherOf,
  type Presence,
  textOf,
} from "../../core/frames.ts";
import { lookAlike } from "../../protocol.ts";
import type { Request } from "../../core/net/connection.ts";
import { sanitizeName } from "../../core/text/sanitize.ts";
import { CAME_WHILE_AWAY, namesText } from "../../core/text/sentences.ts";
import type { Item } from "../view/view.ts";
import type { IgnoredUsers } from "./ignored_users.ts";

/** Of so many rooms and users the oldest message is known. */
const MAX_TARGETS = 1_000;

/** Limit of characters in private messages that are held back. */
const MAX_HELD_CHARACTERS = 1_000_000;

/** About how much memory a message takes beside its text, in characters. */
const MESSAGE_CHARACTERS = 200;

/** The messages of one session. */
export class Messages {
  /** The user who last sent us a private message. */
  lastSender: string | undefined;
  /** Whether that was in a direct session, which no server can read. */
  repliesDirectly = false;
  /** Whether another user did so before, since this was last reset. */
  contested = false;
  /** The users whose messages are hidden. */
  readonly ignored: IgnoredUsers;
  readonly #echo: boolean;
  readonly #show: (item: Item) => void;
  readonly #oldest = new Map<string, number>(); // id that was shown, by room or user
  #held: ChatMessage[] | undefined = []; // until they are shown
  #heldCharacters = 0; // in them

  /**
   * Nothing is shown yet.
   *
   * @param echo Whether our own messages are shown.
   */
  constructor(
    { echo, ignored, show }: {
      readonly echo: boolean;
      readonly ignored: IgnoredUsers;
      show(item: Item): void;
    },
  ) {
    this.#echo = echo;
    this.ignored = ignored;
    this.#show = show;
  }

  /** Shows a message, unless it is hidden; `old` for one of a history. */
  show(
    message: ChatMessage,
    { isSent = false, old = false } = {},
  ): void {
    const { id, at, from, to, text, own } = message;
    const isRoom = to.startsWith("#");
    const isPrivate = !isRoom && to !== "ALL";
    if (id !== undefined && to !== "ALL") {
      this.#mark(isRoom ? to : otherOf(message), id);
    }
    if (this.ignores(from)) return;
    const isOurs = isSent || own && to !== from;
    const isForUs = isPrivate && !isOurs;
    if (isForUs && !old) this.answerTo(from);
    // What another device has sent was not typed here.
    const isTyped = isSent || to === from;
    if (own && isTyped && !this.#echo && !old) return;
    this.#show({
      kind: "message",
      at,
      from: isPrivate && isOurs ? "you" : from,
      to: isForUs ? "you" : to,
      text,
      own,
      ...(old ? { old } : {}),
    });
  }

  /**
   * Holds a private message back until {@linkcode showHeld}; too many of them are
   * shown at once.
   */
  hold(message: ChatMessage): void {
    this.#heldCharacters += message.text.length + MESSAGE_CHARACTERS;
    if (this.#heldCharacters > MAX_HELD_CHARACTERS) this.showHeld();
    if (this.#held) this.#held.push(message);
    else this.show(message);
  }

  /** Shows, after the history of the room, what came while the user was away. */
  showHeld(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (held.length > 0) this.#show({ kind: "note", text: CAME_WHILE_AWAY });
    for (const message of held) this.show(message);
  }

  /** A `/reply` answers `sender` from now on, `directly` or by the server. */
  answerTo(sender: string, directly = false): void {
    this.contested ||= sender !== (this.lastSender ?? sender);
    this.lastSender = sender;
    this.repliesDirectly = directly;
  }

  /** The id of the oldest message that was shown of a room, or with a user. */
  oldestOf(target: string): number | undefined {
    return this.#oldest.get(lookAlike(target));
  }

  /** Forgets which ids were shown: the server counts anew. */
  restart(): void {
    this.#oldest.clear();
  }

  /** Whether the messages of `user` are hidden. */
  ignores(user: string): boolean {
    return this.ignored.has(user);
  }

  #mark(target: string, id: number): void {
    const key = lookAlike(target);
    this.#oldest.set(key, Math.min(id, this.#oldest.get(key) ?? Infinity));
    const [first] = this.#oldest.keys();
    if (this.#oldest.size > MAX_TARGETS) this.#oldest.delete(first!);
  }
}

/** A SEND as it is typed in `room`. */
export function typedAs(
  { args: [target = ""], body }: Request,
  room: string | undefined,
): string {
  const text = textOf({ body });
  if (target === room) return text;
  return target.startsWith("#") ? `${target}: ${text}` : `@${target}: ${text}`;
}

/** Users who joined, left or went offline, as a line. */
export function presenceText(
  presence: Presence,
  labelOf: (name: string) => string,
): string {
  const { kind, users, from, room, reason } = presence;
  const names = namesText(users.map(labelOf));
  const address = from === undefined ? "" : ` <${from}>`;
  if (kind !== "offline") {
    return `${names} ${kind} ${sanitizeName(room)}${address}`;
  }
  return `${names} went offline${reason ? ` (${reason})` : ""}`;
}
