/**
 * One visit: which rooms we are in, and what each frame means to the person at
 * the screen.
 *
 * What comes in goes through {@linkcode Session.receive}, in the order of the
 * wire; what the person wants is done by the methods below it, which
 * `commands.ts` calls. Both run on one thread and change the state between two
 * awaits, so that there is nothing to lock.
 *
 * A visit outlives its connections. When one is lost the session holds back
 * what it hears, and on the next one enters its rooms again and asks for what
 * was missed; see `comeback.ts`.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  header,
  lookAlike,
  MAX_BODY_BYTES,
} from "../../protocol.ts";
import type { Access } from "../../core/sign_in.ts";
import {
  history,
  type Joined,
  type Part,
  type Pass,
} from "../../core/resume.ts";
import { roomNamed } from "../../core/commands.ts";
import { Comeback } from "../../core/comeback.ts";
import { sanitizeName } from "../../core/text/sanitize.ts";
import {
  type Connection,
  errorOf,
  type Event,
  type Request,
  said,
} from "../../core/connection.ts";
import type { DirectParts } from "../direct/direct.ts";
import { DirectDoor } from "../direct/door.ts";
import type { Line, Visitor } from "../../core/reconnecting.ts";
import { listRooms } from "../../core/listing.ts";
import { Messages } from "./messages.ts";
import { numberOf, presenceOf, textOf, timeOf } from "../../core/frames.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import type { Item, View } from "../terminal/view.ts";

/** More rooms are only counted: a choice has to fit a screen. */
const MAX_ROOMS_SHOWN = 50;

/** So many older messages are shown at a time. */
const OLDER_MESSAGES = 20;

/** What a {@linkcode Session} is made of. */
export interface SessionParts {
  /** To the server. */
  readonly line: Line;
  /** Where things are shown. */
  readonly terminal: Terminal;
  /** How they are shown. */
  readonly view: View;
  /** How we come in, and can make our name an account. */
  readonly access: Access;
  /** Under which name we come in. */
  readonly name: string;
  /**
   * Comes in on a new connection; with `pass`, if it is not the first.
   *
   * @returns The server's REGISTERED.
   */
  readonly comeIn: (
    connection: Connection,
    pass: Pass | undefined,
  ) => Promise<Frame>;
  /** Whether our own messages are shown when they are sent. Default true. */
  readonly echo?: boolean;
  /** Whether we can be called directly, at first. Default true. */
  readonly listens?: boolean;
  /** The only address for direct connections. Default: all of this computer. */
  readonly directHost?: string | undefined;
  /** Where files go, and what may be got. Default: nothing may. */
  readonly files?: Omit<DirectParts["files"], "me">;
  /** See {@linkcode DirectParts.takesFiles}. */
  readonly takesFiles?: DirectParts["takesFiles"];
  /** Is told of messages that were refused, which are shown otherwise. */
  readonly refused?: (request: Request, error: ChatError) => void;
}

/** The visit of one person. */
export class Session implements Visitor {
  /** To the server. */
  readonly line: Line;
  /** How we came in, and can make our name an account. */
  readonly access: Access;
  /** What was said. */
  readonly messages: Messages;
  /** What goes on without the server. */
  readonly direct: DirectDoor;
  /** Longest message the server takes, in bytes. */
  maxBodyBytes: number = MAX_BODY_BYTES;
  readonly #terminal: Terminal;
  readonly #view: View;
  readonly #comeback: Comeback;
  readonly #refused: (request: Request, error: ChatError) => void;
  #rooms: Joined[] = []; // the current one last
  #presence = Promise.withResolvers<void>();
  #wasLost = false; // and is not back yet
  #closing = false; // the server has said so
  #leaving = false; // we have
  #lastEvent = { at: new Date(0), text: "" };

  /** Begins in no room, and with everything held back until we are in. */
  constructor(parts: SessionParts) {
    this.line = parts.line;
    this.access = parts.access;
    this.#terminal = parts.terminal;
    this.#view = parts.view;
    this.#refused = parts.refused ?? ((_, error) => this.explain(error));
    this.messages = new Messages({
      me: parts.name,
      echo: parts.echo ?? true,
      show: (item) => this.show(item),
    });
    this.messages.order.hold();
    this.#view.me = parts.name;
    this.direct = new DirectDoor({
      request: (verb, args, headers) => this.line.request(verb, args, headers),
      me: () => this.name,
      ignores: (name) => this.messages.ignores(name),
      listens: parts.listens ?? true,
      hostname: parts.directHost,
      files: { ...parts.files, me: parts.name },
      takesFiles: parts.takesFiles,
      show: (item) => this.show(item),
      flushed: () => this.#terminal.flushed(),
      explain: (error) => this.explain(error),
      prompt: () => this.prompt(),
    });
    this.#comeback = new Comeback({
      line: parts.line,
      access: parts.access,
      messages: this.messages,
      comeIn: parts.comeIn,
      entered: (registered) => this.#entered(registered),
      shutOut: (rooms) => {
        this.#rooms = this.#rooms.filter((room) => !rooms.includes(room));
      },
      note: (text) => this.note(text),
      explain: (error) => this.explain(error),
    });
  }

  /** Under which name we are known. */
  get name(): string {
    return this.messages.me;
  }

  /** The room that plain lines go to; undefined in none. */
  get room(): string | undefined {
    return this.#rooms.at(-1)?.name;
  }

  /** Whether we are on the way back to the server. */
  get away(): boolean {
    return this.line.away;
  }

  /** Whether we were ever in. */
  get wasIn(): boolean {
    return this.#comeback.wasIn;
  }

  /** Resolves as soon as we are in. */
  get present(): Promise<void> {
    return this.#presence.promise;
  }

  /** Comes in; again, enters the rooms and fetches what was missed. */
  async arrive(connection: Connection): Promise<void> {
    await this.#comeback.run(connection, this.#rooms);
  }

  /** Shows what was held back. */
  arrived(): void {
    if (this.#wasLost) this.note("Connected again");
    this.messages.order.release(this.line.asked);
    this.#presence.resolve();
    if (this.#wasLost) this.prompt();
    this.#wasLost = false;
    this.#comeback.done();
    this.#closing = false;
  }

  /** Says so, and what waits; from now on what is heard is held back. */
  lost(why: Error): void {
    this.messages.order.hold();
    this.#presence = Promise.withResolvers();
    if (this.#leaving) return this.line.close();
    this.#wasLost = true;
    const what = this.#closing ? "The server was stopped" : why.message;
    const text = `${what}. Coming back; what you type waits until then.`;
    this.show({ kind: "error", text });
    const waiting = this.messages.unsaid(this.line.parked);
    for (const line of waiting) this.note(line);
    this.prompt();
  }

  /** Shows what the frame means, and keeps our state in step with it. */
  receive({ frame, request }: Event): void {
    switch (frame.verb) {
      case "FORWARD":
        this.messages.heard(frame, this.line.asked);
        break;
      case "NOTICE":
        this.#notice(frame);
        break;
      case "CALL":
      case "ACCEPT":
      case "DECLINE":
        if (!request) this.direct.receive(frame);
        break;
      case "SENT":
        if (request) this.messages.sent(frame, request.body);
        break;
      case "ERROR":
        if (request?.verb === "SEND") this.#refused(request, errorOf(frame));
        break;
      case "JOINED":
        this.#joined(frame);
        break;
      case "LEFT":
        this.#left(frame.args[0] ?? "");
    }
    this.messages.order.answered(this.line.answered);
  }

  /** Shows `item`. */
  show(item: Item): void {
    this.#terminal.print(this.#view.format(item));
  }

  /** Shows a line of our own. */
  note(text: string): void {
    this.show({ kind: "note", text });
  }

  /** Shows what went wrong, and what the person can do. */
  explain(error: ChatError): void {
    const retry = error.headers["retry-after"];
    const advice = retry === undefined
      ? ADVICE[error.code] ?? ""
      : `Try again in ${retry} s.`;
    this.show({ kind: "error", text: `${said(error)}. ${advice}`.trim() });
  }

  /** Sends without waiting: what becomes of it is shown when it is known. */
  send(target: string, text: string): void {
    const body = encoder.encode(text);
    if (body.length > this.maxBodyBytes) {
      const text = `Cannot send ${body.length} bytes: the limit is ` +
        `${this.maxBodyBytes}. Send it in parts.`;
      return this.show({ kind: "error", text });
    }
    this.line.post("SEND", [target], {}, body);
  }

  /** Makes `word` the current room, and enters it if need be. */
  async join(word: string): Promise<void> {
    const room = roomNamed(word);
    if (!room) {
      throw new ChatError(
        109,
        `"${word}" is no name of a room: ` +
          "1 to 32 of the letters A-Z and a-z, digits, _ and -",
      );
    }
    const known = this.#find(room);
    if (known) return this.#makeCurrent(known);
    await this.#holding(async () => {
      await this.line.request("JOIN", [room]);
      const joined = this.#find(room);
      if (joined) await this.#showHistory(joined.name, {}, joined.since);
    });
  }

  /** Leaves a room; out of the last one, shows which there are. */
  async leave(word: string | undefined = this.room): Promise<void> {
    const room = roomNamed(word ?? "");
    if (!room) throw new ChatError(109, "you are in no room");
    await this.line.request("LEAVE", [room]);
    if (!this.room) await this.showRooms();
  }

  /** Shows which rooms there are, and how many are in each. */
  async showRooms(): Promise<void> {
    const rooms = await listRooms(this.line);
    for (const { name, members } of rooms.slice(0, MAX_ROOMS_SHOWN)) {
      this.show({ kind: "room", name, members });
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
    const part = {
      most: most ?? OLDER_MESSAGES,
      ...(before === undefined ? {} : { before }),
    };
    await this.#holding(async () => {
      const { last } = this.messages.order;
      if (await this.#showHistory(room, part, last) > 0) return;
      const none = before === undefined
        ? `Nothing was said in ${room} yet`
        : `Nothing older is kept of ${room}`;
      this.note(none);
    });
  }

  /** Clears the screen. */
  clear(): void {
    this.#terminal.clear();
  }

  /** Takes leave. The line ends with the server's answer, or at once. */
  async logout(): Promise<void> {
    this.#leaving = true;
    if (this.line.away) this.line.close();
    else await this.line.request("LOGOUT");
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

  #entered(registered: Frame): void {
    this.messages.me = registered.args[0] ?? this.name;
    this.#view.me = this.name;
    this.maxBodyBytes = numberOf(registered, "max-body") || MAX_BODY_BYTES;
  }

  /** Holds back what is heard while `task` runs. */
  async #holding(task: () => Promise<void>): Promise<void> {
    const { order } = this.messages;
    order.hold();
    try {
      await task();
    } finally {
      order.release(this.line.asked);
    }
  }

  /** Shows messages of `room`, those up to `last` as old; says how many. */
  async #showHistory(room: string, part: Part, last: number): Promise<number> {
    const frames = await history(this.line, room, part);
    const count = this.messages.old(frames, last, this.line.asked);
    if (count > 0) this.note("Now begins; what is above was said before");
    return count;
  }

  /** Who comes back is in the room already, and is not told. */
  #joined(frame: Frame): void {
    const name = frame.args[0] ?? "";
    if (this.#find(name)) return;
    const since = numberOf(frame, "last-id") ?? this.messages.order.last;
    const members = header(frame, "members");
    const others = members ? ` (${members} here)` : "";
    this.#event(timeOf(frame), `you joined ${name}${others}`);
    this.#makeCurrent({ name, since });
  }

  #left(room: string): void {
    const known = this.#find(room);
    this.#rooms = this.#rooms.filter((one) => one !== known);
    this.#event(new Date(), `you left ${room}`);
    this.prompt();
  }

  #notice(frame: Frame): void {
    const presence = presenceOf(frame);
    if (presence !== undefined) return this.#event(timeOf(frame), presence);
    if (frame.args[0] === "server") {
      return this.note(`The operator says: ${textOf(frame)}`);
    }
    if (frame.args[0] !== "closing") return;
    this.#closing = true; // which is said when it is gone
    const seconds = numberOf(frame, "retry-after") ?? 0;
    this.line.waitBeforeReturn(seconds * 1_000);
  }

  /** Who leaves several of our rooms at once is told of once. */
  #event(at: Date, text: string): void {
    const again = text === this.#lastEvent.text &&
      at.getTime() - this.#lastEvent.at.getTime() < SAME_EVENT_MS;
    this.#lastEvent = { at, text };
    if (again) return;
    this.show({ kind: "event", at, text });
  }

  #makeCurrent(room: Joined): void {
    this.direct.opened?.leave();
    this.#rooms = [...this.#rooms.filter((one) => one !== room), room];
    this.prompt();
  }

  /** The room of that name, or of one that looks like it. */
  #find(name: string): Joined | undefined {
    const wanted = lookAlike(name);
    return this.#rooms.find((one) => lookAlike(one.name) === wanted);
  }
}

/** What to do about an error that is no end. */
const ADVICE: Partial<Record<number, string>> = {
  102: "/who all shows who is connected.",
  105: "The server may be of another version.",
  106: "Send it in parts.",
  118: "@NAME: TEXT writes to them through the server.",
  109: "/rooms shows the rooms; /join ROOM enters one.",
  120: "You can still read. Ask whoever runs the server.",
};

const encoder = new TextEncoder();
const SAME_EVENT_MS = 1_000;
