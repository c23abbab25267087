/**
 * The session of the user at the terminal: what the user wants, and how what
 * comes from the server is shown.
 *
 * core/session.ts knows what frames mean, and resumes after a lost connection.
 * What the user wants is done by the methods below, which `commands.ts` calls.
 * Both run on one thread and change the state between two awaits, so that there
 * is nothing to lock.
 *
 * @module
 */
import { ChatError, isPrivateName } from "../../protocol.ts";
import type { Request } from "../../core/net/connection.ts";
import {
  adviceOn,
  errorText,
  withAdvice,
} from "../../core/net/connection_error.ts";
import type { ReconnectingConnection } from "../../core/net/reconnecting.ts";
import { type CommandClient, roomNamed } from "../../core/command_client.ts";
import type { Nicks } from "../../core/text/nicks.ts";
import { madeText, readJoin } from "../../core/rooms/private_rooms.ts";
import { listRooms } from "../../core/requests.ts";
import { ChatSession } from "../../core/session.ts";
import type { RoomSettings } from "../../core/rooms/room_settings.ts";
import type { JoinedRoom } from "../../core/session_view.ts";
import { invalidRoom, tooLongText } from "../../core/text/sentences.ts";
import { sanitizeName } from "../../core/text/sanitize.ts";
import { withReceiver } from "../../core/text/typed_line.ts";
import type { DirectOwner, DirectSettings } from "../direct/direct.ts";
import { LazyDirect } from "../direct/lazy_direct.ts";
import type { Line, Terminal } from "../../terminal/terminal.ts";
import { pendingRows } from "../view/rows.ts";
import type { Item, View } from "../view/view.ts";
import type { Access } from "./access.ts";
import { type EventsOwner, SessionEvents } from "./events.ts";
import { IgnoredUsers } from "./ignored_users.ts";
import { Messages, typedAs } from "./messages.ts";

/** More rooms are only counted: a choice has to fit a screen. */
const MAX_ROOMS_SHOWN = 50;

/** More lines that were not sent are only counted. */
const MAX_UNSENT_SHOWN = 20;

/** How many older messages are shown at a time. */
const OLDER_MESSAGES = 20;

/** What a {@linkcode Session} is made of. */
export interface SessionParts {
  /** To the server. */
  readonly server: ReconnectingConnection;
  /** Where things are shown. */
  readonly terminal: Terminal;
  /** How they are shown. */
  readonly view: View;
  /** How we register, and can make our name an account. */
  readonly access: Access;
  /** The name to register. */
  readonly name: string;
  /** Users whose messages are hidden. Default: no users, and nothing is stored. */
  readonly ignored?: IgnoredUsers;
  /** Calls and files. Default: we can be called, and others can get nothing. */
  readonly direct?: DirectSettings;
  /**
   * For a pipe, which knows what it said: gets what was refused of it. Otherwise
   * that is shown, and so are our own messages when they are sent.
   */
  readonly refused?: (request: Request, error: ChatError) => void;
}

/** See the top of the file. */
export class Session implements CommandClient, DirectOwner, EventsOwner {
  /** See {@linkcode DirectOwner}. */
  readonly cancelAdvice = "/cancel";
  readonly isWeb = false;
  /** To the server. */
  readonly server: ReconnectingConnection;
  /** How we register, and can make our name an account. */
  readonly access: Access;
  /** Which messages are shown. */
  readonly messages: Messages;
  /** Sessions and files without the server. */
  readonly direct: LazyDirect;
  /** What the server knows of us. */
  readonly chat: ChatSession;
  readonly #terminal: Terminal;
  readonly #view: View;
  readonly #events: SessionEvents;
  /** See {@linkcode SessionParts}. */
  readonly refused: SessionParts["refused"];
  #transfers: readonly string[] = []; // as rows
  /** Typed lines that wait for the server. */
  readonly queue: string[] = [];
  /** Whether the user has quit. */
  leaving = false;
  /** The current room, if it does not let us in again; until the user chooses. */
  expelledFrom: string | undefined;

  /** In no room, and not registered. */
  constructor(parts: SessionParts) {
    this.server = parts.server;
    this.access = parts.access;
    this.#terminal = parts.terminal;
    this.#view = parts.view;
    this.refused = parts.refused;
    this.messages = new Messages({
      echo: parts.refused === undefined,
      ignored: parts.ignored ?? new IgnoredUsers(),
      show: (item) => this.show(item),
    });
    this.#view.me = parts.name;
    this.direct = new LazyDirect(this, parts.direct ?? {});
    this.#events = new SessionEvents(this);
    this.chat = new ChatSession({
      server: parts.server,
      signIn: parts.access.signIn,
      me: parts.name,
      view: this.#events,
    });
  }

  /** Under which name we are known. */
  get name(): string {
    return this.chat.me;
  }

  /** See {@linkcode CommandClient}. */
  get me(): string {
    return this.name;
  }

  /** See {@linkcode CommandClient}. */
  get settings(): RoomSettings | undefined {
    return this.room ? this.chat.find(this.room)?.settings : undefined;
  }

  /** See {@linkcode CommandClient}. */
  get isModerator(): boolean {
    return this.chat.isModerator;
  }

  /** See {@linkcode CommandClient}. */
  get nicks(): Nicks {
    return this.chat.nicks;
  }

  /** The room that plain lines go to; undefined in none. */
  get room(): string | undefined {
    if (this.expelledFrom !== undefined) return undefined;
    return this.chat.rooms.at(-1)?.name;
  }

  /** A line is begun: a `/reply` is for the user who has written last by now. */
  begin(): (line: Line) => Line {
    const { lastSender, repliesDirectly } = this.messages;
    return (line) => {
      if (line.pasted) return line;
      const text = withReceiver(line.text, lastSender, repliesDirectly);
      return { ...line, text };
    };
  }

  /**
   * A line of a terminal that does not tell when it was begun. A `/reply` is
   * refused once if another user has written since the line before.
   */
  read(line: Line): Line | undefined {
    const { contested, lastSender } = this.messages;
    this.messages.contested = false;
    const read = this.begin()(line);
    if (!contested || read.text === line.text) return read;
    this.showError(
      `Not sent: ${lastSender} has written meanwhile. ` +
        `/reply sends to ${lastSender} now; @NAME: TEXT to any user.`,
    );
    return undefined;
  }

  /** Whether the terminal shows no rows above the prompt. */
  get isPlain(): boolean {
    return this.#terminal.kind === "plain";
  }

  /** Whether the client is reconnecting. */
  get away(): boolean {
    return this.server.away;
  }

  /** Whether what is typed waits for the server for longer than a moment. */
  get waits(): boolean {
    return this.away || this.server.slowed;
  }

  /** Resolves as soon as we are registered. */
  get present(): Promise<void> {
    return this.#events.present;
  }

  /** See {@linkcode EventsOwner}. */
  registered(): void {
    this.#view.me = this.name;
  }

  /** Connects, and stays until the end; reads no faster than can be shown. */
  run(): Promise<void> {
    return this.chat.run(() => {
      this.drawPending();
      return this.flushed();
    });
  }

  /** Waits while the terminal is too far behind. */
  flushed(): Promise<void> {
    return this.#terminal.flushed();
  }

  /** Shows `item`. */
  show(item: Item): void {
    if (item.kind === "message" && item.direct && item.to === "you") {
      this.messages.answerTo(item.from, true);
    }
    const shown = item.kind === "message"
      ? { ...item, nick: this.nicks.of(item.from) }
      : item;
    this.#terminal.print(this.#view.format(shown));
  }

  /** Shows a line of our own. */
  note(text: string): void {
    this.show({ kind: "note", text });
  }

  /** Shows what went wrong, and what the user can do. */
  explain(error: ChatError): void {
    this.showError(withAdvice(errorText(error), adviceOn(error)));
  }

  /** Shows what went wrong. */
  showError(text: string): void {
    this.show({ kind: "error", text });
  }

  /** Shows what a command found out. */
  answer(lines: readonly string[]): void {
    for (const line of lines) this.note(line);
  }

  /** Sends without waiting: what becomes of it is shown when it is known. */
  sendTo(target: string, text: string): void {
    const fault = tooLongText(text, this.chat.maxBodyBytes);
    if (fault !== undefined) return this.showError(`${fault}.`);
    this.server.post("SEND", [target], {}, text);
    this.drawPending();
  }

  /** Makes `word` the current room, and joins it if need be. */
  async join(words: string): Promise<void> {
    const { word, isPrivate } = readJoin(words);
    const name = roomNamed(word);
    if (!name) return this.showError(invalidRoom(word));
    const known = isPrivate ? undefined : this.chat.find(name);
    if (known && !known.followed) {
      if (name === this.room) this.note(`You are in ${name} already`);
      return this.use(known);
    }
    await this.chat.join(name, (room, old) => {
      this.#events.old(old);
      if (isPrivate) this.note(madeText(room.name));
    }, { isPrivate });
  }

  /** Leaves a room; out of the last one, shows which there are. */
  async leave(word: string | undefined = this.room): Promise<void> {
    if (!word) throw new ChatError(109, "you are in no room");
    const room = roomNamed(word);
    if (!room) return this.showError(invalidRoom(word));
    await this.server.request("LEAVE", [room]);
    if (!this.room) await this.showRooms();
  }

  /** Shows which rooms there are, and how many are in each. */
  async showRooms(): Promise<void> {
    const rooms = await listRooms(this.server);
    this.note("Rooms, and how many users are in each:");
    for (const { name, members, topic } of rooms.slice(0, MAX_ROOMS_SHOWN)) {
      const isPrivate = isPrivateName(name) ? ", \u{1f512} private" : "";
      const inside = `${members}${isPrivate}`;
      this.show({ kind: "room", name, members: inside, topic });
    }
    const more = rooms.length - MAX_ROOMS_SHOWN;
    if (more > 0) this.note(`And ${more} more; Tab completes their names`);
    if (this.room) return;
    this.note("Type the name of a room to join or create it; Enter: default.");
  }

  /**
   * Shows the last messages of the current room again, or those exchanged with a
   * user; without a number, what came before the oldest that was shown.
   */
  async history(
    most: number | undefined,
    user?: string | undefined,
  ): Promise<void> {
    const target = user ?? this.room;
    if (!target) throw new ChatError(109, "you are in no room");
    const before = most === undefined
      ? this.messages.oldestOf(target)
      : undefined;
    const range = { most: most ?? OLDER_MESSAGES, before };
    await this.chat.older(target, range, (old) => {
      this.#events.old(old);
      if (old.length > 0) return;
      const where = user === undefined ? `in ${target}` : `with ${target}`;
      this.note(
        before === undefined
          ? `No messages ${where} yet`
          : `No older messages ${where}`,
      );
    });
  }

  /** Clears the screen. */
  clear(): void {
    this.#terminal.clear();
  }

  /** Signs out. The line ends with the server's answer, or at once. */
  async logout(): Promise<void> {
    this.leaving = true;
    if (this.waits) this.server.close();
    else {
      const close = () => this.server.close(); // a server may refuse even that
      await this.server.request("LOGOUT").catch(close);
    }
  }

  /** Draws the rows of transfers above the prompt. */
  drawTransfers(rows: readonly string[]): void {
    this.#transfers = rows;
    this.drawPending();
  }

  /** Draws what was typed and waits, above the prompt. */
  drawPending(): void {
    const { kind, columns } = this.#terminal;
    const waiting = kind === "raw" ? this.pending().map(([line]) => line) : [];
    this.#terminal.status([
      ...this.#transfers,
      ...pendingRows(waiting, columns),
    ]);
  }

  /** Messages without an answer. */
  get #unsent(): Request[] {
    return this.server.unanswered.filter(({ verb }) => verb === "SEND");
  }

  /** What was typed and waits; whether the server may have it. */
  pending(): [line: string, sent: boolean][] {
    return [
      ...this.#unsent.map((one): [string, boolean] => [
        typedAs(one, this.room),
        one.sent === true,
      ]),
      ...this.queue.map((line): [string, boolean] => [line, false]),
    ];
  }

  /**
   * At the end: shows what waits for the server in vain, and what was typed and
   * not entered.
   */
  noteUnsent(typed: string): void {
    if (this.leaving && !this.away && this.#unsent.length === 0) return;
    const pending = this.pending();
    const count = pending.length;
    if (count > 0) {
      this.note(`${count} queued message${count === 1 ? "" : "s"} not sent`);
    }
    if (typed !== "") pending.push([typed, false]);
    this.noteAll(
      pending.map(([line, sent]) =>
        `${sent ? "Not answered" : "Not sent"}: ${line}`
      ),
    );
  }

  /** Shows lines of our own; of many, only the first. */
  noteAll(lines: readonly string[]): void {
    for (const line of lines.slice(0, MAX_UNSENT_SHOWN)) this.note(line);
    const more = lines.length - MAX_UNSENT_SHOWN;
    if (more > 0) this.note(`And ${more} more`);
  }

  /** Shows the prompt that fits. */
  prompt(): void {
    this.#view.room = this.room;
    this.#terminal.prompt(this.promptText);
  }

  /** What stands before what is typed. */
  get promptText(): string {
    const direct = this.direct.opened?.current;
    const me = sanitizeName(this.name);
    if (direct) return `${me} direct ${sanitizeName(direct.name)}> `;
    const away = this.away ? " (offline)" : "";
    return `${me} ${sanitizeName(this.room ?? "room")}${away}> `;
  }

  /** Makes `room` the current one. */
  use(room: JoinedRoom): void {
    if (this.direct.opened) this.direct.opened.current = undefined;
    this.expelledFrom = undefined;
    this.chat.use(room);
    this.prompt();
  }
}
