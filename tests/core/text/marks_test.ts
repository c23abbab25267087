/** What is marked in messages, for both clients. */
import { assertEquals } from "@std/assert";
import { mentions, nameHash, textParts } from "../../../core/text/marks.ts";

/** Parts as the texts `[link]`, `*mention*` and plain. */
function marked(text: string, me = "alice"): string {
  return textParts(text, me).map((part) =>
    part.kind === "link"
      ? `[${part.text}]`
      : part.kind === "mention"
      ? `*${part.text}*`
      : part.text
  ).join("");
}

const MARKED: Readonly<Record<string, string>> = {
  "": "",
  "hello": "hello",
  "Alice, @alice! malice alice2": "*Alice*, *@alice*! malice alice2",
  "see https://example.org/a?b=c.": "see [https://example.org/a?b=c].",
  "(http://example.org)": "([http://example.org])",
  "HTTPS://example.org/alice and alice":
    "[HTTPS://example.org/alice] and *alice*",
  "javascript:alert(1) ftp://example.org data:text/html,x":
    "javascript:alert(1) ftp://example.org data:text/html,x",
  "http://[broken alice": "http://[broken *alice*",
  "https://a.example https://b.example":
    "[https://a.example] [https://b.example]",
};

for (const [text, expected] of Object.entries(MARKED)) {
  Deno.test(`textParts() marks ${JSON.stringify(text)}`, () => {
    assertEquals(marked(text), expected);
    assertEquals(
      textParts(text, "alice").map((part) => part.text).join(""),
      text,
    );
  });
}

Deno.test("a link leads to what its text says, over http or https alone", () => {
  const found = textParts('https://evil.example/"onmouseover="x', "");

  assertEquals(found, [
    {
      kind: "link",
      text: "https://evil.example/",
      href: "https://evil.example/",
    },
    { kind: "text", text: '"onmouseover="x' },
  ]);
});

Deno.test("a name that is not legal is mentioned nowhere, and makes no pattern", () => {
  assertEquals(mentions("hello Alice", "alice"), true);
  assertEquals(mentions("hello @ALICE.", "alice"), true);
  assertEquals(mentions("malice alice7", "alice"), false);
  assertEquals(mentions("anything", ""), false);
  assertEquals(mentions("anything", ".*"), false);
  assertEquals(marked("any(thing", "(thing"), "any(thing");
});

Deno.test("nameHash() is the same in any case, and for any text", () => {
  assertEquals(nameHash("Alice"), nameHash("alice"));
  assertEquals(nameHash("a"), 0xe40c292c); // FNV-1a's published value
  assertEquals(nameHash(""), 0x811c9dc5);
  assertEquals(Number.isInteger(nameHash("\ud800")), true);
});
