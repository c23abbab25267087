/**
 * The chat of the page: which conversations there are, and what belongs into
 * each. Nothing is drawn here; the watcher is told that something has changed.
 *
 * core/session.ts knows what frames mean, and resumes after a lost connection.
 *
 * @module
 */
import { type CommandClient, roomNamed } from "../../../core/commands.ts";
import { type ChatMessage, numberOf, timeOf } from "../../../core/frames.ts";
import type { Stream } from "../../../core/net/stream.ts";
import {
  ConnectionError,
  inWords,
} from "../../../core/net/connection_error.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import { listPeople, listRooms } from "../../../core/requests.ts";
import { ChatSession, type SessionView } from "../../../core/session.ts";
import type { SignIn } from "../../../core/sign_in.ts";
import { mentions } from "../../../core/text/marks.ts";
import {
  accountLost,
  invalidRoom,
  NAME_RULE,
  operatorNotice,
  RESTARTED,
} from "../../../core/text/sentences.ts";
import { isUserName, lookAlike } from "../../../protocol.ts";
import { type Carrier, takeCall } from "../net/calls.ts";
import { Conversation, type Entry } from "./conversation.ts";

/** How many older messages are fetched at a time. */
const EARLIER = 100;

/** Draws, and tells the user. */
export interface Watcher {
  /** Something has changed. */
  changed(): void;
  /** Another user has sent a message; `calls` if it is above all for us. */
  said(conversation: Conversation, entry: Entry, calls: boolean): void;
  /** Something is noted in a conversation, which is news. */
  noted(conversation: Conversation, text: string): void;
  /** Something that belongs to no conversation. */
  told(text: string): void;
  /** The user wants to create an account. */
  signUp(): void;
}

/** What a {@linkcode Chat} is made of; `dial` connects to the server. */
type ChatParts = Pick<Chat, "signIn" | "watcher"> & {
  readonly dial: (signal: AbortSignal) => Promise<Stream>;
  readonly name: string;
};

/** See the top of the file. */
export class Chat implements CommandClient {
  readonly isWeb = true;
  /** Those that we are in, in their order. */
  conversations: Conversation[] = [];
  /** The one that is shown. */
  current: Conversation;
  /** Whether the user sees it. */
  attentive = true;
  /** All rooms, when the list was last requested. */
  rooms: readonly { name: string; members: number }[] = [];
  state: "connecting" | "connected" | "reconnecting" | "ended" = "connecting";
  /** Why it reconnects, or why it has ended. */
  why = "";
  /** How we registered. */
  readonly signIn: SignIn;
  /** To the server. */
  readonly server: ReconnectingConnection;
  /** What carries files, if something does. */
  carrier: Carrier | undefined;
  /** The sender of the last private message to us. */
  lastSender: string | undefined;
  readonly watcher: Watcher;
  readonly #session: ChatSession;
  readonly #all = new Conversation("all", "ALL");

  constructor({ dial, name, signIn, watcher }: ChatParts) {
    this.signIn = signIn;
    this.current = this.#all;
    this.conversations.push(this.#all);
    this.watcher = watcher;
    this.server = new ReconnectingConnection({ dial });
    this.#session = new ChatSession({
      server: this.server,
      signIn,
      me: name,
      view: this.#handlers(),
    });
  }

  /** Our name. */
  get me(): string {
    return this.#session.me;
  }

  /** The room that is shown, with `#`; undefined if it is no room. */
  get room(): string | undefined {
    return this.current.kind === "room" ? this.current.target : undefined;
  }

  /** Whether we were ever registered. */
  get wasRegistered(): boolean {
    return this.server.wasRegistered;
  }

  /**
   * Connects, and stays until the end.
   *
   * @throws {Error} Why the server refuses us, or what ended it.
   */
  async run(): Promise<void> {
    try {
      await this.#session.run(() => this.watcher.changed());
    } catch (error) {
      // The cast: nothing throws anything else.
      this.why = inWords(error as Error);
      throw error;
    } finally {
      this.state = "ended";
      this.carrier?.end();
      this.watcher.changed();
    }
  }

  /** Whether it is our name. */
  isMe(name: string): boolean {
    return lookAlike(name) === lookAlike(this.me);
  }

  /** Rooms, all users, single users; those of a kind as they came. */
  get sorted(): Conversation[] {
    const kinds = ["room", "all", "user"];
    return [...this.conversations].sort((a, b) =>
      kinds.indexOf(a.kind) - kinds.indexOf(b.kind)
    );
  }

  /** How many messages were not seen. */
  get unread(): number {
    return this.conversations.reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Whether a message of ours has no answer yet. */
  get waiting(): boolean {
    return this.conversations.some(({ waits }) => waits);
  }

  /** Shows a conversation. */
  show(conversation: Conversation): void {
    if (conversation !== this.current) {
      if (this.current.unread === 0) this.current.newAfter = undefined;
      this.current = conversation;
      if (conversation.kind !== "user") this.refreshPeople(conversation);
    }
    this.see();
  }

  /** The user sees what is shown. */
  see(): void {
    if (!this.attentive) return;
    this.current.unread = 0;
    this.current.called = false;
    this.watcher.changed();
  }

  /**
   * Joins a room, making it if there is none, or shows it if we are in it.
   *
   * @param word With or without `#`.
   */
  async join(word: string): Promise<void> {
    const name = roomNamed(word);
    if (!name) return this.told(invalidRoom(word));
    const known = this.#find("room", name);
    if (known) return this.show(known);
    const room = new Conversation("room", name);
    this.conversations.push(room); // before the first message in it comes
    await this.#try(async () => {
      try {
        await this.#session.join(name, (_, old) => {
          room.complete = old.length === 0;
          for (const message of old) this.#add(room, message);
        });
      } catch (error) {
        this.#drop(room);
        throw error;
      }
      this.refreshRooms();
    });
  }

  /** Leaves a room, or closes a private conversation. */
  async leave(conversation: Conversation): Promise<void> {
    await this.#try(async () => {
      if (conversation.kind === "room") {
        await this.server.request("LEAVE", [conversation.target]);
      }
      this.#drop(conversation);
      this.refreshRooms();
    });
  }

  /** Shows the conversation with a user. */
  talkTo(name: string): void {
    if (isUserName(name)) return this.show(this.#person(name));
    this.told(NAME_RULE);
  }

  /** Sends a message to the conversation that is shown; false if it is too long. */
  send(text: string): boolean {
    return this.#send(this.current, text);
  }

  /**
   * Sends a message to a user, or to `ALL`, and shows that conversation, unless
   * the message is too long.
   */
  sendTo(name: string, text: string): void | "kept" {
    const to = name.toUpperCase() === "ALL" ? this.#all : this.#person(name);
    if (!this.#send(to, text)) return "kept";
    this.show(to);
  }

  /** Tells something that belongs to no conversation. */
  told(text: string): void {
    this.watcher.told(text);
  }

  /** Shows what a command found out. */
  answer(lines: readonly string[]): void {
    const text = lines.join("\n");
    this.current.note("answer", text);
    this.watcher.noted(this.current, text);
    this.watcher.changed();
  }

  /** Fetches older messages. */
  async earlier(room: Conversation): Promise<void> {
    const range = { most: EARLIER, before: room.oldest };
    await this.#try(() =>
      this.#session.older(room.target, range, (old) => {
        for (const message of old) room.add(message, { earlier: true });
        if (old.length < EARLIER) room.complete = true;
      })
    );
  }

  /** Requests the list of rooms. */
  async refreshRooms(): Promise<void> {
    if (!this.server.registered) return;
    await this.#try(async () => {
      this.rooms = await listRooms(this.server);
    });
  }

  /** Shows the rooms, and how many users are in each. */
  async showRooms(): Promise<void> {
    await this.refreshRooms();
    this.answer(this.rooms.map(({ name, members }) => `${name} (${members})`));
  }

  /** Requests the list of users in a conversation. */
  async refreshPeople(conversation: Conversation): Promise<void> {
    if (!this.server.registered || conversation.kind === "user") return;
    await this.#try(async () =>
      conversation.setPeople(await listPeople(this.server, conversation.target))
    );
  }

  /** Makes our name an account. */
  async signUp(password: string): Promise<void> {
    await this.signIn.signUp(this.server, this.me, password);
    this.watcher.changed();
  }

  /**
   * Notes something in the conversation with a user.
   *
   * @param note With `news`, the user is told of it now.
   */
  note(
    name: string,
    { kind, text, news }: {
      kind: "event" | "error";
      text: string;
      news: boolean;
    },
  ): void {
    const person = this.#person(name);
    person.note(kind, text, { apart: true });
    if (news && !this.#sees(person)) person.count(person.end, true);
    if (news) this.watcher.noted(person, text);
    this.watcher.changed();
  }

  /** Disconnects. */
  logout(): void {
    this.carrier?.leave();
    if (!this.server.registered) return this.server.close();
    this.server.request("LOGOUT").catch(() => {}); // it is over anyway
  }

  /** Tells what went wrong, unless the banner tells it. */
  explain(error: unknown): void {
    if (error instanceof ConnectionError) return;
    // The cast: nothing throws anything else.
    this.told(inWords(error as Error));
  }

  /** Does `task`, tells what went wrong, and has the result drawn. */
  async #try(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.explain(error);
    }
    this.watcher.changed();
  }

  /** What becomes of what the server sends; each batch of it is drawn once. */
  #handlers(): SessionView {
    const { changed, told } = this.watcher;
    return {
      lost: (why) => {
        this.state = "reconnecting";
        this.why = inWords(why);
        changed();
      },
      refused: (why) => {
        this.why = inWords(why);
        changed();
      },
      resumed: () => {
        this.state = "connected";
        this.carrier?.arrived();
        changed();
        this.refreshRooms();
        this.refreshPeople(this.current);
      },
      message: (message, request) => {
        if (!request) this.#message(message); // #send() places its own
      },
      presence: (presence) => {
        const room = this.#find("room", presence.room);
        room?.notePresence(presence, this.me);
      },
      notice: (text) => {
        const line = operatorNotice(text);
        this.current.note("event", line); // to be read later as well
        told(line);
      },
      call: (frame) =>
        takeCall(frame, { carrier: this.carrier, server: this.server, told }),
      joined: ({ name, since }, answer, again) => {
        const room = this.#find("room", name);
        if (!room) return;
        room.members = numberOf(answer, "members") ?? (room.members || 1);
        if (again) return;
        room.target = name;
        room.since = since;
        room.newAfter = since;
        this.show(room);
      },
      expelled: ({ name }, error) => {
        const room = this.#find("room", name);
        if (room) this.#drop(room);
        this.explain(error);
      },
      restarted: (last) => this.#restarted(last),
      missedMore: ({ name }) =>
        this.#find("room", name)?.note(
          "event",
          "More messages were sent than are shown here",
        ),
      accountLost: () => told(accountLost(this.me)),
    };
  }

  #message(message: ChatMessage): void {
    const { to, from } = message;
    const conversation = to.startsWith("#")
      ? this.#find("room", to)
      : to === "ALL"
      ? this.#all
      : this.#person(from);
    if (conversation) this.#add(conversation, message);
  }

  /** Adds a message; it is news unless it is ours or was sent before we joined. */
  #add(conversation: Conversation, message: ChatMessage): void {
    const { id = 0, from, text, own } = message;
    const entry = conversation.add(message);
    if (!entry || own) return;
    if (conversation.kind === "user") this.lastSender = from;
    if (conversation.kind === "room" && id <= conversation.since) return;
    const calls = conversation.kind === "user" || mentions(text, this.me);
    if (!this.#sees(conversation)) conversation.count(entry.place - 1, calls);
    this.watcher.said(conversation, entry, calls);
  }

  /** Whether the user sees it now. */
  #sees(conversation: Conversation): boolean {
    return conversation === this.current && this.attentive;
  }

  #restarted(last: number): void {
    for (const conversation of this.conversations) {
      conversation.restart(last);
      if (conversation.entries.length > 0) {
        conversation.note("error", RESTARTED);
      }
    }
  }

  #send(conversation: Conversation, text: string): boolean {
    const fault = this.#session.faultOf(text);
    if (fault !== undefined) {
      this.told(fault);
      return false;
    }
    const entry = conversation.addOwn(text);
    conversation.newAfter = undefined;
    const { target } = conversation;
    this.server.request("SEND", [target], {}, text).then(
      (sent) =>
        conversation.settle(entry, {
          id: numberOf(sent, "id"),
          at: timeOf(sent),
          from: this.me,
        }),
      (error) => conversation.refuse(entry, inWords(error)),
    ).then(() => this.watcher.changed());
    this.watcher.changed();
    return true;
  }

  #find(kind: "room" | "user", name: string): Conversation | undefined {
    const wanted = lookAlike(name);
    return this.conversations.find((one) =>
      one.kind === kind && lookAlike(one.target) === wanted
    );
  }

  /** The conversation with a user, which begins now at the latest. */
  #person(name: string): Conversation {
    const known = this.#find("user", name);
    if (known) return known;
    const person = new Conversation("user", name);
    person.complete = true; // the server has no history of private messages
    this.conversations.push(person);
    return person;
  }

  #drop(conversation: Conversation): void {
    this.conversations = this.conversations.filter((one) =>
      one !== conversation
    );
    if (this.current === conversation) this.show(this.sorted[0] ?? this.#all);
  }
}
