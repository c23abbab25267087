/**
 * The protocol of client and server as bytes: frames, names, targets, errors.
 *
 *     SEND #default            a verb and its arguments
 *     Content-length: 5        headers
 *                              an empty line
 *     hello                    exactly Content-length bytes
 *
 * Server and clients share this code: no I/O, no imports, nothing that only Deno
 * has. What a frame *means* is in `server/session/requests.ts`.
 *
 * @module
 */

/** The protocol's name and version, as REGISTERED carries it. */
export const PROTOCOL = "parley/1";

/** The default port of a server. */
export const DEFAULT_PORT = 9898;

/** The room that always exists. */
export const DEFAULT_ROOM = "#default";

/** Longest head, from the start line through the empty line, in bytes. */
export const MAX_HEAD_BYTES = 4_096;

/** Longest body in bytes, unless the server's `Max-body` differs. */
export const MAX_BODY_BYTES = 65_536;

/** A greater Content-length is a mistake or an attack, and closes. */
export const ABSURD_BODY_BYTES = 16 * 1024 * 1024;

/** Every error of the protocol. docs/protocol.md tells when each is sent. */
export const ERRORS = {
  100: "Malformed username", // invalid or reserved
  101: "No user registered", // a request before registration
  102: "Unable to send", // the target user is not connected, or delivery failed
  103: "Header Incomplete", // the head cannot be read; closes
  104: "Name in use", // by this name or one that looks alike
  105: "Unknown command", // unknown verb, wrong words or headers
  106: "Too large", // a body over the limit, or a head, which closes
  107: "Not UTF-8", // a body that must be text
  108: "Slow down", // above a rate; Retry-after
  109: "Not in room", // not a member, or an invalid room name
  110: "Login required", // the name has an account, or guests are not allowed
  111: "Wrong password", // Attempts-left
  112: "Locked out", // after the third wrong password in a row; Retry-after
  113: "Account exists",
  114: "Server full", // too many connections, in total or of one address; closes
  115: "Too slow", // the client reads too slowly; closes
  116: "Idle", // no frame and no PONG in time; closes
  117: "Removed", // by the operator, or by the user's newer connection; closes
  118: "Direct refused", // a two-socket client, or the user itself
  119: "Not stored", // the server cannot store it: the disk is full, for example
  120: "Muted", // the user can read and not send, here or at all
  121: "No account", // a sign-in to a name that has none
  122: "Not allowed", // a command of a moderator or an owner, by another user
  123: "Code required", // the name waits for a code of the operator's
  124: "Too many devices", // of one account
} as const;

const CLOSING = new Set<ErrorCode>([103, 114, 115, 116, 117]);

/** A number of {@linkcode ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/** The client's verbs, in the order of docs/protocol.md. */
export type RequestVerb = Words<
  "REGISTER SIGNUP LOGIN PROVE PASSWORD UNREGISTER JOIN LEAVE ROOMS WHO SEND HISTORY MODERATE DEVICES READ INVITE SET NICK CALL ACCEPT DECLINE PING PONG LOGOUT RECEIVED"
>;

/** The server's verbs, besides answers that repeat the verb of the request. */
export type ServerVerb = Words<
  "REGISTERED CHALLENGE JOINED LEFT SENT MODERATED INVITED CHANGED NICKED CALLING ACCEPTED DECLINED BYE ERROR FORWARD NOTICE"
>;

/** The words of a text, as a union of types. */
export type Words<S> = S extends `${infer W} ${infer Rest}` ? W | Words<Rest>
  : S;

/** Headers to send: `undefined` omits one, an array gives a line for each value. */
export type Headers = Readonly<
  Record<string, string | number | readonly string[] | undefined>
>;

/** A failure that is sent to the other side as an ERROR frame. */
export class ChatError extends Error {
  /** Stands before the message in a stack trace. */
  override readonly name = "ChatError";
  /** The failure. Branch on this, never on the message. */
  readonly code: ErrorCode;
  /** Further headers of the ERROR frame, such as `Limit`. */
  readonly headers: Headers;
  /** Whether the connection is closed after it. */
  readonly closes: boolean;

  /** `message` is the `Reason`: *Cannot do X: why*. */
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

/** A received frame. */
export interface Frame {
  /** The first word of the start line. It can be any text of the sender. */
  readonly verb: string;
  /** The other words of the start line. */
  readonly args: readonly string[];
  /** Names in lower case, and values, in the order of the frame. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** A view of the decoder's buffer, valid until {@linkcode FrameDecoder.space}. */
  readonly body: Uint8Array;
}

/** The value of a frame's first header `name`. Give `name` in lower case. */
export function header(frame: Frame, name: string): string | undefined {
  for (const [key, value] of frame.headers) if (key === name) return value;
  return undefined;
}

/** The first line of a frame, as it was received. */
export function startLine(frame: Pick<Frame, "verb" | "args">): string {
  return [frame.verb, ...frame.args].join(" ");
}

const encoder = new TextEncoder();

/**
 * Encodes a frame. A body, even an empty one, gets a Content-length.
 *
 * @throws {TypeError} If a word or header has a line break: the text behind it
 * would be read as another header or frame.
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

/** Encodes `error`. `request` is the first line of the request that it answers. */
export function encodeError(error: ChatError, request?: string): Uint8Array {
  return encode("ERROR", [`${error.code}`, ERRORS[error.code]], {
    For: request && quoted(request),
    Reason: error.message,
    ...error.headers,
  });
}

/** Joins `parts`. A single part is returned itself, not copied. */
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

/** A source of bytes, such as a `Deno.Conn`. */
export interface Source {
  /** Reads into `buffer`. Returns the number of bytes, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
}

/**
 * The frames that arrive on `source`, in batches: the frames of one read. A
 * {@linkcode ChatError} takes the place of a malformed frame. After one that
 * `closes`, no frame follows. Iterate over each batch before you request the
 * next one, which uses the same buffer.
 *
 * Decoding happens in the iteration: `decoder.maxBodyBytes` affects the next frame.
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
const SMALL_READ = 16; // a read that fills less than a 16th of the buffer
const SMALL_READS = 4; // after so many in a row, the buffer shrinks

/** A parsed head, and its bytes. */
interface Head extends Omit<Frame, "body"> {
  readonly raw: Uint8Array;
  readonly bodyBytes: number;
}

/**
 * Decodes frames from bytes that arrive in pieces of any size. It stores them in
 * one buffer and returns bodies as views of it, without a copy. The buffer starts
 * small, because most connections send little. It grows while reads fill it, and
 * shrinks again. It never exceeds one largest frame.
 */
export class FrameDecoder {
  /** Longest accepted body, in bytes. */
  maxBodyBytes: number;
  /**
   * For clients that do not count bytes: the length of the next body in bytes, from
   * what was received behind its head, and its Content-length.
   */
  bodyLength: ((held: Uint8Array, count: number) => number) | undefined;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #start = 0; // bytes before it are decoded
  #end = 0; // bytes after it are not yet received
  #filled = false; // the last read filled the buffer
  #smallReads = 0; // in a row
  #toSkip = 0; // bytes left of a body over the limit
  #head: Head | undefined; // its body is not complete
  #last: Head | undefined;
  #broken = false;

  /** Each connection needs its own decoder. */
  constructor({ maxBodyBytes }: { maxBodyBytes: number }) {
    this.maxBodyBytes = maxBodyBytes;
  }

  /** Where to write the next bytes. Never empty; earlier bodies become invalid. */
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

  /** Reports that `count` bytes were written to {@linkcode space}. */
  received(count: number): void {
    this.#filled = count === this.#buffer.length - this.#end;
    const small = count < this.#buffer.length / SMALL_READ;
    this.#smallReads = small ? this.#smallReads + 1 : 0;
    this.#end += count;
  }

  /** Decodes the complete frames, with an error in place of a malformed one. */
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

  /** What was received and is not yet decoded. */
  #held(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** The size of the buffer for the next read. */
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
    const length = this.bodyLength?.(this.#held(), bodyBytes) ?? bodyBytes;
    const bodyEnd = this.#start + length;
    if (bodyEnd > this.#end) return undefined;
    const body = this.#buffer.subarray(this.#start, bodyEnd);
    this.#start = bodyEnd;
    this.#head = undefined;
    return { verb, args, headers, body };
  }

  /** Parses the head at the start, if it is complete. */
  #readHead(): Head | undefined {
    if (!this.#skipEmptyLines()) return undefined;
    if (this.#repeatsLast()) {
      this.#start += this.#last!.raw.length;
      return this.#last;
    }
    const held = this.#held();
    const bytes = headBytes(held);
    if (bytes > MAX_HEAD_BYTES || (bytes < 0 && held.length > MAX_HEAD_BYTES)) {
      const why = `Cannot read head: it is over ${MAX_HEAD_BYTES} bytes`;
      const headers = { Limit: MAX_HEAD_BYTES };
      throw new ChatError(106, why, { headers, closes: true });
    }
    if (bytes < 0) return undefined;
    this.#start += bytes;
    const head = parseHead(held.slice(0, bytes));
    if (head.bodyBytes > 0) this.#last = head; // only SENDs repeat
    return head;
  }

  /** Senders repeat their heads, and comparing one is faster than parsing it. */
  #repeatsLast(): boolean {
    const raw = this.#last?.raw;
    if (!raw || this.#end - this.#start < raw.length) return false;
    let same = 0;
    while (raw[same] === this.#buffer[this.#start + same]) {
      if (++same === raw.length) return true;
    }
    return false;
  }

  /** @returns `false` if the line at the start may still become an empty one. */
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
}

/** The length of the head at the start of `bytes`, or -1 if its end is missing. */
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
    .slice(0, -2); // the empty line, and the rest after the last LF
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

/** A start line as `For` repeats it: at most 512 characters in one line. */
function quoted(line: string): string {
  return line.slice(0, 512).replaceAll(CONTROLS, "?");
}

const HEADER_LINE = /^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)$/s;
const NEEDS_BODY = new Set(["SEND", "FORWARD"]);
// deno-lint-ignore no-control-regex -- a head must not contain these
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]/g;

/** Whether an empty line may have `byte` before its LF. */
function isBlank(byte: number): boolean {
  return byte === CR || byte === SPACE;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes `bytes`; undefined if they are not UTF-8. */
export function text(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // it throws for nothing else
  }
}

const SHORT_TEXT_BYTES = 256; // up to this length a loop is faster than the decoder

/** Whether `bytes` are UTF-8. Fast for most messages: short ASCII. */
export function isText(bytes: Uint8Array): boolean {
  if (bytes.length <= SHORT_TEXT_BYTES) {
    let all = 0;
    for (let i = 0; i < bytes.length; i++) all |= bytes[i]!;
    if (all < 0x80) return true;
  }
  return text(bytes) !== undefined;
}

const RESERVED = "all tosend torecv server system admin".split(" ");

/** Whether `name` is a valid name of a user. */
export function isUserName(name: string): boolean {
  return /^[A-Za-z0-9]{1,32}$/.test(name) &&
    ![name.toLowerCase(), lookAlike(name)].some((n) => RESERVED.includes(n));
}

/** Whether `name` is a valid name of a room, with `#`. */
export function isRoomName(name: string): boolean {
  return /^#[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9]{4})?$/.test(name);
}

/** Whether the room of that valid name is private: no other name has a dot. */
export function isPrivateName(name: string): boolean {
  return name.includes(".");
}

/** The kind of a SEND's target; undefined if it is invalid. */
export function targetKind(word: string): "all" | "room" | "user" | undefined {
  if (word.toUpperCase() === "ALL") return "all";
  if (isRoomName(word)) return "room";
  return isUserName(word) ? "user" : undefined;
}

/** The key under which look-alikes are one name: `a1ice` and `aIice` as `alice`. */
export function lookAlike(name: string): string {
  const seen = /[a-z]/.test(name) ? name.replaceAll("I", "l") : name;
  return seen.replaceAll("1", "l").replaceAll("0", "o").toLowerCase();
}
