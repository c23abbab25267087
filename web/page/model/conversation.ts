/**
 * One conversation: a room, a user, or all users. It has each message once, in
 * the order of the ids, however the message came.
 *
 * An own message without an answer has no id; it stands at the end. An entry
 * that is no message (a user who joined or left) stays where it was when it
 * came. After a restart of the server ids may begin again; older entries then
 * stay above.
 *
 * @module
 */
import type { ChatMessage, Presence } from "../../../core/frames.ts";
import type { Person } from "../../../core/requests.ts";
import { namesText } from "../../../core/text/sentences.ts";

/** Limit of stored entries; older ones are fetched again. */
export const MAX_KEPT = 5_000;

/** Limit of stored characters of messages; the last message always stays. */
export const MAX_KEPT_CHARACTERS = 16_000_000;

/** What a conversation is with. */
export type ConversationKind = "room" | "user" | "all";

/** Something that a conversation shows. */
export interface Entry {
  readonly kind: "message" | "event" | "error" | "answer";
  /** Of a message that the server has. */
  id: number | undefined;
  /** The order goes by it. */
  place: number;
  at: Date;
  /** The sender; empty of an entry that has none. */
  from: string;
  text: string;
  readonly own: boolean;
  /** Why a message was not sent, if it was refused. */
  why?: string;
  /** Events that are told in one line. */
  folded?: readonly string[];
}

/** See the top of the file. */
export class Conversation {
  /** What SEND names: `#room`, a user, or `ALL`. */
  target: string;
  readonly kind: ConversationKind;
  /** In the order in which they are shown. */
  readonly entries: Entry[] = [];
  /** The members' names, by the names in lower case. */
  readonly people: Map<string, string> = new Map();
  /** How many members there are, as the server counts them. */
  members = 0;
  /** How many messages the user has not seen. */
  unread = 0;
  /** Whether one of them mentions the user, or is private. */
  called = false;
  /** Entries after this place are new. */
  newAfter: number | undefined;
  /** Messages after this id are for this user; see Joined in core/resume.ts. */
  since = 0;
  /** Whether the server has no older messages. */
  complete = false;
  /** What is typed and not sent. */
  draft = "";
  readonly #known = new Set<number>();
  #base = 0; // what is added to ids to give places
  #droppedTo = 0; // messages up to this id are no longer stored
  #characters = 0; // of the messages

  constructor(kind: ConversationKind, target: string) {
    this.kind = kind;
    this.target = target;
  }

  /** Whether the message with this id is here, or was. */
  knows(id: number): boolean {
    return this.#known.has(id) || id <= this.#droppedTo;
  }

  /** The smallest id that is stored. */
  get oldest(): number | undefined {
    return this.entries.find(({ id, place }) =>
      id !== undefined && place === this.#base + id
    )?.id;
  }

  /** Whether an own message has no answer yet. */
  get waits(): boolean {
    return this.entries.at(-1)?.place === Infinity;
  }

  /** The place of the last entry that has one. */
  get end(): number {
    const last = this.entries.findLast(({ place }) => place < Infinity);
    return last?.place ?? this.#base;
  }

  /**
   * Takes a message.
   *
   * @param options `earlier` if it was asked for.
   * @returns Its entry; undefined if the message is known.
   */
  add(
    { id = 0, at, from, text, own }: Omit<ChatMessage, "to">,
    { earlier = false } = {},
  ): Entry | undefined {
    if (earlier ? this.#known.has(id) : this.knows(id)) return undefined;
    this.#known.add(id);
    const place = this.#base + id;
    const entry = this.#insert("message", { id, place, at, from, text, own });
    if (!earlier) this.#dropOld();
    return entry;
  }

  /** Takes an own message, which has no place yet. */
  addOwn(text: string): Entry {
    return this.#insert("message", { place: Infinity, text, own: true });
  }

  /**
   * Puts an own message where it belongs, now that the server has it. A message
   * to oneself comes as a FORWARD as well; it is shown once.
   */
  settle(
    entry: Entry,
    { id = 0, at, from }: Pick<ChatMessage, "id" | "at" | "from">,
  ): void {
    this.#remove(entry);
    if (this.knows(id)) return;
    this.#known.add(id);
    this.#place(Object.assign(entry, { id, at, from }), this.#base + id);
    this.#dropOld();
  }

  /** Marks an own message as not sent. */
  refuse(entry: Entry, why: string): void {
    this.#remove(entry);
    this.#place(Object.assign(entry, { why }), this.end);
  }

  /**
   * Takes an event, an error, or what a command found out. Events that follow
   * each other are one entry, unless they are `apart`.
   */
  note(
    kind: Exclude<Entry["kind"], "message">,
    text: string,
    { apart = false } = {},
  ): void {
    const last = this.entries.findLast(({ place }) => place < Infinity);
    const folds = kind === "event" && !apart;
    if (folds && last?.folded) {
      last.folded = [...last.folded.slice(1 - MAX_FOLDED), text];
      last.text = last.folded.join(" · ");
      return;
    }
    const entry = this.#insert(kind, { place: this.end, text });
    if (folds) entry.folded = [text];
    this.#dropOld();
  }

  /**
   * Counts a message that the user has not seen.
   *
   * @param after Entries after this place are new.
   * @param calls Whether it mentions the user, or is private.
   */
  count(after: number, calls: boolean): void {
    if (this.unread === 0) this.newAfter = after;
    this.unread++;
    this.called ||= calls;
  }

  /** Ids begin again; `since` is the one before the first for this user. */
  restart(since: number): void {
    this.#base = this.end;
    this.#known.clear();
    this.#droppedTo = 0;
    this.since = since;
    this.complete = true; // the server does not know the messages above
  }

  /** Replaces who is here. */
  setPeople(people: readonly Person[]): void {
    this.people.clear();
    for (const { name } of people) this.people.set(name.toLowerCase(), name);
    this.members = this.people.size;
  }

  /**
   * Keeps who is here, and notes who joined or left. A crowded room reports `me`
   * too, which is no news.
   */
  notePresence({ kind, users, members }: Presence, me: string): void {
    for (const name of users) {
      if (kind === "joined") this.people.set(name.toLowerCase(), name);
      else this.people.delete(name.toLowerCase());
    }
    this.members = members ?? this.members;
    const others = users.filter((name) => name !== me);
    const did = kind === "offline" ? "went offline" : kind;
    if (others.length > 0) this.note("event", `${namesText(others)} ${did}`);
  }

  /** Makes an entry; without a sender and of now, unless it is told otherwise. */
  #insert(
    kind: Entry["kind"],
    parts: Pick<Entry, "place" | "text"> & Partial<Entry>,
  ): Entry {
    const defaults = { id: undefined, at: new Date(), from: "", own: false };
    const entry = { ...defaults, ...parts, kind };
    this.#place(entry, entry.place);
    return entry;
  }

  #place(entry: Entry, place: number): void {
    entry.place = place;
    const before = this.entries.findLastIndex((one) => one.place <= place);
    this.entries.splice(before + 1, 0, entry);
    this.#characters += lengthOf(entry);
  }

  #remove(entry: Entry): void {
    const at = this.entries.indexOf(entry);
    if (at < 0) return;
    this.entries.splice(at, 1);
    this.#characters -= lengthOf(entry);
  }

  #dropOld(): void {
    while (
      this.entries.length > MAX_KEPT ||
      (this.#characters > MAX_KEPT_CHARACTERS && this.entries.length > 1)
    ) {
      const [oldest] = this.entries;
      if (!oldest || oldest.place === Infinity) return; // still to be sent
      this.#remove(oldest);
      const { id } = oldest;
      if (id === undefined) continue;
      this.#known.delete(id);
      this.#droppedTo = Math.max(this.#droppedTo, id);
      this.complete = false;
    }
  }
}

/** Messages count alone: events change when they fold, and are short. */
function lengthOf({ kind, text }: Entry): number {
  return kind === "message" ? text.length : 0;
}

/** Limit of events that are told in one line, the last ones. */
const MAX_FOLDED = 8;
