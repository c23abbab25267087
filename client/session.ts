/**
 * One visit: which rooms we are in, whom we ignore, and what each frame means
 * to the person at the screen.
 *
 * What comes in goes through {@linkcode Session.receive}, in the order of the
 * wire; what the person wants is done by the methods below it, which
 * `commands.ts` calls. Both run on one thread and change the state between two
 * awaits, so that there is nothing to lock.
 *
 * @module
 */
import {
  ChatError,
  DEFAULT_ROOM,
  type Frame,
  header,
  isRoomName,
  lookAlike,
  MAX_BODY_BYTES,
} from "../protocol.ts";
import { clean } from "./clean.ts";
import {
  type Connection,
  errorOf,
  type Event,
  type Request,
  said,
} from "./connection.ts";
import type { Terminal } from "./terminal.ts";
import type { Item, View } from "./view.ts";

/** More rooms are only counted: a choice has to fit a screen. */
const MAX_ROOMS_SHOWN = 50;

/** What a {@linkcode Session} is made of. */
export interface SessionParts {
  /** To the server, which has let us in. */
  readonly connection: Connection;
  /** Where things are shown. */
  readonly terminal: Terminal;
  /** How they are shown. */
  readonly view: View;
  /** The server's answer to REGISTER. */
  readonly registered: Frame;
  /** Whether our own messages are shown when they are sent. Default true. */
  readonly echo?: boolean;
  /** Is told of messages that were refused, which are shown otherwise. */
  readonly refused?: (request: Request, error: ChatError) => void;
}

/** Somebody who is connected, as WHO tells it. */
export interface Person {
  /** The user's name. */
  readonly name: string;
  /** The rest of the line: address and kind. */
  readonly details: string;
}

/** A room, as ROOMS tells it. */
export interface Room {
  /** With `#`. */
  readonly name: string;
  /** How many are inside. */
  readonly members: string;
}

/** The visit of one person. */
export class Session {
  /** Under which name we are known. */
  readonly name: string;
  /** Longest message the server takes, in bytes. */
  readonly maxBodyBytes: number;
  /** Who wrote to us alone, last. */
  lastSender: string | undefined;
  /** What the server said about its end, if it is near. */
  closing: string | undefined;
  readonly #connection: Connection;
  readonly #terminal: Terminal;
  readonly #view: View;
  readonly #echo: boolean;
  readonly #refused: (request: Request, error: ChatError) => void;
  readonly #ignored = new Set<string>();
  readonly #newest = new Map<string, number>(); // ids shown live, by room
  readonly #joinedAt = new Map<string, number>(); // while history is awaited
  #rooms: string[] = []; // the current one last
  #lastEvent = { at: new Date(0), text: "" };

  /** Begins in no room. */
  constructor(parts: SessionParts) {
    const { registered } = parts;
    this.#connection = parts.connection;
    this.#terminal = parts.terminal;
    this.#view = parts.view;
    this.#echo = parts.echo ?? true;
    this.#refused = parts.refused ?? ((_, error) => this.explain(error));
    this.name = registered.args[0] ?? "";
    this.#view.me = this.name;
    const limit = Number(header(registered, "max-body"));
    this.maxBodyBytes = limit > 0 ? limit : MAX_BODY_BYTES;
  }

  /** The room that plain lines go to; undefined in none. */
  get room(): string | undefined {
    return this.#rooms.at(-1);
  }

  /** Shows what the frame means, and keeps our state in step with it. */
  receive({ frame, request }: Event): void {
    switch (frame.verb) {
      case "FORWARD":
        return this.#forward(frame, request !== undefined);
      case "NOTICE":
        return this.#notice(frame);
      case "SENT":
        if (request) this.#sent(frame, frame.args[0] ?? "", request.body);
        return;
      case "ERROR":
        if (request?.verb === "SEND") this.#refused(request, errorOf(frame));
        return;
      case "JOINED":
        return this.#joined(frame);
      case "LEFT":
        return this.#left(frame.args[0] ?? "");
      case "HISTORY": // from now on a history is shown whole
        this.#joinedAt.delete((frame.args[0] ?? "").toLowerCase());
    }
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
      this.show({
        kind: "error",
        text: `Cannot send ${body.length} bytes: the limit is ` +
          `${this.maxBodyBytes}. Send it in parts.`,
      });
      return;
    }
    this.#connection.post("SEND", [target], {}, body);
  }

  /** Makes `word` the current room, and enters it if need be. */
  async join(word: string): Promise<void> {
    const room = roomName(word);
    if (!room) {
      throw new ChatError(
        109,
        `"${word}" is no name of a room: ` +
          "1 to 32 of the letters A-Z and a-z, digits, _ and -",
      );
    }
    const known = this.#find(room);
    if (known) return this.#makeCurrent(known);
    const { args } = await this.#connection.request("JOIN", [room]);
    await this.#connection.request("HISTORY", [args[0] ?? room]);
  }

  /** Leaves a room; out of the last one, shows which there are. */
  async leave(word: string | undefined = this.room): Promise<void> {
    const room = roomName(word ?? "");
    if (!room) throw new ChatError(109, "you are in no room");
    await this.#connection.request("LEAVE", [room]);
    if (!this.room) await this.showRooms();
  }

  /** Shows which rooms there are, and how many are in each. */
  async showRooms(): Promise<void> {
    const rooms = await this.listRooms();
    for (const { name, members } of rooms.slice(0, MAX_ROOMS_SHOWN)) {
      this.show({ kind: "room", name, members });
    }
    const more = rooms.length - MAX_ROOMS_SHOWN;
    if (more > 0) this.note(`And ${more} more; Tab completes their names`);
    if (this.room) return;
    this.note("Type the name of a room to join or create it; Enter: default.");
  }

  /** Which rooms there are. */
  async listRooms(): Promise<Room[]> {
    const lines = linesOf(await this.#connection.request("ROOMS"));
    return lines.map((line) => {
      const [name = "", members = "0"] = line.split(" ");
      return { name, members };
    });
  }

  /** Who is in `room`, or connected at all. */
  async listPeople(room: string): Promise<Person[]> {
    const lines = linesOf(await this.#connection.request("WHO", [room]));
    return lines.map((line) => {
      const [name = "", ...details] = line.split(" ");
      return { name, details: details.join(" ") };
    });
  }

  /** Shows the last messages of the current room again. */
  async history(limit: number | undefined): Promise<void> {
    if (!this.room) throw new ChatError(109, "you are in no room");
    const answer = await this.#connection.request("HISTORY", [this.room], {
      Limit: limit,
    });
    if (header(answer, "count") !== "0") return;
    this.note(`Nothing was said in ${this.room} yet`);
  }

  /** How long the server takes to answer, in milliseconds. */
  async ping(): Promise<number> {
    const start = performance.now();
    await this.#connection.request("PING");
    return performance.now() - start;
  }

  /** Whether messages of `user` are hidden from now on. */
  ignore(user: string, ignored: boolean): void {
    if (ignored) this.#ignored.add(user.toLowerCase());
    else this.#ignored.delete(user.toLowerCase());
  }

  /** Who is ignored, in lower case. */
  get ignored(): string[] {
    return [...this.#ignored].sort();
  }

  /** Clears the screen. */
  clear(): void {
    this.#terminal.clear();
  }

  /** Takes leave. The connection ends with the server's answer. */
  async logout(): Promise<void> {
    await this.#connection.request("LOGOUT");
  }

  /** Shows the prompt that fits. */
  prompt(): void {
    this.#view.room = this.room;
    this.#terminal.prompt(this.promptText);
  }

  /** What stands before what is typed. */
  get promptText(): string {
    return `${clean(this.room ?? "room")}> `;
  }

  #forward(frame: Frame, old: boolean): void {
    const from = frame.args[0] ?? "";
    const to = header(frame, "to") ?? this.name; // classic ones have no To
    if (this.#ignored.has(from.toLowerCase())) return;
    const id = Number(header(frame, "id") ?? 0);
    const room = to.toLowerCase();
    const newest = this.#newest.get(room) ?? 0;
    if (old) {
      // What was said since JOINED came to us live already.
      const joinedAt = this.#joinedAt.get(room) ?? Infinity;
      if (id > joinedAt && id <= newest) return;
    }
    if (id > newest) this.#newest.set(room, id);
    const isPrivate = room === this.name.toLowerCase();
    if (isPrivate) this.lastSender = from;
    this.show({
      kind: "message",
      at: timeOf(frame),
      from,
      to: isPrivate ? "you" : to,
      text: decoder.decode(frame.body),
      old,
    });
  }

  #sent(frame: Frame, to: string, body: Uint8Array): void {
    const id = Number(header(frame, "id") ?? 0);
    const isRoom = to.startsWith("#");
    if (isRoom) this.#newest.set(to.toLowerCase(), id);
    if (!this.#echo) return;
    const isAll = to.toUpperCase() === "ALL";
    this.show({
      kind: "message",
      at: timeOf(frame),
      from: isRoom || isAll ? this.name : "you",
      to: isAll ? "ALL" : to,
      text: decoder.decode(body),
    });
  }

  #joined(frame: Frame): void {
    const room = frame.args[0] ?? "";
    const lastId = Number(header(frame, "last-id") ?? NaN);
    this.#joinedAt.set(room.toLowerCase(), lastId);
    const members = header(frame, "members");
    const others = members ? ` (${members} here)` : "";
    this.#event(timeOf(frame), `you joined ${room}${others}`);
    this.#makeCurrent(room);
  }

  #left(room: string): void {
    const known = this.#find(room);
    this.#rooms = this.#rooms.filter((one) => one !== known);
    this.#joinedAt.delete(room.toLowerCase());
    this.#event(new Date(), `you left ${room}`);
    this.prompt();
  }

  #notice(frame: Frame): void {
    const at = timeOf(frame);
    const user = header(frame, "user") ?? usersOf(frame);
    const room = header(frame, "room") ?? "";
    switch (frame.args[0]) {
      case "joined":
        return this.#event(at, `${user} joined ${room}`);
      case "left":
        return this.#event(at, `${user} left ${room}`);
      case "offline": {
        const reason = header(frame, "reason");
        return this.#event(
          at,
          `${user} went offline${reason ? ` (${reason})` : ""}`,
        );
      }
      case "server":
        return this.note(`The operator says: ${decoder.decode(frame.body)}`);
      case "closing": {
        const after = header(frame, "retry-after");
        this.closing = after ? `Try again in ${after} s.` : "Try again later.";
        return this.note("The server is closing");
      }
    }
  }

  /** Who leaves several of our rooms at once is told of once. */
  #event(at: Date, text: string): void {
    const again = text === this.#lastEvent.text &&
      at.getTime() - this.#lastEvent.at.getTime() < SAME_EVENT_MS;
    this.#lastEvent = { at, text };
    if (again) return;
    this.show({ kind: "event", at, text });
  }

  #makeCurrent(room: string): void {
    this.#rooms = [...this.#rooms.filter((one) => one !== room), room];
    this.prompt();
  }

  /** The room under the name by which the server knows it. */
  #find(room: string): string | undefined {
    const wanted = lookAlike(room);
    return this.#rooms.find((one) => lookAlike(one) === wanted);
  }
}

/** A room as it was typed, with or without `#`; nothing is the default room. */
export function roomName(word: string): string | undefined {
  const bare = word.trim().replace(/^#/, "");
  const name = bare === "" ? DEFAULT_ROOM : `#${bare}`;
  return isRoomName(name) ? name : undefined;
}

/** What to do about an error that is no end. */
const ADVICE: Partial<Record<number, string>> = {
  102: "/who all shows who is connected.",
  105: "The server may be of another version.",
  106: "Send it in parts.",
  109: "/rooms shows the rooms; /join ROOM enters one.",
  120: "You can still read. Ask whoever runs the server.",
};

const encoder = new TextEncoder();
const decoder = new TextDecoder(); // what is not UTF-8 is shown as U+FFFD

/** Whom a NOTICE is about that tells of many: crowded rooms have those. */
function usersOf(frame: Frame): string {
  const users = linesOf(frame).map((line) => line.split(" ")[0]);
  const more = users.length - USERS_TOLD;
  const told = users.slice(0, USERS_TOLD).join(", ");
  return more > 0 ? `${told} and ${more} more` : told;
}

const USERS_TOLD = 5;
const SAME_EVENT_MS = 1_000;

function linesOf(frame: Frame): string[] {
  return decoder.decode(frame.body).split("\n").filter((line) => line !== "");
}

/** When it was said. A server that does not tell, or lies, gets our clock. */
function timeOf(frame: Frame): Date {
  const at = new Date(header(frame, "time") ?? NaN);
  return Number.isNaN(at.getTime()) ? new Date() : at;
}
