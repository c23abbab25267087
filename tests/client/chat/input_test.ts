import { assertEquals } from "@std/assert";
import { matching, wantedWord } from "../../../client/chat/completion.ts";
import { numbersText, splitLines } from "../../../client/chat/pipe.ts";

const WANTED: readonly [
  line: string,
  kind: string,
  part: string,
  found: string[],
][] = [
  ["/jo", "command", "/jo", ["/join "]],
  ["/join l", "room", "l", ["lab"]],
  ["/join #l", "room", "#l", ["#lab"]],
  ["see #l", "room", "#l", ["#lab "]],
  ["@B", "user", "@B", ["@bob: "]],
  ["ask @b", "user", "@b", ["@bob "]],
  ["/msg b", "user", "b", ["bob "]],
  ["bo", "user", "bo", ["bob: "]],
  ["thanks bo", "user", "bo", ["bob "]],
  ["thanks ", "nothing", "", ["bob", "join", "lab"]],
];

for (const [line, kind, part, found] of WANTED) {
  Deno.test(`wantedWord() completes ${JSON.stringify(line)}`, () => {
    const wanted = wantedWord(line);

    assertEquals<string>(wanted.kind, kind);
    assertEquals(wanted.part, part);
    assertEquals(matching(["bob", "lab", "join"], wanted), found);
  });
}

Deno.test("matching() completes ALL only in capitals", () => {
  assertEquals(matching(["ALL", "bob"], wantedWord("@a")), []);
  assertEquals(matching(["ALL", "alan"], wantedWord("@a")), ["@alan: "]);
  assertEquals(matching(["ALL", "alan"], wantedWord("@AL")), [
    "@ALL: ",
    "@alan: ",
  ]);
});

Deno.test("wantedWord() means rooms in the chooser", () => {
  assertEquals(wantedWord("la", true).kind, "room");
  assertEquals(wantedWord("@la", true).kind, "user");
});

Deno.test("splitLines() finds the same lines wherever the input is cut", async () => {
  const input = new TextEncoder().encode(
    "one\ntwö\r\n\n12345\n123456\r\n1234567\nlast",
  );
  const limit = 5;
  for (let size = 1; size <= input.length; size++) {
    const found: unknown[] = [];
    for await (const lines of splitLines(cut(input, size), limit)) {
      found.push(
        ...lines.map((line) =>
          line instanceof Uint8Array
            ? new TextDecoder().decode(line)
            : line.bytes
        ),
      );
    }
    assertEquals(
      found,
      ["one", "twö", "", "12345", 6, 7, "last"],
      `size ${size}`,
    );
  }
});

async function* cut(
  bytes: Uint8Array,
  size: number,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
}

Deno.test("numbersText() joins neighbours", () => {
  assertEquals(numbersText([7]), "line 7");
  assertEquals(numbersText([3, 4, 5]), "lines 3 to 5");
  assertEquals(numbersText([9, 1, 2, 5]), "lines 1 to 2, 5 and 9");
});
