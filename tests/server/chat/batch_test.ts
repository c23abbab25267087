/** Runs of messages as bytes. */
import { assertEquals } from "@std/assert";
import {
  batchEnd,
  type Draft,
  encodeForwards,
} from "../../../server/chat/batch.ts";
import { bytes } from "../../tools/net/raw_client.ts";

const AT = Date.UTC(2026, 10, 21, 7, 32, 56, 120);
const decoder = new TextDecoder();

/** The frames that a run is encoded as. */
function encoded(firstId: number, ...bodies: string[]): string[] {
  const { bytes: whole, ends } = encodeForwards({
    from: "alice",
    to: "#r",
    firstId,
    at: AT,
    bodies: bodies.map(bytes),
  });
  assertEquals(whole.length, ends.at(-1));
  return ends.map((end, i) =>
    decoder.decode(whole.subarray(ends[i - 1] ?? 0, end))
  );
}

/** The frame that is expected. */
function frame(id: number, length: number, body: string): string {
  return `FORWARD alice\nTo: #r\nId: ${id}\nTime: 2026-11-21T07:32:56.120Z\nContent-length: ${length}\n\n${body}`;
}

Deno.test("encodeForwards() writes one frame for each body, and where it ends", () => {
  assertEquals(encoded(1, "hi", "", "h\u{e9}"), [
    frame(1, 2, "hi"),
    frame(2, 0, ""),
    frame(3, 3, "h\u{e9}"),
  ]);
});

for (
  const first of [
    9,
    99,
    999_999,
    2 ** 31 - 1,
    2 ** 32 - 1,
    Number.MAX_SAFE_INTEGER - 1,
  ]
) {
  Deno.test(`encodeForwards() counts on from ${first}`, () => {
    assertEquals(encoded(first, "a", "b"), [
      frame(first, 1, "a"),
      frame(first + 1, 1, "b"),
    ]);
  });
}

Deno.test("encodeForwards() announces bodies of every number of digits", () => {
  const bodies = [9, 10, 99, 100, 9_999, 10_000].map((n) => "x".repeat(n));

  assertEquals(
    encoded(1, ...bodies),
    bodies.map((body, i) => frame(i + 1, body.length, body)),
  );
});

Deno.test("encodeForwards() counts a long run of heads that repeat, and change between", () => {
  const bodies = Array.from(
    { length: 12_000 },
    (_, i) => i % 1_000 === 7 ? "longer".repeat(i % 13) : `${i % 10}`,
  );

  assertEquals(
    encoded(95, ...bodies),
    bodies.map((body, i) => frame(95 + i, body.length, body)),
  );
});

/** Drafts to #r, each with the key given, or without one. */
function drafts(...keys: (string | undefined)[]): Draft[] {
  return keys.map((key) => ({
    to: "#r",
    body: bytes("x"),
    ...(key === undefined ? {} : { key }),
  }));
}

for (
  const [what, keys, first, end] of [
    ["of no keys goes to the last draft", [undefined, undefined], 0, 2],
    ["of different keys goes to the last draft", ["a", "b", "c"], 0, 3],
    ["ends before a key that its first draft has", ["a", "b", "a"], 0, 2],
    ["ends before a key that a later draft has", ["a", "b", "b"], 0, 2],
    ["ends before a key that is in use", ["a", undefined, "used"], 0, 2],
    ["begins at the draft that is asked for", ["a", "b", "a"], 1, 3],
  ] as const
) {
  Deno.test(`a batch ${what}`, () => {
    const isUsed = (key: string) => key === "used";

    assertEquals(batchEnd(drafts(...keys), first, isUsed), end);
  });
}

Deno.test("a batch ends before a draft to another target", () => {
  const [one, two] = drafts(undefined, undefined);
  const never = () => false;

  assertEquals(batchEnd([one!, { ...two!, to: "#s" }], 0, never), 1);
});
