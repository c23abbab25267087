// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The visit: which conversations there are, and what each frame means to them.
 * Nothing is drawn here; who draws is told that something has changed.
 *
 * It outlives its connections. On a new one it enters its rooms again and asks
 * for what was missed, by the rules of "Coming back" in docs/protocol.md, as
 * client/chat/session.ts does. Since a message is put where its id belongs, nothing
 * has to be held back here to be shown in order.
 *
 * @module
 */
import { numberOf, textOf, timeOf } from "../../../core/frames.ts";
import { mentions } from "../../../core/text/marks.ts";
import {
  DEFAULT_ROOM,
  header,
  isRoomName,
  isUserName,
  lookAlike,
  MAX_BODY_BYTES,
} from "../../../protocol.ts";
import { Arrival } from "../net/arrival.js";
import { isCall, takeCall } from "../net/calls.js";
import { inWords, Lost } from "../net/connection.js";
import { Conversation } from "./conversation.ts";
import { fetchHistory } from "../net/history.js";
import { Line } from "../net/line.js";
import { roomsIn, takePeople, takePresence } from "../net/presence.js";

/** @import { ChatError, Frame, Headers, RequestVerb } from "../../../protocol.ts" */
/** @import { Account } from "../net/account.js" */
/** @import { Carrier } from "../net/calls.js" */
/** @import { Answer } from "../net/connection.js" */
/** @import { Entry } from "./conversation.ts" */

/** So many older messages are fetched at a time. */
const EARLIER = 100;

/**
 * @typedef {object} Watcher Who draws, and tells the person.
 * @property {() => void} changed Anything has.
 * @property {(conversation: Conversation, entry: Entry, calls: boolean) => void} said
 * Somebody else said something new; `calls` if it is for us above all.
 * @property {(conversation: Conversation, text: string) => void} noted
 * Something is noted in a conversation, which is news.
 * @property {(text: string) => void} told Something that is of no conversation.
 */

/** See the top of the file. */
export class Chat {
  /** Who we are. */
  me;
  /** Those we are in, in their order. @type {Conversation[]} */
  conversations = [];
  /** Which is shown. @type {Conversation} */
  current;
  /** Whether the person sees it. */
  attentive = true;
  /** All rooms, when we last asked. @type {{ name: string, members: number }[]} */
  rooms = [];
  /** @type {"coming" | "in" | "away" | "over"} */
  state = "coming";
  /** Why we are away, or why it is over. */
  why = "";
  /** Longest message the server takes, in bytes. */
  maxBodyBytes = MAX_BODY_BYTES;
  /** How we came in. @type {Account} */
  account;
  /** Who carries files, if anybody does. @type {Carrier | undefined} */
  carrier;
  #watcher;
  /** @type {Line} */
  #line;
  /** @type {Arrival} */
  #arrival;
  #everybody = new Conversation("all", "ALL");
  #closing = false; // the server has said so
  /** @type {string | undefined} */
  #lastSender;

  /**
   * @param {object} parts
   * @param {URL} parts.url Of the WebSocket.
   * @param {string} parts.name
   * @param {Account} parts.account
   * @param {Watcher} parts.watcher
   */
  constructor({ url, name, account, watcher }) {
    this.me = name;
    this.account = account;
    this.current = this.#everybody;
    this.conversations.push(this.#everybody);
    this.#watcher = watcher;
    this.#line = new Line(url, {
      arrive: (connection) => this.#arrival.arrive(connection),
      arrived: () => this.#arrived(),
      lost: (why) => this.#lost(why),
      receive: (frame) => this.#receive(frame),
    });
    this.#arrival = new Arrival(this, this.#line);
  }

  /** Whether we were ever in. */
  get wasIn() {
    return this.#arrival.wasIn;
  }

  /**
   * Comes in, and stays until the end.
   *
   * @throws {Error} Why we are not let in, or what ended it.
   */
  async run() {
    try {
      await this.#line.run();
    } catch (error) {
      this.why = inWords(/** @type {Error} */ (error));
      throw error;
    } finally {
      this.state = "over";
      this.carrier?.end();
      this.#watcher.changed();
    }
  }

  /** Whether it is our name. @param {string} name */
  isMe(name) {
    return lookAlike(name) === lookAlike(this.me);
  }

  /** Rooms, everybody, people; those of a kind as they came. */
  get sorted() {
    const kinds = ["room", "all", "user"];
    return [...this.conversations].sort((a, b) =>
      kinds.indexOf(a.kind) - kinds.indexOf(b.kind)
    );
  }

  /** How many messages were not seen. */
  get unread() {
    return this.conversations.reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Whether something of ours is not answered yet. */
  get waiting() {
    return this.conversations.some(({ waits }) => waits);
  }

  /** Shows a conversation. @param {Conversation} conversation */
  show(conversation) {
    if (conversation !== this.current) {
      if (this.current.unread === 0) this.current.newAfter = undefined;
      this.current = conversation;
      if (conversation.kind !== "user") this.refreshPeople(conversation);
    }
    this.see();
  }

  /** The person sees what is shown. */
  see() {
    if (!this.attentive) return;
    this.current.unread = 0;
    this.current.called = false;
    this.#watcher.changed();
  }

  /**
   * Enters a room, making it if there is none, or shows it if we are in it.
   *
   * @param {string} word With or without `#`.
   */
  async join(word) {
    const name = `#${word.trim().replace(/^#/, "")}`;
    if (!isRoomName(name)) {
      return this.#watcher.told(
        "A room has 1 to 32 of the letters A-Z and a-z, digits, _ and -",
      );
    }
    const known = this.#find("room", name);
    if (known) return this.show(known);
    const room = new Conversation("room", name);
    this.conversations.push(room);
    try {
      const joined = await this.#line.request("JOIN", [name]);
      this.#joined(room, joined);
      room.newAfter = room.since;
      this.show(room);
      const { messages } = await this.#line.request("HISTORY", [room.target]);
      room.complete = messages.length === 0;
      for (const frame of messages) this.#add(room, frame, { old: true });
      this.refreshRooms();
    } catch (error) {
      this.#drop(room);
      this.explain(error);
    }
    this.#watcher.changed();
  }

  /** Leaves a room, or puts a private conversation away. @param {Conversation} conversation */
  async leave(conversation) {
    try {
      if (conversation.kind === "room") {
        await this.#line.request("LEAVE", [conversation.target]);
      }
      this.#drop(conversation);
      this.refreshRooms();
    } catch (error) {
      this.explain(error);
    }
  }

  /** Shows the conversation with somebody. @param {string} name */
  talkTo(name) {
    if (isUserName(name)) return this.show(this.#person(name));
    this.#watcher.told("A name has 1 to 32 letters (A-Z, a-z) and digits");
  }

  /**
   * Sends a message to the conversation that is shown.
   *
   * @param {string} text
   * @returns {boolean} Whether it is taken.
   */
  send(text) {
    return this.#send(this.current, text);
  }

  /**
   * Sends a message to a user, or to `ALL`, and shows that conversation.
   *
   * @param {string} name
   * @param {string} text
   * @returns {boolean} Whether it is taken.
   */
  sendTo(name, text) {
    const isAll = name.toUpperCase() === "ALL";
    const to = isAll ? this.#everybody : this.#person(name);
    if (!this.#send(to, text)) return false;
    this.show(to);
    return true;
  }

  /** Shows what a command found out. @param {readonly string[]} lines */
  answer(lines) {
    const text = lines.join("\n");
    this.current.note("answer", text);
    this.#watcher.noted(this.current, text);
    this.#watcher.changed();
  }

  /** The sender of the last private message that somebody sent us. */
  get lastSender() {
    return this.#lastSender;
  }

  /** To the server. */
  get line() {
    return this.#line;
  }

  /** Fetches what was said before. @param {Conversation} room */
  async earlier(room) {
    const before = room.oldest;
    const part = before === undefined ? {} : { before };
    try {
      const found = await fetchHistory(this.#line, room.target, {
        most: EARLIER,
        ...part,
      });
      for (const frame of found) this.#add(room, frame, { earlier: true });
      if (found.length < EARLIER) room.complete = true;
    } catch (error) {
      this.explain(error);
    }
    this.#watcher.changed();
  }

  /** Asks which rooms there are. */
  async refreshRooms() {
    if (!this.#line.isIn) return;
    try {
      this.rooms = roomsIn(await this.#line.request("ROOMS"));
    } catch (error) {
      this.explain(error);
    }
    this.#watcher.changed();
  }

  /** Asks who is there. @param {Conversation} conversation */
  async refreshPeople(conversation) {
    if (!this.#line.isIn || conversation.kind === "user") return;
    try {
      const answer = await this.#line.request("WHO", [conversation.target]);
      takePeople(conversation, answer);
    } catch (error) {
      this.explain(error);
    }
    this.#watcher.changed();
  }

  /** Makes our name an account. @param {string} password */
  async signUp(password) {
    await this.account.own(this.#line, this.me, password);
    this.#watcher.changed();
  }

  /**
   * Asks the server something for somebody else.
   *
   * @param {RequestVerb} verb
   * @param {readonly string[]} args
   * @param {Headers} headers
   */
  ask(verb, args, headers) {
    return this.#line.request(verb, args, headers);
  }

  /**
   * Notes something in the conversation with somebody.
   *
   * @param {string} name
   * @param {object} note
   * @param {"event" | "error"} note.kind
   * @param {string} note.text
   * @param {boolean} note.news Whether the person should hear of it now.
   */
  note(name, { kind, text, news }) {
    const person = this.#person(name);
    person.note(kind, text, { apart: true });
    if (news && !this.#sees(person)) person.count(person.end, true);
    if (news) this.#watcher.noted(person, text);
    this.#watcher.changed();
  }

  /** Comes back at once, if we are away. */
  hurry() {
    this.#line.hurry();
  }

  /** We are in. @param {Answer} registered */
  entered(registered) {
    this.me = registered.args[0] ?? this.me;
    this.maxBodyBytes = numberOf(registered, "max-body") || MAX_BODY_BYTES;
  }

  /** A room lets us in no more. @param {Conversation} room @param {ChatError} error */
  refused(room, error) {
    this.#drop(room);
    this.explain(error);
  }

  /** Something was said in a room while we were away. @param {Conversation} room @param {Frame} frame */
  hear(room, frame) {
    this.#add(room, frame);
  }

  /** Takes leave. */
  logout() {
    this.carrier?.leave();
    if (!this.#line.isIn) return this.#line.close();
    this.#line.request("LOGOUT").catch(() => {}); // it is over anyway
  }

  #arrived() {
    this.#arrival.arrived();
    this.#closing = false;
    this.state = "in";
    this.carrier?.arrived();
    this.#watcher.changed();
    this.refreshRooms();
    this.refreshPeople(this.current);
  }

  /** @param {Error} why */
  #lost(why) {
    this.state = "away";
    this.why = this.#closing ? "The server was stopped" : inWords(why);
    this.#watcher.changed();
  }

  /** @param {Frame} frame */
  #receive(frame) {
    if (frame.verb === "NOTICE") return this.#notice(frame);
    if (isCall(frame)) {
      const { told } = this.#watcher;
      return takeCall(frame, { carrier: this.carrier, line: this.#line, told });
    }
    const to = header(frame, "to") ?? this.me;
    const id = numberOf(frame, "id") ?? 0;
    this.#arrival.heard(id);
    const conversation = to.startsWith("#")
      ? this.#find("room", to)
      : to.toUpperCase() === "ALL"
      ? this.#everybody
      : this.#person(frame.args[0] ?? "");
    if (conversation) this.#add(conversation, frame);
    this.#watcher.changed();
  }

  /**
   * @param {Conversation} conversation
   * @param {Frame} frame A FORWARD.
   * @param {{ old?: boolean, earlier?: boolean }} [options] `old` if it may be
   * from before our time, `earlier` if it was asked for.
   */
  #add(conversation, frame, { old = false, earlier = false } = {}) {
    const [from = ""] = frame.args;
    const id = numberOf(frame, "id") ?? 0;
    const [at, text] = [timeOf(frame), textOf(frame)];
    this.#arrival.saw(conversation, { id, at });
    const own = from === this.me;
    const said = { id, at, from, text, own };
    const entry = conversation.add(said, { earlier });
    if (!entry || own || earlier) return;
    if (conversation.kind === "user") this.#lastSender = from;
    if (old && id <= conversation.since) return;
    const calls = conversation.kind === "user" || mentions(text, this.me);
    if (!this.#sees(conversation)) conversation.count(entry.place - 1, calls);
    this.#watcher.said(conversation, entry, calls);
  }

  /** Whether the person sees it now. @param {Conversation} conversation */
  #sees(conversation) {
    return conversation === this.current && this.attentive;
  }

  /** @param {Frame} frame */
  #notice(frame) {
    const [what] = frame.args;
    if (what === "server") {
      const text = `The operator says: ${textOf(frame)}`;
      this.current.note("event", text); // to be read later as well
      this.#watcher.told(text);
    } else if (what === "closing") {
      this.#closing = true; // which is said when it is gone
      this.#line.waitBeforeReturn((numberOf(frame, "retry-after") ?? 0) * 1000);
    } else {
      const room = this.#find("room", header(frame, "room") ?? "");
      if (room) takePresence(room, frame, this.me);
    }
    this.#watcher.changed();
  }

  /** @param {Conversation} room @param {Answer} joined */
  #joined(room, joined) {
    room.target = joined.args[0] ?? room.target;
    room.members = numberOf(joined, "members") ?? 1;
    room.since = numberOf(joined, "last-id") ?? this.#arrival.seen;
  }

  /** @param {Conversation} conversation @param {string} text */
  #send(conversation, text) {
    const { length } = new TextEncoder().encode(text);
    if (length > this.maxBodyBytes) {
      const limit = this.maxBodyBytes.toLocaleString("en");
      this.#watcher.told(
        `Cannot send ${length.toLocaleString("en")} bytes: ` +
          `the limit is ${limit}. Send it in parts`,
      );
      return false;
    }
    const entry = conversation.addOwn(text);
    conversation.newAfter = undefined;
    const { target } = conversation;
    this.#line.request("SEND", [target], {}, text).then((sent) => {
      const [id, at] = [numberOf(sent, "id") ?? 0, timeOf(sent)];
      this.#arrival.saw(conversation, { id, at });
      conversation.settle(entry, { id, at, from: this.me });
    }, (error) => {
      conversation.refuse(entry, inWords(error));
    }).then(() => this.#watcher.changed());
    this.#watcher.changed();
    return true;
  }

  /** @param {"room" | "user"} kind @param {string} name */
  #find(kind, name) {
    const wanted = lookAlike(name);
    return this.conversations.find((one) =>
      one.kind === kind && lookAlike(one.target) === wanted
    );
  }

  /** The conversation with somebody, which begins now at the latest. @param {string} name */
  #person(name) {
    const known = this.#find("user", name);
    if (known) return known;
    const person = new Conversation("user", name);
    person.complete = true; // the server tells nobody what was said in private
    this.conversations.push(person);
    return person;
  }

  /** @param {Conversation} conversation */
  #drop(conversation) {
    this.conversations = this.conversations.filter((one) =>
      one !== conversation
    );
    if (this.current === conversation) {
      this.show(this.sorted[0] ?? this.#everybody);
    }
  }

  /** Tells what went wrong, unless the banner tells it. @param {unknown} error */
  explain(error) {
    if (error instanceof Lost) return; // which is told otherwise
    this.#watcher.told(inWords(/** @type {Error} */ (error)));
  }
}

/** The room one is in if nothing else was said. */
export const FIRST_ROOM = DEFAULT_ROOM;
