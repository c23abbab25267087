/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The messages of the conversation that is shown. Only the last ones are in
 * the page, and more while the user scrolls up. A user at the end stays there
 * when messages come. Texts of users are nodes with links and mentions; the
 * colour of a name is the same on every page.
 *
 * @module
 */
import { nameHash, textParts } from "../../../core/text/marks.ts";
import { sanitize, sanitizeName } from "../../../core/text/sanitize.ts";
import type { Nicks } from "../../../core/text/nicks.ts";
import type { Chat } from "../model/chat.ts";
import type { Conversation, Entry } from "../model/conversation.ts";
import { arrange, byId, make } from "./dom.ts";

/** Entries that are shown at first, and that are added at a time. */
const PAGE = 100;

/** A longer message shows its beginning first, in UTF-16 units. */
const MAX_CHARACTERS = 5_000;

/** So does one of more lines. */
const LINES = /^(?:[^\n]*\n){0,99}[^\n]*/;

/** A longer message is laid out only in sight, in UTF-16 units. */
const LONG = 1_000;

/** Entries that are shown above the first new one. */
const CONTEXT = 20;

/** Messages of one user within so many milliseconds are one group. */
const GROUP_MS = 5 * 60_000;

/** A user this near to the end is at the end, in pixels. */
const NEAR_END = 48;

/** See the top of the file. */
export class MessageList {
  readonly #chat: Chat;
  readonly #scroller = byId("scroller");
  readonly #list = byId("messages");
  readonly #earlier = byId("earlier", HTMLButtonElement);
  readonly #toEnd = byId("to-end", HTMLButtonElement);
  readonly #empty = byId("empty");
  #shown: Conversation | undefined;
  #count = PAGE; // of the entries, the last ones
  #lastTotal = 0;
  #top = 0; // scrolled to, before
  #fetching = false;
  readonly #elements = new WeakMap<
    Entry,
    { readonly look: string; readonly element: HTMLElement }
  >();
  readonly #days = new WeakMap<Entry, HTMLElement>(); // above them
  readonly #places = new WeakMap<Conversation, Place>();
  readonly #newMark = make("li", { className: "new" }, "New");

  /** @param signal Ends it. */
  constructor(chat: Chat, signal: AbortSignal) {
    this.#chat = chat;
    const options = { signal, passive: true };
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), options);
    this.#earlier.addEventListener("click", () => this.#showEarlier(), options);
    this.#toEnd.addEventListener("click", () => this.#goToEnd(), options);
    const watcher = new ResizeObserver(() => this.#stay());
    watcher.observe(this.#scroller);
    watcher.observe(this.#list);
    signal.addEventListener("abort", () => watcher.disconnect());
  }

  /** Shows what there is now. */
  draw(): void {
    const { current } = this.#chat;
    const isOpened = current !== this.#shown;
    if (isOpened) this.#open(current);
    if (!this.#chat.atEnd) {
      // A user who reads above keeps the place while messages come below.
      this.#count += Math.max(0, current.entries.length - this.#lastTotal);
    } else {
      this.#count = Math.min(this.#count, PAGE);
    }
    this.#lastTotal = current.entries.length;
    const hidden = Math.max(0, current.entries.length - this.#count);
    this.#earlier.hidden = hidden === 0 && !current.hasOlder;
    this.#empty.hidden = current.entries.length > 0 || !this.#earlier.hidden;
    this.#empty.textContent = EMPTY[current.kind];
    arrange(this.#list, this.#rows(current, hidden));
    if (isOpened && !this.#chat.atEnd) {
      const place = this.#places.get(current);
      if (!place) this.#newMark.scrollIntoView();
      else this.#scroller.scrollTop += topOf(place.row) - place.top;
      this.#chat.atEnd = this.#left < NEAR_END;
    }
    this.#stay();
    this.#chat.see();
  }

  /** Turns to another conversation: to where the user has read above its end. */
  #open(conversation: Conversation): void {
    const top = topOf(this.#scroller);
    const row = [...this.#list.children].find((one) =>
      one.getBoundingClientRect().bottom > top
    );
    if (this.#shown?.readAbove && row) {
      const [count, total] = [this.#count, this.#lastTotal];
      this.#places.set(this.#shown, { row, top: topOf(row), count, total });
    }
    const { unread, readAbove, entries } = conversation;
    if (!readAbove) this.#places.delete(conversation);
    const place = this.#places.get(conversation);
    this.#shown = conversation;
    this.#count = place?.count ?? Math.max(PAGE, unread + CONTEXT);
    this.#lastTotal = place?.total ?? entries.length;
    this.#scroller.ariaLabel = `Messages ${
      titleOf(conversation, this.#chat.nicks)
    }`;
  }

  #rows(conversation: Conversation, hidden: number): HTMLElement[] {
    const rows: HTMLElement[] = [];
    let isNew = false;
    let last = "";
    let before: Entry | undefined;
    for (const entry of conversation.entries.slice(hidden)) {
      if (this.#chat.ignores(entry.from)) continue;
      const day = dayOf(entry.at);
      if (day !== last) rows.push(this.#day(entry, day));
      last = day;
      if (!isNew && isAfter(entry, conversation.newAfter)) {
        isNew = true;
        rows.push(this.#newMark);
        before = undefined;
      }
      rows.push(this.#element(entry, !follows(entry, before)));
      before = entry;
    }
    return rows;
  }

  /** @param first Whether it is the first of its group. */
  #element(entry: Entry, first: boolean): HTMLElement {
    const { from, place, text, why } = entry;
    const nick = this.#chat.nicks.of(from) ?? "";
    const look = `${first} ${place} ${why ?? ""} ${nick} ${text}`;
    const known = this.#elements.get(entry);
    if (known?.look === look) return known.element;
    const element = entry.kind === "message"
      ? this.#message(entry, first)
      : entry.kind === "answer"
      ? answerElement(text)
      : make("li", { className: CLASSES[entry.kind] }, sanitize(text));
    this.#elements.set(entry, { look, element });
    return element;
  }

  /**
   * A message; one that was refused has a button that sends it again, and a
   * long one a button that shows all of it.
   */
  #message(entry: Entry, first: boolean): HTMLElement {
    const { me, nicks, current } = this.#chat;
    const label = nicks.labelOf(entry.own ? me : entry.from);
    const element = messageElement(entry, { first, me, label });
    const meta = element.querySelector(".meta")!; // it has one
    const add = (text: string, onclick: () => void) => {
      const button = make("button", { className: "again", onclick }, text);
      meta.append(" ", button);
      return button;
    };
    if (entry.why !== undefined) {
      add("Send again", () => this.#chat.sendAgain(current, entry));
    }
    if (!beginning(entry.text).isAll) {
      const button = add("Show all", () => {
        const { scrollTop } = this.#scroller;
        const words = wordsElement(sanitized(entry.text), entry.own ? "" : me);
        element.querySelector(".text")?.replaceWith(words);
        button.remove();
        this.#scroller.scrollTop = scrollTop; // what is read stays in sight
        this.#chat.atEnd = this.#left < NEAR_END;
        this.#scroller.focus();
      });
    }
    return element;
  }

  /** The heading above the first entry of a day. */
  #day(entry: Entry, day: string): HTMLElement {
    const known = this.#days.get(entry);
    if (known?.textContent === day) return known;
    const element = make("li", { className: "day" }, day);
    this.#days.set(entry, element);
    return element;
  }

  #scrolled(): void {
    const chat = this.#chat;
    const { scrollTop } = this.#scroller;
    // Only scrolling up leaves the end: the end moves when a message comes.
    if (this.#left < NEAR_END) chat.atEnd = true;
    else if (scrollTop < this.#top) chat.atEnd = false;
    this.#top = scrollTop;
    this.#toEnd.hidden = chat.atEnd;
    if (scrollTop === 0 && !chat.atEnd) this.#showEarlier();
    chat.see();
  }

  /** The height of the messages below those in sight, in pixels. */
  get #left(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** Keeps the end in sight if it was. */
  #stay(): void {
    const { atEnd, current: { unread } } = this.#chat;
    if (atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#toEnd.hidden = atEnd;
    this.#toEnd.textContent = unread > 0 ? `${unread} new ↓` : "To the end ↓";
  }

  #goToEnd(): void {
    this.#chat.atEnd = true;
    this.draw();
    this.#scroller.focus();
  }

  async #showEarlier(): Promise<void> {
    const conversation = this.#chat.current;
    if (this.#fetching || this.#earlier.hidden) return;
    this.#fetching = true;
    const hidden = conversation.entries.length - this.#count;
    if (hidden <= 0) await this.#chat.earlier(conversation);
    this.#fetching = false;
    if (conversation !== this.#chat.current) return;
    const fromEnd = this.#scroller.scrollHeight - this.#scroller.scrollTop;
    this.#chat.atEnd = false;
    this.#lastTotal = conversation.entries.length;
    this.#count += PAGE;
    this.draw();
    this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
    this.#scrolled();
  }
}

/** The place where a user reads a conversation, above its end. */
interface Place {
  /** The first row in sight. */
  readonly row: Element;
  /** Its distance from the top, in pixels. */
  readonly top: number;
  /** The number of entries that are shown, the last ones. */
  readonly count: number;
  /** The number of all entries. */
  readonly total: number;
}

function topOf(element: Element): number {
  return element.getBoundingClientRect().top;
}

/** The name of a conversation. */
export function nameOf(
  { kind, target }: Conversation,
  nicks: Nicks,
): string {
  if (kind === "all") return "All users";
  return kind === "user" ? nicks.labelOf(target) : sanitizeName(target);
}

/** The parts of a user's label: where there is no room, only a display name is cut. */
export function labelParts(label: string, name: string): (Node | string)[] {
  const at = label.lastIndexOf(` (${sanitizeName(name)})`);
  if (at < 0) return [label];
  const nick = make("span", { className: "nick" }, label.slice(0, at));
  return [nick, make("span", {}, label.slice(at))];
}

/** The name of a conversation, after a noun for its content. */
export function titleOf(conversation: Conversation, nicks: Nicks): string {
  const word = { all: "to", room: "in", user: "with" }[conversation.kind];
  return `${word} ${nameOf(conversation, nicks)}`;
}

function messageElement(
  entry: Entry,
  { first, me, label }: {
    readonly first: boolean;
    readonly me: string;
    readonly label: string;
  },
): HTMLElement {
  const { own, from, at, text, why, id } = entry;
  const state = why !== undefined
    ? "refused"
    : id === undefined
    ? "waiting"
    : "";
  const who = make(
    "bdi",
    { className: "who", ariaHidden: "true" },
    own ? "You" : label,
  );
  colour(who, from);
  // Screen readers read this, and it is copied.
  const head = make(
    "span",
    { className: "unseen" },
    `${label} ${timeOf(at)}: `,
  );
  const time = make("time", { dateTime: at.toISOString() }, timeOf(at));
  time.title = at.toLocaleString();
  time.ariaHidden = "true";
  const meta = make("span", { className: "meta" }, time);
  if (state === "waiting") meta.replaceChildren("sending…");
  if (why !== undefined) meta.replaceChildren(`Not sent. ${sanitize(why)}`);
  const { shown, isAll } = beginning(text);
  const words = wordsElement(isAll ? shown : `${shown} …`, own ? "" : me);
  const bubble = make("div", { className: "bubble" }, who, head, words, meta);
  const classes = [
    ...["message", own ? "own" : "", first ? "first" : "", state],
    text.length > LONG ? "long" : "",
  ];
  return make(
    "li",
    { className: classes.filter(Boolean).join(" ") },
    ...(own ? [] : [avatar(from)]),
    bubble,
  );
}

/**
 * What is shown of a text until the user asks for all, sanitized. A hundred of
 * the longest messages would stop the page for a minute.
 */
function beginning(text: string): { shown: string; isAll: boolean } {
  const start = text.slice(0, MAX_CHARACTERS);
  // Half a character is left out.
  const clean = sanitized(start.replace(/[\ud800-\udbff]$/, ""));
  const lines = LINES.exec(clean)![0]; // matches always
  const shown = lines.slice(0, MAX_CHARACTERS);
  return { shown, isAll: start === text && shown === clean };
}

function sanitized(text: string): string {
  return sanitize(text, { lines: true, tabs: true });
}

/**
 * A sanitized text of a message; a link shows where it leads.
 *
 * @param me The name whose mentions are marked; empty in own messages.
 */
function wordsElement(text: string, me: string): HTMLElement {
  const nodes = textParts(text, me).map((part) => {
    if (part.kind === "link") {
      const rel = "noopener noreferrer nofollow";
      return make("a", { href: part.href, target: "_blank", rel }, part.text);
    }
    return part.kind === "mention" ? make("mark", {}, part.text) : part.text;
  });
  const words = make("div", { className: "text" }, ...nodes);
  // An element that has it looks at all its children for each that comes.
  words.dir = "auto";
  return words;
}

/** Gives `element` the colour of a name. */
export function colour(element: HTMLElement, name: string): void {
  element.style.setProperty("--hue", `${nameHash(name) % 360}`);
}

/** A circle with the first letter of a name. */
export function avatar(name: string): HTMLElement {
  const letter = sanitizeName(name).slice(0, 1);
  const looks = { className: "avatar", ariaHidden: "true" };
  const circle = make("span", looks, letter);
  colour(circle, name);
  return circle;
}

/** The result of a command, line by line. */
function answerElement(text: string): HTMLElement {
  const rows = sanitize(text, { lines: true }).split("\n").map((row) =>
    make("div", {}, row)
  );
  return make("li", { className: "answer" }, ...rows);
}

/** Whether a message belongs to the group of the one before. */
function follows(entry: Entry, before: Entry | undefined): boolean {
  if (!before || entry.kind !== "message" || before.kind !== "message") {
    return false;
  }
  const same = entry.own === before.own &&
    (entry.own || entry.from === before.from);
  return same && entry.at.getTime() - before.at.getTime() < GROUP_MS;
}

function isAfter(
  { kind, own, place: its }: Entry,
  place: number | undefined,
): boolean {
  return place !== undefined && kind === "message" && !own && its > place;
}

/** A day, with the year if it is not this one. */
function dayOf(at: Date): string {
  const isThisYear = at.getFullYear() === new Date().getFullYear();
  return at.toLocaleDateString(undefined, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(isThisYear ? {} : { year: "numeric" }),
  });
}

function timeOf(at: Date): string {
  return at.toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** The classes of events and errors. */
const CLASSES = { event: "event", error: "fault" };

/** The text that a conversation without messages shows. */
const EMPTY: Readonly<Record<Conversation["kind"], string>> = {
  room: "No messages yet. Say hello!",
  user: "Private messages. The server can read them.",
  all: "All connected users get these messages.",
};
