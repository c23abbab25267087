/** What is marked in messages, for both clients. */
import { assertEquals } from "@std/assert";
import {
  MAX_MARKED,
  mentions,
  nameHash,
  textParts,
} from "../../../core/text/marks.ts";

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
  // Brackets that a link opens are its own.
  "(see https://en.wikipedia.org/wiki/Rust_(language))":
    "(see [https://en.wikipedia.org/wiki/Rust_(language)])",
  "[docs](https://a.example/b[1](2)), x":
    "[docs]([https://a.example/b[1](2)]), x",
  "http://[::1]:8080/a]": "[http://[::1]:8080/a]]",
  "「https://a.example/（あ）」です": "「[https://a.example/（あ）]」です",
  // What ends a sentence or a quotation is not a part of a link.
  "“https://a.example/b”": "“[https://a.example/b]”",
  "«https://a.example» »https://b.example«":
    "«[https://a.example]» »[https://b.example]«",
  "‘https://a.example/Rubik's_Cube’.": "‘[https://a.example/Rubik's_Cube]’.",
  "['https://a.example','https://b.example'];":
    "['[https://a.example]','[https://b.example]'];",
  "看https://a.example。谢谢https://b.example/路径！":
    "看[https://a.example]。谢谢[https://b.example/路径]！",
  "देखो https://a.example/क। انظر https://b.example/س؟ https://c.example…":
    "देखो [https://a.example/क]। انظر [https://b.example/س]؟ [https://c.example]…",
  "https://a.example/?q=1&r=/ https://b.example/a_-":
    "[https://a.example/?q=1&r=/] [https://b.example/a_-]",
  "**https://a.example/b**": "**[https://a.example/b]**",
  // A name in an address calls nobody.
  "git@git.example:alice/b.git": "git@git.example:alice/b.git",
  "alice@a.example mailto:alice@b.example bob@alice @alice@c.example":
    "alice@a.example mailto:alice@b.example bob@alice @alice@c.example",
  "ftp://alice/x alice.example/y www.alice.example alice.py a.b:80/alice":
    "ftp://alice/x alice.example/y www.alice.example alice.py a.b:80/alice",
  "/home/alice ~/alice/x ../alice/x C:\\alice #alice my_alice":
    "/home/alice ~/alice/x ../alice/x C:\\alice #alice my_alice",
  "alice/bob: @alice@bob, alice.Please? 1.alice so...alice alice.":
    "*alice*/bob: *@alice*@bob, *alice*.Please? 1.*alice* so...*alice* *alice*.",
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

const CALLED: readonly [name: string, text: string, called: boolean][] = [
  ["ana", "mañana", false],
  ["ana", "man\u0303ana", false],
  ["rob", "robå", false],
  ["rob", "rob\u030a", false],
  ["rob", "mail rob@example.org", false],
  ["rob", "https://example.org/rob", false],
  ["ana", "ana你好", true],
  ["ana", "你好@ana你好", true],
  ["ana", "สวัสดีana", true],
  ["ana", "ana는", true],
  ["ana", "ana's, l'ana, (ana)", true],
];

for (const [name, text, called] of CALLED) {
  const does = called ? "does" : "does not";
  Deno.test(`${JSON.stringify(text)} ${does} mention ${name}`, () => {
    assertEquals(mentions(text, name), called);
    assertEquals(marked(text, name).includes(`${name}*`), called);
  });
}

Deno.test("a long text without spaces is marked in a moment", () => {
  for (const part of ["a", ".a", "a@", "/a", "https://a", "a://", "(", "~/"]) {
    const text = `alice ${part.repeat(200_000 / part.length)} alice`;

    const parts = textParts(text, "alice");

    assertEquals(parts.map((part) => part.text).join(""), text);
    assertEquals(parts.at(-1)?.kind, "mention", part);
  }
});

Deno.test("a hundred links and mentions are marked, and a mention behind them is one", () => {
  for (
    const mark of ["alice ", "https://a.example/ ", "@alice https://a.example "]
  ) {
    const text = `${mark.repeat(3_000)}#alice, alice`;

    const parts = textParts(text, "alice");

    assertEquals(parts.map((part) => part.text).join(""), text);
    const marks = parts.filter(({ kind }) => kind !== "text");
    assertEquals(marks.length, MAX_MARKED);
    assertEquals(parts.at(-1)?.kind, "text");
    assertEquals(mentions(text, "alice"), true);
  }
  const links = "https://a.example/alice ".repeat(3_000);
  assertEquals(mentions(links, "alice"), false);
  assertEquals(mentions(`${links}alice`, "alice"), true);
});

Deno.test("nameHash() is the same in any case, and for any text", () => {
  assertEquals(nameHash("Alice"), nameHash("alice"));
  assertEquals(nameHash("a"), 0xe40c292c); // FNV-1a's published value
  assertEquals(nameHash(""), 0x811c9dc5);
  assertEquals(Number.isInteger(nameHash("\ud800")), true);
});
