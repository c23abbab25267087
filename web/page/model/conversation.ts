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
import {
  type ChatMessage,
  MODERATOR,
  type Presence,
} from "../../../core/frames.ts";
import type { Person } from "../../../core/requests.ts";
import { lookAlike } from "../../../protocol.ts";
import { namesText } from "../../../core/text/sentences.ts";

/** Limit of stored entries; older ones are fetched again. */
export const MAX_KEPT = 5_000;

/** Limit of stored characters of messages; the last message always stays. */
export const MAX_KEPT_CHARACTERS = 16_000_000;

/** The kinds of a conversation. */
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
  /** The reason why a message was refused. */
  why?: string;
  /** Events that are told in one line. */
  folded?: readonly string[];
}

/** See the top of the file. */
export class Conversation {
  /** The target of SEND: `#room`, a user, or `ALL`. */
  target: string;
  readonly kind: ConversationKind;
  /** The entries, in the order in which they are shown. */
  readonly entries: Entry[] = [];
  /** The members' names, by the names in lower case. */
  readonly people: Map<string, string> = new Map();
  /** Which of them are moderators, by the names in lower case. */
  readonly moderators: Set<string> = new Set();
  /** The number of members, as the server counts them. */
  members = 0;
  /** The user who owns it, if it is a private room. */
  owner = "";
  /** The number of messages that the user has not seen. */
  unread = 0;
  /** Whether an unseen message mentions the user, or is private. */
  called = false;
  /** Entries after this place are new. */
  newAfter: number | undefined;
  /** Messages after this id are for this user; see `JoinedRoom` in core/. */
  since = 0;
  /** Whether the server gives the messages of this conversation again. */
  isStored: boolean;
  /** Whether the server is known to have older messages. */
  hasOlder = false;
  /** Whether the user was above the end when another conversation was shown. */
  readAbove = false;
  /** The text that is typed and not sent. */
  draft = "";
  /** The first line of a paste of several lines. */
  pasted = "";
  /** Whether the user of a private conversation is known to be away. */
  gone = false;
  /** Whether the user has written here. */
  mine = false;
  /** The sender of the last private message when the draft was begun. */
  begun: { readonly lastSender: string | undefined } | undefined;
  readonly #known = new Set<number>();
  #base = 0; // ids plus this number are places
  #droppedTo = 0; // messages up to this id are no longer stored
  #characters = 0; // of the messages

  constructor(kind: ConversationKind, target: string) {
    this.kind = kind;
    this.target = target;
    this.isStored = kind === "room";
  }

  /** Whether the message with this id is here, or was. */
  knows(id: number): boolean {
    return this.#known.has(id) || id <= this.#droppedTo;
  }

  /** The number of stored characters of messages. */
  get characters(): number {
    return this.#characters;
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
    if (!earlier) this.shrink();
    return entry;
  }

  /** Takes an own message, which has no place yet. */
  addOwn(text: string, at: Date = new Date()): Entry {
    return this.#insert("message", { place: Infinity, at, text, own: true });
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
    this.shrink();
  }

  /** Marks an own message as not sent; it stays behind what is at `place`. */
  refuse(entry: Entry, why: string, place: number = this.end): void {
    this.#remove(entry);
    this.#place(Object.assign(entry, { why }), place);
  }

  /**
   * Takes an event, an error, or what a command found out. Events of a day that
   * follow each other are one entry, unless they are `apart`. The clock of the
   * page may be wrong: what has no time of the server has that of the entry above.
   */
  note(
    kind: Exclude<Entry["kind"], "message">,
    text: string,
    { apart = false, at }: { apart?: boolean; at?: Date } = {},
  ): void {
    const last = this.entries.findLast(({ place }) => place < Infinity);
    const when = at ?? last?.at ?? new Date();
    const folds = kind === "event" && !apart;
    const sameDay = last?.at.toDateString() === when.toDateString();
    if (folds && last?.folded && sameDay) {
      last.folded = [...last.folded.slice(1 - MAX_FOLDED), text];
      last.text = last.folded.join(" · ");
      return;
    }
    const entry = this.#insert(kind, { place: this.end, at: when, text });
    if (folds) entry.folded = [text];
    this.shrink();
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

  /** The id of the newest message that the server has. */
  get newest(): number {
    return this.entries.findLast(({ id }) => id !== undefined)?.id ?? 0;
  }

  /** The user has read, on another device, what is here up to an id. */
  readTo(id: number): void {
    const place = this.#base + id;
    const left =
      this.entries.filter((one) =>
        one.kind === "message" && !one.own && one.place > place &&
        one.place < Infinity
      ).length;
    if (left >= this.unread) return;
    this.unread = left;
    this.called &&= left > 0;
    this.newAfter = left > 0 ? place : undefined;
  }

  /** Ids begin again; `since` is the one before the first for this user. */
  restart(since: number): void {
    this.#base = this.end;
    this.#known.clear();
    this.#droppedTo = 0;
    this.since = since;
    this.hasOlder = false; // the server does not know the messages above
  }

  /**
   * The user has typed or pasted, and the draft is `text` now.
   *
   * @param inserted What was put in; only a paste has more than a line break.
   */
  type(text: string, inserted = ""): void {
    this.draft = text;
    const isFirst = text.trimStart().startsWith(inserted.trimStart());
    if (text === "") {
      this.pasted = "";
      this.begun = undefined;
    }
    if (isFirst && /\n[^]|[^]\n/.test(inserted)) {
      [this.pasted = ""] = inserted.trim().split("\n", 1);
    }
  }

  /** Whether `text` begins with pasted lines: it is sent as it is. */
  isPaste(text: string): boolean {
    return this.pasted !== "" && text.trimStart().startsWith(this.pasted);
  }

  /** Notes that the user that it is with has gone, or is back, if that is new. */
  noteGone(gone: boolean, text: string, at?: Date): void {
    if (this.gone === gone) return;
    this.gone = gone;
    this.note("event", text, at && { at });
  }

  /** Takes back an own message that was refused. */
  takeBack(entry: Entry): void {
    this.#remove(entry);
  }

  /** Whether a user is here, or it is with that user. */
  has(name: string): boolean {
    return this.kind === "user"
      ? lookAlike(this.target) === lookAlike(name)
      : this.kind === "room" && this.people.has(name.toLowerCase());
  }

  /** Replaces who is here. */
  setPeople(people: readonly Person[]): void {
    this.people.clear();
    this.moderators.clear();
    for (const { name, details: [, , role] } of people) {
      this.people.set(name.toLowerCase(), name);
      if (role === MODERATOR) this.moderators.add(name.toLowerCase());
    }
    this.members = this.people.size;
  }

  /** Keeps who is a moderator. */
  setModerator(name: string, isModerator: boolean): void {
    if (isModerator) this.moderators.add(name.toLowerCase());
    else this.moderators.delete(name.toLowerCase());
  }

  /**
   * Keeps who is here, and notes who joined or left, of those who are `news`. A
   * private conversation takes that of any room.
   */
  notePresence(
    { kind, users, members }: Presence,
    { news, labelOf, at }: {
      news(name: string): boolean;
      labelOf(name: string): string;
      readonly at: Date;
    },
  ): void {
    if (this.kind === "user") {
      const target = lookAlike(this.target);
      const name = users.find((one) => lookAlike(one) === target);
      const gone = kind === "offline";
      const did = gone ? "went offline" : "is back";
      if (name && kind !== "left") {
        this.noteGone(gone, `${labelOf(name)} ${did}`, at);
      }
      return;
    }
    for (const name of users) {
      if (kind === "joined") this.people.set(name.toLowerCase(), name);
      else this.people.delete(name.toLowerCase());
    }
    this.members = members ?? this.members;
    const others = users.filter(news);
    const did = kind === "offline" ? "went offline" : kind;
    if (others.length === 0) return;
    this.note("event", `${namesText(others.map(labelOf))} ${did}`, { at });
  }

  /** Makes an entry; without a sender and of now, unless it is told otherwise. */
  #insert(
    kind: Entry["kind"],
    parts: Pick<Entry, "place" | "text"> & Partial<Entry>,
  ): Entry {
    const defaults = { id: undefined, at: new Date(), from: "", own: false };
    const entry = { ...defaults, ...parts, kind };
    this.mine ||= entry.own;
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

  /** Drops the oldest entries until so many characters of messages are left. */
  shrink(characters = MAX_KEPT_CHARACTERS): void {
    while (
      this.entries.length > MAX_KEPT ||
      (this.#characters > characters && this.entries.length > 1)
    ) {
      const [oldest] = this.entries;
      if (!oldest || oldest.place === Infinity) return; // still to be sent
      this.#remove(oldest);
      const { id } = oldest;
      if (id === undefined) continue;
      this.#known.delete(id);
      this.#droppedTo = Math.max(this.#droppedTo, id);
      this.hasOlder = this.isStored;
    }
  }
}

/** Messages count alone: events change when they fold, and are short. */
function lengthOf({ kind, text }: Entry): number {
  return kind === "message" ? text.length : 0;
}

/** Limit of events that are told in one line, the last ones. */
const MAX_FOLDED = 8;
