/**
 * Messages on the way to the screen: which are shown, and how they are named.
 * core/session.ts has put them in order.
 *
 * @module
 */
import { type ChatMessage, textOf } from "../../core/frames.ts";
import type { Request } from "../../core/net/connection.ts";
import type { Item } from "../view/view.ts";

/** Above this, messages that wait for a connection are only counted. */
const MAX_UNSENT_SHOWN = 20;

/** The messages of one session. */
export class Messages {
  /** The user who last sent us a private message. */
  lastSender: string | undefined;
  readonly #echo: boolean;
  readonly #show: (item: Item) => void;
  readonly #ignored = new Set<string>();
  readonly #oldest = new Map<string, number>(); // id that was shown, by room

  /**
   * Nothing is shown yet.
   *
   * @param echo Whether our own messages are shown.
   */
  constructor(echo: boolean, show: (item: Item) => void) {
    this.#echo = echo;
    this.#show = show;
  }

  /** Shows a message, unless it is hidden; `old` for one of a history. */
  show(
    { id, at, from, to, text, own }: ChatMessage,
    { isSent = false, old = false } = {},
  ): void {
    const isRoom = to.startsWith("#");
    if (id !== undefined && isRoom) this.#mark(to, id);
    if (this.ignores(from)) return;
    const isPrivate = !isRoom && to !== "ALL";
    const isForUs = isPrivate && !isSent;
    if (isForUs) this.lastSender = from;
    if (own && !this.#echo && !old) return;
    this.#show({
      kind: "message",
      at,
      from: isPrivate && isSent ? "you" : from,
      to: isForUs ? "you" : to,
      text,
      ...(old ? { old } : {}),
    });
  }

  /**
   * The messages among `requests` that are not sent yet, a line each, as many as
   * fit a screen. None if our own messages are not shown.
   */
  unsent(requests: readonly Request[]): string[] {
    if (!this.#echo) return [];
    const sends = requests.filter(({ verb }) => verb === "SEND");
    const lines = sends.slice(0, MAX_UNSENT_SHOWN).map(typedAs);
    const more = sends.length - lines.length;
    return more > 0 ? [...lines, `And ${more} more`] : lines;
  }

  /** The id of the oldest message of `room` that was shown. */
  oldestOf(room: string): number | undefined {
    return this.#oldest.get(room.toLowerCase());
  }

  /** Forgets which ids were shown: the server counts anew. */
  restart(): void {
    this.#oldest.clear();
  }

  /** Whether the messages of `user` are hidden from now on. */
  ignore(user: string, ignored: boolean): void {
    if (ignored) this.#ignored.add(user.toLowerCase());
    else this.#ignored.delete(user.toLowerCase());
  }

  /** Whether the messages of `user` are hidden. */
  ignores(user: string): boolean {
    return this.#ignored.has(user.toLowerCase());
  }

  /** The users whose messages are hidden, in lower case. */
  get ignored(): string[] {
    return [...this.#ignored].sort();
  }

  #mark(room: string, id: number): void {
    const key = room.toLowerCase();
    this.#oldest.set(key, Math.min(id, this.#oldest.get(key) ?? Infinity));
  }
}

/** A SEND as the line that waits for it. */
function typedAs({ args: [target = ""], body }: Request): string {
  const text = textOf({ body });
  return `Queued: ${target.startsWith("#") ? text : `@${target}: ${text}`}`;
}
