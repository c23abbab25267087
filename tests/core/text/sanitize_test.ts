import { assert, assertEquals } from "@std/assert";
import {
  MAX_COMBINING_MARKS,
  sanitize,
  sanitizeName,
} from "../../../core/text/sanitize.ts";

/** The tags after the flag: gbsct and gbwls, and their end. */
const SCOTLAND = "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";
const WALES = "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}";

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
    "a\u200bb\u2060c\u00ad",
    "a<U+200B>b<U+2060>c<U+00AD>",
  ],
  ["keeps joiners", "al\u200dice al\u200cice", "al\u200dice al\u200cice"],
  [
    "keeps marks of direction",
    "\u200eabc\u200f (C++\u200e)",
    "\u200eabc\u200f (C++\u200e)",
  ],
  [
    "keeps flags of regions",
    `🏴${SCOTLAND} 🏴${WALES}`,
    `🏴${SCOTLAND} 🏴${WALES}`,
  ],
  [
    "shows tags that are no flag",
    `x${SCOTLAND} 🏴\u{e0067}\u{e0062}`,
    "x<U+E0067><U+E0062><U+E0073><U+E0063><U+E0074><U+E007F> 🏴<U+E0067><U+E0062>",
  ],
  ["shows separators of lines", "a\u2028b\u2029c", "a<U+2028>b<U+2029>c"],
  ["shows tags and BOMs", "\ufeff\u{e0041}", "<U+FEFF><U+E0041>"],
  ["shows letters that are blank", "\u3164\u115f", "<U+3164><U+115F>"],
  [
    "keeps selectors",
    "⚠\ufe0e a\ufe0f 葛\u{e0100}",
    "⚠\ufe0e a\ufe0f 葛\u{e0100}",
  ],
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

Deno.test("sanitize() keeps tabs for a page, and no other control", () => {
  const text = "all:\n\tcc\u0008\n\t\techo\r\n";

  assertEquals(
    sanitize(text, { lines: true, tabs: true }),
    "all:\n\tcc␈\n\t\techo\n",
  );
  assertEquals(sanitize("a\tb", { tabs: true }), "a\tb");
});

Deno.test("sanitizeName() shows whatever cannot be seen in a name", () => {
  assertEquals(
    sanitizeName(`al\u200dice\u200c\u200f\ufe0f 🏴${SCOTLAND}\u2800`),
    "al<U+200D>ice<U+200C><U+200F><U+FE0F><U+0020>🏴" +
      "<U+E0067><U+E0062><U+E0073><U+E0063><U+E0074><U+E007F><U+2800>",
  );
  assertEquals(sanitizeName("\u001b[2Jx\n"), "␛[2Jx␊");
  assertEquals(sanitizeName("#lab_1"), "#lab_1");
  assertEquals(sanitizeName(""), "<no name>");
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
      !/[\p{Cc}\p{Zl}\p{Zp}\u200b\u202a-\u202e\u2066-\u2069]/u.test(
        shown,
      ),
      shown,
    );
    assertEquals(sanitize(shown), shown);
  }
});
