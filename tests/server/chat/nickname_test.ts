/** The Nickname profile of RFC 8266, with its examples, and what display names are. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ChatError } from "../../../protocol.ts";
import { displayName } from "../../../server/chat/names/display_names.ts";
import {
  comparisonKey,
  enforced,
} from "../../../server/chat/names/nickname.ts";
import { areSimilar } from "../../../server/chat/names/similar_names.ts";

/** RFC 8266, section 3, table 1: a nickname, and the output for comparison. */
const EXAMPLES: readonly [nickname: string, key: string][] = [
  ["Foo", "foo"],
  ["foo", "foo"],
  ["Foo Bar", "foo bar"],
  ["foo bar", "foo bar"],
  ["\u03a3", "\u03c3"],
  ["\u03c3", "\u03c3"],
  ["\u03c2", "\u03c2"],
  ["\u265a", "\u265a"],
  ["Richard \u2163", "richard iv"],
];

for (const [nickname, key] of EXAMPLES) {
  Deno.test(`the nickname ${nickname} is compared as ${key}`, () => {
    const kept = enforced(nickname)!;

    assertEquals(comparisonKey(kept), key);
  });
}

const KEPT: readonly [why: string, text: string, kept: string | undefined][] = [
  [
    "spaces of any kind are trimmed and collapsed",
    "\u3000 Jo\u00a0\u2003se ",
    "Jo se",
  ],
  ["case is kept", "Jos\u00c9", "Jos\u00c9"],
  ["marks are composed", "Jose\u0301", "Jos\u00e9"],
  ["compatible forms are replaced", "\uff2a\u{1d428}\ufb01", "Jofi"],
  ["Hangul is composed", "\u1112\u1161\u11ab", "\ud55c"],
  ["nothing is no nickname", "  ", undefined],
  ["old Hangul Jamo are not allowed", "\u1113", undefined],
  ["controls are not", "a\x07b", undefined],
  ["half of a pair is not", "a\ud800", undefined],
  ["private use is not", "\ue000", undefined],
  ["what is unassigned is not", "\u0378", undefined],
  ["variation selectors are not", "\u2764\ufe0f", undefined],
  [
    "a non-joiner joins Persian words",
    "\u0645\u06cc\u200c\u0631",
    "\u0645\u06cc\u200c\u0631",
  ],
  ["a non-joiner is not between Latin letters", "a\u200cb", undefined],
  [
    "a joiner stands behind a virama",
    "\u0915\u094d\u200d\u0937",
    "\u0915\u094d\u200d\u0937",
  ],
  ["a middle dot stands between two l", "col\u00b7lega", "col\u00b7lega"],
  ["a middle dot stands nowhere else", "a\u00b7b", undefined],
  [
    "a Katakana dot needs Japanese letters",
    "\u30a2\u30fb\u30a2",
    "\u30a2\u30fb\u30a2",
  ],
  ["a Katakana dot is not among Latin letters", "a\u30fba", undefined],
  ["Arabic digits are of one kind", "\u0661\u06f1", undefined],
];

for (const [why, text, kept] of KEPT) {
  Deno.test(`in a nickname, ${why}`, () => assertEquals(enforced(text), kept));
}

Deno.test("a nickname that is kept is kept as it is", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const kept = enforced(text);
    if (kept !== undefined) assertEquals(enforced(kept), kept);
  }));
});

const ALIKE: readonly [one: string, other: string, alike: boolean][] = [
  ["Jos\u00e9", "JOS\u00c9", true],
  ["paypal", "\u0440\u0430\u0443\u0440\u0430l", true],
  ["Clara", "C1ara", true],
  ["Anna Maria", "AnnaMaria", true],
  ["\u0412\u041e\u0412\u0410", "\u0432\u043e\u0432\u0430", true],
  ["Jos\u00e9", "Jose", false],
  ["Elia", "Ella", false],
  ["\u674e", "\u738b", false],
];

for (const [one, other, alike] of ALIKE) {
  Deno.test(`${one} and ${other} are ${alike ? "" : "not "}alike`, () => {
    const [a, b] = [displayName(one), displayName(other)];

    assertEquals(a.key === b.key || areSimilar(a.read, b.read), alike);
  });
}

for (
  const nick of [
    "Will You",
    "Olga Root",
    "Modestas",
    "\u{1f680}",
    "O\u2019Neill",
    "Anne-Marie",
    "\u0639\u0644\u06cc",
  ]
) {
  Deno.test(`${nick} can be a display name`, () => {
    assertEquals(displayName(nick).nick, nick);
  });
}

for (const blank of ["\u2800", "\u{1d159}", "\ufffc", "\ufffd"]) {
  const name = blank.codePointAt(0)!.toString(16);
  Deno.test(`a display name has no U+${name}, which nobody sees`, () => {
    for (const text of [blank, `olga${blank}`, `ol${blank}ga`]) {
      assertThrows(() => displayName(text), ChatError, "that are seen");
    }
  });
}

Deno.test("any text is a display name, or refused with a reason that fits a head", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    try {
      displayName(text);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      assertEquals(/[\p{Cc}\p{Cs}]/u.test(error.message), false);
    }
  }));
  assertThrows(() => displayName(""), ChatError);
});
