/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What stands beside the messages: the conversations, the rooms that the user
 * can join, and the members.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import type { Chat } from "../model/chat.ts";
import type { Conversation } from "../model/conversation.ts";
import { arrange, byId, make } from "./dom.ts";
import { avatar, colour } from "./messages.ts";

/** Limit of rooms and users that are listed; the others are counted. */
const MAX_LISTED = 200;

/** Gives the item with a key, which is created if there is none. */
type ItemOf = (key: string, create: () => Item) => Item;

/** See the top of the file. */
export class Sidebar {
  readonly #chat: Chat;
  readonly #choose: () => void;
  readonly #rooms = byId("rooms");
  readonly #private = byId("private");
  readonly #others = byId("others");
  readonly #people = byId("people");
  readonly #items = new Map<string, Item>();

  /** @param choose Runs when the user has chosen something. */
  constructor(chat: Chat, choose: () => void) {
    this.#chat = chat;
    this.#choose = choose;
  }

  /** Shows what there is now. */
  draw(): void {
    const chat = this.#chat;
    const used = new Set<string>();
    const item: ItemOf = (key, create) => {
      used.add(key);
      const made = this.#items.get(key) ?? create();
      this.#items.set(key, made);
      return made;
    };
    const listed = chat.sorted.map((one) => {
      const key = `${one.kind} ${one.target}`;
      const made = item(key, () => this.#conversationItem(one));
      made.update(one, one === chat.current);
      return { isUser: one.kind === "user", row: made.row };
    });
    const rows = (isUser: boolean) =>
      listed.filter((one) => one.isUser === isUser).map(({ row }) => row);
    const users = rows(true);
    arrange(this.#rooms, rows(false));
    arrange(this.#private, users);
    byId("private-heading").hidden = users.length === 0;
    this.#drawOthers(item);
    this.#drawPeople(item);
    for (const key of this.#items.keys()) {
      if (!used.has(key)) this.#items.delete(key);
    }
  }

  #drawOthers(item: ItemOf): void {
    const mine = new Set(
      this.#chat.conversations.map(({ target }) => target.toLowerCase()),
    );
    const others = this.#chat.rooms.filter(({ name }) =>
      !mine.has(name.toLowerCase())
    );
    const rows = others.slice(0, MAX_LISTED).map(({ name, members }) => {
      const made = item(`other ${name}`, () =>
        new Item(sanitize(name), () => {
          this.#choose();
          this.#chat.join(name);
        }));
      made.setInside(members);
      return made.row;
    });
    byId("others-heading").hidden = rows.length === 0;
    arrangeWithRest(this.#others, rows, others.length);
  }

  #drawPeople(item: ItemOf): void {
    const { current, me } = this.#chat;
    const names = current.kind === "user"
      ? [current.target]
      : [...current.people.values()].sort(compare);
    const rows = names.slice(0, MAX_LISTED).map((name) =>
      item(`person ${name}`, () => {
        const shown = name === me ? `${sanitize(name)} (you)` : sanitize(name);
        return new Item(shown, () => {
          this.#choose();
          this.#chat.talkTo(name);
        }, name);
      }).row
    );
    byId("people-title").textContent = current.kind === "all"
      ? "People connected"
      : "People here";
    arrangeWithRest(this.#people, rows, names.length);
  }

  #conversationItem(conversation: Conversation): Item {
    const { kind, target } = conversation;
    const name = kind === "all" ? "All users" : sanitize(target);
    return new Item(name, () => {
      this.#choose();
      this.#chat.show(conversation);
    }, kind === "user" ? target : undefined);
  }
}

/** One row, and the button in it. */
class Item {
  readonly row: HTMLElement;
  readonly #button: HTMLElement;
  readonly #inside = make("span", { className: "inside" });
  readonly #badge = make("span", { className: "badge" });

  /** @param person The user whose row it is, if it is a user's. */
  constructor(name: string, choose: () => void, person?: string) {
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

  /** Shows how many users are in a room. */
  setInside(count: number): void {
    this.#inside.textContent = `${count}`;
    this.#inside.title = peopleHere(count);
  }

  update(
    { kind, unread, called, members }: Conversation,
    isCurrent: boolean,
  ): void {
    this.#button.ariaCurrent = `${isCurrent}`;
    this.#button.classList.toggle("unread", unread > 0);
    this.#badge.hidden = unread === 0;
    this.#badge.classList.toggle("called", called);
    this.#badge.textContent = unread > 999 ? "999+" : `${unread}`;
    this.#badge.title = `${unread} unread`;
    this.#inside.hidden = unread > 0;
    if (kind === "room") this.setInside(members);
  }
}

/** How many users are in a room, in words. */
export function peopleHere(count: number): string {
  return count === 1 ? "1 person here" : `${count} people here`;
}

/** Shows rows, and how many of `total` they leave out. */
function arrangeWithRest(
  list: HTMLElement,
  rows: readonly HTMLElement[],
  total: number,
): void {
  arrange(list, rows);
  const more = total - rows.length;
  if (more > 0) {
    list.append(make("li", { className: "rest" }, `And ${more} more`));
  }
}

/** Shows the user's own name and state. */
export function drawMe(chat: Chat): void {
  const picture = byId("my-avatar");
  picture.textContent = sanitize(chat.me).slice(0, 1);
  colour(picture, chat.me);
  byId("me").textContent = byId("me").title = sanitize(chat.me);
  byId("standing").textContent = chat.state === "reconnecting"
    ? "offline"
    : chat.signIn.owned
    ? "account"
    : "guest";
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, undefined, { sensitivity: "base" });
}
