/**
 * What a two-socket receiver may be sent of a message. It is computed in one pass,
 * and here by its meaning in docs/protocol.md, as slow as that may be.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { harmless, linesOf } from "../../../server/session/two_socket/lines.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** Whether two-socket receivers are sent a message of this text. */
const isSent = (text: string) =>
  harmless({ from: "a", to: "b", firstId: 1, at: 0, bodies: [encode(text)] })
    .length === 1;

/** The lines that are sent, without a limit. */
const plainLines = (text: string) =>
  text.split(/[\r\n]/).filter((line) => line.trim() !== "");

function plainlyForges(text: string): boolean {
  const parts = [text, ...plainLines(text).slice(0, 100)];
  return parts.some((part) => {
    const points = [...part].length;
    const unread = [
      decode(encode(part).subarray(points)),
      part.slice(points),
    ];
    return unread.flatMap((rest) =>
      // deno-lint-ignore no-control-regex -- these are line ends
      rest.split(/[\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029]/)
    ).some((line) => {
      const word = line.replace(/^[\s\p{Cc}\p{Cf}\ufffd]+/u, "")
        .split(/[\s\p{Cc}]/u)[0]!;
      return VERBS.includes(word);
    });
  });
}

const VERBS =
  "REGISTER REGISTERED SEND SENT FORWARD RECEIVED ERROR NOTICE LOGOUT BYE"
    .split(" ");

/** What makes a difference to a receiver, and what nearly does. */
const PIECES = [
  ...VERBS,
  ..."a x SENDER send BYES \u{e9} \u{4f60} \u{1f600} \u{e0041} \u{110bd}"
    .split(" "),
  ...[" ", "\t", "\n", "\r", "\r\n", "\v", "\x1c", "\x1f", "\x00", "\x85"],
  ...["\u2028", "\u200b", "\u3000", "\ufeff", "\ufffd", "\u{a0}", ":"],
];

const texts = fc.array(
  fc.tuple(
    fc.constantFrom(...PIECES),
    fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.nat(130)),
  ),
  { maxLength: 12 },
).map((parts) => parts.map(([piece, times]) => piece.repeat(times)).join(""));

Deno.test("what could be taken for a frame of another user is what the protocol says", () => {
  const seen = { sent: 0, refused: 0 };
  fc.assert(
    fc.property(texts, (text) => {
      assertEquals(isSent(text), !plainlyForges(text));
      seen[isSent(text) ? "sent" : "refused"]++;
    }),
    { numRuns: 5_000 },
  );
  assertEquals(seen.sent > 250 && seen.refused > 250, true, "both are tried");
});

Deno.test("the lines of a message are what the protocol says", () => {
  fc.assert(fc.property(texts, (text) => {
    const all = plainLines(text);
    const more = all.length > 100 ? [`[${all.length - 100} more lines]`] : [];
    assertEquals(linesOf(encode(text)), [...all.slice(0, 100), ...more]);
  }));
});

Deno.test("a message without a line has nothing that waits to be sent", () => {
  for (const text of ["", "\n".repeat(65_536), " \ufeff\r\n\u3000\u2028"]) {
    const [body] = harmless({
      ...{ from: "a", to: "b", firstId: 1, at: 0 },
      bodies: [encode(text)],
    });
    assertEquals(body, new Uint8Array());
  }
});
