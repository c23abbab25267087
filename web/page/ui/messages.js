// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The messages of the conversation that is shown. Only the last ones are in
 * the page, however many there are, and more when somebody reads upwards; who
 * is at the end stays there.
 *
 * @module
 */
import { arrange, byId, make } from "./dom.js";
import { avatar, hueOf, line, lines, message } from "./text.js";

/** @import { Chat } from "../model/chat.js" */
/** @import { Conversation, Entry } from "../model/conversation.js" */

/** So many entries are shown at first, and so many more at a time. */
const PAGE = 100;

/** Messages of one person within so many milliseconds are one group. */
const GROUP_MS = 5 * 60_000;

/** So near the end is at the end, in pixels. */
const NEAR_END = 48;

/** See the top of the file. */
export class MessageList {
  #chat;
  #scroller = byId("scroller");
  #list = byId("messages");
  #earlier = byId("earlier", HTMLButtonElement);
  #toEnd = byId("to-end", HTMLButtonElement);
  #empty = byId("empty");
  /** @type {Conversation | undefined} */
  #shown;
  #count = PAGE; // of the entries, the last ones
  #lastTotal = 0;
  #atEnd = true;
  #top = 0; // where we were
  #fetching = false;
  /** @type {WeakMap<Entry, { look: string, element: HTMLElement }>} */
  #elements = new WeakMap();
  /** @type {Map<string, HTMLElement>} */
  #days = new Map();
  #newMark = make("li", { className: "new" }, "New");

  /** @param {Chat} chat @param {AbortSignal} signal Ends it. */
  constructor(chat, signal) {
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
  get atEnd() {
    return this.#atEnd;
  }

  /** Goes to the end with the next draw: something of ours is there. */
  follow() {
    this.#atEnd = true;
  }

  /** Shows what there is now. */
  draw() {
    const { current } = this.#chat;
    if (current !== this.#shown) {
      this.#shown = current;
      this.#count = PAGE;
      this.#atEnd = true;
      this.#scroller.setAttribute(
        "aria-label",
        `Messages ${titleOf(current)}`,
      );
    } else if (!this.#atEnd) {
      // Who reads above keeps what he reads, however much is added below.
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

  /** @param {Conversation} conversation @param {number} hidden @returns {HTMLElement[]} */
  #rows(conversation, hidden) {
    const rows = [];
    let isNew = false;
    /** @type {Entry | undefined} */
    let before = undefined;
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

  /** @param {Entry} entry @param {boolean} first Of its group. */
  #element(entry, first) {
    const { place, text, why } = entry;
    const look = `${first} ${place} ${why ?? ""} ${text}`;
    const known = this.#elements.get(entry);
    if (known?.look === look) return known.element;
    const element = entry.kind === "message"
      ? messageElement(entry, { first, me: this.#chat.me })
      : make("li", { className: CLASSES[entry.kind] }, lines(text));
    this.#elements.set(entry, { look, element });
    return element;
  }

  /** @param {string} day */
  #day(day) {
    const known = this.#days.get(day);
    if (known) return known;
    const element = make("li", { className: "day" }, day);
    this.#days.set(day, element);
    return element;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // Only who goes up leaves the end: it also moves when something is added.
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#atEnd = true;
    else if (scrollTop < this.#top) this.#atEnd = false;
    this.#top = scrollTop;
    this.#toEnd.hidden = this.#atEnd;
    if (scrollTop === 0 && !this.#atEnd) this.#showEarlier();
    if (this.#atEnd) this.#chat.see();
  }

  /** Keeps the end in sight if it was. */
  #stay() {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#toEnd.hidden = this.#atEnd;
  }

  #goToEnd() {
    this.#atEnd = true;
    this.draw();
    this.#scroller.focus();
  }

  async #showEarlier() {
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

/** A conversation in words. @param {Conversation} conversation */
export function titleOf({ kind, target }) {
  if (kind === "all") return "to everybody";
  return kind === "room" ? `in ${line(target)}` : `with ${line(target)}`;
}

/** @param {Entry} entry @param {{ first: boolean, me: string }} options */
function messageElement(entry, { first, me }) {
  const { own, from, at, text, why, id } = entry;
  const state = why !== undefined
    ? "refused"
    : id === undefined
    ? "waiting"
    : "";
  const name = own ? "You" : line(from);
  const who = make("span", { className: first && !own ? "who" : "unseen" });
  who.append(first && !own ? name : `${name}: `);
  who.style.setProperty("--hue", `${hueOf(from)}`);
  const time = make("time", { dateTime: at.toISOString() }, timeOf(at));
  time.title = at.toLocaleString();
  const meta = make("span", { className: "meta" }, time);
  if (state === "waiting") meta.replaceChildren("sending…");
  if (why !== undefined) meta.replaceChildren(`Not sent. ${line(why)}`);
  const words = make("div", { className: "text", dir: "auto" });
  words.append(...message(text, own ? "" : me));
  const bubble = make("div", { className: "bubble" }, who, words, meta);
  const classes = ["message", own ? "own" : "", first ? "first" : "", state];
  return make(
    "li",
    { className: classes.filter(Boolean).join(" ") },
    ...(own ? [] : [avatar(from)]),
    bubble,
  );
}

/** Whether one message goes on where the other ended. @param {Entry} entry @param {Entry | undefined} before */
function follows(entry, before) {
  if (!before || entry.kind !== "message" || before.kind !== "message") {
    return false;
  }
  const same = entry.own === before.own &&
    (entry.own || entry.from === before.from);
  return same && entry.at.getTime() - before.at.getTime() < GROUP_MS;
}

/** @param {Entry} entry @param {number | undefined} place */
function isAfter({ kind, own, place: its }, place) {
  return place !== undefined && kind === "message" && !own && its > place;
}

/** @param {Date} at */
function dayOf(at) {
  return at.toLocaleDateString(undefined, {
    weekday: "long",
    day: "numeric",
    month: "long",
  });
}

/** @param {Date} at */
function timeOf(at) {
  return at.toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** The looks of what is no message. */
const CLASSES = { event: "event", error: "fault", answer: "answer" };

/** What a conversation says before anybody has. */
const EMPTY = {
  room: "Nothing was said here yet. Say hello!",
  user: "What you write here, nobody else gets.",
  all: "What you write here goes to everybody who is connected.",
};
