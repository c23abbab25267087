/** What is typed at a question for a password. */
import { assertEquals } from "@std/assert";
import { SecretLine } from "../../terminal/secret.ts";

/** What a line has, and how it ended, after `keys` in several reads. */
function typed(...keys: string[]) {
  const line = new SecretLine();
  const ends = keys.map((part) => line.feed(part));
  return { text: line.text, end: ends.at(-1) };
}

Deno.test("SecretLine ends with Enter, of whatever kind, in whatever read", () => {
  for (const enter of ["\r", "\n", "\r\n"]) {
    assertEquals(typed(`pencil${enter}`), { text: "pencil", end: "entered" });
    assertEquals(typed("pen", "cil", enter), {
      text: "pencil",
      end: "entered",
    });
  }
  assertEquals(typed("pencil"), { text: "pencil", end: undefined });
});

Deno.test("SecretLine takes back whole characters, and everything", () => {
  assertEquals(typed("ab\x7f\bc\r").text, "c");
  assertEquals(typed("a\u{1f600}\x7fb\r").text, "ab");
  assertEquals(typed("\x7f\x7fa\r").text, "a");
  assertEquals(typed("wrong\x15right\r").text, "right");
});

Deno.test("SecretLine knows Ctrl-C, and Ctrl-D where nothing was typed", () => {
  assertEquals(typed("pen\x03").end, "interrupted");
  assertEquals(typed("\x04").end, "left");
  assertEquals(typed("pen\x04cil\r"), { text: "pencil", end: "entered" });
});

Deno.test("SecretLine takes no keys for letters", () => {
  assertEquals(
    typed("a\x1b[A\x1b[[A\x1b[1;5C\x1bOPb\x1b[3~\t\x01\0c\r").text,
    "abc",
  );
});

Deno.test("SecretLine takes every script, and spaces", () => {
  assertEquals(typed(" \u03bb \u4f60 \u0634\r").text, " \u03bb \u4f60 \u0634");
});
