/**
 * One device of a user, of which terminal_device.ts and page_device.ts have the kinds.
 * It remembers what was shown and for how long it was surely where, and looks through
 * every frame that the server sends to it.
 *
 * @module
 */
import { ConnectionError } from "../../../core/net/connection_error.ts";
import type { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Stream } from "../../../core/net/stream.ts";
import type { SignIn } from "../../../core/sign_in.ts";
import {
  ChatError,
  type Frame,
  FrameDecoder,
  header,
  startLine,
} from "../../../protocol.ts";
import { Ends } from "./ends.ts";
import { type Message, type Model, type Span, wordOf } from "./model.ts";

/** Where the server is now. */
export interface Place {
  readonly port: number;
  readonly webPort: number;
}

/** What a {@linkcode Device} is of. */
export interface DeviceOptions {
  readonly model: Model;
  readonly place: () => Place;
  readonly user: string;
  readonly password: string;
  /** A number among all devices of the class. */
  readonly number: number;
}

/** What was shown, and whether it was asked for: messages from before. */
export interface Shown {
  readonly text: string;
  readonly isOld: boolean;
}

const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** See the top of the file. */
export abstract class Device {
  readonly user: string;
  readonly key: string;
  /** Since when it is registered, and up to when surely. */
  readonly here: Span[] = [];
  /** The same of each room. */
  readonly stays = new Map<string, Span[]>();
  /** How often it has joined each room: then messages from before are shown again. */
  readonly joins = new Map<string, number>();
  /** Rooms that it has left, or another device. */
  readonly hasLeft = new Set<string>();
  /** Whether something was done that ends it. */
  mayEnd = false;
  /** Why it ended. */
  ended: Promise<Error | undefined> = Promise.resolve(undefined);
  isOver = false;
  /** The newest message when it registered first. */
  startedAfter: number | undefined;
  protected readonly model: Model;
  readonly #options: DeviceOptions;
  #stream: Stream | undefined;
  readonly #ends = new Ends();
  #isQuitting = false;
  readonly #left = new Set<string>(); // since it may end
  readonly #named = new Set<string>(); // rooms, in requests

  constructor(options: DeviceOptions, kind: string) {
    this.#options = options;
    this.model = options.model;
    this.user = options.user;
    this.key = `${options.user}/${kind}${options.number}`;
  }

  /** To the server. */
  abstract readonly server: ReconnectingConnection;

  /** How it registers. */
  abstract readonly signIn: SignIn;

  /** The messages that were shown, in the order in which they were. */
  abstract readonly shown: readonly Shown[];

  /** Registers; whether it did. */
  async start(): Promise<boolean> {
    this.ended = this.run().then(() => undefined, (error) => error as Error)
      .finally(() => this.#over());
    await Promise.race([this.registered(), this.ended]);
    if (!this.isOver && !this.mayEnd) this.#beHere();
    return !this.isOver;
  }

  /** Joins a room; whether it is in the room then. */
  async join(room: string): Promise<boolean> {
    this.#named.add(room);
    this.joins.set(room, (this.joins.get(room) ?? 0) + 1);
    await this.enter(room);
    await Promise.race([this.settle(), this.ended]);
    const isIn = this.isIn(room); // one that was away may be refused
    const known = this.model.rooms.get(room)!;
    const isMember = !known.isPrivate || known.members.has(this.user);
    if (isIn && isMember && !this.isOver) this.#begin(room);
    return isIn;
  }

  /** Leaves a room. */
  async leave(room: string): Promise<void> {
    this.endStay(room);
    await this.exit(room);
  }

  /** The rooms in which it surely is. */
  get rooms(): string[] {
    return [...this.stays].filter(([, stays]) => stays.at(-1)!.to === Infinity)
      .map(([room]) => room);
  }

  /** It is perhaps no longer in this room. */
  endStay(room: string): void {
    this.hasLeft.add(room);
    this.#left.add(room);
    this.#close(this.stays.get(room));
  }

  /** It is perhaps no longer registered: it may end now. */
  endSurely(): string[] {
    const { rooms } = this;
    this.mayEnd = true;
    this.#left.clear();
    this.#close(this.here);
    for (const room of rooms) this.#close(this.stays.get(room));
    return rooms;
  }

  /** It did not end after all, and is where it was, but for rooms that it left. */
  goOn(rooms: readonly string[]): void {
    if (this.isOver || this.#isQuitting) return;
    this.mayEnd = false;
    this.#beHere();
    for (const room of rooms) if (!this.#left.has(room)) this.#begin(room);
  }

  /** It is in its first rooms. */
  arrived(): void {}

  /** Sends a message. */
  async send(to: string, rest = ""): Promise<Message> {
    const message = this.model.begin(this.user, to);
    const text = `${wordOf(message.number)} ${rest}`.trim();
    try {
      const sent = await this.post(to, text);
      message.id = Number(header(sent, "id"));
    } catch (error) {
      if (error instanceof ChatError) message.refused = error.code;
      else if (!(error instanceof ConnectionError)) throw error;
    }
    message.ended = this.model.now();
    return message;
  }

  /** Waits until all that was done before was certainly shown. */
  async settle(): Promise<void> {
    await this.ask("PING");
  }

  /**
   * Makes a request.
   *
   * @returns The answer; the error if it was refused; undefined at the end.
   */
  async ask(
    ...args: Parameters<ReconnectingConnection["request"]>
  ): Promise<Frame | ChatError | undefined> {
    const [, words = [], headers = {}] = args;
    for (const word of [...words, headers["Room"]]) this.#named.add(`${word}`);
    try {
      return await this.server.request(...args);
    } catch (error) {
      if (error instanceof ChatError) return error;
      if (error instanceof ConnectionError) return undefined;
      throw error;
    }
  }

  /** Its connection breaks. */
  cut(): void {
    this.#stream?.close();
  }

  /** Ends it. */
  async quit(): Promise<void> {
    this.#isQuitting = true;
    this.endSurely();
    await Promise.race([this.ask("LOGOUT"), this.ended]);
    this.server.close();
    await this.ended;
  }

  /** Shows older messages of a room or a user; undefined at the end. */
  abstract older(of: string, most: number): Promise<string[] | undefined>;

  protected abstract run(): Promise<void>;
  protected abstract registered(): Promise<void>;
  protected abstract enter(room: string): Promise<void>;
  protected abstract isIn(room: string): boolean;
  protected abstract exit(room: string): Promise<void>;
  protected abstract post(to: string, text: string): Promise<Frame>;

  protected async dial(open: (place: Place) => Promise<Stream>) {
    try {
      const stream = await open(this.#options.place());
      this.#ends.dialled();
      return this.#stream = this.#watched(stream);
    } catch (cause) {
      const passing = { passing: true, cause };
      throw new ConnectionError("lost", "Cannot reach the server", passing);
    }
  }

  #beHere(): void {
    if (this.here.at(-1)?.to === Infinity) return;
    this.here.push({ from: this.model.now(), to: Infinity });
  }

  #begin(room: string): void {
    const stays = this.stays.get(room) ?? [];
    if (stays.at(-1)?.to === Infinity || this.mayEnd) return;
    stays.push({ from: this.model.now(), to: Infinity });
    this.stays.set(room, stays);
  }

  #close(spans: Span[] | undefined): void {
    const last = spans?.at(-1);
    if (last?.to !== Infinity) return;
    last.to = this.model.now();
    this.#ends.closed(last, this.server.registered !== undefined);
  }

  #over(): void {
    this.isOver = true;
    this.#close(this.here);
    for (const stays of this.stays.values()) this.#close(stays);
    this.#ends.over();
    for (const { late } of this.model.rooms.values()) late.delete(this);
  }

  /** Looks through every frame before the client has it. */
  #watched(stream: Stream): Stream {
    const decoder = new FrameDecoder({ maxBodyBytes: MAX_FRAME_BYTES });
    return {
      read: async (buffer) => {
        const count = await stream.read(buffer);
        for (let at = 0; at < (count ?? 0);) {
          const space = decoder.space();
          const part = buffer.subarray(at, count!).subarray(0, space.length);
          space.set(part);
          decoder.received(part.length);
          at += part.length;
          for (const frame of decoder.frames()) this.#look(frame);
        }
        return count;
      },
      write: (bytes) => {
        this.#ends.sends(bytes);
        return stream.write(bytes);
      },
      close() {
        try {
          stream.close();
        } catch {
          // It was cut.
        }
      },
    };
  }

  #look(frame: Frame | ChatError): void {
    if (frame instanceof ChatError) {
      return this.model.fault(`${this.key} got no frame: ${frame.message}`);
    }
    if (frame.verb === "REGISTERED") {
      this.startedAfter ??= Number(header(frame, "last-id"));
    }
    if (this.server.registered) this.#ends.takes(frame);
    const head = frame.headers.filter(([name]) => name !== "time").map((
      [name, value],
    ) => `${name}: ${value}\n`).join("");
    const body = decoder.decode(frame.body);
    const text = `${startLine(frame)}\n${head}${body}`;
    for (const leak of this.model.leaks(text, this.user, this)) {
      // A refusal repeats what the user has written.
      const isOwn = frame.verb === "ERROR" && this.#named.has(leak.slice(9));
      if (isOwn && leak.startsWith("the room ")) continue;
      // How far a user has read is told to that user alone, who named the room.
      const { past } = this.model.rooms.get(leak.slice(9)) ?? {};
      const isRead = /^(READ |NOTICE read\b)/.test(text);
      if (isRead && past?.has(this.user)) continue;
      this.model.fault(`${this.key} was shown ${leak}:\n${text}`);
    }
  }
}

const decoder = new TextDecoder();
