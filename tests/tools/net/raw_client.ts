/**
 * Tools for the wire tests: a client that knows nothing but bytes.
 *
 * It cuts frames by itself and not with protocol.ts, so that a mistake in there
 * cannot hide itself.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { type Conn, dial } from "./test_server.ts";
import { within } from "./within.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** The bytes of some parts, one after the other. */
export function join(...parts: (Uint8Array | string)[]): Uint8Array {
  const all = parts.map((p) => typeof p === "string" ? bytes(p) : p);
  const whole = new Uint8Array(all.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A connection that speaks bytes. */
export class RawClient implements Disposable {
  readonly #conn: Conn;
  #buffer = new Uint8Array(65_536);
  #start = 0; // before it: taken
  #end = 0; // after it: not yet read
  #ended = false;
  #closed = false;

  private constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** Connects from `from`, such as 127.0.0.2, or from this computer itself. */
  static async connect(port: number, from?: string): Promise<RawClient> {
    return new RawClient(await dial(port, from));
  }

  /** Connects with TLS to a server that has `cert`. */
  static async connectTls(port: number, cert: string): Promise<RawClient> {
    const conn = await Deno.connectTls({
      hostname: "127.0.0.1",
      port,
      caCerts: [cert],
    });
    return new RawClient(conn);
  }

  /** Connects and registers; joins `rooms`, one after the other. */
  static async enter(
    port: number,
    name: string,
    ...rooms: string[]
  ): Promise<RawClient> {
    const client = await RawClient.connect(port);
    return await client.comeIn(name, ...rooms);
  }

  /** Registers, and joins `rooms`, one after the other. */
  async comeIn(name: string, ...rooms: string[]): Promise<this> {
    await this.send(`REGISTER ${name}\n\n`);
    assertMatch(await this.frame(), /^REGISTERED /);
    for (const room of rooms) {
      await this.send(`JOIN ${room}\n\n`);
      assertMatch(await this.next("JOINED"), /^JOINED /);
    }
    return this;
  }

  /** Both sockets of a classic user. */
  static async classic(
    port: number,
    name: string,
  ): Promise<{ out: RawClient; in: RawClient } & Disposable> {
    const out = await RawClient.connect(port);
    const receiving = await RawClient.connect(port);
    for (
      const [socket, role] of [[out, "SEND"], [receiving, "RECV"]] as const
    ) {
      await socket.send(`REGISTER TO${role} ${name}\n\n`);
      assertEquals(await socket.frame(), `REGISTERED TO${role} ${name}\n\n`);
    }
    return {
      out,
      in: receiving,
      [Symbol.dispose]() {
        out.close();
        receiving.close();
      },
    };
  }

  /** As the server sees it: `127.0.0.1:PORT`. */
  get address(): string {
    const { hostname, port } = this.#conn.localAddr;
    return `${hostname}:${port}`;
  }

  /** Writes all of it. */
  async send(...parts: (Uint8Array | string)[]): Promise<void> {
    const all = join(...parts);
    for (let at = 0; at < all.length;) {
      at += await this.#conn.write(all.subarray(at));
    }
  }

  /** Sends a frame with a body. */
  say(target: string, body: string, headers = ""): Promise<void> {
    const length = bytes(body).length;
    return this.send(
      `SEND ${target}\n${headers}Content-length: ${length}\n\n${body}`,
    );
  }

  /** Sends, and gives the next frame. */
  async ask(text: string): Promise<string> {
    await this.send(text);
    return await this.frame();
  }

  /**
   * The next frame, whole, as text. A PING of the server is none: on a slow machine
   * one may come before any other, and {@linkcode RawClient.next} tells of it.
   */
  async frame(): Promise<string> {
    for (;;) {
      const frame = await this.#anyFrame();
      if (frame !== "PING\n\n") return frame;
    }
  }

  async #anyFrame(): Promise<string> {
    for (;;) {
      const frame = this.#takeFrame();
      if (frame !== undefined) return frame;
      if (!await this.#read()) {
        const rest = decoder.decode(this.#held);
        throw new Error(`Cannot get a frame: the server ended after "${rest}"`);
      }
    }
  }

  /** The next `count` frames. */
  async frames(count: number): Promise<string[]> {
    const found: string[] = [];
    while (found.length < count) found.push(await this.frame());
    return found;
  }

  /** The next frame that starts with `start`; those before it are dropped. */
  async next(start: string): Promise<string> {
    for (;;) {
      const frame = await this.#anyFrame();
      if (frame.startsWith(start)) return frame;
    }
  }

  /**
   * Is there until it is closed: answers each PING, and drops all else. A name is
   * soon free whose client was silent for three seconds and then does not answer.
   */
  async stay(): Promise<void> {
    try {
      for (;;) {
        await this.next("PING");
        await this.send("PONG\n\n");
      }
    } catch {
      // It was closed.
    }
  }

  /** The next `count` bytes as text, however the server cuts them. */
  async bytes(count: number): Promise<string> {
    while (this.#held.length < count) {
      if (!await this.#read()) break;
    }
    const taken = this.#held.subarray(0, count);
    this.#start += taken.length;
    return decoder.decode(taken);
  }

  /** Everything up to the server's end of the connection. */
  async rest(): Promise<string> {
    while (await this.#read());
    const rest = decoder.decode(this.#held);
    this.#start = this.#end;
    return rest;
  }

  /** Ends our direction; we still receive. */
  async closeWrite(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Ends both. With something unread this is a reset. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #read(): Promise<boolean> {
    if (this.#ended) return false;
    const count = await within(
      this.#conn.read(this.#space()),
      () => `so far came "${decoder.decode(this.#held.slice(0, 500))}"`,
    );
    if (count === null) this.#ended = true;
    else this.#end += count;
    return !this.#ended;
  }

  /** What was read and not yet taken. */
  get #held(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Where the next bytes go. */
  #space(): Uint8Array {
    const held = this.#held;
    if (held.length * 2 > this.#buffer.length) {
      this.#buffer = new Uint8Array(this.#buffer.length * 2);
    }
    this.#buffer.set(held);
    this.#start = 0;
    this.#end = held.length;
    return this.#buffer.subarray(this.#end);
  }

  #takeFrame(): string | undefined {
    const end = headEnd(this.#held);
    if (end === undefined) return undefined;
    const head = decoder.decode(this.#held.subarray(0, end));
    const length = Number(/^Content-length: (\d+)$/m.exec(head)?.[1] ?? 0);
    if (this.#held.length < end + length) return undefined;
    const frame = decoder.decode(this.#held.subarray(0, end + length));
    this.#start += end + length;
    return frame;
  }
}

/** `frame` with what differs from run to run replaced, after a look at it. */
export function steady(frame: string): string {
  return frame
    .replaceAll(/^Time: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/gm, "Time: T")
    .replaceAll(/^Token: [0-9a-f]{32}$/gm, "Token: T")
    .replaceAll(/^Journal: [0-9a-f]{32}$/gm, "Journal: J")
    .replaceAll(/^Server: parley(?:-example)? \d+\.\d+\.\d+$/gm, "Server: S");
}

/** A FORWARD as it is expected; see {@linkcode steady}. */
export function forward(
  from: string,
  to: string,
  id: number,
  body: string,
): string {
  return `FORWARD ${from}\nTo: ${to}\nId: ${id}\nTime: T\nContent-length: ${
    bytes(body).length
  }\n\n${body}`;
}

/** A SENT as it is expected; see {@linkcode steady}. */
export function sent(to: string, id: number, recipients: number): string {
  return `SENT ${to}\nId: ${id}\nTime: T\nRecipients: ${recipients}\n\n`;
}

/** Ids and bodies of FORWARD frames. */
export function told(frames: readonly Uint8Array[]): string[] {
  return frames.filter(({ length }) => length > 0).map((frame) => {
    const [, id, body] = /\nId: (\d+)\n[^]*?\n\n([^]*)$/.exec(
      decoder.decode(frame),
    ) ?? [];
    return `${id} ${body}`;
  });
}

/** The value of a header of `frame`. */
export function headerOf(frame: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1] ?? "";
}

function headEnd(held: Uint8Array): number | undefined {
  for (let at = held.indexOf(10); at >= 0; at = held.indexOf(10, at + 1)) {
    if (held[at + 1] === 10) return at + 2;
  }
  return undefined;
}

/**
 * A WebSocket whose request has headers. The cast: a browser's types, which the
 * page needs, know of none.
 */
export const SocketWithHeaders: SocketOpener =
  WebSocket as unknown as SocketOpener;

type SocketOpener = new (
  url: string,
  options: { headers: Record<string, string> },
) => WebSocket;
