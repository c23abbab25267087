/**
 * Takes frames of a client apart (RFC 6455, 5.2), wherever a read cuts them.
 *
 * The content of messages stays in the buffer that was read, and is moved to where
 * it is wanted: nothing is held but a head and a control frame. What a frame takes of
 * the server counts: see {@linkcode FrameReader.dueBytes}.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { CLOSE, CONTROL, FIN, MAX_CONTROL_BYTES, OPCODE } from "./frames.ts";

/** Frames of one message; browsers send whole messages. */
const MAX_FRAGMENTS = 128;

/**
 * A frame counts for at least these bytes, its content included: one without content
 * takes the server as long as one with a line.
 */
export const MIN_FRAME_BYTES = 38;

/** Bytes of a head before the length and the mask. */
const FIRST_BYTES = 2;

const MASK_BYTES = 4;

/** The frames of one client. */
export class FrameReader {
  /** Where {@linkcode take} has stopped. */
  at = 0;
  /** Whether it stopped at the end of a message. */
  isEnd = false;
  /** Bytes that are no part of a message, so far; its owner takes them off. */
  dueBytes = 0;
  /** The content of the last ping; its owner takes it off when it is answered. */
  ping: Uint8Array | undefined;
  /**
   * Whether the client has sent Close or what is no frame: then nothing more is
   * taken.
   */
  isOver = false;
  /** With what the server closes then; undefined if the client gave no code. */
  closeCode: number | undefined;
  readonly #maxMessageBytes: number;
  #headBytes = 0; // of the head under way
  #headLeft = FIRST_BYTES; // how many are missing, as far as that is known
  #first = 0; // the first byte of the head
  #isMasked = false;
  #left = 0; // bytes of the content that are missing
  #mask = 0; // that of the next byte is the highest one
  #opcode = 0; // of the message under way; 0 if there is none
  #messageBytes = 0;
  #fragments = 0;
  #control: Uint8Array = NOTHING; // the content of the control frame under way
  #utf8: TextDecoder | undefined;

  /** Messages have at most `maxMessageBytes`. */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Takes `bytes` apart, beginning at `from`, and moves the content of a message to
   * `to`, which is not after `from`. It stops where a message ends.
   *
   * @returns How many bytes of content there are.
   */
  take(bytes: Uint8Array, from: number, to: number): number {
    const start = to;
    let at = from;
    this.isEnd = false;
    while (at < bytes.length && !this.isEnd && !this.isOver) {
      if (this.#headLeft > 0 && !this.#readHead(bytes[at++]!)) continue;
      const end = Math.min(bytes.length, at + this.#left);
      this.#left -= end - at;
      if (end > at) {
        this.#mask = unmask(bytes, at, end, this.#mask);
        if (this.#first & CONTROL) this.#takeControl(bytes.subarray(at, end));
        else if (this.#isText(bytes.subarray(at, end))) {
          if (to < at) bytes.copyWithin(to, at, end);
          to += end - at;
        }
        at = end;
      }
      if (this.#left === 0) this.#endFrame();
    }
    this.at = at;
    return to - start;
  }

  /** @returns Whether this was the last byte of the head of a legal frame. */
  #readHead(byte: number): boolean {
    this.#headLeft--;
    if (this.#headBytes++ === 0) {
      this.#first = byte;
    } else if (this.#headBytes === FIRST_BYTES) {
      this.#isMasked = (byte & 0x80) !== 0;
      const length = byte & 0x7f;
      const lengthBytes = length < 126 ? 0 : length === 126 ? 2 : 8;
      this.#left = lengthBytes === 0 ? length : 0;
      this.#headLeft = lengthBytes + MASK_BYTES;
      if (!this.#isLegal(length)) this.#end(CLOSE.protocolError);
    } else if (this.#headLeft >= MASK_BYTES) {
      this.#left = this.#left * 256 + byte;
    } else {
      this.#mask = this.#mask << 8 | byte;
    }
    if (this.#headLeft > 0 || this.isOver) return false;
    this.#beginFrame();
    return !this.isOver;
  }

  /** Whether there is such a frame here. `length` is what the second byte says. */
  #isLegal(length: number): boolean {
    const opcode = this.#first & 0x0f;
    const isFinal = (this.#first & FIN) !== 0;
    if ((this.#first & 0x70) !== 0 || !this.#isMasked) return false;
    if (opcode & CONTROL) {
      return opcode <= OPCODE.pong && isFinal && length <= MAX_CONTROL_BYTES;
    }
    const isFirst = this.#opcode === 0;
    return opcode <= OPCODE.binary &&
      isFirst === (opcode !== OPCODE.continuation);
  }

  #beginFrame(): void {
    const rest = MIN_FRAME_BYTES - this.#headBytes - this.#left;
    this.dueBytes += this.#headBytes + Math.max(0, rest);
    if (this.#first & CONTROL) {
      this.dueBytes += this.#left;
      return;
    }
    const opcode = this.#first & 0x0f;
    if (opcode !== OPCODE.continuation) {
      this.#opcode = opcode;
      this.#messageBytes = this.#fragments = 0;
    }
    this.#messageBytes += this.#left;
    if (this.#messageBytes > this.#maxMessageBytes) this.#end(CLOSE.tooLong);
    if (++this.#fragments > MAX_FRAGMENTS) this.#end(CLOSE.tooManyFragments);
  }

  #endFrame(): void {
    this.#headBytes = 0;
    this.#headLeft = FIRST_BYTES;
    if (this.#first & CONTROL) return this.#endControl();
    if ((this.#first & FIN) === 0) return;
    this.isEnd = this.#isText(NOTHING, { stream: false });
    this.#opcode = 0;
  }

  /** Ends it if a part of a text message is no UTF-8; a cut character may be. */
  #isText(part: Uint8Array, { stream } = { stream: true }): boolean {
    if (this.#opcode !== OPCODE.text) return true;
    this.#utf8 ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    try {
      this.#utf8.decode(part, { stream });
      return true;
    } catch {
      this.#end(CLOSE.notUtf8);
      return false;
    }
  }

  #takeControl(part: Uint8Array): void {
    // Most of them come whole.
    const before = this.#control;
    this.#control = new Uint8Array(before.length + part.length);
    this.#control.set(before);
    this.#control.set(part, before.length);
  }

  #endControl(): void {
    const content = this.#control;
    this.#control = NOTHING;
    const opcode = this.#first & 0x0f;
    if (opcode === OPCODE.ping) this.ping = content;
    if (opcode === OPCODE.close) this.#end(answerToClose(content));
  }

  #end(code: number | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.closeCode = code;
  }
}

/** The code with which a frame Close is answered: its own, unless it is invalid. */
function answerToClose(content: Uint8Array): number | undefined {
  if (content.length === 0) return undefined;
  if (content.length === 1) return CLOSE.protocolError;
  const code = content[0]! << 8 | content[1]!;
  if (!isCloseCode(code)) return CLOSE.protocolError;
  return isUtf8(content.subarray(2)) ? code : CLOSE.notUtf8;
}

/** Whether a peer may send this code (RFC 6455, 7.4, and IANA's list). */
function isCloseCode(code: number): boolean {
  const isListed = code >= 1_000 && code <= 1_014 &&
    ![1_004, 1_005, 1_006].includes(code);
  return isListed || code >= 3_000 && code <= 4_999;
}

/**
 * Takes a mask off `bytes`, in place.
 *
 * @returns The mask for what follows.
 */
function unmask(
  bytes: Uint8Array,
  from: number,
  to: number,
  mask: number,
): number {
  let at = from;
  if (to - from >= WORDS_FROM_BYTES) {
    for (; (bytes.byteOffset + at) % 4 !== 0; at++) {
      bytes[at]! ^= mask >>> 24;
      mask = mask << 8 | mask >>> 24;
    }
    const count = (to - at) >> 2;
    const place = bytes.byteOffset + at;
    const words = new Uint32Array(bytes.buffer, place, count);
    new DataView(MASK_WORD.buffer).setInt32(0, mask);
    const word = MASK_WORD[0]!; // in the order of this machine
    for (let index = 0; index < count; index++) words[index]! ^= word;
    at += 4 * count;
  }
  for (; at < to; at++) {
    bytes[at]! ^= mask >>> 24;
    mask = mask << 8 | mask >>> 24;
  }
  return mask;
}

/** From so many bytes on, words are faster than bytes. */
const WORDS_FROM_BYTES = 128;

const MASK_WORD = new Uint32Array(1);

const NOTHING = new Uint8Array();
