/**
 * One session of a client of our own kind, recorded: the stack that the terminal
 * and the page run, over TCP or over the page's WebSocket. What it would draw goes
 * into the history.
 *
 * @module
 */
import { ChatError, type Frame } from "../../../protocol.ts";
import { type ChatMessage, numberOf } from "../../../core/frames.ts";
import type { Request } from "../../../core/net/connection.ts";
import type { Home, Place } from "../../../core/net/alternates.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Stream } from "../../../core/net/stream.ts";
import { ChatSession } from "../../../core/session.ts";
import type { JoinedRoom, SessionView } from "../../../core/session_view.ts";
import type { SignIn } from "../../../core/sign_in.ts";
import type {
  Entry,
  Outcome,
  Receipt,
  Session,
  Stay,
} from "../check/history.ts";
import type { ParleyNode } from "../node.ts";
import { sending, type World } from "../world.ts";

/** How many messages of one client may be unanswered. */
const WINDOW = 4;

/** What a session is of. */
export interface VisitOptions {
  readonly key: string;
  readonly name: string;
  readonly kind: "terminal" | "page";
  readonly signIn: SignIn;
  /** The server to connect to; tried anew each time. */
  readonly node: () => ParleyNode;
  /** Whether it goes on at the servers that its server tells of. */
  readonly follows: boolean;
  /** Is told that it could not be reached. */
  readonly unreachable: () => void;
}

/** See the top of the file. */
export class Visit implements SessionView {
  /** Resolves when it is registered; or why it ended. */
  readonly registering: Promise<Error | undefined>;
  /** Resolves when it ended; undefined if it was this side that ended it. */
  readonly ended: Promise<Error | undefined>;
  readonly chat: ChatSession;
  readonly #world: World;
  readonly #options: VisitOptions;
  readonly #server: ReconnectingConnection;
  readonly #registered = Promise.withResolvers<undefined>();
  readonly #open = new Map<string, Stay>();
  readonly #notes: [number, string][] = [];
  readonly #receipts: Receipt[] = []; // stored ones come first of all
  readonly #asked: string[] = [];
  #record: Session | undefined;
  #token: string | undefined;
  #newest = 0; // of what was shown
  #certain = 0; // the same, without what its end has shown, with gaps
  #dialled: Pick<Entry, "at" | "server" | "isTold"> | undefined;
  #sent = 0;
  #end: string | undefined; // a text: then everything was shown
  #sawEnd = Promise.withResolvers<void>();
  #isOver = false;

  constructor(world: World, options: VisitOptions) {
    this.#world = world;
    this.#options = options;
    const { name: me, signIn, follows } = options;
    const server = this.#server = new ReconnectingConnection({
      dial: (signal, other) => this.#dial(signal, other),
      home: follows ? this.#home() : undefined,
    });
    this.chat = new ChatSession({ server, signIn, view: this, me });
    const shown = () => void (this.#certain = this.#newest);
    this.ended = this.chat.run(shown).then(() => undefined, (error) => error)
      .finally(() => this.#over());
    this.registering = Promise.race([this.#registered.promise, this.ended]);
  }

  /** What is recorded of it; undefined before it was registered. */
  get record(): Session | undefined {
    return this.#record;
  }

  /** Whether it is registered now, on a connection. */
  get isHere(): boolean {
    return this.#server.registered !== undefined;
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Rooms that it is in. */
  get rooms(): string[] {
    return this.chat.rooms.map(({ name }) => name);
  }

  /** Sends a message, and records what becomes of it; waits if too many do. */
  async say(to: string, padding: number): Promise<void> {
    const { key, name } = this.#options;
    const text = `${key}.${++this.#sent}${" and so on".repeat(padding)}`;
    const send = sending(this.#world, { session: key, name, to, text });
    this.#server.request("SEND", [to], {}, text).then((answer) => {
      send.outcome = this.#done(numberOf(answer, "id"));
    }, (error) => {
      const code = refusalOf("SEND", error);
      if (code === undefined) return;
      send.outcome = { kind: "refused", at: this.#world.now(), code };
    });
    await this.settled(WINDOW - 1);
  }

  /** Joins a room, unless the server refuses. */
  async join(room: string): Promise<void> {
    this.#asked.push(room);
    await Promise.race([this.ended, this.chat.join(room, () => {})])
      .catch(ignored);
  }

  /** Leaves a room. */
  async leave(room: string): Promise<void> {
    const stay = this.#open.get(room);
    if (stay) stay.upTo = this.#newest;
    this.#open.delete(room);
    await this.#server.request("LEAVE", [room]).catch(ignored);
  }

  /** Creates an account of its name. */
  async signUp(password: string): Promise<Outcome> {
    const { signIn, name } = this.#options;
    try {
      await signIn.signUp(this.#server, name, password);
      return this.#done();
    } catch (error) {
      const code = refusalOf("SIGNUP", error);
      if (code === undefined) return { kind: "unknown" };
      return { kind: "refused", at: this.#world.now(), code };
    }
  }

  /** Asks for the end, or ends at once if that cannot be asked for. */
  async logout(): Promise<void> {
    if (!this.isHere) return this.close();
    if (this.#record) this.#record.leftAt = this.#world.now();
    await this.#server.request("LOGOUT").catch(ignored);
    this.close();
  }

  /** Loses its connection, and comes back to the server that it is told then. */
  drop(): void {
    const why = new ConnectionError("lost", "It moves", { passing: true });
    this.#server.registered?.close(why);
    this.#server.hurry();
  }

  /** Tries again now, if it waits. */
  hurry(): void {
    this.#server.hurry();
  }

  /** Ends at once. */
  close(): void {
    this.#server.close();
  }

  /** Resolves when so many requests are left, or at the end. */
  async settled(requests: number): Promise<void> {
    await this.#server.settled(requests).catch(ignored);
  }

  /** Resolves when this text was shown, which comes after all else. */
  async saw(text: string): Promise<void> {
    this.#end = text;
    if (this.#record?.receipts.some((one) => one.text === text)) return;
    await this.#sawEnd.promise;
  }

  /** Was there to the end of the run: all is to be shown up to this id. */
  stay(upTo: number): void {
    if (!this.#record) return;
    for (const stay of this.#open.values()) stay.upTo = upTo;
    this.#record.upTo = upTo;
    this.#record.stayed = true;
    this.#open.clear();
  }

  /** See {@linkcode SessionView}. */
  registered(again: boolean): void {
    const { history, now, nodes } = this.#world;
    const { key, name, kind, signIn } = this.#options;
    const token = this.chat.resumable?.token;
    this.#note(`registered with all up to ${this.chat.order.last}`);
    if (this.#dialled && nodes.length > 0) {
      const done = now();
      history.entries.push({ client: key, name, ...this.#dialled, done });
    }
    if (!again || !this.#record) {
      this.#record = {
        key,
        name,
        kind,
        owned: signIn.owned,
        after: this.chat.order.last,
        upTo: 0,
        receipts: this.#receipts,
        stays: [],
        asked: this.#asked,
        stayed: false,
        forgotten: [],
        notes: this.#notes,
      };
      history.sessions.push(this.#record);
    } else if (token !== this.#token) this.#record.forgotten.push(now());
    this.#token = token;
    this.#registered.resolve(undefined);
  }

  /** See {@linkcode SessionView}. */
  message(message: ChatMessage, _request?: Request): void {
    this.#receive(message, false);
  }

  /** See {@linkcode SessionView}. */
  stored(message: ChatMessage): void {
    this.#receive(message, true);
  }

  /** See {@linkcode SessionView}. */
  joined(room: JoinedRoom, answer: Frame, again: boolean): void {
    const lastId = numberOf(answer, "last-id");
    this.#note(`joined ${room.name} at ${lastId}${again ? " again" : ""}`);
    if (again || !this.#record || this.#open.has(room.name)) return;
    const stay = { room: room.name, after: room.since, upTo: 0 };
    this.#open.set(room.name, stay);
    this.#record.stays.push(stay);
  }

  /** See {@linkcode SessionView}. */
  expelled(room: JoinedRoom, error: ChatError): void {
    this.#trouble(`could not join ${room.name} again: ${error.message}`);
  }

  /** See {@linkcode SessionView}. */
  restarted(): void {
    this.#trouble("the server has another journal, or lost messages");
  }

  /** See {@linkcode SessionView}. */
  missedDeleted(): void {
    this.#trouble("what it missed was deleted");
  }

  /** See {@linkcode SessionView}. */
  missedMore(room: JoinedRoom): void {
    this.#trouble(`it missed too much of ${room.name}`);
  }

  /** See {@linkcode SessionView}. */
  accountLost(): void {
    this.#trouble("the server has forgotten its account");
  }

  /** See {@linkcode SessionView}. */
  lost(why: Error): void {
    this.#note(`lost: ${why.message}`);
  }

  slowed(): void {}
  presence(): void {}
  notice(): void {}
  call(): void {}

  #note(text: string): void {
    this.#notes.push([this.#world.now(), text]);
  }

  /** The server that its user chose, where clients are told that it is. */
  #home(): Home {
    const { kind, node } = this.#options;
    const { port, webPort } = node();
    const [own, way] = kind === "page"
      ? [webPort, "http" as const]
      : [port, "tcp" as const];
    const hostname = "127.0.0.1";
    return { place: { hostname, port: own, text: `${hostname}:${own}` }, way };
  }

  /** A server where clients are told that it is; there is a proxy before it. */
  #told({ text, port }: Place): ParleyNode {
    const node = this.#world.nodes.find((one) => one.isAt(port));
    if (node) return node;
    this.#note(`was told of ${text}, where no server is any more`);
    const passing = { passing: true };
    throw new ConnectionError("lost", "Cannot reach the server", passing);
  }

  async #dial(signal: AbortSignal, other?: Place): Promise<Stream> {
    const node = other ? this.#told(other) : this.#options.node();
    this.#note(
      `dials ${node.name}${other ? ", of which it was told" : ""}; ` +
        `has all up to ${this.chat.order.last}`,
    );
    const isTold = other !== undefined;
    this.#dialled = { at: this.#world.now(), server: node.name, isTold };
    try {
      if (this.#options.kind === "page") {
        const url = new URL(`ws://127.0.0.1:${node.webProxy.port}/ws`);
        return await openPageSocket(url, signal);
      }
      const { port } = node.proxy;
      return await Deno.connect({ hostname: "127.0.0.1", port });
    } catch (cause) {
      if (!other) this.#options.unreachable();
      const passing = { passing: true, cause };
      throw new ConnectionError("lost", "Cannot reach the server", passing);
    }
  }

  #receive({ id, from, to, text }: ChatMessage, stored: boolean): void {
    const at = this.#world.now();
    this.#receipts.push({ id, from, to, text, at, stored });
    if (!stored) this.#newest = Math.max(this.#newest, id ?? 0);
    if (text === this.#end) this.#sawEnd.resolve();
  }

  #done(id?: number): Outcome {
    const at = this.#world.now();
    return id === undefined ? { kind: "done", at } : { kind: "done", at, id };
  }

  /** What it was surely to be shown is what something was shown after. */
  #over(): void {
    this.#isOver = true;
    this.#sawEnd.resolve();
    for (const stay of this.#open.values()) stay.upTo = this.#certain;
    if (this.#record && !this.#record.stayed) this.#record.upTo = this.#certain;
  }

  #trouble(what: string): void {
    this.#world.trouble(this.#options.key, what);
  }
}

/** The code of an ERROR that answers `verb`; undefined of any other error. */
function refusalOf(verb: string, error: unknown): number | undefined {
  if (!(error instanceof ChatError)) return undefined;
  const [answered] = `${error.headers["for"] ?? ""}`.split(" ");
  return answered === verb ? error.code : undefined;
}

/** The end of a session is known by other ways. */
function ignored(error: unknown): void {
  const isExpected = error instanceof ChatError ||
    error instanceof ConnectionError;
  if (!isExpected) throw error;
}

/** The page's own; it looks for words in the address of its page. */
async function openPageSocket(url: URL, signal: AbortSignal): Promise<Stream> {
  globalThis.location ??= { hash: "" } as Location;
  const { openSocket } = await import("../../../web/page/net/socket.ts");
  return await openSocket(url, signal);
}
