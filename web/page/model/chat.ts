/**
 * The chat of the page: the conversations, and what the user does there. What the
 * server sends is in received.ts. Nothing is drawn here; the watcher is told that
 * something has changed.
 *
 * core/session.ts knows what frames mean, and resumes after a lost connection.
 *
 * @module
 */
import { type CommandClient, roomNamed } from "../../../core/command_client.ts";
import type { ChatMessage } from "../../../core/frames.ts";
import {
  ConnectionError,
  inWords,
} from "../../../core/net/connection_error.ts";
import {
  ReconnectingConnection,
  type ReconnectingOptions,
} from "../../../core/net/reconnecting.ts";
import type { Nicks } from "../../../core/text/nicks.ts";
import type { ToPage } from "../../../core/page_talk.ts";
import {
  madeText,
  readJoin,
  roomText,
} from "../../../core/rooms/private_rooms.ts";
import {
  DeclineLimit,
  type ListedRoom,
  listPeople,
  listRooms,
} from "../../../core/requests.ts";
import type { RoomSettings } from "../../../core/rooms/room_settings.ts";
import type { Resumable } from "../../../core/session/resumable.ts";
import { ChatSession } from "../../../core/session.ts";
import type { SignIn } from "../../../core/sign_in.ts";
import {
  invalidRoom,
  NAME_RULE,
  tooLongText,
} from "../../../core/text/sentences.ts";
import { sanitize } from "../../../core/text/sanitize.ts";
import { isUserName, lookAlike } from "../../../protocol.ts";
import type { Conversation, Entry } from "./conversation.ts";
import { Conversations } from "./conversations.ts";
import { addMessage, limit, viewOf } from "./received.ts";
import { settle } from "./sending.ts";
import type { Carrier, Watcher } from "./watcher.ts";

/** Limit of older messages that are fetched at a time. */
const EARLIER = 100;

/** The parts of a {@linkcode Chat}. */
type ChatParts =
  & Pick<ReconnectingOptions, "dial" | "home">
  & Pick<Chat, "signIn" | "watcher">
  & {
    readonly name: string;
    /** The session of the page before this one, if that had one. */
    readonly session?: Resumable | undefined;
  };

/** See the top of the file. */
export class Chat implements CommandClient {
  readonly isWeb = true;
  /** The conversations that we are in. */
  readonly conversations: Conversations = new Conversations();
  /** The conversation that is shown. */
  current: Conversation = this.conversations.all;
  /** Whether the user is at the page. */
  attentive = true;
  /** Whether the newest message of the current conversation is in sight. */
  atEnd = true;
  /** All rooms, when the list was last requested. */
  rooms: readonly ListedRoom[] = [];
  state: "connecting" | "connected" | "reconnecting" | "ended" = "connecting";
  /** The reason why it reconnects or has ended. */
  why = "";
  /** The way in which we registered. */
  readonly signIn: SignIn;
  /** The connections to the server. */
  readonly server: ReconnectingConnection;
  /** The module that carries files, if the page has one. */
  carrier: Carrier | undefined;
  /** The sender of the last private message to us. */
  lastSender: string | undefined;
  readonly watcher: Watcher;
  /** Users whose messages are hidden, by what the names look like. */
  readonly ignored: Map<string, string> = new Map();
  readonly declines: DeclineLimit = new DeclineLimit();
  readonly #session: ChatSession;
  #opening: Conversation | undefined; // is shown once we are in it

  constructor({ dial, home, name, signIn, watcher, session }: ChatParts) {
    this.signIn = signIn;
    this.watcher = watcher;
    this.server = new ReconnectingConnection({ dial, home });
    this.#session = new ChatSession({
      server: this.server,
      signIn,
      me: name,
      view: viewOf(this),
    }, session);
  }

  /** See {@linkcode CommandClient}. */
  get isModerator(): boolean {
    return this.#session.isModerator;
  }

  /** See {@linkcode CommandClient}. */
  get nicks(): Nicks {
    return this.#session.nicks;
  }

  /** Whether there is no connection, for now or for good. */
  get isAway(): boolean {
    return this.state === "reconnecting" || this.state === "ended";
  }

  /** Hides the messages of a user, and of similar names, or shows them again. */
  ignore(name: string, ignored: boolean): void {
    if (ignored) this.ignored.set(lookAlike(name), name);
    else this.ignored.delete(lookAlike(name));
    this.watcher.ignored?.([...this.ignored.values()]);
  }

  /** Whether messages of this user are hidden. */
  ignores(name: string): boolean {
    return this.ignored.has(lookAlike(name));
  }

  /** Our name. */
  get me(): string {
    return this.#session.me;
  }

  /** The state that another page needs to resume the session. */
  get resumable(): Resumable | undefined {
    return this.#session.resumable;
  }

  /** The room that is shown, with `#`; undefined if it is no room. */
  get room(): string | undefined {
    return this.current.kind === "room" ? this.current.target : undefined;
  }

  /** What is set of that room. */
  get settings(): RoomSettings | undefined {
    return this.room ? this.#session.find(this.room)?.settings : undefined;
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

  /** Whether `name` is our name. */
  isMe(name: string): boolean {
    return lookAlike(name) === lookAlike(this.me);
  }

  /** Shows a conversation; one with unread messages from the first of them on. */
  show(conversation: Conversation): void {
    this.#opening = undefined;
    if (conversation !== this.current) {
      if (this.current.unread === 0) this.current.newAfter = undefined;
      this.current.readAbove = !this.atEnd;
      this.current = conversation;
      this.atEnd = conversation.unread === 0 && !conversation.readAbove;
      this.refresh(conversation);
    }
    this.watcher.changed();
  }

  /** Requests what the server knows of a conversation that is opened. */
  refresh(conversation: Conversation): void {
    if (conversation.kind === "user") this.#fetchTalk(conversation);
    else this.refreshPeople(conversation);
  }

  /**
   * Fetches the last messages that were exchanged with a user, once; the server
   * has them if both users have accounts.
   */
  async #fetchTalk(talk: Conversation): Promise<void> {
    const isOwner = this.signIn.owned && this.server.registered;
    if (!isOwner || talk.isStored) return;
    talk.isStored = true;
    try {
      await this.#session.older(talk.target, {}, (old) => {
        for (const message of old) talk.add(message, { earlier: true });
      });
      await this.#askOlder(talk);
    } catch {
      talk.isStored = false; // a guest, or the connection is lost
    }
    this.watcher.changed();
  }

  /** The user types: no answer may change what is shown now. */
  typed(): void {
    this.#opening = undefined;
  }

  /** The user sees what is shown, if the end of it is in sight. */
  see(): void {
    const { current } = this;
    if (!this.sees(current) || current.unread === 0) return;
    current.unread = 0;
    current.called = false;
    this.read(current, current.newest);
    this.watcher.seen?.(current);
    this.watcher.changed();
  }

  /**
   * Joins a room, making it if there is none, and shows it. Without a connection
   * that is later, unless the user types: no sentence must end in another room.
   *
   * @param word With or without `#`.
   * @param quietly Whether it is not to be shown.
   */
  async join(words: string, { quietly = false } = {}): Promise<void> {
    const { word, isPrivate } = readJoin(words);
    const name = roomNamed(word);
    if (!name) return this.watcher.told(invalidRoom(word));
    if (isPrivate) return await this.#makePrivate(name);
    const room = this.conversations.open("room", name); // before messages come
    const known = this.#session.find(name);
    if (known && !known.followed) return this.show(room);
    const isLater = !quietly && this.isAway;
    if (isLater && this.current.draft === "") this.#opening = room;
    else if (!quietly && !isLater) this.show(room);
    await this.#try(async () => {
      try {
        await this.#session.join(name, (_, old) => {
          for (const message of old) addMessage(this, room, message);
        });
      } catch (error) {
        return this.expelled(room, error);
      }
      if (this.#opening === room) this.show(room);
      else if (isLater) this.watcher.told(`You joined ${room.target}`, true);
      this.refreshRooms();
      this.#try(() => this.#askOlder(room));
    });
  }

  /** Makes a private room, to whose name the server adds something. */
  async #makePrivate(name: string): Promise<void> {
    await this.#try(async () => {
      await this.#session.join(name, ({ name }) => {
        const room = this.conversations.open("room", name); // it is new
        room.note("answer", madeText(name));
        this.show(room);
      }, { isPrivate: true });
      this.refreshRooms();
    });
  }

  /**
   * Leaves a room, or closes a private conversation. It stays if the user has
   * typed there before the server has answered.
   */
  async leave(conversation: Conversation): Promise<void> {
    const { draft, target } = conversation;
    await this.#try(async () => {
      if (this.#session.find(target)) {
        await this.server.request("LEAVE", [target]);
      }
      if (["", draft].includes(conversation.draft)) this.#drop(conversation);
      else conversation.note("event", `You left ${target}`);
      this.refreshRooms();
    });
  }

  /** Shows the conversation with a user. */
  talkTo(name: string): void {
    if (isUserName(name)) {
      return this.show(this.conversations.open("user", name));
    }
    this.watcher.told(NAME_RULE);
  }

  /** Sends a message; false if it is too long. */
  send(text: string, conversation: Conversation = this.current): boolean {
    const fault = tooLongText(text, this.#session.maxBodyBytes);
    if (fault !== undefined) {
      this.watcher.told(fault);
      return false;
    }
    const entry = conversation.addOwn(text);
    conversation.newAfter = undefined;
    const args = [conversation.target];
    const answer = this.server.request("SEND", args, {}, text);
    settle(this, { conversation, entry, answer });
    this.watcher.changed();
    return true;
  }

  /** Sends a message again that was refused. */
  sendAgain(conversation: Conversation, entry: Entry): void {
    conversation.takeBack(entry);
    this.send(entry.text, conversation);
  }

  /**
   * Sends a message to a user, or to `ALL`, and shows that conversation, unless
   * the message is too long.
   */
  sendTo(name: string, text: string): void | "kept" {
    const { conversations } = this;
    const to = name.toUpperCase() === "ALL"
      ? conversations.all
      : conversations.open("user", name);
    if (!this.send(text, to)) return "kept";
    this.show(to);
  }

  /** Shows the result of a command. */
  answer(lines: readonly string[]): void {
    const text = lines.join("\n");
    this.current.note("answer", text);
    this.watcher.noted(this.current, text);
    this.watcher.changed();
  }

  /** Fetches older messages. */
  earlier(conversation: Conversation): Promise<void> {
    return this.#try(() =>
      this.#older(conversation, EARLIER, (old) => {
        for (const message of old) conversation.add(message, { earlier: true });
        conversation.hasOlder = old.length === EARLIER;
      })
    );
  }

  /** Asks whether there are older messages: the server chose how many it gave. */
  #askOlder(conversation: Conversation): Promise<void> {
    return this.#older(conversation, 1, (old) => {
      conversation.hasOlder = old.length > 0;
    });
  }

  /** Gives messages that are older than those of a conversation, up to `most`. */
  #older(
    { target, oldest: before }: Conversation,
    most: number,
    take: (old: ChatMessage[]) => void,
  ): Promise<void> {
    return this.#session.older(target, { most, before }, take);
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
    this.answer(
      this.rooms.map(({ name, members, topic }) =>
        `${roomText(name)} (${members})${topic && `  ${sanitize(topic)}`}`
      ),
    );
  }

  /** Requests the list of users in a conversation. */
  async refreshPeople(conversation: Conversation): Promise<void> {
    const { kind, target } = conversation;
    const isMine = kind === "all" || this.#session.find(target);
    if (!this.server.registered || !isMine) return;
    await this.#try(async () =>
      conversation.setPeople(await listPeople(this.server, target))
    );
  }

  /** Gives our account another password. */
  async changePassword(from: string, to: string): Promise<void> {
    await this.signIn.changePassword(this.server, this.me, { from, to });
    this.watcher.changed();
  }

  /** Deletes our account, which ends the chat. */
  async unregister(password: string): Promise<void> {
    await this.signIn.unregister(this.server, this.me, password);
  }

  /** Makes our name an account. */
  async signUp(password: string): Promise<void> {
    await this.signIn.signUp(this.server, this.me, password);
    this.watcher.changed();
  }

  /** Notes something about files, which the user is told now if it is news. */
  note({ peer, text, failed, news }: ToPage & { type: "told" }): void {
    const person = this.conversations.open("user", peer);
    person.note(failed ? "error" : "event", text, { apart: true });
    if (news && !this.sees(person)) person.count(person.end, true);
    if (news) this.watcher.noted(person, text);
    limit(this);
    this.watcher.changed();
  }

  /** Disconnects. */
  logout(): void {
    this.carrier?.leave();
    const { server } = this;
    if (!server.registered || server.slowed) return server.close();
    server.request("LOGOUT").catch(() => server.close());
  }

  /** Tells what went wrong, unless the banner tells it. */
  explain(error: unknown): void {
    if (error instanceof ConnectionError) return;
    // The cast: nothing throws anything else.
    this.watcher.told(inWords(error as Error));
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

  /** Whether the user sees what comes now. */
  sees(conversation: Conversation): boolean {
    return conversation === this.current && this.attentive && this.atEnd;
  }

  /** The user has read a conversation here, up to an id. */
  read({ target }: Conversation, id: number): void {
    this.#session.seen(target, id);
  }

  /** We are in a room that another device has joined. */
  joinedElsewhere(room: Conversation): void {
    this.refreshRooms();
    this.#try(() => this.#askOlder(room));
    this.watcher.changed();
  }

  /** We are not in a room any more that another device has left. */
  leftElsewhere(room: Conversation): void {
    if (room.draft === "") this.#drop(room);
    else room.note("event", `You left ${room.target} on another device`);
    this.refreshRooms();
    this.watcher.changed();
  }

  /** A room refuses us; it stays if the user is writing there. */
  expelled(room: Conversation, error: unknown): void {
    if (error instanceof ConnectionError) return; // all stays, to be read
    if (room.draft === "") this.#drop(room);
    else room.note("error", inWords(error as Error)); // nothing else is thrown
    this.explain(error);
  }

  #drop(conversation: Conversation): void {
    const { conversations } = this;
    conversations.remove(conversation);
    if (this.current !== conversation) return;
    this.show(conversations.sorted[0] ?? conversations.all);
  }
}
