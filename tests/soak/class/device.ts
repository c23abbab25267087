/**
 * One device of a user: the terminal client without its screen, or the page without
 * a browser. It remembers what was shown and for how long it was surely where, and
 * looks through every frame that the server sends to it.
 *
 * @module
 */
import { Access } from "../../../client/chat/access.ts";
import { Session } from "../../../client/chat/session.ts";
import { type Item, View } from "../../../client/view/view.ts";
import { CLOCK, type Clock } from "../../../core/net/backoff.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Stream } from "../../../core/net/stream.ts";
import { SignIn } from "../../../core/sign_in.ts";
import {
  ChatError,
  type Frame,
  FrameDecoder,
  header,
  startLine,
} from "../../../protocol.ts";
import { Chat } from "../../../web/page/model/chat.ts";
import { recordingTerminal } from "../../tools/client_tools.ts";
import { openPageSocket } from "./page_socket.ts";
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

/** Pauses are shorter than for people by this factor. */
const HURRY = 4;

const HURRIED: Clock = {
  ...CLOCK,
  sleep: (ms, signal) => CLOCK.sleep(ms / HURRY, signal),
};

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
    const isIn = await this.enter(room);
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
    close(this.stays.get(room), this.model.now());
  }

  /** It is perhaps no longer registered: it may end now. */
  endSurely(): string[] {
    const { rooms } = this;
    this.mayEnd = true;
    this.#left.clear();
    close(this.here, this.model.now());
    for (const room of rooms) close(this.stays.get(room), this.model.now());
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
  protected abstract enter(room: string): Promise<boolean>;
  protected abstract exit(room: string): Promise<void>;
  protected abstract post(to: string, text: string): Promise<Frame>;

  protected async dial(open: (place: Place) => Promise<Stream>) {
    try {
      const stream = await open(this.#options.place());
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

  #over(): void {
    this.isOver = true;
    const now = this.model.now();
    close(this.here, now);
    for (const stays of this.stays.values()) close(stays, now);
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
      write: (bytes) => stream.write(bytes),
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

/** The terminal client. */
export class TerminalDevice extends Device {
  readonly server: ReconnectingConnection;
  readonly signIn: SignIn;
  readonly shown: Shown[] = [];
  readonly #session: Session;

  constructor(options: DeviceOptions) {
    super(options, "t");
    this.server = new ReconnectingConnection({
      dial: () =>
        this.dial(({ port }) => Deno.connect({ hostname: "127.0.0.1", port })),
      clock: HURRIED,
    });
    const access = new Access({
      way: "login",
      passwordFile: undefined,
      terminal: undefined,
    });
    this.signIn = access.signIn;
    this.signIn.use("login", options.password);
    this.#session = new Session({
      server: this.server,
      terminal: recordingTerminal(() => {}),
      view: new RecordingView((item) => this.#take(item)),
      name: options.user,
      access,
    });
  }

  protected run(): Promise<void> {
    return this.#session.run();
  }

  protected registered(): Promise<void> {
    return this.#session.present;
  }

  protected async enter(room: string): Promise<boolean> {
    try {
      await this.#session.join(room);
    } catch (error) {
      if (error instanceof ChatError) return false;
      if (!(error instanceof ConnectionError)) throw error;
    }
    return this.#session.chat.find(room) !== undefined;
  }

  protected async exit(room: string): Promise<void> {
    await this.ask("LEAVE", [room]);
  }

  protected async post(to: string, text: string): Promise<Frame> {
    return await this.server.request("SEND", [to], {}, text);
  }

  /** What came while the user was away is shown then. */
  override arrived(): void {
    this.#session.messages.showHeld();
  }

  async older(of: string, most: number): Promise<string[] | undefined> {
    let texts: string[] | undefined;
    try {
      await this.#session.chat.older(of, { most }, (old) => {
        texts = old.map(({ text }) => text);
      });
    } catch (error) {
      if (!(error instanceof ChatError || error instanceof ConnectionError)) {
        throw error;
      }
    }
    return texts;
  }

  #take(item: Item): void {
    if (item.kind !== "message") return;
    this.shown.push({ text: item.text, isOld: item.old === true });
  }
}

/** Gives what is shown to the test, and formats it as the program does. */
class RecordingView extends View {
  readonly #take: (item: Item) => void;

  constructor(take: (item: Item) => void) {
    super({ plain: true, colors: false, columns: () => Infinity });
    this.#take = take;
  }

  override format(item: Item): string {
    this.#take(item);
    return super.format(item);
  }
}

/** The web client. */
export class PageDevice extends Device {
  readonly signIn: SignIn = new SignIn();
  readonly chat: Chat;
  #changed = Promise.withResolvers<void>();

  constructor(options: DeviceOptions) {
    super(options, "p");
    const { signIn } = this;
    signIn.use("login", options.password);
    this.chat = new Chat({
      dial: (signal) =>
        this.dial(({ webPort }) => openPageSocket(webPort, signal)),
      home: undefined,
      name: options.user,
      signIn,
      watcher: {
        changed: () => {
          this.#changed.resolve();
          this.#changed = Promise.withResolvers();
        },
        said: () => {},
        noted: () => {},
        told: () => {},
        own: () => {},
      },
    });
  }

  get server(): ReconnectingConnection {
    return this.chat.server;
  }

  /** Each conversation from its first message to its last. */
  get shown(): Shown[] {
    return this.chat.conversations.list.flatMap(({ entries }) =>
      entries.filter(({ kind, why }) => kind === "message" && !why)
        .map(({ text }) => ({ text, isOld: true }))
    );
  }

  protected run(): Promise<void> {
    return this.chat.run();
  }

  protected async registered(): Promise<void> {
    while (this.chat.state !== "connected") await this.#changed.promise;
  }

  protected async enter(room: string): Promise<boolean> {
    await this.chat.join(room, { quietly: true });
    return this.chat.conversations.find("room", room) !== undefined;
  }

  protected async exit(room: string): Promise<void> {
    const conversation = this.chat.conversations.find("room", room);
    if (conversation) await this.chat.leave(conversation);
  }

  async older(of: string): Promise<undefined> {
    const kind = of.startsWith("#") ? "room" : "user";
    const conversation = this.chat.conversations.find(kind, of);
    if (conversation) await this.chat.earlier(conversation);
  }

  protected async post(to: string, text: string): Promise<Frame> {
    const { conversations, server } = this.chat;
    const conversation = to === "ALL"
      ? conversations.all
      : conversations.open(to.startsWith("#") ? "room" : "user", to);
    // The chat makes the request, and takes the answer; so does this.
    const { request } = server;
    const answers: Promise<Frame>[] = [];
    const own = {
      request(...args: Parameters<typeof request>) {
        const answer = request(...args);
        answers.push(answer);
        return answer;
      },
    };
    Object.assign(server, own);
    this.chat.send(text, conversation);
    Object.assign(server, { request });
    return await answers[0]!;
  }
}

function close(spans: Span[] | undefined, now: number): void {
  const last = spans?.at(-1);
  if (last && last.to === Infinity) last.to = now;
}

const decoder = new TextDecoder();
