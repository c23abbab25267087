/** What a terminal sends as keys, and what as a paste. */
import { assert, assertEquals } from "@std/assert";
import {
  isUnmarkedPaste,
  MAX_PASTE,
  PasteFilter,
} from "../../terminal/paste.ts";

Deno.test("PasteFilter finds the same pastes, and whole keys, wherever the input is cut", () => {
  const typed =
    "ab\x1b[A\x1b[200~one\r\ntwo\x1b[31m\r\n\x1b[201~c\x1b[200~\x1b[201~\x1b[1;5Dd";
  for (let size = 1; size <= typed.length; size++) {
    const filter = new PasteFilter();
    const keys: string[] = [];
    let pastes = "";
    for (let at = 0; at < typed.length; at += size) {
      for (const part of filter.feed(typed.slice(at, at + size))) {
        if (part.pasted) pastes += part.text;
        else keys.push(part.text);
      }
    }
    assertEquals(keys.join(""), "ab\x1b[Ac\x1b[1;5Dd");
    for (const key of keys) assert(!key.endsWith("\x1b"), key);
    assertEquals(pastes, "one\ntwo\x1b[31m\n");
    assertEquals(filter.rest(), "");
  }
});

Deno.test("PasteFilter takes a paste up to its limit", () => {
  const filter = new PasteFilter();

  const parts = ["\x1b[200~", "x".repeat(MAX_PASTE + 1), "y", "\x1b[201~"]
    .flatMap((text) => [...filter.feed(text)]);

  assertEquals(parts.length, 1);
  assertEquals(parts[0]!.text.length, MAX_PASTE);
});

const PASTES: Record<string, string> = {
  "all:\n\tmake so\u00adft\ufeff": "all:\n\tmake so\u00adft\ufeff",
  "one line\n": "one line",
  "one line\r\r": "one line",
  "two\rlines\r": "two\nlines\n",
  "\nsecond": "\nsecond",
  "\u200f🏴\u{e0067}\u{e007f}": "\u200f🏴\u{e0067}\u{e007f}",
};

for (const [pasted, text] of Object.entries(PASTES)) {
  Deno.test(`a paste of ${JSON.stringify(pasted)} keeps what is text`, () => {
    const parts = [...new PasteFilter().feed(`\x1b[200~${pasted}\x1b[201~`)];

    assertEquals(parts, [{ pasted: true, text }]);
  });
}

Deno.test("PasteFilter loses nothing at the end of the input", () => {
  const filter = new PasteFilter();

  assertEquals([...filter.feed("\x1b[200~half a paste\x1b[")], []);

  assertEquals(filter.rest(), "half a paste\x1b[");
});

Deno.test("on Windows one read of several lines is a paste; elsewhere it was typed", () => {
  const cases: [keys: string, isPaste: boolean][] = [
    ["one\rtwo", true],
    ["one\r\ntwo\r", true],
    ["one\r\rtwo", true],
    ["\rtwo", true],
    ["one\r", false], // Enter, or the paste of one line
    ["one\r\n", false],
    ["one two 漢字", false],
    ["one\r\x03", false], // keys
    ["\x1b[200~one\rtwo\x1b[201~", false], // a marked one
    ["", false],
  ];
  for (const [keys, isPaste] of cases) {
    assertEquals(isUnmarkedPaste(keys, "windows"), isPaste, keys);
    assertEquals(isUnmarkedPaste(keys, "linux"), false, keys);
    assertEquals(isUnmarkedPaste(keys, "darwin"), false, keys);
  }
});

Deno.test("PasteFilter takes a read for a paste until the terminal marks one", () => {
  const typed = (filter: PasteFilter, ...reads: string[]) =>
    reads.flatMap((read) => [...filter.feed(read)]);
  const marked = "\x1b[200~one\rtwo\x1b[201~";

  assertEquals(typed(new PasteFilter("windows"), "one\r\ntwo\r", "\r"), [
    { pasted: true, text: "one\ntwo\n" },
    { pasted: false, text: "\r" },
  ]);
  assertEquals(typed(new PasteFilter("windows"), marked, "one\rtwo"), [
    { pasted: true, text: "one\ntwo" },
    { pasted: false, text: "one\rtwo" },
  ]);
  for (const filter of [new PasteFilter("linux"), new PasteFilter()]) {
    assertEquals(typed(filter, "one\rtwo"), [
      { pasted: false, text: "one\rtwo" },
    ]);
  }
});
