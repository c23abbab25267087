/**
 * A WebSocket as a stream of bytes: where a message begins and ends means nothing.
 *
 * A read takes the frames apart in the buffer of its reader, so nothing of a message
 * is held here. What is written are frames, which one outbox may share with another:
 * see {@linkcode frameOf}. Pongs and Close go between them.
 *
 * Both directions have backpressure. Unread bytes stay with the operating system and
 * the peer. A write is done when the operating system has taken it.
 *
 * Bytes that are no part of a message count, so the server slows pongs, pings and
 * frames without content, too. Messages count where they are understood. Frames take
 * from the time of their address. After two milliseconds without content all other
 * connections have their turn.
 *
 * @module
 */
import { type Stream, writeAll } from "../../core/net/stream.ts";
import { FrameReader, MIN_FRAME_BYTES } from "./frame_reader.ts";
import { CLOSE, closeFrame, frameOf, newFrame, OPCODE } from "./frames.ts";
import type { FrameMeter } from "./meter.ts";
import type { Visitor } from "./visitor.ts";

/** Longest message of a WebSocket, in bytes; a frame may take several. */
export const MAX_MESSAGE_BYTES = 65_536;

/** Frames without content take no longer than this without a turn for others. */
const TURN_MS = 2;

/** What a {@linkcode SocketWire} needs. */
export interface SocketOptions {
  /** Longest message of the client, in bytes. */
  readonly maxMessageBytes: number;
  /** Counts what the client sends; default: nothing does. */
  readonly meter?: FrameMeter | undefined;
}

/** See the top of the file. */
export class SocketWire implements Stream {
  readonly #visitor: Visitor;
  readonly #frames: FrameReader;
  readonly #meter: FrameMeter | undefined;
  #waitMs = 0; // until the next read
  #isInFrame = false; // a write is under way, or has written a part of a frame
  #writing = 0; // bytes of that write
  #control: Uint8Array | undefined; // a control frame that is not written yet
  #controlWritten: Promise<void> | undefined; // of one that is being written
  #sent = Promise.resolve(); // all that `send` was given
  #isClosing = false; // Close was sent, or is in `#control`

  // Made once: a write makes no closure.
  readonly #wrote = (count: number): number => {
    this.#isInFrame = count < this.#writing;
    this.#writeControl();
    return count;
  };

  /** Takes over `visitor`, which was just told that it is a WebSocket now. */
  constructor(visitor: Visitor, { maxMessageBytes, meter }: SocketOptions) {
    this.#visitor = visitor;
    this.#frames = new FrameReader(maxMessageBytes);
    this.#meter = meter;
  }

  /**
   * Reads content of messages into `buffer`; null at the end, however it came. One
   * read at a time. Read either so, or {@linkcode messages}.
   */
  async read(buffer: Uint8Array): Promise<number | null> {
    let startedAt = 0;
    for (;;) {
      const count = await this.#receive(buffer);
      if (count === null) return null;
      const length = this.#unframe(buffer.subarray(0, count));
      if (length > 0) return length;
      const now = performance.now();
      if (startedAt === 0) startedAt = now;
      if (now - startedAt < TURN_MS) continue;
      await this.#meter?.nextTurn();
      startedAt = performance.now();
    }
  }

  /** Yields the messages, one by one, to the end. */
  async *messages(): AsyncGenerator<Uint8Array, void, void> {
    const buffer = new Uint8Array(MESSAGE_BUFFER_BYTES);
    let message = new Collected();
    for (;;) {
      const count = await this.#receive(buffer);
      if (count === null) return;
      const bytes = buffer.subarray(0, count);
      for (let at = 0; at < count && !this.#frames.isOver;) {
        const length = this.#frames.take(bytes, at, at);
        message.add(bytes.subarray(at, at + length));
        at = this.#frames.at;
        if (!this.#frames.isEnd) continue;
        yield message.bytes;
        message = new Collected();
      }
      this.#answerControl();
    }
  }

  /** See {@linkcode frameOf}: what {@linkcode write} is to be given. */
  frame(bytes: Uint8Array): Uint8Array {
    return frameOf(bytes);
  }

  /**
   * Writes a part of a frame; says how many bytes. Write the rest next. Rejects when
   * the peer is gone, or has been told that this is the end.
   */
  write(frame: Uint8Array): Promise<number> {
    if (this.#controlWritten) {
      return this.#controlWritten.then(() => this.write(frame));
    }
    if (this.#isClosing && !this.#isInFrame) return Promise.reject(closed());
    this.#isInFrame = true;
    this.#writing = frame.length;
    return this.#visitor.write(frame).then(this.#wrote);
  }

  /**
   * Sends a message after those before; resolves when it is written. Call either
   * this or {@linkcode write}.
   */
  send(message: Uint8Array): Promise<void> {
    const frame = newFrame(OPCODE.binary, message);
    this.#sent = this.#sent.then(() => writeAll(this, frame));
    this.#sent.catch(() => {}); // the next one fails, too
    return this.#sent;
  }

  /** Tells the peer that this is the end. What it sends can still be read. */
  async closeWrite(): Promise<void> {
    this.#sayClose(CLOSE.normal);
    while (this.#controlWritten) await this.#controlWritten;
  }

  /** Ends both directions at once. Idempotent. */
  close(): void {
    this.#visitor.close();
  }

  /** Reads frames when that is allowed; null at the end. */
  async #receive(buffer: Uint8Array): Promise<number | null> {
    if (this.#frames.isOver) {
      while (this.#controlWritten) await this.#controlWritten; // Close, too
      return null;
    }
    if (this.#waitMs > 0) await this.#visitor.pause(this.#waitMs);
    this.#waitMs = 0;
    const count = await this.#visitor.read(buffer);
    if (count === null || !this.#meter) return count;
    const turn = this.#meter.begin();
    if (turn) await turn;
    this.#frames.dueBytes += Math.max(0, MIN_FRAME_BYTES - count);
    return count;
  }

  /** Moves what is content to the beginning. @returns How many bytes that are. */
  #unframe(bytes: Uint8Array): number {
    let length = 0;
    for (let at = 0; at < bytes.length && !this.#frames.isOver;) {
      length += this.#frames.take(bytes, at, length);
      at = this.#frames.at;
    }
    this.#answerControl();
    return length;
  }

  /** Counts what was taken apart, and answers what needs an answer. */
  #answerControl(): void {
    const { dueBytes, isOver, closeCode, ping } = this.#frames;
    this.#meter?.end();
    if (dueBytes > 0) this.#waitMs = this.#meter?.count(dueBytes) ?? 0;
    this.#frames.dueBytes = 0;
    if (isOver) this.#sayClose(closeCode);
    else if (ping) this.#writeControl();
  }

  #sayClose(code: number | undefined): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#control = closeFrame(code);
    this.#writeControl();
  }

  /**
   * Writes Close, or the answer to the last ping alone (RFC 6455, 5.5.3), one at a
   * time: a peer that sends many and reads nothing fills no queue.
   */
  #writeControl(): void {
    if (this.#isInFrame || this.#controlWritten) return;
    const frame = this.#control ?? this.#pong();
    if (!frame) return;
    this.#control = undefined;
    this.#controlWritten = writeAll(this.#visitor, frame)
      .catch(() => {}) // it is gone, which its reader will see
      .then(() => {
        this.#controlWritten = undefined;
        this.#writeControl();
      });
  }

  #pong(): Uint8Array | undefined {
    const { ping } = this.#frames;
    this.#frames.ping = undefined;
    return ping && !this.#isClosing ? newFrame(OPCODE.pong, ping) : undefined;
  }
}

/** Bytes that come in parts; each is copied twice at most, in the mean. */
class Collected {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array();
  #length = 0;

  /** All that was added. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Adds a part, of which it makes a copy. */
  add(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#length));
      grown.set(this.bytes);
      this.#buffer = grown;
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
  }
}

/** What is read at once where messages are collected. */
const MESSAGE_BUFFER_BYTES = 65_536;

function closed(): Error {
  return new Deno.errors.BadResource("The WebSocket is closing");
}
