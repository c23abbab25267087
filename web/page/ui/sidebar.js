// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What stands beside the messages: the conversations, the rooms one could
 * join, and who is here.
 *
 * @module
 */
import { arrange, byId, make } from "./dom.js";
import { avatar, hueOf, line } from "./text.js";

/** @import { Chat } from "../model/chat.js" */
/** @import { Conversation } from "../model/conversation.js" */

/** So many rooms and people are listed; the others are counted. */
const MAX_LISTED = 200;

/** See the top of the file. */
export class Sidebar {
  #chat;
  #choose;
  #rooms = byId("rooms");
  #private = byId("private");
  #others = byId("others");
  #people = byId("people");
  /** @type {Map<string, Item>} */
  #items = new Map();

  /** @param {Chat} chat @param {() => void} choose Something was chosen. */
  constructor(chat, choose) {
    this.#chat = chat;
    this.#choose = choose;
  }

  /** Shows what there is now. */
  draw() {
    const chat = this.#chat;
    const used = new Set();
    /** @param {string} key @param {() => Item} create */
    const item = (key, create) => {
      used.add(key);
      const made = this.#items.get(key) ?? create();
      this.#items.set(key, made);
      return made;
    };
    const listed = chat.sorted.map((one) => {
      const key = `${one.kind} ${one.target}`;
      const made = item(key, () => this.#conversationItem(one));
      made.update(one, one === chat.current);
      return { kind: one.kind, row: made.row };
    });
    const rows = (/** @type {(kind: string) => boolean} */ wanted) =>
      listed.filter(({ kind }) => wanted(kind)).map(({ row }) => row);
    const persons = rows((kind) => kind === "user");
    arrange(this.#rooms, rows((kind) => kind !== "user"));
    arrange(this.#private, persons);
    byId("private-heading").hidden = persons.length === 0;
    this.#drawOthers(item);
    this.#drawPeople(item);
    for (const key of this.#items.keys()) {
      if (!used.has(key)) this.#items.delete(key);
    }
  }

  /** @param {(key: string, create: () => Item) => Item} item */
  #drawOthers(item) {
    const mine = new Set(
      this.#chat.conversations.map(({ target }) => target.toLowerCase()),
    );
    const others = this.#chat.rooms.filter(({ name }) =>
      !mine.has(name.toLowerCase())
    );
    const rows = others.slice(0, MAX_LISTED).map(({ name, members }) => {
      const made = item(`other ${name}`, () =>
        new Item(line(name), () => {
          this.#choose();
          this.#chat.join(name);
        }));
      made.setInside(members);
      return made.row;
    });
    byId("others-heading").hidden = rows.length === 0;
    arrangeWithRest(this.#others, rows, others.length);
  }

  /** @param {(key: string, create: () => Item) => Item} item */
  #drawPeople(item) {
    const { current, me } = this.#chat;
    const names = current.kind === "user"
      ? [current.target]
      : [...current.people.values()].sort(compare);
    const rows = names.slice(0, MAX_LISTED).map((name) =>
      item(`person ${name}`, () => {
        const shown = name === me ? `${line(name)} (you)` : line(name);
        return new Item(shown, () => {
          this.#choose();
          this.#chat.talkTo(name);
        }, name);
      }).row
    );
    byId("people-title").textContent = current.kind === "all"
      ? "Who is connected"
      : "Who is here";
    arrangeWithRest(this.#people, rows, names.length);
  }

  /** @param {Conversation} conversation */
  #conversationItem(conversation) {
    const { kind, target } = conversation;
    const name = kind === "all" ? "Everybody" : line(target);
    return new Item(name, () => {
      this.#choose();
      this.#chat.show(conversation);
    }, kind === "user" ? target : undefined);
  }
}

/** One row, and the button in it. */
class Item {
  row;
  #button;
  #inside = make("span", { className: "inside" });
  #badge = make("span", { className: "badge" });

  /** @param {string} name @param {() => void} choose @param {string} [person] Whose row it is. */
  constructor(name, choose, person) {
    const looks = { className: "name", dir: "auto", title: name }; // may be cut
    const label = make("span", looks, name);
    const parts = person === undefined ? [label] : [avatar(person), label];
    this.#button = make(
      "button",
      { className: "item", type: "button", onclick: choose },
      ...parts,
      this.#inside,
      this.#badge,
    );
    this.#badge.hidden = true;
    this.row = make("li", {}, this.#button);
    if (person !== undefined) this.row.dataset["person"] = person;
  }

  /** @param {number} count Of people inside. */
  setInside(count) {
    this.#inside.textContent = `${count}`;
    this.#inside.title = `${count} inside`;
  }

  /** @param {Conversation} conversation @param {boolean} isCurrent */
  update({ kind, unread, called, members }, isCurrent) {
    this.#button.setAttribute("aria-current", `${isCurrent}`);
    this.#button.classList.toggle("unread", unread > 0);
    this.#badge.hidden = unread === 0;
    this.#badge.classList.toggle("called", called);
    this.#badge.textContent = unread > 999 ? "999+" : `${unread}`;
    this.#badge.title = `${unread} not seen`;
    this.#inside.hidden = unread > 0;
    if (kind === "room") this.setInside(members);
  }
}

/** Shows rows, and how many of `total` they leave out. @param {HTMLElement} list @param {HTMLElement[]} rows @param {number} total */
function arrangeWithRest(list, rows, total) {
  arrange(list, rows);
  const more = total - rows.length;
  if (more > 0) {
    list.append(make("li", { className: "rest" }, `And ${more} more`));
  }
}

/** Shows who we are. @param {Chat} chat */
export function drawMe(chat) {
  const picture = byId("my-avatar");
  picture.textContent = line(chat.me).slice(0, 1);
  picture.style.setProperty("--hue", `${hueOf(chat.me)}`);
  byId("me").textContent = byId("me").title = line(chat.me);
  byId("standing").textContent = chat.state === "away"
    ? "offline"
    : chat.account.owned
    ? "account"
    : "guest";
}

/** @param {string} a @param {string} b */
function compare(a, b) {
  return a.localeCompare(b, undefined, { sensitivity: "base" });
}
