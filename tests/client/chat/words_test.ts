/** Typed lines as words. */
import { assertEquals } from "@std/assert";
import { splitWords } from "../../../client/chat/commands.ts";

const LINES: readonly [text: string, words: string[] | undefined][] = [
  ["", []],
  ["  ", []],
  ["bob notes.pdf", ["bob", "notes.pdf"]],
  ["  bob \t notes.pdf  ", ["bob", "notes.pdf"]],
  ['bob "my notes.pdf" b', ["bob", "my notes.pdf", "b"]],
  ["'my notes'.pdf", ["my notes.pdf"]],
  ["my\\ notes.pdf b", ["my notes.pdf", "b"]],
  ["it\\'s", ["it's"]],
  ['"say \\"hi\\".txt"', ['say "hi".txt']],
  ["'\"'", ['"']],
  ['C:\\new\\files "C:\\my files\\a.txt"', [
    "C:\\new\\files",
    "C:\\my files\\a.txt",
  ]],
  ['""', [""]],
  ['"open', undefined],
  ["it's", undefined],
];

for (const [text, words] of LINES) {
  Deno.test(`splitWords() reads ${JSON.stringify(text)}`, () => {
    assertEquals(splitWords(text), words);
  });
}
