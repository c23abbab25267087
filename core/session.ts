/**
 * One user's session: who we are, which rooms we are in, and what each frame
 * means. It outlives its connections.
 *
 * Both clients run this. They differ in how they draw, so that everything to be
 * drawn goes to a {@linkcode SessionView}. Messages go there once each, in the
 * order of their ids; after a loss they are held until everything that was
 * missed is here.
 *
 * @module
 */
import {
  type ChatError,
  type Frame,
  lookAlike,
  MAX_BODY_BYTES,
} from "../protocol.ts";
import {
  type ChatMessage,
  messageOf,
  numberOf,
  type Presence,
  presenceOf,
  sentMessage,
  textOf,
  timeOf,
} from "./frames.ts";
import type { Connection, Event, Request } from "./net/connection.ts";
import { ConnectionError, errorOf } from "./net/connection_error.ts";
import type { Owner, ReconnectingConnection } from "./net/reconnecting.ts";
import { Order } from "./order.ts";
import { history, type HistoryRange, type Landmark } from "./requests.ts";
import {
  type JoinedRoom,
  type Resumable,
  Resume,
  type ResumeView,
} from "./resume.ts";
import type { SignIn } from "./sign_in.ts";

/** What a client draws. */
export interface SessionView extends ResumeView {
  /** The connection is lost, and the client tries to reconnect. */
  lost(why: Error): void;
  /** The server refuses to reconnect us, for now and for a new reason. */
  refused?(why: ChatError): void;
  /** The client has reconnected; held messages follow. Not for the first time. */
  reconnected?(): void;
  /** Requests are sent again, and everything that was missed is shown. */
  resumed(): void;
  /** A message; `request` is the SEND of ours that it comes from, if it is one. */
  message(message: ChatMessage, request: Request | undefined): void;
  /** A message of ours was refused. */
  notSent?(request: Request, error: ChatError): void;
  /** Users joined, left, or went offline. */
  presence(presence: Presence, at: Date): void;
  /** The operator sends a notice to all users. */
  notice(text: string): void;
  /** A CALL, ACCEPT or DECLINE of another user. */
  call(frame: Frame): void;
  /** We are in a room; `again` after a reconnect. */
  joined(room: JoinedRoom, answer: Frame, again: boolean): void;
  /** We have left a room, named as the server names it. */
  left?(room: string): void;
}

/** See the top of the file. */
export class ChatSession implements Owner, Resumable {
  /** The connections; the session does not close it. */
  readonly server: ReconnectingConnection;
  /** How to register, on each connection. */
  readonly signIn: SignIn;
  /** Shows what happens. */
  readonly view: SessionView;
  /** Holds messages back until they can be shown in order. */
  readonly order: Order = new Order();
  /** Our name, as the server has it. */
  me: string;
  /** Longest message that the server takes, in bytes. */
  maxBodyBytes: number = MAX_BODY_BYTES;
  /** The rooms that we are in; the one of the last {@linkcode use} is last. */
  rooms: readonly JoinedRoom[] = [];
  /** The newest message of any room that was shown. */
  newest: Landmark | undefined;
  readonly #resume = new Resume(this);
  #lost = false; // and not registered again yet
  #closing = false; // the server has said so

  /** In no room, with everything held until we are registered as `me`. */
  constructor(
    parts: Pick<ChatSession, "server" | "signIn" | "view" | "me">,
  ) {
    this.server = parts.server;
    this.signIn = parts.signIn;
    this.view = parts.view;
    this.me = parts.me;
    this.order.hold();
  }

  /** The room of that name that we are in, or of a name that looks like it. */
  find(name: string): JoinedRoom | undefined {
    const wanted = lookAlike(name);
    return this.rooms.find((one) => lookAlike(one.name) === wanted);
  }

  /** Makes `room` the last of {@linkcode rooms}. */
  use(room: JoinedRoom): void {
    this.rooms = [...this.rooms.filter((one) => one !== room), room];
  }

  /**
   * Connects, and stays until the end; then shows what is held.
   *
   * @param shown Runs after each batch of frames: no more is read before.
   * @throws {ChatError} If the server refuses to register us.
   * @throws {ConnectionError} If the connection ends otherwise.
   */
  async run(shown: () => Promise<void> | void): Promise<void> {
    try {
      for await (const batch of this.server.batches(this)) {
        for (const event of batch) this.receive(event);
        await shown();
      }
    } finally {
      this.order.flush();
    }
  }

  /** Takes what the server has sent. */
  receive({ frame, request }: Event): void {
    switch (frame.verb) {
      case "FORWARD":
        this.take(frame);
        break;
      case "NOTICE":
        this.#notice(frame);
        break;
      case "CALL":
      case "ACCEPT":
      case "DECLINE":
        if (!request) this.view.call(frame);
        break;
      case "SENT":
        if (request) {
          const { body } = request;
          const message = sentMessage(frame, { me: this.me, body });
          this.#place(message, body, request);
        }
        break;
      case "ERROR":
        if (request?.verb === "SEND") {
          this.view.notSent?.(request, errorOf(frame));
        }
        break;
      case "JOINED":
        this.#joined(frame);
        break;
      case "LEFT":
        this.#left(frame.args[0] ?? "");
    }
    this.order.answered(this.server.answered);
  }

  /** Why a message cannot be sent; undefined if it can. */
  faultOf(text: string): string | undefined {
    const { length } = encoder.encode(text);
    if (length <= this.maxBodyBytes) return undefined;
    return `Cannot send ${length.toLocaleString("en")} bytes: the limit is ` +
      `${this.maxBodyBytes.toLocaleString("en")}. Send it in parts`;
  }

  /**
   * Joins a room.
   *
   * @param show Gets the last messages, those before our time.
   */
  async join(
    name: string,
    show: (room: JoinedRoom, old: ChatMessage[]) => void,
  ): Promise<void> {
    await this.#holding(async () => {
      await this.server.request("JOIN", [name]);
      const room = this.find(name);
      if (room) show(room, await this.#older(room.name, {}, room.since));
    });
  }

  /**
   * Fetches older messages of a room.
   *
   * @param show Gets them, before anything newer is shown.
   */
  async older(
    room: string,
    range: HistoryRange,
    show: (old: ChatMessage[]) => void,
  ): Promise<void> {
    await this.#holding(async () =>
      show(await this.#older(room, range, this.order.last))
    );
  }

  /** See {@linkcode Owner}. */
  resume(connection: Connection): Promise<void> {
    return this.#resume.run(connection);
  }

  /** See {@linkcode Owner}. */
  resumed(): void {
    if (this.#lost) this.view.reconnected?.();
    this.order.release(this.server.asked);
    this.#lost = false;
    this.#closing = false;
    this.#resume.done();
    this.view.resumed();
  }

  /** See {@linkcode Owner}. */
  lost(why: Error): void {
    this.order.hold();
    this.#lost = true;
    this.view.lost(this.#closing ? stopped() : why);
  }

  /** See {@linkcode Owner}. */
  refused(why: ChatError): void {
    this.view.refused?.(why);
  }

  /** Holds back what comes while `task` runs. */
  async #holding(task: () => Promise<void>): Promise<void> {
    this.order.hold();
    try {
      await task();
    } finally {
      this.order.release(this.server.asked);
    }
  }

  /** Messages of `room` up to the id `last`; newer ones are taken as usual. */
  async #older(
    room: string,
    range: HistoryRange,
    last: number,
  ): Promise<ChatMessage[]> {
    const frames = await history(this.server, room, range);
    const isNew = (frame: Frame) => (numberOf(frame, "id") ?? 0) > last;
    for (const frame of frames.filter(isNew)) this.take(frame);
    const old = frames.filter((frame) => !isNew(frame))
      .map((frame) => messageOf(frame, this.me));
    for (const message of old) this.#mark(message);
    return old;
  }

  /** Takes a message of a room, or to us; one that is known is dropped. */
  take(frame: Frame): void {
    this.#place(messageOf(frame, this.me), frame.body);
  }

  #place(message: ChatMessage, body: Uint8Array, request?: Request): void {
    const { id } = message;
    const show = () => this.#show(message, request);
    if (id === undefined) return show();
    const entry = { id, bytes: 2 * body.length + MESSAGE_BYTES, show };
    if (request) this.order.addOwn(entry);
    else this.order.add(entry, this.server.asked);
  }

  #show(message: ChatMessage, request?: Request): void {
    this.#mark(message);
    this.view.message(message, request);
  }

  /** Remembers the newest message of a room, by which a server is recognized. */
  #mark({ id, to, at }: ChatMessage): void {
    if (id === undefined || !to.startsWith("#")) return;
    if (id < (this.newest?.id ?? 0)) return;
    this.newest = { room: to, id, at: at.getTime() };
  }

  #notice(frame: Frame): void {
    const presence = presenceOf(frame);
    if (presence) return this.view.presence(presence, timeOf(frame));
    const [kind] = frame.args;
    if (kind === "server") return this.view.notice(textOf(frame));
    if (kind !== "closing") return; // a newer server's
    this.#closing = true; // told when the connection is lost
    const seconds = numberOf(frame, "retry-after") ?? 0;
    this.server.waitBeforeReconnecting(seconds * 1_000);
  }

  #joined(frame: Frame): void {
    const name = frame.args[0] ?? "";
    const known = this.find(name);
    if (known) return this.view.joined(known, frame, true);
    const since = numberOf(frame, "last-id") ?? this.order.last;
    const room = { name, since };
    this.rooms = [...this.rooms, room];
    this.view.joined(room, frame, false);
  }

  #left(name: string): void {
    const known = this.find(name);
    this.rooms = this.rooms.filter((one) => one !== known);
    this.view.left?.(name);
  }
}

/** Why the connection was lost, if the server has announced it. */
function stopped(): ConnectionError {
  const options = { passing: true };
  return new ConnectionError("lost", "The server was stopped", options);
}

/** About how much memory a message takes, beside its text. */
const MESSAGE_BYTES = 500;

const encoder = new TextEncoder();
