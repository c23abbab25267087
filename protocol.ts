/**
 * What the two sides may say, as bytes: frames, names, targets, error codes.
 *
 *     SEND #default            a verb and its arguments
 *     Content-length: 5        headers
 *                              an empty line
 *     hello                    exactly as many bytes as announced
 *
 * Pure code for server, client and page alike: no I/O, no imports, nothing that
 * only Deno has. What a frame *means* is in `server/session/requests.ts`.
 *
 * @module
 */

/** The protocol's name and version, told at registration. */
export const PROTOCOL = "parley/1";

/** The port a server listens on unless told otherwise. */
export const DEFAULT_PORT = 9898;

/** The room that always exists. */
export const DEFAULT_ROOM = "#default";

/** Longest head, from the start line through the empty line, in bytes. */
export const MAX_HEAD_BYTES = 4_096;

/** Longest body unless the server says otherwise, in bytes. */
export const MAX_BODY_BYTES = 65_536;

/** A Content-length over this is no length but a mistake or an attack. */
export const ABSURD_BODY_BYTES = 16 * 1024 * 1024;

/** Every error of the wire, and when it is said; some are yet to come. */
export const ERRORS = {
  100: "Malformed username", // no legal user name, or a reserved one
  101: "No user registered", // a request came before registration
  102: "Unable to send", // the target user is not there, or delivery failed
  103: "Header Incomplete", // a head that cannot be read; closes
  104: "Name in use", // somebody is there under this name or a look-alike
  105: "Unknown command", // an unknown verb, or wrong words or headers
  106: "Too large", // a body over the limit, or a head, which closes
  107: "Not UTF-8", // a body that must be text
  108: "Slow down", // over the rate limit; Retry-after
  109: "Not in room", // not in that room, or no legal name of a room
  110: "Login required", // the name has an account, or guests are not let in
  111: "Wrong password", // Attempts-left
  112: "Locked out", // after the third wrong password in a row; Retry-after
  113: "Account exists",
  114: "Server full", // connections, or those of one address; closes
  115: "Too slow", // the outgoing queue passed its limit; closes
  116: "Idle", // no frame and no PONG within the keep-alive time; closes
  117: "Removed", // by the operator, or by one's own newer connection; closes
  118: "Direct refused", // the other side declined or did not answer
  119: "Not stored", // what must be stored cannot be: the disk is full, say
  120: "Muted", // the operator lets one read and not send
} as const;

const CLOSING = new Set<ErrorCode>([103, 114, 115, 116, 117]);

/** A number of {@linkcode ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/** What a client may ask, in the order of docs/protocol.md. */
export type RequestVerb = Words<
  "REGISTER SIGNUP LOGIN PROVE JOIN LEAVE ROOMS WHO SEND HISTORY CALL ACCEPT DECLINE PING PONG LOGOUT RECEIVED"
>;

/** What a server says, besides answers under the verb of their request. */
export type ServerVerb = Words<
  "REGISTERED CHALLENGE JOINED LEFT SENT CALLING ACCEPTED DECLINED BYE ERROR FORWARD NOTICE"
>;

/** The words of a text. */
export type Words<S> = S extends `${infer W} ${infer Rest}` ? W | Words<Rest>
  : S;

/** Header names and values; none is left out, several are a line each. */
export type Headers = Readonly<
  Record<string, string | number | readonly string[] | undefined>
>;

/** A failure that the other side is told, as an ERROR frame. */
export class ChatError extends Error {
  /** The class, for logs. */
  override readonly name = "ChatError";
  /** Which failure it is. Branch on this, never on the message. */
  readonly code: ErrorCode;
  /** Further headers of the ERROR frame, such as `Limit`. */
  readonly headers: Headers;
  /** Whether the connection ends with it. */
  readonly closes: boolean;

  /** `message`, what could not be done and why, is the `Reason`. */
  constructor(
    code: ErrorCode,
    message: string,
    options: Partial<Pick<ChatError, "headers" | "closes" | "cause">> = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.headers = options.headers ?? {};
    this.closes = options.closes ?? CLOSING.has(code);
  }
}

/** One frame as it was received. */
export interface Frame {
  /** The first word of the start line. Any text: the sender chose it. */
  readonly verb: string;
  /** The other words of the start line. */
  readonly args: readonly string[];
  /** Names in lower case, and values, in the order they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Part of the decoder's buffer: good until the next bytes are received. */
  readonly body: Uint8Array;
}

/** The value of a frame's first header `name`, which is given in lower case. */
export function header(frame: Frame, name: string): string | undefined {
  for (const [key, value] of frame.headers) if (key === name) return value;
  return undefined;
}

/** The words of a frame's first line, as they came. */
export function startLine(frame: Pick<Frame, "verb" | "args">): string {
  return [frame.verb, ...frame.args].join(" ");
}

const encoder = new TextEncoder();

/**
 * One frame as bytes. A body, even an empty one, gets its Content-length.
 *
 * @throws {TypeError} If a word or header has a line break: that would be
 * another frame, written by whoever chose the text.
 */
export function encode(
  verb: RequestVerb | ServerVerb,
  args: readonly string[] = [],
  headers: Headers = {},
  body?: Uint8Array | string,
): Uint8Array {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const lines = [startLine({ verb, args })];
  for (const [name, value] of Object.entries(headers)) {
    for (const one of [value ?? []].flat()) lines.push(`${name}: ${one}`);
  }
  if (bytes) lines.push(`Content-length: ${bytes.length}`);
  if (lines.some((line) => /[\r\n]/.test(line))) {
    throw new TypeError(`Cannot encode ${verb}: a line break in its head`);
  }
  return concat([
    encoder.encode(lines.join("\n") + "\n\n"),
    ...(bytes ? [bytes] : []),
  ]);
}

/** `error` as the answer to the request whose start line is `request`. */
export function encodeError(error: ChatError, request?: string): Uint8Array {
  return encode("ERROR", [`${error.code}`, ERRORS[error.code]], {
    For: request && quoted(request),
    Reason: error.message,
    ...error.headers,
  });
}

/** All `parts` in one buffer: a single part is that part, not a copy. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Anything that can be read, such as a `Deno.Conn`. */
export interface Source {
  /** Reads into `buffer`; says how many bytes, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
}

/**
 * The frames that arrive on `source`, in batches: whatever one read held. What
 * is wrong with a frame stands in its place as a {@linkcode ChatError}; after
 * one that `closes`, nothing more comes. Go through each batch before asking
 * for the next, which uses the same buffer again.
 *
 * A batch is decoded while it is gone through, so that a change of
 * `decoder.maxBodyBytes` holds from the very next frame.
 */
export function frames(
  source: Source,
  decoder: FrameDecoder,
): AsyncIterable<Iterable<Frame | ChatError>, void, void> {
  const batch = (count: number | null) => {
    if (count === null) return { done: true, value: undefined } as const;
    decoder.received(count);
    return { done: false, value: decoder.frames() } as const;
  };
  const next = () => source.read(decoder.space()).then(batch);
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

const [LF, CR, SPACE] = [0x0a, 0x0d, 0x20];
const FIRST_BUFFER_BYTES = 512;
const LARGEST_READ_BYTES = 65_536;
const SMALL_READ = 16; // one that fills less than this part of the buffer
const SMALL_READS = 4; // after so many in a row, the buffer shrinks

/** A head that was read, and the bytes it was read from. */
interface Head extends Omit<Frame, "body"> {
  readonly raw: Uint8Array;
  readonly bodyBytes: number;
}

/**
 * Bytes in, frames out, however the bytes were cut. They lie in one buffer, from
 * which bodies are handed out without a copy. It starts small, for the many peers
 * that say little, grows while reads fill it, and shrinks again; it never exceeds
 * one largest frame.
 */
export class FrameDecoder {
  /** Longest body that is accepted, in bytes. */
  maxBodyBytes: number;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #start = 0; // before it: given out
  #end = 0; // after it: not yet received
  #filled = false; // by the last read
  #smallReads = 0; // in a row
  #toSkip = 0; // of a body over the limit
  #head: Head | undefined; // its body is still to come
  #last: Head | undefined;
  #countsCharacters = false;
  #broken = false;

  /** A decoder for one connection. */
  constructor({ maxBodyBytes }: { maxBodyBytes: number }) {
    this.maxBodyBytes = maxBodyBytes;
  }

  /** Where to write the next bytes; never empty. Invalidates earlier bodies. */
  space(): Uint8Array {
    if (this.#broken) this.#start = this.#end; // nothing more is read
    const held = this.#end - this.#start;
    const size = this.#wantedSize(held);
    const old = this.#buffer;
    if (size !== old.length) this.#buffer = new Uint8Array(size);
    if (held > 0 && (this.#buffer !== old || this.#start > 0)) {
      this.#buffer.set(old.subarray(this.#start, this.#end));
    }
    this.#start = 0;
    this.#end = held;
    return held > 0 ? this.#buffer.subarray(held) : this.#buffer;
  }

  /** Says that `count` bytes were written to {@linkcode space}. */
  received(count: number): void {
    this.#filled = count === this.#buffer.length - this.#end;
    const small = count < this.#buffer.length / SMALL_READ;
    this.#smallReads = small ? this.#smallReads + 1 : 0;
    this.#end += count;
  }

  /** The frames that are whole by now, and what is wrong in their midst. */
  *frames(): Generator<Frame | ChatError, void, void> {
    try {
      for (;;) {
        const item = this.#broken ? undefined : this.#next();
        if (!item) return;
        yield item;
      }
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      this.#broken = true;
      yield error;
    }
  }

  /** How large the buffer had better be for the next read. */
  #wantedSize(held: number): number {
    const size = this.#buffer.length;
    if (held === size || (this.#filled && size < LARGEST_READ_BYTES)) {
      const most = this.maxBodyBytes + MAX_HEAD_BYTES + 1;
      return Math.max(size, Math.min(size * 4, most));
    }
    const calm = held === 0 && this.#smallReads >= SMALL_READS;
    return calm ? FIRST_BUFFER_BYTES : size;
  }

  #next(): Frame | ChatError | undefined {
    if (this.#toSkip > 0) {
      const skipped = Math.min(this.#toSkip, this.#end - this.#start);
      this.#toSkip -= skipped;
      this.#start += skipped;
    }
    this.#head ??= this.#readHead();
    if (!this.#head) return undefined;
    const { verb, args, headers, bodyBytes } = this.#head;
    if (bodyBytes > this.maxBodyBytes) {
      this.#head = undefined;
      this.#toSkip = bodyBytes;
      const what = `Cannot take a body of ${bodyBytes} bytes`;
      return new ChatError(106, `${what}: the limit is ${this.maxBodyBytes}`, {
        headers: {
          For: quoted(startLine({ verb, args })),
          Limit: this.maxBodyBytes,
        },
      });
    }
    const bodyEnd = this.#bodyEnd(bodyBytes);
    if (bodyEnd > this.#end) return undefined;
    const body = this.#buffer.subarray(this.#start, bodyEnd);
    this.#start = bodyEnd;
    this.#head = undefined;
    this.#countsCharacters ||= verb === "REGISTER" && args[0] === "TOSEND";
    return { verb, args, headers, body };
  }

  /** Reads the head at the start, if it is whole. */
  #readHead(): Head | undefined {
    if (!this.#skipEmptyLines()) return undefined;
    if (this.#repeatsLast()) {
      this.#start += this.#last!.raw.length;
      return this.#last;
    }
    const held = this.#buffer.subarray(this.#start, this.#end);
    const bytes = headBytes(held);
    if (bytes > MAX_HEAD_BYTES || (bytes < 0 && held.length > MAX_HEAD_BYTES)) {
      throw new ChatError(
        106,
        `Cannot read head: it is over ${MAX_HEAD_BYTES} bytes`,
        { headers: { Limit: MAX_HEAD_BYTES }, closes: true },
      );
    }
    if (bytes < 0) return undefined;
    this.#start += bytes;
    const head = parseHead(held.slice(0, bytes));
    if (head.bodyBytes > 0) this.#last = head; // others are not worth keeping
    return head;
  }

  /** A sender repeats its heads, and to compare one is faster than to read it. */
  #repeatsLast(): boolean {
    const raw = this.#last?.raw;
    if (!raw || this.#end - this.#start < raw.length) return false;
    let same = 0;
    while (raw[same] === this.#buffer[this.#start + same]) {
      if (++same === raw.length) return true;
    }
    return false;
  }

  /** @returns `false` if the line at the start may still turn out empty. */
  #skipEmptyLines(): boolean {
    for (let at = this.#start; at < this.#end; at++) {
      const byte = this.#buffer[at]!;
      if (byte === LF) this.#start = at + 1;
      else if (!isBlank(byte) || at - this.#start >= MAX_HEAD_BYTES) {
        return true;
      }
    }
    return false;
  }

  /**
   * Where the body of `count` bytes ends. The classic clients that are written
   * in Python count characters: if what is at hand is more than `count` bytes
   * and exactly `count` characters, that is the body, also when a line break
   * follows that was not counted.
   */
  #bodyEnd(count: number): number {
    const end = this.#start + count;
    if (!this.#countsCharacters || end >= this.#end) return end;
    const held = this.#buffer.subarray(this.#start, this.#end);
    if (held.length > 4 * count + 1) return end; // too much for so few
    const trimmed = held.at(-1) === LF ? held.subarray(0, -1) : held;
    for (const body of [held, trimmed]) {
      if (body.length > count && characters(body) === count) {
        return this.#start + body.length;
      }
    }
    return end;
  }
}

/** How long the head at the start of `bytes` is, or -1 if its end is missing. */
function headBytes(bytes: Uint8Array): number {
  for (let line = 0;;) {
    const lf = bytes.indexOf(LF, line);
    if (lf < 0) return -1;
    if (line > 0 && bytes.subarray(line, lf).every(isBlank)) return lf + 1;
    line = lf + 1;
  }
}

/** @throws {ChatError} 103 */
function parseHead(raw: Uint8Array): Head {
  const lines = (text(raw) ?? "\0\n\n").replaceAll("\r\n", "\n").split("\n")
    .slice(0, -2); // the empty line, and what is after the last LF
  const [verb = "", ...args] = lines[0]!.split(" ");
  const request = quoted(lines[0]!);
  const headers = lines.slice(1).map((line) => {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw unreadable("a line of it is not `Name: value`", request);
    }
    return [name.toLowerCase(), value.trimEnd()] as const;
  });
  if (lines.some((line) => line.search(CONTROLS) >= 0)) {
    throw unreadable("it is not text", request);
  }
  const lengths = headers.filter(([name]) => name === "content-length");
  if (lengths.length === 0 && NEEDS_BODY.has(verb)) {
    throw unreadable("Content-length is missing", request);
  }
  const [[, length] = ["", "0"]] = lengths;
  const bodyBytes = /^\d+$/.test(length) ? Number(length) : NaN;
  if (lengths.length > 1 || !(bodyBytes <= ABSURD_BODY_BYTES)) {
    throw unreadable("Content-length is not one sensible number", request);
  }
  return { verb, args, headers, raw, bodyBytes };
}

function unreadable(why: string, request: string): ChatError {
  const headers = { For: request || undefined };
  return new ChatError(103, `Cannot read head: ${why}`, { headers });
}

/** A start line as `For` repeats it: one line of text, and not too long. */
function quoted(line: string): string {
  return line.slice(0, 512).replaceAll(CONTROLS, "?");
}

const HEADER_LINE = /^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)$/s;
const NEEDS_BODY = new Set(["SEND", "FORWARD"]);
// deno-lint-ignore no-control-regex -- these must not be in a head
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]/g;

/** A byte that an empty line may have before its LF. */
function isBlank(byte: number): boolean {
  return byte === CR || byte === SPACE;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** `bytes` as text, or undefined if they are not UTF-8. */
export function text(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // the one reason for which it throws
  }
}

const SHORT_TEXT_BYTES = 256; // up to here a loop is faster than the decoder

/** Whether `bytes` are UTF-8. Fast for what is mostly sent: short ASCII. */
export function isText(bytes: Uint8Array): boolean {
  if (bytes.length <= SHORT_TEXT_BYTES) {
    let all = 0;
    for (let i = 0; i < bytes.length; i++) all |= bytes[i]!;
    if (all < 0x80) return true;
  }
  return text(bytes) !== undefined;
}

/** How many code points of UTF-8 `bytes` are; NaN if they are not UTF-8. */
function characters(bytes: Uint8Array): number {
  if (!isText(bytes)) return NaN;
  return bytes.reduce((n, byte) => (byte & 0xc0) === 0x80 ? n : n + 1, 0);
}

const RESERVED = "all tosend torecv server system admin".split(" ");

/** Whether somebody may be called `name`. */
export function isUserName(name: string): boolean {
  return /^[A-Za-z0-9]{1,32}$/.test(name) &&
    ![name.toLowerCase(), lookAlike(name)].some((n) => RESERVED.includes(n));
}

/** Whether a room may be called `name`, `#` included. */
export function isRoomName(name: string): boolean {
  return /^#[A-Za-z0-9_-]{1,32}$/.test(name);
}

/** What a SEND may name: `ALL`, a room, a user; undefined for anything else. */
export function targetKind(word: string): "all" | "room" | "user" | undefined {
  if (word.toUpperCase() === "ALL") return "all";
  if (isRoomName(word)) return "room";
  return isUserName(word) ? "user" : undefined;
}

/** `name` as it looks at a glance: nobody sits beside alice as a1ice or aIice. */
export function lookAlike(name: string): string {
  const seen = /[a-z]/.test(name) ? name.replaceAll("I", "l") : name;
  return seen.replaceAll("1", "l").replaceAll("0", "o").toLowerCase();
}
