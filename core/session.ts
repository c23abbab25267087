/**
 * One user's session: who we are, which rooms we are in, and what each frame
 * means. It outlives its connections.
 *
 * Both clients run this. They differ in how they draw, so that everything to be
 * drawn goes to a {@linkcode SessionView}. Messages go there once each, in the
 * order of their ids; after a loss they are held until everything that was
 * missed is here.
 *
 * On every connection but the first the rooms are joined again, and the messages
 * that were missed are fetched; see "Reconnecting" in docs/protocol.md. A server
 * may have forgotten the session since, or have another journal: then the ids that
 * we know are worth nothing.
 *
 * @module
 */
import {
  type ChatError,
  type Frame,
  header,
  lookAlike,
  MAX_BODY_BYTES,
} from "../protocol.ts";
import {
  type ChatMessage,
  messageOf,
  MODERATOR,
  numberOf,
  OPERATOR,
  type Presence,
  presenceOf,
  roleOf,
  textOf,
  timeOf,
} from "./frames.ts";
import {
  answersWith,
  Invitations,
  isOver,
  type RoomNews,
  roomNewsOf,
} from "./rooms/private_rooms.ts";
import { retryAfterMs } from "./net/backoff.ts";
import type { Connection, Event, Request } from "./net/connection.ts";
import { errorOf, timeText } from "./net/connection_error.ts";
import type { Owner } from "./net/owner.ts";
import { randomWord, type ReconnectingConnection } from "./net/reconnecting.ts";
import { Nicks } from "./text/nicks.ts";
import { Order } from "./order.ts";
import { ReadMarks } from "./session/read_marks.ts";
import { catchUp, register, rejoin } from "./session/rejoin.ts";
import { history, type HistoryRange } from "./requests.ts";
import { Absences, type Resumable } from "./session/resumable.ts";
import {
  NO_SETTINGS,
  settingsAfter,
  type SettingsChange,
  settingsChangeOf,
  settingsOf,
} from "./rooms/room_settings.ts";
import type { JoinedRoom, SessionView } from "./session_view.ts";
import type { SignIn } from "./sign_in.ts";
import { slowedText } from "./text/sentences.ts";

/** See the top of the file. */
export class ChatSession implements Owner {
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
  /** Whether we are a moderator. */
  isModerator = false;
  /** The display names of those who are in a room with us. */
  readonly nicks: Nicks = new Nicks();
  /** Longest message that the server takes, in bytes. */
  maxBodyBytes: number = MAX_BODY_BYTES;
  /** The rooms that we are in; the one of the last {@linkcode use} is last. */
  rooms: readonly JoinedRoom[] = [];
  #journal: string | undefined; // of the server, whose ids we know
  #token: string | undefined; // once registered; may be empty
  #startedAfter: number | undefined; // an id, once registered
  #replayedTo = 0; // by the server, but for rooms it may have forgotten
  #forgotten = false; // the session, by the server, since the loss
  readonly #absences: Absences; // when another guest could have our name
  #lost = false; // and not registered again yet
  readonly #invitations = new Invitations();
  #stopped: Error | undefined; // the server has said that it stops
  readonly #reads = new ReadMarks((target, id) => {
    if (!this.signIn.owned || !this.server.registered) return;
    this.server.request("READ", [target], { Id: id }).catch(() => {});
  });

  /**
   * In no room, with everything held until we are registered as `me`; with
   * `resumable`, it goes on with that session.
   */
  constructor(
    { server, signIn, view, me }: Pick<
      ChatSession,
      "server" | "signIn" | "view" | "me"
    >,
    resumable?: Resumable,
  ) {
    this.server = server;
    this.signIn = signIn;
    this.view = view;
    this.me = me;
    this.order.hold();
    this.#absences = new Absences(resumable?.absences);
    if (!resumable) return;
    this.#startedAfter = 0; // what it missed has its place in the order
    this.#token = resumable.token;
    this.#journal = resumable.journal;
    this.order.startAfter(resumable.last);
  }

  /** What goes on with this session; undefined before there is one. */
  get resumable(): Resumable | undefined {
    if (!this.#token) return undefined;
    return {
      token: this.#token,
      journal: this.#journal,
      last: this.order.last,
      absences: this.#absences.all(),
    };
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
      this.#reads.close();
      this.order.flush();
    }
  }

  /** The user has read here what is with a target, up to the id of a message. */
  seen(target: string, id: number): void {
    if (this.signIn.owned) this.#reads.seen(target, id);
  }

  /** Takes what the server has sent. */
  receive({ frame, request }: Event): void {
    switch (frame.verb) {
      case "REGISTERED": // which FORWARDs can follow at once
        this.#startedAfter ??= numberOf(frame, "last-id") ?? 0;
        if (request?.verb === "PASSWORD") this.#token = header(frame, "token");
        break;
      case "FORWARD":
      case "SENT":
        this.#take(frame, request);
        break;
      case "NOTICE":
        this.#notice(frame);
        break;
      case "CALL":
      case "ACCEPT":
      case "DECLINE":
        if (!request) this.view.call(frame);
        break;
      case "ERROR":
        if (request?.verb === "SEND") {
          this.view.notSent?.(request, errorOf(frame));
        }
        break;
      case "JOINED":
        this.#joined(frame, request);
        break;
      case "LEFT":
        this.#left(frame);
    }
    this.order.answered(this.server.answered);
  }

  /**
   * Joins a room; `isPrivate`: makes one that is for its members alone, to whose
   * name the server adds something.
   *
   * @param show Gets the last messages, those before our time.
   */
  async join(
    name: string,
    show: (room: JoinedRoom, old: ChatMessage[]) => void,
    { isPrivate = false } = {},
  ): Promise<void> {
    // With the key it is made once, also if the answer is lost.
    const headers = isPrivate ? { Private: "yes", Key: randomWord() } : {};
    await this.#holding(async () => {
      const answer = await this.server.request("JOIN", [name], headers);
      const room = this.find(answer.args[0] ?? name);
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

  /**
   * Registers on `connection`; after the first one, joins the rooms again and
   * fetches what was missed.
   *
   * @throws {ChatError} If the server refuses, or cannot do it now.
   * @throws {ConnectionError} If the server speaks another protocol, or does not
   * answer.
   */
  async resume(connection: Connection): Promise<void> {
    const [before, journal] = [this.#token, this.#journal];
    const { code, owned, way } = this.signIn;
    const after = Math.max(this.order.last, this.#replayedTo);
    const registered = await register(connection, this.signIn, {
      ...{ name: this.me, token: before, journal, after },
    });
    void this.server.tell(registered);
    this.#journal = header(registered, "journal");
    this.#token = header(registered, "token") ?? "";
    this.me = registered.args[0] ?? this.me;
    this.isModerator = header(registered, "role") === MODERATOR;
    this.nicks.registered(this.me, header(registered, "nick"));
    this.maxBodyBytes = numberOf(registered, "max-body") || MAX_BODY_BYTES;
    if (owned && !this.signIn.owned) this.view.accountLost();
    const lastId = numberOf(registered, "last-id") ?? 0;
    const isOwner = (way === "login" || code !== undefined) &&
      this.signIn.owned; // with a code, of an account that was there before
    if (before === undefined) {
      if (!isOwner) this.#absences.add({ after: 0, upTo: lastId });
      // Stored messages come before PONG. After this, they count as received.
      else await connection.request("PING");
      return this.order.startAfter(lastId);
    }
    const known = before !== "" && this.#token === before;
    if (!known) this.#forgotten = true;
    const isOther = journal !== undefined && this.#journal !== journal;
    // A smaller id is that of an old copy which was put in the journal's place.
    if (isOther || lastId < this.order.last) this.#restart();
    else if ((numberOf(registered, "oldest-id") ?? 0) > after + 1) {
      this.view.missedDeleted();
    }
    if (this.#forgotten && !isOwner) {
      this.#absences.add({ after: this.order.last, upTo: lastId });
    }
    const hasRooms = this.rooms.length > 0;
    for (const room of this.rooms) room.followed = false;
    const expelled = (room: JoinedRoom, error: ChatError) => {
      this.view.expelled(room, error); // which may have been the current one
      this.rooms = this.rooms.filter((one) => one !== room);
    };
    const refusal = { isOwner: this.signIn.owned, expelled };
    await rejoin(connection, this.rooms, refusal);
    // It came before any answer to a JOIN; without one, it may be on its way.
    if (known && hasRooms) this.#replayedTo = lastId;
    await catchUp(connection, this.rooms, {
      ...{ last: this.order.last, upTo: lastId },
      take: (frame) => this.#takeMissed(frame),
      missedMore: (room) => this.view.missedMore(room),
      expelled,
    });
  }

  /** See {@linkcode Owner}. */
  resumed(to?: string): void {
    const { asked } = this.server; // before the view asks for more
    this.view.registered(this.#lost, to);
    this.order.release(asked);
    this.#lost = false;
    this.#stopped = undefined;
    this.#forgotten = false;
  }

  /** See {@linkcode Owner}. */
  lost(why: Error): void {
    this.order.hold();
    this.#lost = true;
    this.view.lost(this.#stopped ?? why);
  }

  /** See {@linkcode Owner}. */
  refused(why: ChatError): void {
    this.view.refused?.(why);
  }

  /** See {@linkcode Owner}. */
  slowed(why: ChatError): void {
    this.view.slowed(slowedText(why.message, timeText(retryAfterMs(why))));
  }

  /** The server has another journal: the ids that we know are worth nothing. */
  #restart(): void {
    this.order.restart(); // shows what is held of the old ones
    this.#startedAfter = 0;
    this.#absences.clear();
    this.view.restarted();
    this.#replayedTo = 0;
    for (const room of this.rooms) room.since = room.fetchedTo = 0;
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
    for (const frame of frames.filter(isNew)) this.#take(frame);
    return frames.filter((frame) => !isNew(frame))
      .map((frame) => this.#messageOf(frame));
  }

  /**
   * Takes a message of a room that we missed. If the server has forgotten the keys
   * of our messages, those that are found are not sent again.
   */
  #takeMissed(frame: Frame): void {
    const id = numberOf(frame, "id") ?? 0;
    const isOurs = this.#forgotten && frame.args[0] === this.me &&
      !this.order.knows(id) && this.server.settleStored(frame);
    if (isOurs) this.#absences.settle(id);
    this.#take(frame);
  }

  /** Takes a message to us, or the answer to ours; a known one is dropped. */
  #take(frame: Frame, request?: Request): void {
    const message = this.#messageOf(frame, request);
    const show = () => {
      if (message.from === OPERATOR) {
        return this.view.notice(message.text, message.at);
      }
      this.view.message(message, request);
      const isElsewhere = !request && message.own && message.to !== this.me;
      if (isElsewhere && id) this.view.read?.(message.to, id);
    };
    const { id } = message;
    if (id === undefined) return show();
    // The server sends it once, before all else: it has no place in the order.
    const isStored = !request && id <= (this.#startedAfter ?? Infinity) &&
      lookAlike(message.to) === lookAlike(this.me);
    if (isStored && this.view.stored) return this.view.stored(message);
    if (isStored) return show();
    const { length } = (request ?? frame).body;
    const { own } = message;
    const entry = { id, bytes: 2 * length + MESSAGE_BYTES, own, show };
    if (request) this.order.addOwn(entry);
    else this.order.add(entry, this.server.asked);
  }

  /** Under our name, another guest may have sent messages while we were away. */
  #messageOf(frame: Frame, request?: Request): ChatMessage {
    const message = messageOf(frame, this.me, request);
    const isOurs = request !== undefined || this.#absences.isOurs(message.id);
    return { ...message, own: message.own && isOurs };
  }

  #notice(frame: Frame): void {
    const presence = presenceOf(frame);
    if (presence && this.#follow(frame, presence)) return;
    if (presence) {
      return this.nicks.during(presence, () => {
        this.view.presence(presence, timeOf(frame));
      });
    }
    const [kind] = frame.args;
    if (kind === "server") return this.view.notice(textOf(frame));
    if (kind === "set") return this.#set(frame);
    if (kind === "read") return this.#reads.takeNotice(frame, this.view);
    if (kind === "nick") {
      return this.nicks.changed(frame).forEach((one) => this.view.nick?.(one));
    }
    const news = roomNewsOf(frame, this.me);
    if (news) return this.#roomNews(news);
    if (kind !== "closing") return; // a newer server's
    this.#stopped = new Error("The server was stopped"); // told after the loss
    const seconds = numberOf(frame, "retry-after") ?? 0;
    this.server.leave(seconds * 1_000);
  }

  #roomNews(news: RoomNews): void {
    const { kind, room } = news;
    if (!this.#invitations.isNew(news)) return;
    const known = this.find(room);
    if (known && kind === "owner") {
      known.settings = { ...known.settings, owner: news.user };
    }
    this.view.roomNews?.(news); // which may be of the current room
    if (!isOver(news)) return;
    this.rooms = this.rooms.filter((one) => one !== known);
    this.nicks.left(room);
  }

  /** Something has changed: a user's role, or the list of the other servers. */
  #set(frame: Frame): void {
    const settings = settingsChangeOf(frame);
    if (settings) return this.#setRoom(settings);
    const change = roleOf(frame, this.me);
    if (!change) return void this.server.tell(frame);
    if (change.isMe) this.isModerator = change.isModerator;
    this.view.role?.(change);
  }

  #setRoom(change: SettingsChange): void {
    const room = this.find(change.room);
    if (!room) return;
    room.settings = settingsAfter(room.settings, change);
    this.view.settings?.(room, change);
  }

  #joined(frame: Frame, request?: Request): void {
    const name = frame.args[0] ?? "";
    // Or each reconnect, which joins all rooms again, could double them.
    const asked = request?.args[0] ?? name;
    if (!answersWith(name, asked)) return;
    this.nicks.joined(name);
    const since = numberOf(frame, "last-id") ?? this.order.last;
    const settings = settingsOf(frame);
    const known = this.find(name);
    if (known && !known.followed) {
      known.settings = settings;
      return this.view.joined(known, frame, true);
    }
    const room = { name, since: known?.since ?? since, settings };
    this.rooms = [...this.rooms.filter((one) => one !== known), room];
    this.view.joined(room, frame, false);
  }

  /** Another device has joined a room, or left it. @returns Whether it has. */
  #follow(frame: Frame, { kind, room: name }: Presence): boolean {
    const user = lookAlike(header(frame, "user") ?? "");
    if (name === "" || user !== lookAlike(this.me)) return false;
    const known = this.find(name);
    const last = Math.max(this.#startedAfter ?? 0, this.order.last);
    const since = Math.max(numberOf(frame, "last-id") ?? 0, last);
    const room = known ??
      { name, since, followed: true, settings: NO_SETTINGS };
    if (kind === "joined" && !known) this.rooms = [room, ...this.rooms];
    else if (kind === "left" && known) {
      this.rooms = this.rooms.filter((one) => one !== known);
    } else return true;
    this.view.moved?.(room, kind === "joined", frame);
    return true;
  }

  #left(frame: Frame): void {
    const name = frame.args[0] ?? "";
    this.rooms = this.rooms.filter((one) => one !== this.find(name));
    this.nicks.left(name);
    this.view.left?.(name, timeOf(frame));
  }
}

/** About how much memory a message takes, beside its text. */
const MESSAGE_BYTES = 500;
