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
import { sanitize } from "../../../core/text/sanitize.ts";
import type { Chat } from "../model/chat.ts";
import type { Conversation, Entry } from "../model/conversation.ts";
import { arrange, byId, make } from "./dom.ts";

/** Entries that are shown at first, and that are added at a time. */
const PAGE = 100;

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
  #atEnd = true;
  #top = 0; // scrolled to, before
  #fetching = false;
  readonly #elements = new WeakMap<
    Entry,
    { readonly look: string; readonly element: HTMLElement }
  >();
  readonly #days = new Map<string, HTMLElement>();
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

  /** Whether the newest message is in sight. */
  get atEnd(): boolean {
    return this.#atEnd;
  }

  /** Goes to the end with the next draw, to show an own message. */
  follow(): void {
    this.#atEnd = true;
  }

  /** Shows what there is now. */
  draw(): void {
    const { current } = this.#chat;
    if (current !== this.#shown) {
      this.#shown = current;
      this.#count = PAGE;
      this.#atEnd = true;
      this.#scroller.ariaLabel = `Messages ${titleOf(current)}`;
    } else if (!this.#atEnd) {
      // A user who reads above keeps the place while messages come below.
      this.#count += Math.max(0, current.entries.length - this.#lastTotal);
    } else {
      this.#count = Math.min(this.#count, PAGE);
    }
    this.#lastTotal = current.entries.length;
    const hidden = Math.max(0, current.entries.length - this.#count);
    this.#earlier.hidden = hidden === 0 &&
      (current.kind !== "room" || current.complete);
    this.#empty.hidden = current.entries.length > 0;
    this.#empty.textContent = EMPTY[current.kind];
    arrange(this.#list, this.#rows(current, hidden));
    this.#stay();
  }

  #rows(conversation: Conversation, hidden: number): HTMLElement[] {
    const rows: HTMLElement[] = [];
    let isNew = false;
    let before: Entry | undefined;
    for (const entry of conversation.entries.slice(hidden)) {
      const day = dayOf(entry.at);
      if (!before || dayOf(before.at) !== day) rows.push(this.#day(day));
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
    const { place, text, why } = entry;
    const look = `${first} ${place} ${why ?? ""} ${text}`;
    const known = this.#elements.get(entry);
    if (known?.look === look) return known.element;
    const element = entry.kind === "message"
      ? messageElement(entry, { first, me: this.#chat.me })
      : entry.kind === "answer"
      ? answerElement(text)
      : make("li", { className: CLASSES[entry.kind] }, sanitize(text));
    this.#elements.set(entry, { look, element });
    return element;
  }

  #day(day: string): HTMLElement {
    const known = this.#days.get(day);
    if (known) return known;
    const element = make("li", { className: "day" }, day);
    this.#days.set(day, element);
    return element;
  }

  #scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // Only scrolling up leaves the end: the end moves when a message comes.
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#atEnd = true;
    else if (scrollTop < this.#top) this.#atEnd = false;
    this.#top = scrollTop;
    this.#toEnd.hidden = this.#atEnd;
    if (scrollTop === 0 && !this.#atEnd) this.#showEarlier();
    if (this.#atEnd) this.#chat.see();
  }

  /** Keeps the end in sight if it was. */
  #stay(): void {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#toEnd.hidden = this.#atEnd;
  }

  #goToEnd(): void {
    this.#atEnd = true;
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
    this.#atEnd = false;
    this.#lastTotal = conversation.entries.length;
    this.#count += PAGE;
    this.draw();
    this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
    this.#scrolled();
  }
}

/** What a conversation is called. */
export function nameOf({ kind, target }: Conversation): string {
  return kind === "all" ? "All users" : sanitize(target);
}

/** The same, after what is in it. */
export function titleOf(conversation: Conversation): string {
  const word = { all: "to", room: "in", user: "with" }[conversation.kind];
  return `${word} ${nameOf(conversation)}`;
}

function messageElement(
  entry: Entry,
  { first, me }: { readonly first: boolean; readonly me: string },
): HTMLElement {
  const { own, from, at, text, why, id } = entry;
  const state = why !== undefined
    ? "refused"
    : id === undefined
    ? "waiting"
    : "";
  const name = own ? "You" : sanitize(from);
  const sender = make("span", { className: first && !own ? "who" : "unseen" });
  sender.append(first && !own ? name : `${name}: `);
  colour(sender, from);
  const time = make("time", { dateTime: at.toISOString() }, timeOf(at));
  time.title = at.toLocaleString();
  const meta = make("span", { className: "meta" }, time);
  if (state === "waiting") meta.replaceChildren("sending…");
  if (why !== undefined) meta.replaceChildren(`Not sent. ${sanitize(why)}`);
  const words = make("div", { className: "text", dir: "auto" });
  words.append(...textNodes(text, own ? "" : me));
  const bubble = make("div", { className: "bubble" }, sender, words, meta);
  const classes = ["message", own ? "own" : "", first ? "first" : "", state];
  return make(
    "li",
    { className: classes.filter(Boolean).join(" ") },
    ...(own ? [] : [avatar(from)]),
    bubble,
  );
}

/**
 * The text of a message; a link shows where it leads.
 *
 * @param me The name whose mentions are marked; empty in own messages.
 */
function textNodes(text: string, me: string): (Node | string)[] {
  return textParts(sanitize(text, { lines: true }), me).map((part) => {
    if (part.kind === "link") {
      const rel = "noopener noreferrer nofollow";
      return make("a", { href: part.href, target: "_blank", rel }, part.text);
    }
    return part.kind === "mention" ? make("mark", {}, part.text) : part.text;
  });
}

/** Gives `element` the colour of a name. */
export function colour(element: HTMLElement, name: string): void {
  element.style.setProperty("--hue", `${nameHash(name) % 360}`);
}

/** A circle with the first letter of a name. */
export function avatar(name: string): HTMLElement {
  const letter = sanitize(name).slice(0, 1);
  const looks = { className: "avatar", ariaHidden: "true" };
  const circle = make("span", looks, letter);
  colour(circle, name);
  return circle;
}

/** What a command found out, line by line. */
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

function dayOf(at: Date): string {
  return at.toLocaleDateString(undefined, {
    weekday: "long",
    day: "numeric",
    month: "long",
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

/** What a conversation without messages shows. */
const EMPTY: Readonly<Record<Conversation["kind"], string>> = {
  room: "No messages yet. Say hello!",
  user: "Private messages. The server can read them.",
  all: "All connected users get these messages.",
};
