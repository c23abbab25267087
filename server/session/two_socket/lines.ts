/**
 * What a two-socket client sends as a message, and is sent of one. Its programs
 * take one line, and count characters.
 *
 * @module
 */
import { concat, encode, isText } from "../../../protocol.ts";
import type { Batch } from "../../chat/batch.ts";

/** Limit of the lines of one message; one more says how many are left out. */
const MAX_LINES = 100;

const [LF, SPACE, DELETE] = [0x0a, 0x20, 0x7f];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The lines of a message that a two-socket client is sent: none is blank. */
export function linesOf(body: Uint8Array): string[] {
  // CR LF ends two lines here, the second of which is blank.
  const text = decoder.decode(body).replaceAll("\r", "\n");
  const lines: string[] = [];
  let count = 0;
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    if (isBlank(text, start, end)) continue;
    if (++count <= MAX_LINES) lines.push(text.slice(start, end));
  }
  if (count > MAX_LINES) lines.push(`[${count - MAX_LINES} more lines]`);
  return lines;
}

/** A body may have 65,536 lines, so this makes no string of each. */
function isBlank(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    const isPlain = code > SPACE && code < DELETE;
    if (isPlain || code !== SPACE && text[at]!.trim() !== "") return false;
  }
  return true;
}

/** A FORWARD of one line, with the number of its code points as its length. */
export function forwardOf(from: string, line: string): Uint8Array {
  const body = encoder.encode(line);
  const length = { "Content-length": codePoints(body) };
  return concat([encode("FORWARD", [from], length), body]);
}

/** What {@linkcode harmless} has found: all receivers of a batch share it. */
const known = new WeakMap<Batch, readonly Uint8Array[]>();

/**
 * Copies of the messages of a batch that two-socket clients may be sent. One
 * without a line is empty.
 */
export function harmless(batch: Batch): readonly Uint8Array[] {
  const found = known.get(batch) ?? batch.bodies
    .filter((body) => !canForge(body))
    .map((body) => hasLine(body) ? body.slice() : NO_LINE);
  known.set(batch, found);
  return found;
}

const NO_LINE = new Uint8Array();

function hasLine(body: Uint8Array): boolean {
  return body.some((byte) => byte > SPACE && byte < DELETE) ||
    /\S/.test(decoder.decode(body));
}

/**
 * Whether a receiver could take a part of the message for a frame of another
 * user. One that counts bytes, or UTF-16 units, leaves unread what is behind as
 * many of them as there are code points, and takes it for the next frame.
 *
 * This runs in the delivery, so nearly all messages cost one search for a verb.
 */
function canForge(body: Uint8Array): boolean {
  const length = codePoints(body);
  if (length === body.length) return false;
  const text = decoder.decode(body);
  return VERB.test(text) &&
    (endsInFrame(text, body, length) ||
      linesOf(body).some((line) => {
        if (!VERB.test(line)) return false;
        const bytes = encoder.encode(line);
        return endsInFrame(line, bytes, codePoints(bytes));
      }));
}

/** @param length Code points of `text`, which is `bytes` too. */
function endsInFrame(
  text: string,
  bytes: Uint8Array,
  length: number,
): boolean {
  let start = length;
  // Half a character is no part of a verb, and slow to decode.
  while (isInside(bytes[start])) start++;
  return FRAME.test(decoder.decode(bytes.subarray(start))) ||
    FRAME.test(text.slice(length));
}

const VERBS =
  "(?:REGISTER|REGISTERED|SEND|SENT|FORWARD|RECEIVED|ERROR|NOTICE|LOGOUT|BYE)";
/** A verb, and not the beginning of a longer word. */
const VERB = new RegExp(String.raw`${VERBS}(?=$|[\s\p{Cc}])`, "u");
/** Where programs in Python and Java cut lines. */
const LINE_END = String.raw`[\n-\r\x1c-\x1e\x85\u2028\u2029]`;
/** What programs strip before a verb; U+FFFD is what half a character becomes. */
const IGNORED = String.raw`[\s\p{Cc}\p{Cf}\ufffd]*`;
/**
 * A verb where a line begins. What stands before it is looked at last, and
 * backwards: so no character is looked at for two verbs.
 */
const FRAME = new RegExp(
  `${VERB.source}(?<=(?:^|${LINE_END})${IGNORED}${VERBS})`,
  "u",
);

/** How many code points there are in UTF-8. */
function codePoints(bytes: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (!isInside(bytes[i])) count++;
  }
  return count;
}

/** Whether a byte of UTF-8 begins no character. */
function isInside(byte: number | undefined): boolean {
  return (byte! & 0xc0) === 0x80; // none is 0 here
}

/**
 * The length of a body in bytes, whose Content-length is `count`, if `held` was
 * received behind its head. Clients in Python count characters. So if the received
 * bytes are more than `count` and exactly `count` characters, they are the body,
 * also if one line break follows that was not counted.
 */
export function bodyLength(held: Uint8Array, count: number): number {
  if (held.length <= count) return count;
  if (held.length > 4 * count + 1) return count; // a character has at most 4 bytes
  const trimmed = held.at(-1) === LF ? held.subarray(0, -1) : held;
  for (const body of [held, trimmed]) {
    const isLonger = body.length > count && isText(body);
    if (isLonger && codePoints(body) === count) return body.length;
  }
  return count;
}
