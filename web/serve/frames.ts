/**
 * Frames of WebSockets (RFC 6455, 5.2), as this server sends them.
 *
 * Each piece of the stream is one message of one frame. The receivers of a piece
 * share its frame.
 *
 * @module
 */
import { releaseSpent, spend } from "../../core/net/memory.ts";

/** What a frame is. */
export const OPCODE = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** The bit that all control frames have, and no others. */
export const CONTROL = 8;

/** The bit of a message's last frame. */
export const FIN = 0x80;

/** Longest content of a control frame, in bytes. */
export const MAX_CONTROL_BYTES = 125;

/** Why a WebSocket is closed (RFC 6455, 7.4.1). */
export const CLOSE = {
  normal: 1_000,
  protocolError: 1_002,
  notUtf8: 1_007,
  tooManyFragments: 1_008,
  tooLong: 1_009,
} as const;

/**
 * The frame of a message. A hub gives the same `bytes` to one receiver after the
 * other: all get the same frame. Bytes that are spent are given back.
 */
export function frameOf(bytes: Uint8Array): Uint8Array {
  if (bytes === last.bytes) return last.frame;
  const frame = newFrame(OPCODE.binary, bytes);
  if (releaseSpent(bytes)) spend(frame); // no other receiver has it
  else last = { bytes, frame };
  return frame;
}

/** The last piece, and its frame. */
let last: { readonly bytes: Uint8Array; readonly frame: Uint8Array } = {
  bytes: new Uint8Array(),
  frame: Uint8Array.of(FIN | OPCODE.binary, 0),
};

/** A frame Close; without a code if that is undefined. */
export function closeFrame(code: number | undefined): Uint8Array {
  const content = code === undefined ? [] : [code >> 8, code & 0xff];
  return newFrame(OPCODE.close, Uint8Array.from(content));
}

/** A frame that is a whole message, or a control frame. It is not masked. */
export function newFrame(opcode: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const headBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = new Uint8Array(headBytes + length);
  frame[0] = FIN | opcode;
  if (headBytes === 2) frame[1] = length;
  else {
    const view = new DataView(frame.buffer);
    frame[1] = headBytes === 4 ? 126 : 127;
    if (headBytes === 4) view.setUint16(2, length);
    else view.setBigUint64(2, BigInt(length));
  }
  frame.set(content, headBytes);
  return frame;
}
