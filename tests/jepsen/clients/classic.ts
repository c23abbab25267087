/**
 * A two-socket client, recorded. It is told no ids, and nothing is repeated for
 * it: after a lost connection it registers anew.
 *
 * @module
 */
import { Chance } from "../../fuzz/hostile_frames.ts";
import { bytes } from "../../tools/net/raw_client.ts";
import { writeAll } from "../../../core/net/stream.ts";
import type { Send, Session } from "../check/history.ts";
import { sending, type World } from "../world.ts";

/** Limit of the pause between two operations, in milliseconds. */
const THINK_MS = 2_000;

/** A connection without any byte for so long is given up, in milliseconds. */
const SILENT_MS = 30_000;

const decoder = new TextDecoder();

/** See the top of the file. */
export class ClassicTalker {
  readonly name: string;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #gone = Promise.withResolvers<void>();
  #visits = 0;
  #sockets: Socket[] = [];
  #awaited: { text: string; seen(): void } | undefined;
  #session: Session | undefined;

  constructor(world: World, name: string, seed: number) {
    this.name = name;
    this.#world = world;
    this.#chance = new Chance(seed);
  }

  /** Talks until it is disposed; nothing new once the run is over. */
  async live(): Promise<void> {
    while (!this.#world.isOver) {
      await this.#visit().catch(() => {}); // the connection was lost
      for (const socket of this.#sockets) socket.close();
      await this.#world.pause(this.#chance.below(THINK_MS));
    }
    this.#gone.resolve();
  }

  /** Waits for the last message, unless its connection was lost before. */
  async saw(text: string): Promise<void> {
    if (this.#session?.receipts.some((one) => one.text === text)) return;
    const seen = Promise.withResolvers<void>();
    this.#awaited = { text, seen: seen.resolve };
    await Promise.race([seen.promise, this.#gone.promise]);
  }

  /** Ends. */
  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close();
  }

  /** Both sockets, until one of them ends, or the run is over. */
  async #visit(): Promise<void> {
    const { port } = this.#chance.pick(this.#world.nodes).proxy;
    const [out, receiving] = this.#sockets = await Promise.all([
      Socket.open(port),
      Socket.open(port),
    ]);
    await out!.write(`REGISTER TOSEND ${this.name}\n\n`);
    if (!(await out!.head()).startsWith("REGISTERED")) return;
    await receiving!.write(`REGISTER TORECV ${this.name}\n\n`);
    if (!(await receiving!.head()).startsWith("REGISTERED")) return;
    const key = `${this.name}.${++this.#visits}`;
    const session: Session = {
      ...{ key, name: this.name, kind: "classic", owned: false, after: 0 },
      ...{
        upTo: 0,
        receipts: [],
        stays: [],
        asked: [],
        stayed: false,
        forgotten: [],
        notes: [],
      },
    };
    this.#session = session;
    this.#world.history.sessions.push(session);
    const receiving_ = this.#receive(receiving!, session);
    const talking = this.#talk(out!, key);
    await Promise.race([receiving_, talking]);
    if (this.#world.isOver) await receiving_;
  }

  async #receive(socket: Socket, session: Session): Promise<void> {
    for (;;) {
      const head = await socket.head();
      const [, from = "", length] =
        /^FORWARD (\S+)\nContent-length: (\d+)$/.exec(head) ?? [];
      if (length === undefined) throw new Error(`Cannot read ${head}`);
      const text = await socket.text(Number(length)); // it is ASCII
      const at = this.#world.now();
      const [id, to] = [undefined, undefined];
      session.receipts.push({ id, from, to, text, at, stored: false });
      if (text === this.#awaited?.text) this.#awaited.seen();
      await socket.write(`RECEIVED ${from}\n\n`);
    }
  }

  async #talk(socket: Socket, key: string): Promise<void> {
    const { people } = this.#world;
    for (let sent = 1; !this.#world.isOver; sent++) {
      await this.#world.pause(this.#chance.below(THINK_MS));
      const to = this.#chance.once(3) ? this.#chance.pick(people) : "#default";
      const text = `${key}.${sent}`;
      const send = sending(this.#world, {
        ...{ session: key, name: this.name, to, text },
      });
      const length = bytes(text).length;
      await socket.write(`SEND ${to}\nContent-length: ${length}\n\n${text}`);
      await this.#answer(socket, send);
    }
  }

  /** A refusal says little: some receivers may have got it. */
  async #answer(socket: Socket, send: Send): Promise<void> {
    const head = await socket.head();
    if (head !== `SEND ${send.to}`) return;
    send.outcome = { kind: "done", at: this.#world.now() };
  }
}

/** One of the two connections. */
class Socket {
  readonly #conn: Deno.TcpConn;
  #held = "";
  #isClosed = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async open(port: number): Promise<Socket> {
    return new Socket(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async write(text: string): Promise<void> {
    await writeAll(this.#conn, bytes(text));
  }

  /** The next head, without the empty line. */
  async head(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf("\n\n");
      if (end >= 0) return this.#take(end + 2).slice(0, -2);
      await this.#read();
    }
  }

  /** The next characters. */
  async text(length: number): Promise<string> {
    while (this.#held.length < length) await this.#read();
    return this.#take(length);
  }

  /** Idempotent. */
  close(): void {
    if (!this.#isClosed) this.#conn.close();
    this.#isClosed = true;
  }

  #take(length: number): string {
    const taken = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return taken;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    const timer = setTimeout(() => this.close(), SILENT_MS);
    const count = await this.#conn.read(buffer)
      .finally(() => clearTimeout(timer));
    if (count === null) throw new Error("The server ended the connection");
    this.#held += decoder.decode(buffer.subarray(0, count));
  }
}
