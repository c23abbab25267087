import { assert, assertEquals } from "@std/assert";
import { MAX_COMBINING_MARKS, sanitize } from "../../../core/text/sanitize.ts";

const SHOWN: readonly [why: string, text: string, shown: string][] = [
  ["leaves ASCII alone", "hello, <world> & ~", "hello, <world> & ~"],
  [
    "leaves scripts alone",
    "naïve 漢字 שָׁלוֹם नमस्ते ไทย",
    "naïve 漢字 שָׁלוֹם नमस्ते ไทย",
  ],
  ["shows escape sequences", "\x1b[31mred\x1b]0;x\x07", "␛[31mred␛]0;x␇"],
  ["shows NUL, backspace and DEL", "\0\b\x7f", "␀␈␡"],
  ["shows C1 controls", "\x9b31m\x85", "<U+009B>31m<U+0085>"],
  ["shows a lone CR", "pay 1\rpay 9", "pay 1␍pay 9"],
  ["shows a line break", "one\ntwo\r\nthree", "one␤two␤three"],
  ["makes a tab spaces", "a\tb", "a    b"],
  [
    "shows overrides of direction",
    "\u202eevil\u2066\u061c",
    "<U+202E>evil<U+2066><U+061C>",
  ],
  [
    "shows zero-width characters",
    "a\u200bb\u2060c\u200e",
    "a<U+200B>b<U+2060>c<U+200E>",
  ],
  ["shows a joiner between letters", "al\u200dice", "al<U+200D>ice"],
  ["shows separators of lines", "a\u2028b\u2029c", "a<U+2028>b<U+2029>c"],
  ["shows tags and BOMs", "\ufeff\u{e0041}", "<U+FEFF><U+E0041>"],
  ["shows letters that are blank", "\u3164\u115f", "<U+3164><U+115F>"],
  ["shows a selector that selects nothing", "a\ufe0f", "a<U+FE0F>"],
  ["shows half a surrogate pair", "a\ud800b", "a<U+D800>b"],
  ["keeps emoji together", "👨‍👩‍👧 👩🏽‍💻 ❤️ 1️⃣", "👨‍👩‍👧 👩🏽‍💻 ❤️ 1️⃣"],
  ["keeps the joiners of Persian and Hindi", "می‌خواهم क्‍ष", "می‌خواهم क्‍ष"],
];

for (const [why, text, shown] of SHOWN) {
  Deno.test(`sanitize() ${why}`, () => assertEquals(sanitize(text), shown));
}

Deno.test("sanitize() keeps line breaks when lines are wanted, and no lone CR", () => {
  const lines = sanitize("one\r\ntwo\nthree\rfour", { lines: true });

  assertEquals(lines, "one\ntwo\nthree␍four");
});

Deno.test("sanitize() shows so many marks over a letter, and counts the others", () => {
  const full = "e" + "\u0301".repeat(MAX_COMBINING_MARKS);

  assertEquals(sanitize(full), full);
  assertEquals(sanitize(full + "\u0302\u0303"), `${full}<+2 marks>`);
});

Deno.test("sanitize() lets nothing through that a terminal obeys, and changes nothing twice", () => {
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code >= 0x40000 && code < 0xe0000) continue; // unassigned
    const shown = sanitize(`a${String.fromCodePoint(code)}b`);
    assert(
      !/[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2066-\u2069]/u.test(
        shown,
      ),
      shown,
    );
    assertEquals(sanitize(shown), shown);
  }
});
