/**
 * RFC 6455, as the server keeps it: each case byte for byte, over the whole stream
 * and cut everywhere. The client that checks that all of it works together is npm's
 * `ws`, in ws_test.ts.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { FrameReader } from "../../../web/serve/frame_reader.ts";
import {
  closeFrame,
  frameOf,
  newFrame,
  OPCODE,
} from "../../../web/serve/frames.ts";
import { SocketWire } from "../../../web/serve/socket.ts";
import { Visitor } from "../../../web/serve/visitor.ts";

const { continuation, text, binary, close, ping, pong } = OPCODE;
const MAX_MESSAGE_BYTES = 65_536;

/** What a frame of a client has besides its content. */
interface FrameOptions {
  /** Default: it is the last one of its message. */
  readonly fin?: boolean;
  /** The three bits that are reserved. */
  readonly reserved?: number;
  /** Default: some mask. Undefined: none. */
  readonly mask?: readonly number[] | undefined;
  /** In how many bytes its length is; default: as few as can be. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** The length that it tells; default: that of the content. */
  readonly length?: number;
}

/** A frame as a client sends it. */
function frame(
  opcode: number,
  content: Uint8Array | string = "",
  options: FrameOptions = {},
): Uint8Array<ArrayBuffer> {
  const bytes = typeof content === "string" ? utf8(content) : content;
  const { fin = true, reserved = 0, length = bytes.length } = options;
  const { lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8 } = options;
  const mask = "mask" in options ? options.mask : [0x37, 0xfa, 0x21, 0x3d];
  const short = lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127;
  const digits = Array.from(
    { length: lengthBytes },
    (_, index) => Math.floor(length / 256 ** (lengthBytes - 1 - index)) % 256,
  );
  const first = (fin ? 0x80 : 0) | reserved << 4 | opcode;
  return Uint8Array.from([
    ...[first, (mask ? 0x80 : 0) | short, ...digits, ...mask ?? []],
    ...bytes.map((byte, index) => byte ^ (mask?.[index % 4] ?? 0)),
  ]);
}

function utf8(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** What a server makes of what a client sends, in pieces of these lengths. */
async function served(
  bytes: Uint8Array,
  pieceBytes: Iterator<number> = [].values(),
) {
  const sent = bytes.slice();
  let at = 0;
  const written: number[] = [];
  const visitor = new Visitor({
    read(buffer) {
      const { value = 4_096 } = pieceBytes.next();
      const end = at + Math.min(value, buffer.length);
      const part = sent.subarray(at, end);
      at += part.length;
      buffer.set(part);
      return Promise.resolve(part.length > 0 ? part.length : null);
    },
    write(frame) {
      written.push(...frame);
      return Promise.resolve(frame.length);
    },
    closeWrite: () => Promise.resolve(),
    close: () => {},
  });
  const wire = new SocketWire(visitor, {
    maxMessageBytes: MAX_MESSAGE_BYTES,
  });
  const heard: number[] = [];
  const buffer = new Uint8Array(4_096);
  for (let count; (count = await wire.read(buffer)) !== null;) {
    for (const byte of buffer.subarray(0, count)) heard.push(byte);
  }
  return { heard: Uint8Array.from(heard), written: Uint8Array.from(written) };
}

/** Pieces of one length. */
function* each(bytes: number): Generator<number, never, void> {
  for (;;) yield bytes;
}

const LENGTHS = [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536];

for (const length of LENGTHS) {
  Deno.test(`a message of ${length} bytes is read`, async () => {
    const content = Uint8Array.from({ length }, (_, index) => index * 7);

    const { heard, written } = await served(frame(binary, content));

    assertEquals(heard, content);
    assertEquals(written.length, 0);
  });

  Deno.test(`a frame of ${length} bytes is written`, () => {
    const content = Uint8Array.from({ length }, (_, index) => index * 7);

    const written = frameOf(content);

    assertEquals(written, frame(binary, content, { mask: undefined }));
  });
}

for (const lengthBytes of [2, 8] as const) {
  Deno.test(`a short length in ${lengthBytes} bytes is read`, async () => {
    const { heard } = await served(frame(binary, "hi", { lengthBytes }));

    assertEquals(heard, utf8("hi"));
  });
}

const WITH_FRAGMENTS = [
  frame(text, "He", { fin: false }),
  frame(ping, "are you there"),
  frame(continuation, "l", { fin: false }),
  frame(continuation, "", { fin: false }),
  frame(pong, "nobody asked"),
  frame(continuation, "lo"),
  frame(binary, "!"),
];

Deno.test("fragments are one message, and control frames come between them", async () => {
  const { heard, written } = await served(concat(WITH_FRAGMENTS));

  assertEquals(heard, utf8("Hello!"));
  assertEquals(written, newFrame(pong, utf8("are you there")));
});

Deno.test("frames are the same wherever a read cuts them", async () => {
  const long = Uint8Array.from({ length: 300 }, (_, index) => index);
  const bytes = concat([
    ...WITH_FRAGMENTS,
    frame(text, "Grüße 🎈"),
    frame(binary, long),
    frame(binary, long.subarray(0, 150), { lengthBytes: 8 }),
  ]);
  const whole = await served(bytes);
  for (let pieceBytes = 1; pieceBytes < 40; pieceBytes++) {
    const cut = await served(bytes, each(pieceBytes));
    assertEquals(cut.heard, whole.heard);
    assertEquals(cut.written, whole.written);
  }

  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 50 }),
      async (pieces) => {
        const cut = await served(bytes, pieces.values());
        assertEquals(cut.heard, whole.heard);
      },
    ),
  );
});

Deno.test("every mask is taken off, wherever the content lies in the buffer", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 700 }),
      fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
      fc.nat(7),
      fc.nat(700),
      (content, mask, offset, cut) => {
        const bytes = frame(binary, content, { mask });
        const place = new Uint8Array(new ArrayBuffer(offset + bytes.length));
        place.set(bytes, offset);
        const frames = new FrameReader(MAX_MESSAGE_BYTES);
        const parts = [
          place.subarray(offset, offset + cut),
          place.subarray(offset + cut),
        ];
        const heard = parts.map((part) =>
          part.slice(0, frames.take(part, 0, 0))
        );

        assertEquals(concat(heard), content);
        assertEquals(frames.isEnd, cut < bytes.length);
      },
    ),
  );
});

/** Cases that end a WebSocket with a code. */
const ENDS: readonly [why: string, code: number, ...frames: Uint8Array[]][] = [
  ["without a mask", 1_002, frame(binary, "x", { mask: undefined })],
  ["with a reserved bit", 1_002, frame(binary, "x", { reserved: 4 })],
  ["with another reserved bit", 1_002, frame(ping, "x", { reserved: 1 })],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
    [`of kind ${opcode}`, 1_002, frame(opcode)] as const
  ) as [string, number, Uint8Array][],
  ["of a ping in fragments", 1_002, frame(ping, "x", { fin: false })],
  ["of a ping of 126 bytes", 1_002, frame(ping, "x".repeat(126))],
  ["of a pong with a long length", 1_002, frame(pong, "", { lengthBytes: 2 })],
  ["that continues nothing", 1_002, frame(continuation, "x")],
  [
    "that continues a message that has ended",
    1_002,
    frame(text, "", { fin: false }),
    frame(continuation),
    frame(continuation),
  ],
  [
    "that begins a message in another",
    1_002,
    frame(text, "", { fin: false }),
    frame(text),
  ],
  [
    "over the limit",
    1_009,
    frame(binary, "", { length: 65_537 }),
  ],
  [
    "far over the limit",
    1_009,
    frame(binary, "", { length: 2 ** 63, lengthBytes: 8 }),
  ],
  [
    "that brings its message over the limit",
    1_009,
    frame(binary, new Uint8Array(65_536), { fin: false }),
    frame(continuation, "x"),
  ],
  [
    "after 128 fragments",
    1_008,
    frame(binary, "", { fin: false }),
    ...Array(128).fill(frame(continuation, "", { fin: false })),
  ],
  ["of text that is none", 1_007, frame(text, Uint8Array.of(0xc3, 0x28))],
  ["of text that is cut", 1_007, frame(text, utf8("ü").subarray(0, 1))],
  [
    "of text that is cut by its last fragment",
    1_007,
    frame(text, utf8("🎈").subarray(0, 3), { fin: false }),
    frame(continuation),
  ],
  [
    "of text with half of a pair",
    1_007,
    frame(text, Uint8Array.of(0xed, 0xa0, 0x80)),
  ],
  ["Close of one byte", 1_002, frame(close, Uint8Array.of(3))],
  [
    "Close with a reason that is no text",
    1_007,
    frame(close, Uint8Array.of(3, 232, 0xff)),
  ],
  ...[0, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 2_999, 5_000, 65_535].map((
    code,
  ) => [`Close with ${code}`, 1_002, closing(code)]) as [
    string,
    number,
    Uint8Array,
  ][],
  ...[1_000, 1_001, 1_003, 1_007, 1_014, 3_000, 4_999].map((
    code,
  ) => [`Close with ${code}`, code, closing(code)]) as [
    string,
    number,
    Uint8Array,
  ][],
  [
    "Close with a reason",
    1_001,
    frame(close, concat([Uint8Array.of(3, 233), utf8("tschüs")])),
  ],
];

function closing(code: number): Uint8Array {
  return frame(close, Uint8Array.of(code >> 8, code & 255));
}

for (const [why, code, ...frames] of ENDS) {
  Deno.test(`a frame ${why} is answered Close with ${code}, and nothing after it is read`, async () => {
    const before = frame(binary, "before");
    const after = [frame(binary, "after"), frame(ping, "after")];
    const bytes = concat([before, ...frames, ...after]);

    for (const pieceBytes of [4_096, 1]) {
      const { heard, written } = await served(bytes, each(pieceBytes));

      const said = new TextDecoder().decode(heard);
      assertEquals([said.slice(0, 6), said.includes("after")], [
        "before",
        false,
      ]);
      assertEquals(written, closeFrame(code));
    }
  });
}

Deno.test("Close without a code is answered without one", async () => {
  const { written } = await served(frame(close));

  assertEquals(written, closeFrame(undefined));
});

const LETTERS = "aä€🎈\u{10ffff}\ufeff\u0000";

Deno.test("text that fragments cut anywhere is read", async () => {
  const bytes = utf8(LETTERS);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const { heard, written } = await served(concat([
        frame(text, bytes.subarray(0, first), { fin: false }),
        frame(continuation, bytes.subarray(first, second), { fin: false }),
        frame(ping),
        frame(continuation, bytes.subarray(second)),
        frame(text, "ü"), // nothing is left of the one before
      ]));

      assertEquals(new TextDecoder().decode(heard.subarray(3)).at(0), "€");
      assertEquals(heard, concat([bytes, utf8("ü")]));
      assertEquals(written, newFrame(pong, new Uint8Array()));
    }
  }
});

Deno.test("the content of a binary message need not be text", async () => {
  const content = Uint8Array.of(0xff, 0xfe, 0xc3);

  const { heard } = await served(frame(binary, content));

  assertEquals(heard, content);
});

Deno.test("what comes next to the end of a client is the end", async () => {
  const { heard, written } = await served(frame(binary, "half").subarray(0, 8));

  assertEquals([heard, written], [utf8("ha"), new Uint8Array()]);
});
