/** Encoding, names, text, and the bytes that no client of ours would send. */
import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import {
  ChatError,
  concat,
  encode,
  encodeError,
  type ErrorCode,
  ERRORS,
  FrameDecoder,
  isRoomName,
  isText,
  isUserName,
  lookAlike,
  startLine,
  targetKind,
  text,
} from "../../protocol.ts";
import { bodyLength } from "../../server/session/two_socket/lines.ts";
import { bytes, join } from "../tools/net/raw_client.ts";

const decoder = new TextDecoder();

Deno.test("encode() writes a start line, headers and a counted body", () => {
  const frame = encode(
    "SEND",
    ["#r"],
    { Key: "k", Limit: undefined },
    "h\u{e9}",
  );

  assertEquals(
    decoder.decode(frame),
    "SEND #r\nKey: k\nContent-length: 3\n\nh\u{e9}",
  );
});

Deno.test("encode() gives an empty body its length, and no body none", () => {
  assertEquals(
    decoder.decode(encode("ROOMS", [], {}, "")),
    "ROOMS\nContent-length: 0\n\n",
  );
  assertEquals(decoder.decode(encode("PING")), "PING\n\n");
});

for (const breaking of ["\n", "\r", "\r\n", "\n\nSEND ALL"]) {
  Deno.test(`encode() refuses ${JSON.stringify(breaking)} in a word or a header`, () => {
    assertThrows(() => encode("JOIN", [`#r${breaking}`]), TypeError);
    assertThrows(
      () => encode("JOIN", ["#r"], { Key: `a${breaking}b` }),
      TypeError,
    );
    assertThrows(
      () => encode("JOIN", ["#r"], { [`K${breaking}`]: 1 }),
      TypeError,
    );
  });
}

Deno.test("encodeError() says code, text, request, reason and further headers", () => {
  const error = new ChatError(104, "taken", { headers: { Suggestion: "al2" } });

  assertEquals(
    decoder.decode(encodeError(error, "REGISTER al")),
    "ERROR 104 Name in use\nFor: REGISTER al\nReason: taken\nSuggestion: al2\n\n",
  );
});

Deno.test("encodeError() makes one short line of whatever a peer asked", () => {
  const error = new ChatError(105, "no");
  const request = `FLY\u{7}\r\nERROR ${"\u{20ac}".repeat(4_000)}`;

  const frame = encodeError(error, request);

  assert(frame.length < 4_096);
  assertEquals(decoder.decode(frame).split("\n").length, 5);
});

Deno.test("ERRORS that end a connection say so", () => {
  const closing = Object.keys(ERRORS).map(Number)
    .filter((code) => new ChatError(code as ErrorCode, "x").closes);

  assertEquals(closing, [103, 114, 115, 116, 117]);
  assert(new ChatError(106, "a head", { closes: true }).closes);
});

Deno.test("concat() joins, and copies nothing if there is one part", () => {
  const part = bytes("a");

  assert(concat([part]) === part);
  assertEquals(concat([bytes("ab"), bytes(""), bytes("c")]), bytes("abc"));
  assertEquals(concat([]).length, 0);
});

Deno.test("startLine() gives the words as they came", () => {
  assertEquals(startLine({ verb: "JOIN", args: ["", "#r"] }), "JOIN  #r");
});

const LEGAL_USERS = [
  "a",
  "A",
  "0",
  "alice",
  "x".repeat(32),
  "Ali",
  "ALI",
  "All1",
  "serverx",
  "adminn",
];
const ILLEGAL_USERS = [
  "",
  "x".repeat(33),
  "a b",
  "a_b",
  "a-b",
  "#a",
  "\u{e9}",
  "a\n",
  "a\u{200b}",
  "\u{410}lice",
  "ALL",
  "all",
  "aLL",
  "ToSend",
  "torecv",
  "Server",
  "SYSTEM",
  "admin",
  "A11",
  "a11",
  "aIl",
  "AlI",
  "aII",
  "T0SEND",
  "t0recv",
  "1\n",
];

Deno.test("isUserName() takes letters and digits, 1 to 32 of them", () => {
  for (const name of LEGAL_USERS) assert(isUserName(name), name);
});

for (const name of ILLEGAL_USERS) {
  Deno.test(`isUserName() refuses ${JSON.stringify(name)}`, () => {
    assertEquals(isUserName(name), false);
  });
}

Deno.test("isRoomName() takes # and 1 to 32 of a few characters", () => {
  for (const name of ["#a", "#A-b_9", "#all", `#${"x".repeat(32)}`]) {
    assert(isRoomName(name), name);
  }
  for (
    const name of [
      "",
      "#",
      "a",
      "##a",
      "#a b",
      "#a.b",
      "#\u{e9}",
      "#a\n",
      `#${"x".repeat(33)}`,
    ]
  ) {
    assertEquals(isRoomName(name), false, name);
  }
});

Deno.test("targetKind() knows ALL, rooms and users", () => {
  assertEquals(
    ["ALL", "all", "#r", "bob", "ToSend", "A11", "#", ""].map(targetKind),
    ["all", "all", "room", "user", undefined, undefined, undefined, undefined],
  );
});

const ALIKE: readonly [a: string, b: string, alike: boolean][] = [
  ["alice", "a1ice", true],
  ["alice", "aIice", true],
  ["alice", "Alice", true],
  ["bob", "b0b", true],
  ["bob", "B0B", true],
  ["Bill", "BiIl", true],
  ["A1", "Al", true],
  ["ALI", "AL1", false], // I stays I in a name without a lower-case letter
  ["Ali", "ALI", true],
  ["alice", "allce", false],
];

for (const [a, b, alike] of ALIKE) {
  Deno.test(`lookAlike() takes ${a} and ${b} for ${alike ? "one name" : "two"}`, () => {
    assertEquals(
      lookAlike(a) === lookAlike(b) || a.toLowerCase() === b.toLowerCase(),
      alike,
    );
  });
}

const TEXTS: readonly [what: string, bytes: number[], valid: boolean][] = [
  ["nothing", [], true],
  ["NUL", [0], true],
  ["the last of one byte", [0x7f], true],
  ["the first of two bytes", [0xc2, 0x80], true],
  ["the last of four bytes", [0xf4, 0x8f, 0xbf, 0xbf], true],
  ["a byte order mark", [0xef, 0xbb, 0xbf], true],
  ["a continuation alone", [0x80], false],
  ["two bytes cut off", [0xc3], false],
  ["three bytes cut off", [0xe2, 0x82], false],
  ["four bytes cut off", [0xf0, 0x9f, 0x98], false],
  ["an overlong slash", [0xc0, 0xaf], false],
  ["an overlong NUL", [0xc0, 0x80], false],
  ["an overlong of three bytes", [0xe0, 0x80, 0xaf], false],
  ["the first surrogate", [0xed, 0xa0, 0x80], false],
  ["the last surrogate", [0xed, 0xbf, 0xbf], false],
  ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80], false],
  ["0xff", [0xff], false],
];

for (const [what, sample, valid] of TEXTS) {
  Deno.test(`isText() says ${valid} to ${what}, in short and long texts`, () => {
    for (const before of [0, 1, 250, 255, 256, 257, 1_000]) {
      const whole = join("x".repeat(before), new Uint8Array(sample));
      assertEquals(isText(whole), valid, `after ${before}`);
      assertEquals(text(whole) !== undefined, valid, `after ${before}`);
    }
  });
}

Deno.test("text() keeps a byte order mark", () => {
  assertEquals(text(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])), "\u{feff}a");
});

/** The bodies that a TOSEND socket is understood to send. */
function classicBodies(...reads: (string | Uint8Array)[]): string[] {
  const frames = new FrameDecoder({ maxBodyBytes: 65_536 });
  frames.bodyLength = bodyLength;
  const found: string[] = [];
  for (const read of reads) {
    const input = join(read);
    frames.space().set(input);
    frames.received(input.length);
    for (const item of frames.frames()) {
      if (item instanceof ChatError) found.push(`ERROR ${item.code}`);
      else if (item.verb === "SEND") found.push(decoder.decode(item.body));
    }
  }
  return found;
}

function send(count: number, body: string): string {
  return `SEND bob\nContent-length: ${count}\n\n${body}`;
}

const COUNTED: readonly [what: string, reads: string[], bodies: string[]][] = [
  ["bytes that are right", [send(6, "h\u{e9}llo")], ["h\u{e9}llo"]],
  ["characters", [send(5, "h\u{e9}llo")], ["h\u{e9}llo"]],
  ["characters beyond the basic plane", [send(1, "\u{1f600}")], ["\u{1f600}"]],
  [
    "characters, and a line feed that is not counted",
    [send(5, "h\u{e9}llo\n")],
    ["h\u{e9}llo"],
  ],
  ["characters, and a line feed that is", [send(6, "h\u{e9}llo\n")], [
    "h\u{e9}llo\n",
  ]],
  ["ASCII, and a line feed that is not counted", [send(5, "hello\n")], [
    "hello",
  ]],
  [
    "bytes, with the next frame behind",
    [send(6, "h\u{e9}llo") + send(2, "hi")],
    ["h\u{e9}llo", "hi"],
  ],
  ["bytes, in two reads", [send(6, "h\u{e9}"), "llo"], ["h\u{e9}llo"]],
  ["characters in a second read", [send(5, ""), "h\u{e9}llo"], ["h\u{e9}llo"]],
  ["nothing, and a blank line behind", [send(0, " \n") + send(2, "hi")], [
    "",
    "hi",
  ]],
];

for (const [what, reads, bodies] of COUNTED) {
  Deno.test(`decoder of a TOSEND socket understands a length of ${what}`, () => {
    assertEquals(classicBodies(...reads), bodies);
  });
}

Deno.test("decoder of any other socket counts bytes alone", () => {
  const frames = new FrameDecoder({ maxBodyBytes: 100 });
  const input = bytes(send(4, "h\u{e9}llo"));
  frames.space().set(input);
  frames.received(input.length);

  const [frame] = [...frames.frames()];

  assert(frame && !(frame instanceof ChatError));
  assertEquals(decoder.decode(frame.body), "h\u{e9}l");
});

Deno.test("decoder of a TOSEND socket looks at each byte of a flood few times", () => {
  const flood = new FrameDecoder({ maxBodyBytes: 65_536 });
  flood.bodyLength = bodyLength;
  const frame = bytes(send(1, "x"));
  using looked = countBytesLookedAt();
  let counted = 0;
  let fed = 0;
  for (let at = 0; counted < 5_000;) {
    const space = flood.space();
    for (let i = 0; i < space.length; i++) {
      space[i] = frame[at++ % frame.length]!;
    }
    flood.received(space.length);
    fed += space.length;
    for (const item of flood.frames()) {
      if (!(item instanceof ChatError)) counted++;
    }
  }

  assertLess(looked.bytes, 3 * fed); // all that is held, for each frame: 1,000
});

/** Counts the bytes that are decoded or counted as characters. */
function countBytesLookedAt(): Disposable & { bytes: number } {
  const { decode } = TextDecoder.prototype;
  const { reduce } = Uint8Array.prototype;
  const counter = {
    bytes: 0,
    [Symbol.dispose]() {
      TextDecoder.prototype.decode = decode;
      Uint8Array.prototype.reduce = reduce;
    },
  };
  TextDecoder.prototype.decode = function (input, options) {
    counter.bytes += input?.byteLength ?? 0;
    return decode.call(this, input, options);
  };
  Uint8Array.prototype.reduce = function (
    this: Uint8Array,
    ...args: unknown[]
  ) {
    counter.bytes += this.length;
    return Reflect.apply(reduce, this, args);
  };
  return counter;
}

/** A small generator with a seed, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const FRAGMENTS = [
  "SEND #r\nContent-length: 5\n\nhello",
  "PING\n\n",
  "\n",
  "\r\n",
  " ",
  "SEND",
  "Content-length: ",
  "1",
  "999999999",
  ": ",
  "\0",
  "\u{e9}",
  "\u{1f600}",
  "REGISTER TOSEND a\n\n",
  "SEND b\nContent-length: 3\n\n",
  "A: b\n",
];

for (let seed = 1; seed <= 40; seed++) {
  Deno.test(`decoder survives random bytes, seed ${seed}`, () => {
    const next = random(seed);
    const frames = new FrameDecoder({ maxBodyBytes: 1 + next() * 2_000 | 0 });
    if (seed % 2 === 0) frames.bodyLength = bodyLength; // of a TOSEND socket
    for (let fed = 0, over = false; fed < 300 && !over; fed++) {
      const piece = next() < 0.5
        ? bytes(FRAGMENTS[next() * FRAGMENTS.length | 0]!)
        : Uint8Array.from({ length: next() * 50 }, () => next() * 256);
      const space = frames.space();
      assert(space.length > 0);
      const count = Math.min(piece.length, space.length);
      space.set(piece.subarray(0, count));
      frames.received(count);
      for (const item of frames.frames()) {
        if (item instanceof ChatError) over = item.closes;
      }
    }
  });
}
