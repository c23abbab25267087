/**
 * The decoder: the same frames wherever the bytes are cut, every limit at the
 * limit and one over, and nothing that can be sent makes it throw or hang.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import {
  ABSURD_BODY_BYTES,
  ChatError,
  type Frame,
  FrameDecoder,
  frames,
  header,
  MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
} from "../../protocol.ts";
import { bytes, join } from "../tools/net/raw_client.ts";

const text = new TextDecoder();

/** What a frame or error says, in a form that can be compared. */
function summary(item: Frame | ChatError): unknown {
  if (item instanceof ChatError) {
    return `ERROR ${item.code}${item.closes ? " closes" : ""}`;
  }
  const { verb, args, headers, body } = item;
  return { line: [verb, ...args], headers, body: text.decode(body) };
}

/** Feeds `input` as a socket would that gives at most `sizes` at a time. */
function decode(
  input: Uint8Array,
  sizes: readonly number[],
  maxBodyBytes = MAX_BODY_BYTES,
): unknown[] {
  const decoder = new FrameDecoder({ maxBodyBytes });
  const found: unknown[] = [];
  for (let at = 0, turn = 0; at < input.length; turn++) {
    const space = decoder.space();
    assert(space.length > 0, "a read into nothing never ends");
    const size = sizes[Math.min(turn, sizes.length - 1)]!;
    const piece = input.subarray(at, at + Math.min(size, space.length));
    space.set(piece);
    decoder.received(piece.length);
    at += piece.length;
    for (const item of decoder.frames()) {
      found.push(summary(item));
      if (item instanceof ChatError && item.closes) return found;
    }
  }
  return found;
}

const CONVERSATION = bytes(
  "REGISTER alice\r\nToken: abc\r\n\r\n" +
    "\n\r\n \n" +
    "SEND #default\nContent-length: 6\n\nh\u{e9}llo" +
    "SEND #default\nContent-length: 6\n\nw\u{f6}rld" +
    "SEND bob\ncontent-LENGTH:0\nKey:  k 1 \n\n" +
    "PING\n\n" + "PING\n \n\n \n" +
    "SEND ALL\nContent-length: 12\n\nA: b\n\nC: d\n\n" +
    `SEND ALL\nContent-length: 80\n\n${"x".repeat(80)}` +
    "LEAVE #r\nX-Unknown: \u{1f600}\n\n" +
    "LOGOUT now \u{1f600}\n\n",
);

const CONVERSED = [
  {
    line: ["REGISTER", "alice"],
    headers: [["token", "abc"]],
    body: "",
  },
  {
    line: ["SEND", "#default"],
    headers: [["content-length", "6"]],
    body: "h\u{e9}llo",
  },
  {
    line: ["SEND", "#default"],
    headers: [["content-length", "6"]],
    body: "w\u{f6}rld",
  },
  {
    line: ["SEND", "bob"],
    headers: [["content-length", "0"], ["key", "k 1"]],
    body: "",
  },
  { line: ["PING"], headers: [], body: "" },
  { line: ["PING"], headers: [], body: "" },
  {
    line: ["SEND", "ALL"],
    headers: [["content-length", "12"]],
    body: "A: b\n\nC: d\n\n",
  },
  "ERROR 106",
  {
    line: ["LEAVE", "#r"],
    headers: [["x-unknown", "\u{1f600}"]],
    body: "",
  },
  { line: ["LOGOUT", "now", "\u{1f600}"], headers: [], body: "" },
];

Deno.test("decoder finds the same frames at every cut position", () => {
  for (let cut = 0; cut <= CONVERSATION.length; cut++) {
    const found = decode(CONVERSATION, [cut || Infinity, Infinity], 64);
    assertEquals(found, CONVERSED, `cut at ${cut}`);
  }
});

Deno.test("decoder finds the same frames with every size of reads", () => {
  for (let size = 1; size <= CONVERSATION.length; size++) {
    const found = decode(CONVERSATION, [size], 64);
    assertEquals(found, CONVERSED, `reads of ${size} bytes`);
  }
});

Deno.test("decoder finds fifty frames in one read, and byte by byte", () => {
  const lines = Array.from({ length: 50 }, (_, i) => `line ${i} \u{20ac}`);
  const input = join(
    ...lines.map((line) =>
      `SEND #r\nContent-length: ${bytes(line).length}\n\n${line}`
    ),
  );

  const bodies = (sizes: number[]) =>
    decode(input, sizes).map((item) => (item as { body: string }).body);

  assertEquals(bodies([Infinity]), lines);
  assertEquals(bodies([1]), lines);
});

Deno.test("decoder does not take a head for its last one when it differs late", () => {
  const input = bytes(
    "SEND #r\nContent-length: 1\n\na" + "SEND #r\nContent-length: 2\n\nbc" +
      "SEND #r\nContent-length: 2\n\n\n\n" +
      "SEND #r\nContent-length: 2\n\nd\n",
  );

  for (const size of [1, 7, Infinity]) {
    const found = decode(input, [size]) as { body: string }[];
    assertEquals(found.map(({ body }) => body), ["a", "bc", "\n\n", "d\n"]);
  }
});

/** A head of exactly `size` bytes. */
function headOf(size: number): Uint8Array {
  const around = "PING\nX: \n\n".length;
  return bytes(`PING\nX: ${"y".repeat(size - around)}\n\n`);
}

Deno.test("decoder takes a head of exactly the limit, and refuses one byte more", () => {
  for (const size of [1, 1_000, Infinity]) {
    const whole = decode(headOf(MAX_HEAD_BYTES), [size]);
    const over = decode(join(headOf(MAX_HEAD_BYTES + 1), "PING\n\n"), [size]);
    assertEquals((whole[0] as { line: string[] }).line, ["PING"]);
    assertEquals(over, ["ERROR 106 closes"]);
  }
});

Deno.test("decoder refuses an endless head at the limit and not later", () => {
  for (const fill of ["a", "A: b\n", " ", "\r", "\u{e9}"]) {
    const decoder = new FrameDecoder({ maxBodyBytes: MAX_BODY_BYTES });
    let fed = 0;
    let error: unknown;
    while (error === undefined && fed < 100_000) {
      decoder.space()[0] = bytes(fill)[fed % bytes(fill).length]!;
      decoder.received(1);
      fed++;
      [error] = [...decoder.frames()];
    }
    assert(error instanceof ChatError);
    assertEquals([error.code, error.closes], [106, true], fill);
    assertEquals(fed, MAX_HEAD_BYTES + 1, `filled with ${fill}`);
  }
});

for (const maxBodyBytes of [0, 1, 64]) {
  Deno.test(`decoder never reads into nothing with a body limit of ${maxBodyBytes}`, () => {
    for (const size of [1, 100, 4_095, 4_096, Infinity]) {
      const endless = bytes("PING".padEnd(5_000, "x"));
      assertEquals(decode(endless, [size], maxBodyBytes), ["ERROR 106 closes"]);
    }
  });
}

Deno.test("decoder takes a body of exactly the limit, and skips one byte more", () => {
  const send = (count: number) =>
    `SEND #r\nContent-length: ${count}\n\n${"z".repeat(count)}`;
  const input = bytes(send(100) + send(101) + "PING\n\n");

  for (let size = 1; size < 50; size++) {
    const [whole, skipped, next] = decode(input, [size], 100);
    assertEquals((whole as { body: string }).body.length, 100);
    assertEquals(skipped, "ERROR 106");
    assertEquals((next as { line: string[] }).line, ["PING"]);
  }
});

Deno.test("decoder says the limit and the request with a body that is too large", () => {
  const decoder = new FrameDecoder({ maxBodyBytes: 10 });
  const input = bytes("SEND #r\nContent-length: 11\n\n");
  decoder.space().set(input);
  decoder.received(input.length);

  const [error] = [...decoder.frames()];

  assert(error instanceof ChatError);
  assertEquals([error.code, error.closes], [106, false]);
  assertEquals(error.headers, { For: "SEND #r", Limit: 10 });
});

Deno.test("decoder takes an absurd Content-length for the end, and the one below for a body", () => {
  const head = (count: number) => `SEND #r\nContent-length: ${count}\n\n`;

  const possible = decode(bytes(head(ABSURD_BODY_BYTES)), [Infinity]);
  const absurd = decode(bytes(head(ABSURD_BODY_BYTES + 1)), [Infinity]);

  assertEquals(possible, ["ERROR 106"]);
  assertEquals(absurd, ["ERROR 103 closes"]);
});

Deno.test("decoder gives a largest body whole", () => {
  const body = "\u{1f600}".repeat(MAX_BODY_BYTES / 4);
  const input = bytes(`SEND #r\nContent-length: ${MAX_BODY_BYTES}\n\n${body}`);

  for (const size of [1_000, 65_535, Infinity]) {
    const [frame] = decode(input, [size]) as { body: string }[];
    assertEquals(frame?.body, body);
  }
});

const UNREADABLE: readonly [why: string, head: string | Uint8Array][] = [
  ["a SEND without Content-length", "SEND bob"],
  ["a FORWARD without Content-length", "FORWARD bob"],
  ["two lengths", "SEND bob\nContent-length: 1\ncontent-length: 1"],
  ["an empty length", "SEND bob\nContent-length:"],
  ["a length with a sign", "SEND bob\nContent-length: +1"],
  ["a negative length", "SEND bob\nContent-length: -1"],
  ["a length with a fraction", "SEND bob\nContent-length: 1.0"],
  ["a length with an exponent", "SEND bob\nContent-length: 1e1"],
  ["a hexadecimal length", "SEND bob\nContent-length: 0x1"],
  ["a length in words", "SEND bob\nContent-length: five"],
  ["two numbers as a length", "SEND bob\nContent-length: 1 1"],
  ["a list as a length", "SEND bob\nContent-length: 1, 1"],
  ["Arabic digits as a length", "SEND bob\nContent-length: \u{665}"],
  [
    "a length beyond every number",
    `SEND bob\nContent-length: ${"9".repeat(400)}`,
  ],
  [
    "an absurd length of a frame that needs none",
    "PING\nContent-length: 99999999",
  ],
  [
    "a length that is no number where none is needed",
    "PING\nContent-length: x",
  ],
  ["a header without a colon", "PING\nhello"],
  ["a header without a name", "PING\n: x"],
  ["a space before the colon", "SEND bob\nContent-length : 1"],
  ["a continuation line", "PING\nA: b\n c"],
  ["a header name that is no word", "PING\n\u{e9}: x"],
  ["a NUL in the start line", "PING\0"],
  ["an escape in a header", "PING\nA: \x1b[31m"],
  ["a lone CR in the start line", "PI\rNG"],
  ["a lone CR in a header", "PING\nA: b\rc"],
  ["a DEL", "PING \x7f x"],
  ["bytes that are not UTF-8", join("PING ", new Uint8Array([0xff]))],
  ["an overlong slash", join("PING ", new Uint8Array([0xc0, 0xaf]))],
  ["a surrogate", join("PING ", new Uint8Array([0xed, 0xa0, 0x80]))],
];

for (const [why, head] of UNREADABLE) {
  Deno.test(`decoder ends with 103 at ${why}`, () => {
    const input = join("PING\n\n", head, "\n\n", "PING\n\n");
    for (const size of [1, 3, Infinity]) {
      const found = decode(input, [size]);
      assertEquals(found.slice(1), ["ERROR 103 closes"]);
    }
  });
}

const READABLE: readonly [why: string, head: string, line: string[]][] = [
  ["an unknown verb", "FLY me", ["FLY", "me"]],
  ["a verb in lower case", "ping", ["ping"]],
  ["a verb that Object.prototype has", "constructor", ["constructor"]],
  ["two spaces between words", "JOIN  #r", ["JOIN", "", "#r"]],
  ["a space before the verb", " PING", ["", "PING"]],
  ["a request of HTTP", "GET / HTTP/1.1\r\nHost: x", ["GET", "/", "HTTP/1.1"]],
  ["a tab in an argument", "JOIN a\tb", ["JOIN", "a\tb"]],
  ["a length with zeros in front", "SEND b\nContent-length: 000", [
    "SEND",
    "b",
  ]],
];

for (const [why, head, line] of READABLE) {
  Deno.test(`decoder leaves ${why} to the session`, () => {
    const found = decode(bytes(`${head}\n\nPING\n\n`), [Infinity]);
    assertEquals(
      found.map((item) => (item as { line: string[] }).line),
      [line, ["PING"]],
    );
  });
}

Deno.test("decoder reads a length with a tab, spaces, or nothing before it", () => {
  for (const between of ["", " ", "\t", "   "]) {
    const input = bytes(`SEND b\nContent-length:${between}2 \r\n\r\nhi`);
    const [frame] = decode(input, [Infinity]) as { body: string }[];
    assertEquals(frame?.body, "hi");
  }
});

Deno.test("decoder takes Unicode's own line breaks in a header for text", () => {
  const value = "one\u2028two\u2029three\u0085four";

  assertEquals(
    decode(bytes(`ERROR 105 Unknown command\nFor: ${value}\n\n`), [99]),
    [
      {
        line: ["ERROR", "105", "Unknown", "command"],
        headers: [["for", value]],
        body: "",
      },
    ],
  );
});

Deno.test("decoder reads a start line in one way, with and without headers", () => {
  for (const end of ["", " ", "  ", "\t", "\u{a0}"]) {
    const [bare] = decode(bytes(`PING${end}\n\n`), [Infinity]);
    const [full] = decode(bytes(`PING${end}\nA: b\n\n`), [Infinity]);
    assertEquals(
      (bare as { line: string[] }).line,
      (full as { line: string[] }).line,
    );
  }
  for (const end of ["\v", "\f", "\x1f"]) {
    assertEquals(decode(bytes(`PING${end}\n\n`), [Infinity]), [
      "ERROR 103 closes",
    ]);
  }
});

Deno.test("decoder gives nothing after an error that closes, whatever comes", () => {
  const decoder = new FrameDecoder({ maxBodyBytes: 100 });
  const feed = (input: string) => {
    decoder.space().set(bytes(input));
    decoder.received(bytes(input).length);
    return [...decoder.frames()].length;
  };

  assertEquals(feed("SEND bob\n\n"), 1);
  assertEquals(feed("PING\n\n"), 0);
  assertEquals(feed("SEND bob\n\n"), 0);
});

Deno.test("decoder throws away what comes after an error that closes, for ever", () => {
  const decoder = new FrameDecoder({ maxBodyBytes: 100 });
  let errors = 0;
  for (let turn = 0; turn < 100; turn++) {
    const space = decoder.space();
    assert(space.length > 0, "a read into nothing never ends");
    decoder.received(space.fill(0x78).length);
    for (const _ of decoder.frames()) errors++;
  }

  assertEquals(errors, 1);
});

Deno.test("decoder keeps half a frame for itself at the end", () => {
  for (let cut = 1; cut < 30; cut++) {
    const input = bytes("SEND #r\nContent-length: 5\n\nhello").subarray(0, cut);
    assertEquals(decode(input, [Infinity]), [], `${cut} bytes`);
  }
});

Deno.test("decoder takes a new body limit from the very next frame", () => {
  const decoder = new FrameDecoder({ maxBodyBytes: 4 });
  const input = bytes("PING\n\nSEND b\nContent-length: 5\n\nhello");
  decoder.space().set(input);
  decoder.received(input.length);

  const found: unknown[] = [];
  for (const item of decoder.frames()) {
    decoder.maxBodyBytes = 5;
    found.push(summary(item));
  }

  assertEquals((found[1] as { body: string }).body, "hello");
});

Deno.test("decoder grows its buffer while reads fill it, and shrinks it again", () => {
  const line = bytes("PING\n\n");
  const decoder = new FrameDecoder({ maxBodyBytes: MAX_BODY_BYTES });
  const first = decoder.space().length;
  const body = bytes(`SEND b\nContent-length: 60000\n\n${"x".repeat(60_000)}`);
  for (let at = 0; at < body.length;) {
    const space = decoder.space();
    const piece = body.subarray(at, at + space.length);
    space.set(piece);
    decoder.received(piece.length);
    for (const _ of decoder.frames());
    at += piece.length;
  }
  const large = decoder.space().length;
  for (let turn = 0; turn < 6; turn++) {
    decoder.space().set(line);
    decoder.received(line.length);
    for (const _ of decoder.frames());
  }

  assertLess(first, 2_048);
  assert(large >= 16_384, `${large}`);
  assert(large <= MAX_BODY_BYTES + MAX_HEAD_BYTES + 1);
  assertEquals(decoder.space().length, first);
});

Deno.test("frames() ends at the end of the source, also inside a frame", async () => {
  const reads = ["PING\n\nPI", "NG\n\n", "SEND b\nContent-length: 5\n\nhel"];
  const source = {
    read(buffer: Uint8Array) {
      const piece = reads.shift();
      if (piece === undefined) return Promise.resolve(null);
      buffer.set(bytes(piece));
      return Promise.resolve(bytes(piece).length);
    },
  };

  const verbs: unknown[] = [];
  const decoder = new FrameDecoder({ maxBodyBytes: 100 });
  for await (const batch of frames(source, decoder)) {
    verbs.push(Array.from(batch, (item) => (item as Frame).verb));
  }

  assertEquals(verbs, [["PING"], ["PING"], []]);
});

Deno.test("header() gives the first of a name", () => {
  const frame = {
    verb: "X",
    args: [],
    headers: [["a", "1"], ["b", "2"], ["a", "3"]],
    body: new Uint8Array(),
  } as const;

  assertEquals(header(frame, "a"), "1");
  assertEquals(header(frame, "A"), undefined);
  assertEquals(header(frame, "constructor"), undefined);
});
