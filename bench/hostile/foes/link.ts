/**
 * A foe's connection over any transport: TCP, TLS, a WebSocket, HTTP or HTTPS.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import type { ChatError, Frame, FrameDecoder } from "../../../protocol.ts";

/** What carries an attack. */
export const TRANSPORTS = ["tcp", "tls", "ws", "http", "https"] as const;
export type Transport = typeof TRANSPORTS[number];

/** Where a foe connects to, and from. */
export interface Route {
  readonly transport: Transport;
  readonly port: number;
  /** Addresses of this computer; undefined is 127.0.0.1. */
  readonly from: readonly (string | undefined)[];
}

/** What a foe does with its connection. */
export interface Handlers {
  /** The connection is open. */
  onOpen?(): void;
  /** Something arrived, without what the transport adds; without it, the foe never reads. */
  onBytes?(bytes: Uint8Array): void;
  /** The connection is over, or was refused. */
  onClose?(): void;
}

/** Opens a connection to the server; the number chooses the address. */
export function open(route: Route, number: number, handlers: Handlers): Link {
  const tcp = openTcp(route, number);
  const secure = route.transport === "tls" || route.transport === "https";
  const socket = secure
    ? connectTls({ socket: tcp, rejectUnauthorized: false })
    : tcp;
  const { onOpen, onBytes, onClose } = handlers;
  socket.on(secure ? "secureConnect" : "connect", () => {
    if (route.transport === "ws") socket.write(UPGRADE);
    onOpen?.();
  });
  socket.on("error", () => {}); // "close" follows
  if (secure) tcp.on("error", () => {});
  const take = route.transport === "ws" ? unframed(onBytes) : onBytes;
  if (take) socket.on("data", take);
  socket.on("close", () => {
    tcp.destroy();
    onClose?.();
  });
  return { socket, framed: route.transport === "ws" };
}

/** An open connection. */
export interface Link {
  readonly socket: Socket;
  /** Whether bytes are sent in frames of a WebSocket. */
  readonly framed: boolean;
}

/** Sends bytes. `taken` is called when the system has them. */
export function send(
  { socket, framed }: Link,
  bytes: Uint8Array,
  taken?: () => void,
): void {
  const done = (error?: Error | null) => void (error ?? taken?.());
  socket.write(framed ? webFrame(BINARY, bytes) : bytes, done);
}

/** Opens a TCP connection alone. */
export function openTcp({ port, from }: Route, number: number): Socket {
  const localAddress = from[number % from.length];
  const where = { host: "127.0.0.1", port, noDelay: true };
  if (localAddress === undefined) return connect(where);
  return connect({ ...where, localAddress, localPort: nextPort() });
}

/**
 * The system takes ten times as long to find a free port at an address of which
 * thousands have just been closed, so foes go through them in order.
 */
function nextPort(): number {
  lastPort = lastPort === 60_999 ? 10_000 : lastPort + 1;
  return lastPort;
}

let lastPort = 10_000 + Math.floor(Math.random() * 50_000);

/** Calls `onFrame` for each frame that is whole when `bytes` have arrived. */
export function feed(
  decoder: FrameDecoder,
  bytes: Uint8Array,
  onFrame: (frame: Frame | ChatError) => void,
): void {
  for (let at = 0; at < bytes.length;) {
    const space = decoder.space();
    const part = bytes.subarray(at, at + space.length);
    space.set(part);
    decoder.received(part.length);
    at += part.length;
    for (const frame of decoder.frames()) onFrame(frame);
  }
}

const BINARY = 0x2;

/**
 * A frame of a WebSocket as a client sends it, with a mask of zeros: the payload
 * looks like itself. A frame that is not the last of its message is a piece.
 */
export function webFrame(
  opcode: number,
  payload: Uint8Array,
  isLast = true,
): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = new Uint8Array(size + 4 + length);
  const view = new DataView(frame.buffer);
  frame[0] = (isLast ? 0x80 : 0) | opcode;
  frame[1] = 0x80 | (size === 2 ? length : size === 4 ? 126 : 127);
  if (size === 4) view.setUint16(2, length);
  if (size === 10) view.setBigUint64(2, BigInt(length));
  frame.set(payload, size + 4);
  return frame;
}

/** Gives what the messages of a WebSocket have in them. */
function unframed(
  onBytes: ((bytes: Uint8Array) => void) | undefined,
): ((bytes: Uint8Array) => void) | undefined {
  if (!onBytes) return undefined;
  let isOpen = false; // the answer to the upgrade has been read
  let held = new Uint8Array();
  return (bytes) => {
    const all = new Uint8Array(held.length + bytes.length);
    all.set(held);
    all.set(bytes, held.length);
    let at = isOpen ? 0 : endOfHead(all);
    if (at < 0) return void (held = all);
    isOpen = true;
    for (;;) {
      const { opcode, start, end } = frameAt(all, at);
      if (end > all.length) break;
      if (opcode <= BINARY) onBytes(all.subarray(start, end));
      at = end;
    }
    held = all.slice(at);
  };
}

/** Where the next frame of a server is; its end is Infinity if that is unknown. */
function frameAt(bytes: Uint8Array, at: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const opcode = (bytes[at] ?? 0) & 0xf;
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  const size = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (view.byteLength < size) return { opcode, start: at, end: Infinity };
  const length = size === 2
    ? short
    : size === 4
    ? view.getUint16(2)
    : Number(view.getBigUint64(2));
  const start = at + size;
  return { opcode, start, end: start + length };
}

/** The index after an empty line; -1 without one. */
function endOfHead(bytes: Uint8Array): number {
  const at = latin.decode(bytes).indexOf("\r\n\r\n");
  return at < 0 ? -1 : at + 4;
}

const latin = new TextDecoder("latin1");

const UPGRADE =
  "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n" +
  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: c2FtcGxlIG5vbmNlISEhIQ==\r\n\r\n";
