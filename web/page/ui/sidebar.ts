/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The lists beside the messages: the conversations, the rooms that the user can
 * join, and the members.
 *
 * @module
 */
import { maySet } from "../../../core/rooms/room_settings.ts";
import { sanitize, sanitizeName } from "../../../core/text/sanitize.ts";
import { isPrivateName, lookAlike } from "../../../protocol.ts";
import type { Chat } from "../model/chat.ts";
import type { Conversation } from "../model/conversation.ts";
import { runLine } from "../model/typed.ts";
import { arrange, byId, make } from "./dom.ts";
import { avatar, colour, labelParts, nameOf } from "./messages.ts";

/** Limit of rooms and users that are listed; the others are counted. */
const MAX_LISTED = 200;

/** The buttons of a moderator beside a user, and what each types. */
const ACTIONS = [
  ["Mute for 10 minutes", "mute NAME 10m"],
  ["Unmute", "unmute NAME"],
  ["Disconnect", "kick NAME"],
  ["Ban for an hour", "ban NAME 1h"],
] as const;

/** A button, and the command that it types for a user. */
type Action = readonly [label: string, line: string];

/** The button of those who may set a quiet room, and what it types. */
const VOICE: Action = ["Give voice", "voice NAME"];
const NO_VOICE: Action = ["Take voice", "voice NAME off"];

/** What the owner of a private room can do about a member. */
const OF_OWNER: readonly Action[] = [
  ["Remove from the room", "remove NAME"],
  ["Make the owner", "owner NAME"],
];

/** Limit of the private rooms to which a menu invites. */
const MAX_INVITING = 5;

/** See the top of the file. */
export class Sidebar {
  readonly #chat: Chat;
  readonly #choose: () => void;
  readonly #items = new Map<string, Item>();
  readonly #used = new Set<string>(); // keys of items, in this drawing

  /** @param choose Runs when the user has chosen something. */
  constructor(chat: Chat, choose: () => void) {
    this.#chat = chat;
    this.#choose = choose;
  }

  /** Shows what there is now. */
  draw(): void {
    this.#used.clear();
    this.#drawConversations();
    this.#drawOthers();
    this.#drawPeople();
    for (const key of this.#items.keys()) {
      if (!this.#used.has(key)) this.#items.delete(key);
    }
  }

  #drawConversations(): void {
    const { conversations: { sorted }, current, nicks } = this.#chat;
    const listed = Map.groupBy(sorted, ({ kind }) => kind === "user");
    for (const [id, isUser] of [["rooms", false], ["private", true]] as const) {
      const rows = (listed.get(isUser) ?? []).map((one) => {
        const person = isUser ? one.target : undefined;
        const item = this.#item(
          `${one.kind} ${one.target} ${nameOf(one, nicks)}`,
          nameOf(one, nicks),
          () => this.#chat.show(one),
          person,
        );
        item.update(one, one === current);
        return item.row;
      });
      arrange(byId(id), rows);
    }
    byId("private-heading").hidden = !listed.has(true);
  }

  #drawOthers(): void {
    const { conversations, rooms } = this.#chat;
    const mine = new Set(
      conversations.list.map(({ target }) => lookAlike(target)),
    );
    const others = rooms.filter(({ name }) => !mine.has(lookAlike(name)));
    byId("others-heading").hidden = others.length === 0;
    list(byId("others"), others, ({ name, members, topic }) => {
      const join = () => this.#chat.join(name);
      const item = this.#item(`other ${name}`, sanitizeName(name), join);
      item.setInside(members, isPrivateName(name));
      item.row.title = sanitize(topic);
      return item.row;
    });
  }

  #drawPeople(): void {
    const { current, isModerator: mayAll, me, nicks, settings } = this.#chat;
    const quiet = settings?.quiet ? settings : undefined;
    const givesVoice = quiet &&
      maySet(quiet, { name: me, isModerator: mayAll });
    const names = current.kind === "user"
      ? [current.target]
      : [...current.people.values()].sort(compare);
    byId("people-title").textContent = {
      all: "People connected",
      room: "People here",
      user: "Private messages with",
    }[current.kind];
    list(byId("people"), names, (name) => {
      const isModerator = current.moderators.has(name.toLowerCase());
      const shown = nicks.labelOf(name) + (name === me ? " (you)" : "");
      const moderates = mayAll && !isModerator && name !== me;
      const hasVoice = quiet?.voices.includes(name) ?? false;
      const mayVoice = givesVoice && !isModerator && name !== me &&
        name !== quiet.owner;
      const actions = [
        ...mayVoice ? [hasVoice ? NO_VOICE : VOICE] : [],
        ...name === me ? [] : this.#memberships(name),
        ...moderates ? ACTIONS : [],
      ];
      const role = isModerator ? "moderator" : hasVoice ? "voice" : "";
      const key = `person ${shown} ${role} ${actions.join()}`;
      const talk = () => this.#chat.talkTo(name);
      const item = this.#item(key, shown, talk, name);
      if (role) item.setInside(role);
      if (actions.length > 0) {
        item.add(() => this.#actions(name, moderates, actions));
      }
      return item.row;
    });
  }

  /** What we can do with a user in our private rooms. */
  #memberships(name: string): readonly Action[] {
    const { conversations, current, me } = this.#chat;
    const isPrivate = current.kind === "room" && isPrivateName(current.target);
    if (isPrivate) return current.owner === me ? OF_OWNER : [];
    return conversations.list.filter(({ kind, target, people }) =>
      kind === "room" && isPrivateName(target) &&
      !people.has(name.toLowerCase())
    ).slice(0, MAX_INVITING).map(({ target }): Action => [
      `Invite to ${sanitizeName(target)}`,
      `invite NAME ${target}`,
    ]);
  }

  /** What can be done about a user. */
  #actions(
    name: string,
    moderates: boolean,
    actions: readonly Action[],
  ): HTMLElement {
    const deed = moderates ? "Moderate" : "Actions for";
    const shown = this.#chat.nicks.labelOf(name);
    const menu = make(
      "details",
      { className: "actions" },
      make("summary", { ariaLabel: `${deed} ${shown}` }, "⋯"),
    );
    for (const [label, line] of actions) {
      const onclick = () => {
        menu.open = false;
        runLine(this.#chat, `/${line.replace("NAME", name)}`, undefined);
      };
      const looks = { className: "item", type: "button", onclick } as const;
      menu.append(make("button", looks, label));
    }
    return menu;
  }

  /** The item with this key, which is made if there is none. */
  #item(
    key: string,
    name: string,
    act: () => void,
    person?: string,
  ): Item {
    this.#used.add(key);
    const known = this.#items.get(key);
    if (known) return known;
    const choose = () => {
      this.#choose();
      act();
    };
    const item = new Item(name, choose, person);
    this.#items.set(key, item);
    return item;
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
    const shown = person === undefined ? [name] : labelParts(name, person);
    const label = make("span", looks, ...shown);
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

  /** Shows how many users are in a room, or what a user is. */
  setInside(what: number | string, isPrivate = false): void {
    this.row.classList.toggle("locked", isPrivate);
    this.#inside.textContent = isPrivate ? `private ${what}` : `${what}`;
    if (typeof what === "number") this.#inside.title = peopleHere(what);
  }

  /** Adds what `make` makes beside the button, unless it is there. */
  add(make: () => HTMLElement): void {
    if (this.row.childElementCount === 1) this.row.append(make());
  }

  update(
    { kind, target, unread, called, members, gone }: Conversation,
    isCurrent: boolean,
  ): void {
    this.#button.ariaCurrent = `${isCurrent}`;
    this.#button.classList.toggle("unread", unread > 0);
    this.#button.classList.toggle("gone", gone);
    this.#button.title = gone ? "Away" : "";
    this.#badge.hidden = unread === 0;
    this.#badge.classList.toggle("called", called);
    this.#badge.textContent = unread > 999 ? "999+" : `${unread}`;
    this.#badge.title = `${unread} unread`;
    this.#inside.hidden = unread > 0;
    if (kind === "room") this.setInside(members, isPrivateName(target));
  }
}

/** The number of users in a room, in words. */
export function peopleHere(count: number): string {
  return count === 1 ? "1 person here" : `${count} people here`;
}

/** Shows a row for each of `all`, as far as the limit goes, and counts the rest. */
function list<T>(
  parent: HTMLElement,
  all: readonly T[],
  rowOf: (one: T) => HTMLElement,
): void {
  const rows = all.slice(0, MAX_LISTED).map(rowOf);
  const more = all.length - rows.length;
  if (more > 0) {
    rows.push(make("li", { className: "rest" }, `And ${more} more`));
  }
  arrange(parent, rows);
}

/** Shows the user's own name and state. */
export function drawMe(chat: Chat): void {
  const picture = byId("my-avatar");
  picture.textContent = sanitizeName(chat.me).slice(0, 1);
  colour(picture, chat.me);
  const me = byId("me");
  me.title = chat.nicks.labelOf(chat.me);
  me.replaceChildren(...labelParts(me.title, chat.me));
  byId("standing").textContent = chat.state === "reconnecting"
    ? "offline"
    : chat.isModerator
    ? "moderator"
    : chat.signIn.owned
    ? "account"
    : "guest";
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, undefined, { sensitivity: "base" });
}
