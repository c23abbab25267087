/**
 * What comes from the server, as the user at the terminal is told it.
 *
 * @module
 */
import {
  type ChatError,
  type Frame,
  header,
  targetKind,
} from "../../protocol.ts";
import {
  type ChatMessage,
  type NickChange,
  type Presence,
  type RoleChange,
  timeOf,
} from "../../core/frames.ts";
import type { Request } from "../../core/net/connection.ts";
import {
  isOver,
  type RoomNews,
  roomNewsText,
  roomText,
} from "../../core/rooms/private_rooms.ts";
import { errorText } from "../../core/net/connection_error.ts";
import type { ReconnectingConnection } from "../../core/net/reconnecting.ts";
import type { SettingsChange } from "../../core/rooms/room_settings.ts";
import { changeLines, settingsLines } from "../../core/rooms/settings_text.ts";
import type { Nicks } from "../../core/text/nicks.ts";
import type { JoinedRoom, SessionView } from "../../core/session_view.ts";
import {
  accountLost,
  awayText,
  connectedAgain,
  COURSE_WORDS,
  MISSED_DELETED,
  nickText,
  operatorNotice,
  RECONNECTING,
  RESTARTED,
  roleText,
  YOU_MODERATE,
} from "../../core/text/sentences.ts";
import type { LazyDirect } from "../direct/lazy_direct.ts";
import type { Item } from "../view/view.ts";
import { type Messages, presenceText, typedAs } from "./messages.ts";

/** The same event within this time is shown once. */
const SAME_EVENT_MS = 1_000;

/** The session whose events these are. */
export interface EventsOwner {
  /** To the server. */
  readonly server: ReconnectingConnection;
  /** Which messages are shown. */
  readonly messages: Messages;
  /** Sessions and files without the server. */
  readonly direct: LazyDirect;
  /** Under which name we are known. */
  readonly name: string;
  /** The display names of users. */
  readonly nicks: Nicks;
  /** Whether we are a moderator. */
  readonly isModerator: boolean;
  /** The room that plain lines go to; undefined in none. */
  readonly room: string | undefined;
  /** Whether the user has quit. */
  readonly leaving: boolean;
  /** The current room, if it does not let us in again. */
  expelledFrom: string | undefined;
  /** For a pipe: gets what was refused of it. */
  readonly refused:
    | ((request: Request, error: ChatError) => void)
    | undefined;
  /** Whether the terminal shows no rows above the prompt. */
  readonly isPlain: boolean;
  /** We are registered, under {@linkcode EventsOwner.name}. */
  registered(): void;
  /** Makes `room` the current one. */
  use(room: JoinedRoom): void;
  /** Shows `item`. */
  show(item: Item): void;
  /** Shows a line of our own. */
  note(text: string): void;
  /** Shows lines of our own; of many, only the first. */
  noteAll(lines: readonly string[]): void;
  /** Shows what went wrong, and what the user can do. */
  explain(error: ChatError): void;
  /** Shows what went wrong. */
  showError(text: string): void;
  /** What was typed and waits; whether the server may have it. */
  pending(): [line: string, sent: boolean][];
  /** Draws what was typed and waits, above the prompt. */
  drawPending(): void;
  /** Shows the prompt that fits. */
  prompt(): void;
}

/** See the top of the file. */
export class SessionEvents implements SessionView {
  readonly #owner: EventsOwner;
  #present = Promise.withResolvers<void>();
  #wasInRoom = false;
  readonly #repeated = new WeakSet<Request>(); // their answers may be incomplete
  readonly #told = new WeakMap<JoinedRoom, string>(); // of its settings
  #lastEvent = { at: new Date(0), text: "" };

  /** Nothing has come yet. */
  constructor(owner: EventsOwner) {
    this.#owner = owner;
  }

  /** Resolves as soon as we are registered. */
  get present(): Promise<void> {
    return this.#present.promise;
  }

  /** See {@linkcode SessionView}. */
  registered(again: boolean, to: string | undefined): void {
    const owner = this.#owner;
    owner.registered();
    this.#present.resolve();
    if (!again && owner.isModerator) owner.note(YOU_MODERATE);
    if (!again) return;
    owner.note(to === undefined ? "Reconnected" : connectedAgain(to));
    owner.prompt();
  }

  /** Tells the user, and what waits to be sent. */
  lost(why: Error): void {
    const owner = this.#owner;
    this.#present = Promise.withResolvers();
    if (owner.leaving) return owner.server.close();
    owner.showError(`${why.message}. ${RECONNECTING}`);
    for (const request of owner.server.unanswered) this.#repeated.add(request);
    if (owner.isPlain && !owner.refused) {
      owner.noteAll(owner.pending().map(([line]) => `Queued: ${line}`));
    }
    owner.prompt();
    owner.drawPending();
  }

  /** See {@linkcode SessionView}. */
  refused(why: ChatError): void {
    this.#owner.showError(`${errorText(why)}. Trying again.`);
  }

  /** See {@linkcode SessionView}. */
  slowed(text: string): void {
    this.#owner.note(text);
  }

  /** See {@linkcode SessionView}. */
  message(message: ChatMessage, request: Request | undefined): void {
    const owner = this.#owner;
    owner.messages.show(message, { isSent: request !== undefined });
    const isAway = message.recipients === 0 &&
      targetKind(message.to) === "user";
    if (request && isAway && !this.#repeated.has(request)) {
      owner.note(awayText(message.to));
    }
  }

  /** See {@linkcode SessionView}. */
  stored(message: ChatMessage): void {
    this.#owner.messages.hold(message);
  }

  /** Shows messages of a history. */
  old(messages: readonly ChatMessage[]): void {
    const owner = this.#owner;
    for (const message of messages) owner.messages.show(message, { old: true });
    if (messages.length > 0) owner.note("— messages above are older —");
  }

  /** What was refused is shown again: its line has gone from the screen. */
  notSent(request: Request, error: ChatError): void {
    const owner = this.#owner;
    if (owner.refused) return owner.refused(request, error);
    owner.explain(error);
    owner.note(`Not sent: ${typedAs(request, owner.room)}`);
  }

  /** See {@linkcode SessionView}. */
  presence(presence: Presence, at: Date): void {
    const { messages } = this.#owner;
    const users = presence.users.filter((user) => !messages.ignores(user));
    if (users.length === 0) return;
    const { nicks } = this.#owner;
    const labelOf = (name: string) => nicks.labelOf(name);
    this.#event(at, presenceText({ ...presence, users }, labelOf));
  }

  /** See {@linkcode SessionView}. */
  notice(text: string, at: Date | undefined): void {
    this.#owner.note(operatorNotice(text, at));
  }

  /** See {@linkcode SessionView}. */
  role(change: RoleChange): void {
    this.#owner.note(roleText(change));
  }

  /** See {@linkcode SessionView}. What is typed must not go to another room. */
  roomNews(news: RoomNews): void {
    const owner = this.#owner;
    const { by, isMe, room } = news;
    const isHidden = news.kind === "invited" && isMe && by !== undefined &&
      owner.messages.ignores(by);
    if (!isHidden) owner.note(roomNewsText(news));
    if (isOver(news) && room === owner.room) owner.expelledFrom = room;
    if (isOver(news)) owner.prompt();
  }

  /** See {@linkcode SessionView}. */
  settings(_room: JoinedRoom, change: SettingsChange): void {
    this.#owner.noteAll(changeLines(change, this.#owner.name));
  }

  /** See {@linkcode SessionView}. */
  nick(change: NickChange): void {
    const { messages, name, nicks } = this.#owner;
    const { name: user } = change;
    if (user === name || messages.ignores(user)) return; // we are answered
    this.#owner.note(nickText(change, nicks.labelOf(user)));
  }

  /** See {@linkcode SessionView}. */
  call(frame: Frame): void {
    this.#owner.direct.receive(frame);
  }

  /** See {@linkcode SessionView}. */
  joined(room: JoinedRoom, answer: Frame, again: boolean): void {
    const owner = this.#owner;
    const told = settingsLines(room.settings, owner);
    if (again && told.join() !== this.#told.get(room)) owner.noteAll(told);
    this.#told.set(room, told.join());
    if (again) return;
    const members = header(answer, "members");
    const others = members ? ` (${members} here)` : "";
    this.#event(timeOf(answer), `you joined ${roomText(room.name)}${others}`);
    if (!this.#wasInRoom && !owner.refused) owner.note(COURSE_WORDS);
    this.#wasInRoom = true;
    owner.use(room);
    owner.noteAll(told);
  }

  /** See {@linkcode SessionView}. */
  left(room: string, at: Date): void {
    this.#event(at, `you left ${room}`);
    this.#owner.prompt();
  }

  /** See {@linkcode SessionView}. */
  moved(room: JoinedRoom, isIn: boolean, notice: Frame): void {
    const owner = this.#owner;
    const deed = isIn ? "joined" : "left";
    const text = `you ${deed} ${room.name} on another device`;
    this.#event(timeOf(notice), text);
    if (isIn && owner.room === room.name) owner.use(room);
    owner.prompt();
  }

  /** See {@linkcode SessionView}. */
  expelled({ name }: JoinedRoom, error: ChatError): void {
    const owner = this.#owner;
    if (name === owner.room) owner.expelledFrom = name;
    owner.explain(error);
  }

  /** See {@linkcode SessionView}. */
  restarted(): void {
    this.#owner.messages.restart();
    this.#owner.note(RESTARTED);
  }

  /** See {@linkcode SessionView}. */
  missedDeleted(): void {
    this.#owner.note(MISSED_DELETED);
  }

  /** See {@linkcode SessionView}. */
  missedMore({ name }: JoinedRoom): void {
    this.#owner.note(`More messages were sent in ${name}; /history shows them`);
  }

  /** See {@linkcode SessionView}. */
  accountLost(): void {
    this.#owner.note(accountLost(this.#owner.name));
  }

  /** Shows once that a user leaves several rooms at once. */
  #event(at: Date, text: string): void {
    const again = text === this.#lastEvent.text &&
      at.getTime() - this.#lastEvent.at.getTime() < SAME_EVENT_MS;
    this.#lastEvent = { at, text };
    if (again) return;
    this.#owner.show({ kind: "event", at, text });
  }
}
