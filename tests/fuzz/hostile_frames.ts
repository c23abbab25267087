/**
 * Hostile input: frames of the protocol with the wrong words in them, in the wrong
 * order, cut, doubled, mixed up, too long; and plain noise. The same seed gives the same bytes.
 *
 * Most frames can be read, or the receiver would disconnect at the first; their
 * content is hostile. One of thirty is broken in itself.
 *
 * @module
 */
import { seeded } from "../tools/net/fault_proxy.ts";
import { bytes, join } from "../tools/net/raw_client.ts";

/** Dice that fall the same way for the same seed. */
export class Chance {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  /** Whether something happens that happens once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Noise. */
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}

/** A frame as a hostile client might send it. */
export function hostileRequest(chance: Chance): Uint8Array {
  const make = chance.once(12) ? hostileAnswer : chance.pick(REQUESTS);
  return perhapsBroken(chance, make(chance), hostileRequest);
}

/** A frame as a hostile server might send it. */
export function hostileAnswer(chance: Chance): Uint8Array {
  const make = chance.pick(ANSWERS);
  return perhapsBroken(chance, make(chance), hostileAnswer);
}

/** The answer to a request of that verb, in form at least. */
export function hostileReply(chance: Chance, verb: string): Uint8Array {
  if (chance.once(20)) return hostileAnswer(chance);
  if (chance.once(8)) return errorFrame(chance);
  const answer = REPLIES[verb] ?? errorFrame;
  return answer(chance);
}

/** Cuts `whole` into pieces at random places. */
export function cutUp(chance: Chance, whole: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < whole.length;) {
    const size = chance.once(4) ? 1 + chance.below(8) : whole.length;
    pieces.push(whole.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

type Make = (chance: Chance) => Uint8Array;

/** What `Object.prototype` has, and other words that are more than they seem. */
const TRAPS = [
  ...Object.getOwnPropertyNames(Object.prototype),
  ...["then", "NaN", "null", "undefined", "Infinity", "-0", "1e400", "0x10"],
  ...["ALL", "all", "TOSEND", "TORECV", "server", "#", "##", "", "a1ice"],
];

/** Characters that a terminal obeys, hides or stumbles over. */
export const FOUL_TEXTS = [
  "\0",
  "\r",
  "\x1b[2J\x1b]0;owned\x07",
  "\x9b31m",
  "\x7f\b\b",
  "\u202eevil\u2066",
  "\u200b\u2060\ufeff",
  "\u3164\u115f\u034f",
  "\u2028\u2029\u0085",
  "\u{e0041}\u{e007f}",
  "e" + "\u0301".repeat(200),
  "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}".repeat(20),
  "\ufffd\uffff\u{10ffff}",
  "漢字 שלום नमस्ते",
  "* bob joined #default",
  "%s%n${x}'\";--",
];

/** Those that a head may have. */
// deno-lint-ignore no-control-regex -- which these are not
const FOUL_WORDS = FOUL_TEXTS.filter((text) => !/[\x00-\x20\x7f]/.test(text));

const NAMES = Array.from({ length: 16 }, (_, i) => `foe${i}`);
const ROOMS = ["#default", "#lab", "#Lab", "#1ab", "#a_b-c", "#lab.abcd"];
const LENGTHS = [
  ...["-1", "+3", "1e3", "0x10", " 5", "5 5", "5,5", "٣", "", "NaN"],
  ...["65537", "16777216", "16777217", "99999999999999999999"],
];
const NUMBERS = ["0", "1", "20", "1000", "99999999", ...LENGTHS];

/** A user, a room, or something that is neither. */
function word(chance: Chance): string {
  switch (chance.below(8)) {
    case 0:
      return chance.pick(TRAPS);
    case 1:
      return chance.pick(chance.once(10) ? FOUL_TEXTS : FOUL_WORDS);
    case 2:
      return "x".repeat(1 + chance.below(200));
    case 3:
    case 4:
      return chance.pick(ROOMS);
    default:
      return chance.pick(NAMES);
  }
}

function name(chance: Chance): string {
  return chance.once(6) ? word(chance) : chance.pick(NAMES);
}

function room(chance: Chance): string {
  return chance.once(6) ? word(chance) : chance.pick(ROOMS);
}

function textOf(chance: Chance): Uint8Array {
  switch (chance.below(5)) {
    case 0:
      return chance.bytes(chance.below(64));
    case 1:
      return bytes(chance.pick(FOUL_TEXTS));
    case 2:
      return bytes(`${chance.pick(FOUL_TEXTS)}\n${chance.pick(TRAPS)}`);
    default:
      return bytes("hello");
  }
}

/** Headers, each with its LF. */
function headers(chance: Chance, ...names: string[]): string {
  return names.filter(() => !chance.once(3))
    .map((one) => `${one}: ${headerValue(chance)}\n`).join("");
}

function headerValue(chance: Chance): string {
  // A line break would begin the next header: the writer of one knows that.
  const value = chance.pick([word(chance), chance.pick(NUMBERS)]);
  return value.replaceAll("\n", " ");
}

/** A frame of these words and headers; a body gets the length it has. */
function frame(line: string, head = "", body?: Uint8Array | string) {
  if (body === undefined) return bytes(`${line}\n${head}\n`);
  const content = typeof body === "string" ? bytes(body) : body;
  return join(
    `${line}\n${head}Content-length: ${content.length}\n\n`,
    content,
  );
}

const NONCE = "c2FsdHNhbHRzYWx0c2FsdA==";

/** Strings of SCRAM, and what is nearly one. */
function scram(chance: Chance): string {
  return chance.pick([
    `n,,n=${name(chance)},r=${NONCE}`,
    `y,,n=${name(chance)},r=`,
    `p=tls-unique,,n=a,r=b`,
    `c=biws,r=${NONCE}${NONCE},p=${NONCE}`,
    `r=${NONCE},s=${NONCE},i=${chance.pick(NUMBERS)}`,
    `v=${NONCE}`,
    `e=other-error`,
    `SCRAM-SHA-256$4096:${NONCE}$${"A".repeat(43)}=:${"B".repeat(43)}=`,
    `SCRAM-SHA-256$${chance.pick(NUMBERS)}:${word(chance)}$:`,
    chance.pick(FOUL_TEXTS),
  ]);
}

/** A LOGIN that is answered by a CHALLENGE, and a PROVE that proves nothing. */
function loginOf(chance: Chance, name: string): Uint8Array {
  return join(
    frame(`LOGIN ${name}`, "", `n,,n=${name},r=${NONCE}`),
    frame(`PROVE ${name}`, "", scram(chance)),
  );
}

/** What a client may ask; common things several times. */
const REQUESTS: readonly Make[] = [
  (c) => frame(`REGISTER ${name(c)}`, headers(c, "Token", "After")),
  (c) => frame(`REGISTER ${c.pick(NAMES)}`),
  (c) => frame(`LOGIN ${name(c)}`, "", scram(c)),
  (c) => loginOf(c, c.pick(NAMES)),
  (c) => frame(`PROVE ${name(c)}`, headers(c, "After"), scram(c)),
  (c) => frame(`SIGNUP ${name(c)}`, headers(c, "Code"), scram(c)),
  (c) => frame(`PASSWORD ${name(c)}`, "", scram(c)),
  (c) => frame(`UNREGISTER ${name(c)}`, "", scram(c)),
  (c) => frame(`JOIN ${room(c)}`),
  (c) => frame(`JOIN ${c.pick(ROOMS)}`),
  (c) => frame(`JOIN ${room(c)}`, c.once(3) ? "" : "Private: yes\n"),
  (c) => frame(`INVITE ${name(c)}`, `Room: ${room(c)}\n`),
  (c) => frame(`SET ${room(c)}`, headers(c, "Remove", "Owner", "Closed")),
  (c) => frame(`SET ${room(c)}`, headers(c, "Quiet", "Voice", "Unvoice")),
  (c) => frame(`SET ${room(c)}`, c.once(2) ? "Quiet: yes\n" : "", textOf(c)),
  (c) => frame(`LEAVE ${room(c)}`),
  () => frame("ROOMS"),
  (c) => frame(`WHO ${c.pick(["ALL", room(c)])}`),
  (c) => frame("MODERATE", "", textOf(c)),
  (c) => frame("NICK", "", textOf(c)),
  (c) => frame(`DEVICES end ${word(c)}`),
  (c) => frame(`READ ${word(c)}`, headers(c, "Id")),
  (c) => frame(`SEND ${room(c)}`, headers(c, "Key"), textOf(c)),
  (c) => frame(`SEND ${name(c)}`, headers(c, "Key"), textOf(c)),
  (c) => frame("SEND ALL", headers(c, "Key", "Id"), textOf(c)),
  (c) => frame(`HISTORY ${room(c)}`, headers(c, "Limit", "After", "Before")),
  () => frame("PING"),
  () => frame("PONG"),
  (c) => c.once(8) ? frame("LOGOUT") : frame(`${word(c)} ${word(c)}`),
  (c) => frame(c.pick(TRAPS), headers(c, ...TRAPS)),
  (c) =>
    c.once(4)
      ? frame(`REGISTER ${c.pick(["TOSEND", "TORECV"])} ${name(c)}`)
      : frame(`RECEIVED ${name(c)}`),
];

/** The answers of a server to each request. */
const REPLIES: Readonly<Record<string, Make>> = {
  REGISTER: (c) =>
    frame(
      `REGISTERED ${c.once(30) ? word(c) : "alice"}`,
      `Token: ${NONCE}\n` + headers(c, "Max-body", "Last-id", "Server"),
    ),
  JOIN: (c) => frame(`JOINED ${room(c)}`, headers(c, "Members", "Last-id")),
  LEAVE: (c) => frame(`LEFT ${room(c)}`),
  ROOMS: (c) => frame("ROOMS", "", list(c)),
  WHO: (c) => frame("WHO ALL", "", list(c)),
  SEND: (c) => frame(`SENT ${room(c)}`, headers(c, "Id", "Time", "Recipients")),
  HISTORY: (c) =>
    join(
      ...Array.from({ length: c.below(4) }, () => forward(c)),
      frame(`HISTORY ${room(c)}`, headers(c, "Count")),
    ),
  MODERATE: (c) => frame("MODERATED", "", textOf(c)),
  NICK: (c) => frame("NICKED", "", textOf(c)),
  INVITE: (c) => frame(`INVITED ${name(c)}`, `Room: ${room(c)}\n`),
  SET: (c) => frame(`CHANGED ${room(c)}`),
  PING: () => frame("PONG"),
  LOGOUT: (c) => frame(c.once(3) ? "ERROR 105" : "BYE"),
  LOGIN: (c) => frame(`CHALLENGE ${name(c)}`, "", scram(c)),
  PROVE: (c) => frame(`REGISTERED ${name(c)}`, "", scram(c)),
  SIGNUP: (c) => frame(`REGISTERED ${name(c)}`, headers(c, "Token")),
  PASSWORD: (c) => frame(`REGISTERED ${name(c)}`, headers(c, "Token")),
  UNREGISTER: (c) => frame(c.once(3) ? "ERROR 105" : "BYE"),
};

/** The frames that a server sends at any time. */
const ANSWERS: readonly Make[] = [
  forward,
  forward,
  notice,
  notice,
  () => frame("PING"),
  (c) => frame(word(c), headers(c, ...TRAPS), textOf(c)),
  (c) => c.once(8) ? errorFrame(c) : forward(c),
  (c) => c.once(8) ? c.pick(Object.values(REPLIES))(c) : notice(c),
];

function forward(chance: Chance): Uint8Array {
  const to = chance.pick(["ALL", "alice", room(chance)]);
  const head = `To: ${to.replaceAll("\n", " ")}\n` +
    headers(chance, "Id", "Time");
  return frame(`FORWARD ${name(chance)}`, head, textOf(chance));
}

function notice(chance: Chance): Uint8Array {
  const kind = chance.pick([
    "joined",
    "left",
    "offline",
    "server",
    "closing",
    "set",
    ...["invited", "removed", "owner", "closed"],
  ]);
  const names = [
    "Room",
    "User",
    ...["By", "Owner"],
    "From",
    "Members",
    "Reason",
    "Retry-after",
    "Role",
  ];
  return frame(`NOTICE ${kind}`, headers(chance, ...names), list(chance));
}

function errorFrame(chance: Chance): Uint8Array {
  const code = chance.pick([`${100 + chance.below(24)}`, word(chance)]);
  const names = ["For", "Reason", "Retry-after", "Suggestion", "Limit"];
  return frame(`ERROR ${code} ${word(chance)}`, headers(chance, ...names));
}

/** A list of users or rooms, or what else a body may hold. */
function list(chance: Chance): Uint8Array {
  const lines = Array.from(
    { length: chance.below(8) },
    () => `${word(chance)} ${word(chance)}\n`,
  );
  return join(...lines, textOf(chance));
}

/** `whole`, mostly; else broken, alone or together with a frame of `other`. */
function perhapsBroken(
  chance: Chance,
  whole: Uint8Array,
  other: Make,
): Uint8Array {
  return chance.once(30) ? chance.pick(BREAKS)(chance, whole, other) : whole;
}

type Break = (chance: Chance, whole: Uint8Array, other: Make) => Uint8Array;

/** What can be wrong with a frame that was a good one. */
const BREAKS: readonly Break[] = [
  (c, whole) => whole.subarray(0, c.below(whole.length)),
  (c, whole) => whole.subarray(c.below(whole.length)),
  (_, whole) => join(whole, whole),
  (c, whole, other) => interleave(c, whole, other(c)),
  (c, whole) => replaced(whole, c.below(whole.length), c.bytes(1)),
  (c, whole) => inserted(c, whole, c.pick(["\0", "\r", "\n", " ", "\n\n"])),
  (c, whole) => inserted(c, whole, c.pick(FOUL_TEXTS)),
  (c, whole) => withLength(whole, c.pick(LENGTHS)),
  (c, whole) => withHeaders(whole, `Content-length: ${c.pick(LENGTHS)}\n`),
  (c, whole) => withHeaders(whole, `${c.pick(TRAPS)}\n`),
  (c, whole) => withHeaders(whole, `A: ${"b".repeat(c.below(5_000))}\n`),
  (c, whole) => withHeaders(whole, "A: b\n".repeat(c.below(1_000))),
  (_, whole) => bytes(new TextDecoder().decode(whole).toLowerCase()),
];

/** Two frames as if two writers wrote at the same time. */
function interleave(chance: Chance, a: Uint8Array, b: Uint8Array): Uint8Array {
  const [one, two] = [chance.below(a.length), chance.below(b.length)];
  return join(
    a.subarray(0, one),
    b.subarray(0, two),
    a.subarray(one),
    b.subarray(two),
  );
}

function replaced(
  whole: Uint8Array,
  at: number,
  part: Uint8Array,
): Uint8Array {
  return join(whole.subarray(0, at), part, whole.subarray(at + part.length));
}

function inserted(chance: Chance, whole: Uint8Array, part: string) {
  const at = chance.below(whole.length);
  return join(whole.subarray(0, at), part, whole.subarray(at));
}

/** The frame with another number for its length, if it has one. */
function withLength(whole: Uint8Array, length: string): Uint8Array {
  const at = positionOf(whole, "Content-length: ") ?? whole.length;
  const rest = whole.subarray(at);
  const line = rest.indexOf(LF);
  if (line < 0) return whole;
  return join(
    whole.subarray(0, at),
    `Content-length: ${length}`,
    rest.subarray(line),
  );
}

/** The frame with further lines after its first. */
function withHeaders(whole: Uint8Array, lines: string): Uint8Array {
  const at = whole.indexOf(LF) + 1;
  return join(whole.subarray(0, at), lines, whole.subarray(at));
}

function positionOf(whole: Uint8Array, part: string): number | undefined {
  const wanted = bytes(part);
  for (let at = 0; at + wanted.length <= whole.length; at++) {
    if (wanted.every((byte, i) => whole[at + i] === byte)) return at;
  }
  return undefined;
}

const LF = 0x0a;
