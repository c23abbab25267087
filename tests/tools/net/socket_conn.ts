/**
 * A WebSocket with the interface of a `Deno.TcpConn`, for tests: what is written is
 * sent in messages, and what is read are their bytes. It is cut by hand, so that
 * a test can stop reading, or break off, as with a connection.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { concat } from "../../../protocol.ts";

const FIN_BINARY = 0x82;
const FIN_CLOSE = 0x88;
const MASKED = 0x80;

/** Longest message that is sent, in bytes. */
const MESSAGE_BYTES = 60_000;

/** See the top of the file. */
export class SocketConn {
  readonly #conn: Deno.TcpConn;
  #held = new Uint8Array();
  #left = 0; // of the message that is being read
  #ended = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async connect(port: number): Promise<SocketConn> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay();
    const socket = new SocketConn(conn);
    await conn.write(new TextEncoder().encode([
      `GET /ws HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      `Connection: Upgrade`,
      `Upgrade: websocket`,
      `Sec-WebSocket-Version: 13`,
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==`,
      "\r\n",
    ].join("\r\n")));
    assertMatch(await socket.#head(), /^HTTP\/1\.1 101 /);
    return socket;
  }

  get localAddr(): Deno.NetAddr {
    return this.#conn.localAddr;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#left === 0) {
      if (this.#ended) return null;
      await this.#readHeader();
    }
    if (this.#held.length === 0 && !await this.#more()) return null;
    const count = Math.min(this.#left, this.#held.length, buffer.length);
    buffer.set(this.#held.subarray(0, count));
    this.#held = this.#held.subarray(count);
    this.#left -= count;
    return count;
  }

  /** All of it in one write, in messages that the server takes. */
  async write(bytes: Uint8Array): Promise<number> {
    const frames: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) {
      frames.push(frame(FIN_BINARY, bytes.subarray(at, at + MESSAGE_BYTES)));
    }
    await this.#writeAll(concat(frames));
    return bytes.length;
  }

  async closeWrite(): Promise<void> {
    await this.#writeAll(frame(FIN_CLOSE, new Uint8Array()));
  }

  close(): void {
    this.#conn.close();
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#conn.write(bytes.subarray(at));
    }
  }

  async #readHeader(): Promise<void> {
    const start = await this.#take(2);
    if (!start) return void (this.#ended = true);
    const [kind, short] = start as unknown as [number, number]; // two bytes
    const more = await this.#take(short < 126 ? 0 : short === 126 ? 2 : 8);
    const length = more?.length
      ? more.reduce((sum, byte) => sum * 256 + byte, 0)
      : short;
    if (kind === FIN_CLOSE) return void (this.#ended = true);
    assertEquals(kind, FIN_BINARY);
    this.#left = length;
  }

  async #take(count: number): Promise<Uint8Array | undefined> {
    while (this.#held.length < count) {
      if (!await this.#more()) return undefined;
    }
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(65_536);
    const count = await this.#conn.read(buffer);
    if (count === null) return !(this.#ended = true);
    const old = this.#held;
    this.#held = new Uint8Array(old.length + count);
    this.#held.set(old);
    this.#held.set(buffer.subarray(0, count), old.length);
    return true;
  }

  async #head(): Promise<string> {
    for (let text = "";;) {
      const byte = await this.#take(1);
      text += String.fromCharCode(byte?.[0] ?? 0);
      if (!byte || text.endsWith("\r\n\r\n")) return text;
    }
  }
}

/** One frame, as a client has to send it: masked, here with zeros. */
function frame(kind: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? [length] : [126, length >> 8, length & 0xff];
  const header = [kind, MASKED | size[0]!, ...size.slice(1), 0, 0, 0, 0];
  const whole = new Uint8Array(header.length + length);
  whole.set(header);
  whole.set(payload, header.length);
  return whole;
}
