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
import { ChatError, type Frame, header } from "../../protocol.ts";
import { type ChatMessage, type Presence, timeOf } from "../../core/frames.ts";
import type { Request } from "../../core/net/connection.ts";
import { errorText } from "../../core/net/connection_error.ts";
import type { ReconnectingConnection } from "../../core/net/reconnecting.ts";
import { type CommandClient, roomNamed } from "../../core/commands.ts";
import { listRooms } from "../../core/requests.ts";
import type { JoinedRoom } from "../../core/resume.ts";
import { ChatSession, type SessionView } from "../../core/session.ts";
import {
  accountLost,
  invalidRoom,
  namesText,
  operatorNotice,
  RECONNECTING,
  RESTARTED,
  TRYING_AGAIN,
} from "../../core/text/sentences.ts";
import { sanitizeName } from "../../core/text/sanitize.ts";
import type { DirectParts } from "../direct/direct.ts";
import { LazyDirect } from "../direct/lazy_direct.ts";
import { failureOf } from "../view/failure.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import type { Item, View } from "../view/view.ts";
import type { Access } from "./access.ts";
import { Messages } from "./messages.ts";

/** More rooms are only counted: a choice has to fit a screen. */
const MAX_ROOMS_SHOWN = 50;

/** How many older messages are shown at a time. */
const OLDER_MESSAGES = 20;

/** Where files go, and what others can get. */
export type SessionFiles = Omit<DirectParts["files"], "me">;

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
  /** Whether our own messages are shown when they are sent. Default true. */
  readonly echo?: boolean;
  /** Calls and files. Default: we can be called, and others can get nothing. */
  readonly direct?:
    & Pick<DirectParts, "hostname">
    & { readonly listens: boolean; readonly files: SessionFiles };
  /** Gets messages that were refused, which are shown otherwise. */
  readonly refused?: (request: Request, error: ChatError) => void;
}

/** See the top of the file. */
export class Session implements CommandClient {
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
  readonly #refused: (request: Request, error: ChatError) => void;
  #present = Promise.withResolvers<void>();
  #reconnects = false; // and has not yet
  /** Typed lines that wait for the server. */
  queued = 0;
  /** Whether the user has quit. */
  leaving = false;
  #lastEvent = { at: new Date(0), text: "" };

  /** In no room, and not registered. */
  constructor(parts: SessionParts) {
    this.server = parts.server;
    this.access = parts.access;
    this.#terminal = parts.terminal;
    this.#view = parts.view;
    this.#refused = parts.refused ?? ((_, error) => this.explain(error));
    this.messages = new Messages(
      parts.echo ?? true,
      (item) => this.show(item),
    );
    this.#view.me = parts.name;
    this.direct = new LazyDirect({
      request: (verb, args, headers) =>
        this.server.request(verb, args, headers).catch((error) => {
          throw failureOf(error);
        }),
      me: () => this.name,
      ignores: (name) => this.messages.ignores(name),
      ...parts.direct,
      files: { ...parts.direct?.files, me: parts.name },
      show: (item) => this.show(item),
      flushed: () => this.#terminal.flushed(),
      explain: (error) => this.explain(error),
      prompt: () => this.prompt(),
    }, parts.direct?.listens ?? true);
    this.chat = new ChatSession({
      server: parts.server,
      signIn: parts.access.signIn,
      me: parts.name,
      view: this.#handlers(),
    });
  }

  /** Under which name we are known. */
  get name(): string {
    return this.chat.me;
  }

  /** The room that plain lines go to; undefined in none. */
  get room(): string | undefined {
    return this.chat.rooms.at(-1)?.name;
  }

  /** The user who last sent us a private message. */
  get lastSender(): string | undefined {
    return this.messages.lastSender;
  }

  /** Whether the client is reconnecting. */
  get away(): boolean {
    return this.server.away;
  }

  /** Resolves as soon as we are registered. */
  get present(): Promise<void> {
    return this.#present.promise;
  }

  /** Connects, and stays until the end; reads no faster than can be shown. */
  run(): Promise<void> {
    return this.chat.run(() => this.#terminal.flushed());
  }

  /** Shows `item`. */
  show(item: Item): void {
    this.#terminal.print(this.#view.format(item));
  }

  /** Shows a line of our own. */
  note(text: string): void {
    this.show({ kind: "note", text });
  }

  /** Shows what went wrong, and what the user can do. */
  explain(error: ChatError): void {
    const retry = error.headers["retry-after"];
    const advice = retry === undefined
      ? ADVICE[error.code] ?? ""
      : `Try again in ${retry} s.`;
    this.showError(`${errorText(error)}. ${advice}`.trim());
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
    const fault = this.chat.faultOf(text);
    if (fault === undefined) this.server.post("SEND", [target], {}, text);
    else this.showError(`${fault}.`);
  }

  /** Makes `word` the current room, and joins it if need be. */
  async join(word: string): Promise<void> {
    const name = roomNamed(word);
    if (!name) return this.showError(invalidRoom(word));
    const known = this.chat.find(name);
    if (known) return this.#makeCurrent(known);
    await this.chat.join(name, (_, old) => this.#showOld(old));
  }

  /** Leaves a room; out of the last one, shows which there are. */
  async leave(word: string | undefined = this.room): Promise<void> {
    const room = roomNamed(word ?? "");
    if (!room) throw new ChatError(109, "you are in no room");
    await this.server.request("LEAVE", [room]);
    if (!this.room) await this.showRooms();
  }

  /** Shows which rooms there are, and how many are in each. */
  async showRooms(): Promise<void> {
    const rooms = await listRooms(this.server);
    for (const { name, members } of rooms.slice(0, MAX_ROOMS_SHOWN)) {
      this.show({ kind: "room", name, members: `${members}` });
    }
    const more = rooms.length - MAX_ROOMS_SHOWN;
    if (more > 0) this.note(`And ${more} more; Tab completes their names`);
    if (this.room) return;
    this.note("Type the name of a room to join or create it; Enter: default.");
  }

  /**
   * Shows the last messages of the current room again; without a number, what
   * came before the oldest that was shown.
   */
  async history(most: number | undefined): Promise<void> {
    const { room } = this;
    if (!room) throw new ChatError(109, "you are in no room");
    const before = most === undefined
      ? this.messages.oldestOf(room)
      : undefined;
    const range = { most: most ?? OLDER_MESSAGES, before };
    await this.chat.older(room, range, (old) => {
      this.#showOld(old);
      if (old.length > 0) return;
      this.note(
        before === undefined
          ? `No messages in ${room} yet`
          : `No older messages in ${room}`,
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
    if (this.server.away) this.server.close();
    else await this.server.request("LOGOUT");
  }

  /** At the end: tells how many messages wait for a connection, in vain. */
  noteUnsent(): void {
    const sends = this.server.parked.filter(({ verb }) => verb === "SEND");
    const count = this.queued + sends.length;
    if (!this.away || count === 0) return;
    this.note(`${count} queued message${count === 1 ? "" : "s"} not sent`);
  }

  /** Shows the prompt that fits. */
  prompt(): void {
    this.#view.room = this.room;
    this.#terminal.prompt(this.promptText);
  }

  /** What stands before what is typed. */
  get promptText(): string {
    const direct = this.direct.opened?.current;
    if (direct) return `direct ${sanitizeName(direct.name)}> `;
    const away = this.away ? " (offline)" : "";
    return `${sanitizeName(this.room ?? "room")}${away}> `;
  }

  /** What becomes of what the server sends. */
  #handlers(): SessionView {
    return {
      registered: () => this.#view.me = this.name,
      lost: (why) => this.#lost(why),
      refused: (why) => this.showError(`${errorText(why)}. ${TRYING_AGAIN}`),
      reconnected: () => this.note("Reconnected"),
      resumed: () => this.#resumed(),
      message: (message, request) =>
        this.messages.show(message, { isSent: request !== undefined }),
      notSent: this.#refused,
      presence: (presence, at) => this.#event(at, presenceText(presence)),
      notice: (text) => this.note(operatorNotice(text)),
      call: (frame) => this.direct.receive(frame),
      joined: (room, answer, again) => {
        if (!again) this.#joined(room, answer);
      },
      left: (room) => {
        this.#event(new Date(), `you left ${room}`);
        this.prompt();
      },
      expelled: (_, error) => this.explain(error),
      restarted: () => {
        this.messages.restart();
        this.note(RESTARTED);
      },
      missedMore: ({ name }) =>
        this.note(`More messages were sent in ${name}; /history shows them`),
      accountLost: () => this.note(accountLost(this.name)),
    };
  }

  #resumed(): void {
    this.#present.resolve();
    if (this.#reconnects) this.prompt();
    this.#reconnects = false;
  }

  /** Tells the user, and what waits to be sent. */
  #lost(why: Error): void {
    this.#present = Promise.withResolvers();
    if (this.leaving) return this.server.close();
    this.#reconnects = true;
    this.showError(`${why.message}. ${RECONNECTING}`);
    for (const line of this.messages.unsent(this.server.parked)) {
      this.note(line);
    }
    this.prompt();
  }

  #showOld(old: readonly ChatMessage[]): void {
    for (const message of old) this.messages.show(message, { old: true });
    if (old.length > 0) this.note("— messages above are older —");
  }

  #joined(room: JoinedRoom, answer: Frame): void {
    const members = header(answer, "members");
    const others = members ? ` (${members} here)` : "";
    this.#event(timeOf(answer), `you joined ${room.name}${others}`);
    this.#makeCurrent(room);
  }

  /** Shows once that a user leaves several rooms at once. */
  #event(at: Date, text: string): void {
    const again = text === this.#lastEvent.text &&
      at.getTime() - this.#lastEvent.at.getTime() < SAME_EVENT_MS;
    this.#lastEvent = { at, text };
    if (again) return;
    this.show({ kind: "event", at, text });
  }

  #makeCurrent(room: JoinedRoom): void {
    if (this.direct.opened) this.direct.opened.current = undefined;
    this.chat.use(room);
    this.prompt();
  }
}

/** Users who joined, left or went offline, as a line. */
function presenceText({ kind, users, room, reason }: Presence): string {
  const names = namesText(users.map(sanitizeName));
  if (kind !== "offline") return `${names} ${kind} ${sanitizeName(room)}`;
  return `${names} went offline${reason ? ` (${reason})` : ""}`;
}

/** What to do about an error that does not end the session. */
const ADVICE: Partial<Record<number, string>> = {
  102: "/who all shows who is connected.",
  105: "The server may be of another version.",
  106: "Send it in parts.",
  118: "@NAME: TEXT sends a private message through the server.",
  109: "/rooms shows the rooms; /join ROOM joins one.",
  120: "You can still read. Ask the operator.",
};

const SAME_EVENT_MS = 1_000;
