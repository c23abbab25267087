/** The line that is typed: keys, history, and what is one character. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineEditor } from "../../terminal/line_editor.ts";

/** The line after `keys`, with the cursor as a bar. */
function typed(...keys: string[]): string {
  const editor = new LineEditor();
  for (const part of keys) for (const _ of editor.feed(part));
  const { text, cursor } = editor;
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`;
}

const KEYS: Record<string, [keys: string, line: string]> = {
  "arrows": ["abc\x1b[D\x1b[Dx\x1b[C\x1bOCy", "axbcy|"],
  "Home and End": ["abc\x1b[Hx\x1b[Fy\x1b[1~z\x1b[4~!", "zxabcy!|"],
  "Ctrl-A and Ctrl-E": ["abc\x01x\x05y", "xabcy|"],
  "Ctrl-B and Ctrl-F": ["abc\x02\x02\x06x", "abx|c"],
  "Backspace and Delete": ["abcd\x7f\b\x01\x1b[3~", "|b"],
  "Backspace and arrows at the ends": ["\x7f\x1b[D\x1b[Ca\x1b[C\x1b[3~", "a|"],
  "Ctrl-D in a line": ["abc\x01\x04", "|bc"],
  "Ctrl-K and Ctrl-Y": ["abc\x02\x0b\x01\x19", "c|ab"],
  "Ctrl-U": ["abc\x02\x15", "|c"],
  "Ctrl-W and Alt-Backspace": ["one two  three \x17\x1b\x7fx", "one x|"],
  "words": ["one two three\x1b[1;5D\x1bb|\x1b[1;3C\x1bf", "one |two three|"],
  "Alt-D": ["one two\x01\x1bd", "| two"],
  "keys that mean nothing": ["a\x1b[[A\x1b[15~\x1bOP\x1bx\x07\x1b[Zb", "ab|"],
  "Esc before an arrow": ["ab\x1b\x1b[Dc", "ac|b"],
};

for (const [what, [keys, line]] of Object.entries(KEYS)) {
  Deno.test(`LineEditor knows ${what}`, () => {
    assertEquals(typed(keys), line);
  });
}

const THINGS = [
  ..."👨‍👩‍👧‍👦 👩🏽‍🚀 🇫🇷 🇯🇵 👍🏽 1️⃣ ❤️ e\u0301 n\u0303\u0323 한 \u1112\u1161\u11ab \u0628\u0650 क्षि 漢 x"
    .split(" "),
  " ",
  "\u200f",
];

Deno.test("LineEditor moves over, and takes back, what a user sees as one character", () => {
  fc.assert(fc.property(
    fc.array(fc.constantFrom(...THINGS), { minLength: 1, maxLength: 20 }),
    fc.nat(20),
    (things, count) => {
      // A space between two: flags and letters would join their neighbours.
      const line = things.join(" ");
      const editor = new LineEditor();
      editor.insert(line);

      const steps = Math.min(count, things.length * 2 - 1);
      for (const _ of editor.feed("\x1b[D".repeat(steps)));
      const left = things.flatMap((thing) => [thing, " "]).slice(0, -1)
        .slice(0, things.length * 2 - 1 - steps);
      assertEquals(editor.cursor, left.join("").length);
      for (const _ of editor.feed("\x7f"));
      assertEquals(editor.cursor, left.slice(0, -1).join("").length);
    },
  ));
});

Deno.test("LineEditor never has its cursor within a character, whatever is typed", () => {
  const piece = fc.oneof(
    fc.constantFrom(...THINGS),
    fc.string({ unit: "binary", maxLength: 5 }),
    fc.constantFrom(
      ..."\x1b[A \x1b[B \x1b[C \x1b[D \x7f \x17 \x0b \x15 \x19 \x1bb".split(
        " ",
      ),
    ),
  );
  const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
    const editor = new LineEditor();
    for (const part of pieces) {
      for (const deed of editor.feed(part)) {
        if (deed === "entered") editor.take();
      }
      const { text, cursor } = editor;
      assert(cursor >= 0 && cursor <= text.length);
    }
    // From any place, Left and Right go to the ends and meet no half.
    for (const _ of editor.feed("\x01"));
    const places = new Set(
      [...graphemes.segment(editor.text)].map((s) => s.index),
    );
    while (editor.cursor < editor.text.length) {
      assert(places.has(editor.cursor));
      for (const _ of editor.feed("\x1b[C"));
    }
  }));
});

Deno.test("LineEditor says what a key asks for", () => {
  const deeds = (keys: string) => [...new LineEditor().feed(keys)];

  assertEquals(deeds("a\r\n"), ["entered", "entered"]);
  assertEquals(deeds("\x03\x1a\t"), ["interrupted", "suspended", "completing"]);
  assertEquals(deeds("\x04"), ["ended"]);
  assertEquals(deeds("a\x04"), []);
});

Deno.test("LineEditor brings lines back, each once, and the line that was begun", () => {
  const editor = new LineEditor();
  const lineAfter = (keys: string) => {
    for (const _ of editor.feed(keys));
    return editor.text;
  };
  for (const text of ["one", "two", "one", ""]) {
    editor.insert(text);
    editor.take();
  }
  editor.insert("secret");
  editor.take({ remember: false });

  editor.insert("begun");
  assertEquals(lineAfter("\x1b[A"), "one");
  assertEquals(lineAfter("\x10"), "two");
  assertEquals(lineAfter("\x1b[A"), "two");
  assertEquals(lineAfter("\x1b[B"), "one");
  assertEquals(lineAfter("\x0e"), "begun");
  assertEquals(lineAfter("\x1b[B"), "begun");
});

Deno.test("a line that begins with a paste of several lines is text; others are as typed", () => {
  const line = (...parts: [text: string, pasted: boolean][]) => {
    const editor = new LineEditor();
    for (const [text, pasted] of parts) editor.insert(text, { pasted });
    return editor;
  };

  assert(line(["/quit\nnow", true]).take().pasted);
  assert(line([" ", false], ["@a\nb", true], [" more", false]).take().pasted);
  assert(line(["\u200b\u2800", false], ["/quit\nb", true]).take().pasted);
  assert(!line(["@bob: ", false], ["one\ntwo", true]).take().pasted);
  assert(!line(["/quit", true]).take().pasted);
  const prefixed = line(["one\ntwo", true]);
  for (const _ of prefixed.feed("\x01@bob: "));
  assertEquals(prefixed.take(), { text: "@bob: one\ntwo", pasted: false });
  const joined = line(["/join\nlab", true]);
  for (const _ of joined.feed("\x1b[D\x1b[D\x1b[D\x7f "));
  assertEquals(joined.take(), { text: "/join lab", pasted: false });
  const again = line(["/quit\nnow", true]);
  again.take();
  for (const _ of again.feed("\x1b[A"));
  assertEquals(again.take(), { text: "/quit\nnow", pasted: true });
});
