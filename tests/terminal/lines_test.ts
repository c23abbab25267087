/** Pipes of Windows' PowerShell: their first bytes may be a mark. */
import { assertEquals } from "@std/assert";
import { inUtf8 } from "../../terminal/lines.ts";

const TEXT = "aé漢🎉\n";

/** `text` in UTF-16. */
function utf16(text: string, little: boolean): number[] {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))
    .flatMap((unit) => {
      const [high, low] = [unit >> 8, unit & 0xff];
      return little ? [low, high] : [high, low];
    });
}

const utf8 = [...new TextEncoder().encode(TEXT)];
const MARK = [0xef, 0xbb, 0xbf];

const INPUTS: readonly [what: string, input: number[], output: number[]][] = [
  ["nothing", [], []],
  ["UTF-8", utf8, utf8],
  ["UTF-8 with a mark", [...MARK, ...utf8], utf8],
  ["a second mark, which is text", [...MARK, ...MARK, 97], [...MARK, 97]],
  ["a mark and nothing else", MARK, []],
  ["a part of a mark", [0xef, 0xbb], [0xef, 0xbb]],
  ["what begins like a mark", [0xef, 0xbb, 0xbe], [0xef, 0xbb, 0xbe]],
  ["a letter that begins like one", [0xef, 0xbc, 0xa1], [0xef, 0xbc, 0xa1]],
  ["a mark later", [97, ...MARK], [97, ...MARK]],
  ["UTF-16", [0xff, 0xfe, ...utf16(TEXT, true)], utf8],
  ["UTF-16, the other way", [0xfe, 0xff, ...utf16(TEXT, false)], utf8],
  ["half a mark of UTF-16", [0xff], [0xff]],
  ["bytes that are no text", [0xff, 0xff, 97], [0xff, 0xff, 97]],
];

for (const [what, input, output] of INPUTS) {
  Deno.test(`a pipe with ${what} gives UTF-8 without a mark, however it is cut`, async () => {
    for (let size = 1; size <= input.length + 1; size++) {
      const chunks: Uint8Array[] = [new Uint8Array()];
      for (let at = 0; at < input.length; at += size) {
        chunks.push(Uint8Array.from(input.slice(at, at + size)));
      }

      const parts = await Array.fromAsync(inUtf8(ReadableStream.from(chunks)));

      assertEquals(parts.flatMap((part) => [...part]), output);
    }
  });
}
