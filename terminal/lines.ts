/**
 * Lines of an input: of terminals that edit lines themselves, pipes and files.
 *
 * @module
 */
import { isBlank } from "../core/text/sanitize.ts";
import { PasteFilter } from "./paste.ts";
import type { Line } from "./terminal.ts";

/**
 * The lines without their LF or CR LF; the last one needs none.
 *
 * @param maxLine Of a longer line the rest is dropped, in characters.
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
  maxLine: number,
): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const text of readText(input)) {
    const lines = text.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!.slice(0, maxLine); // there is always a last one
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  if (rest !== "") yield rest;
}

/**
 * The lines that a user types. A paste that the terminal marks is a part of one
 * line, with its line breaks.
 *
 * @param transform Changes text as it was read, before it is cut into lines.
 */
export async function* readTypedLines(
  input: AsyncIterable<Uint8Array>,
  transform: (text: string) => string,
): AsyncGenerator<Line, void, void> {
  const filter = new PasteFilter();
  let line: Line = { text: "", pasted: false };
  for await (const read of readText(input)) {
    for (const part of filter.feed(transform(read))) {
      const [first = "", ...more] = part.pasted
        ? [part.text]
        : part.text.split("\n");
      line = {
        text: line.text + first,
        pasted: isBlank(line.text)
          ? part.pasted && first.includes("\n")
          : line.pasted,
      };
      for (const text of more) {
        yield { ...line, text: line.text.replace(/\r$/, "") };
        line = { text, pasted: false };
      }
    }
  }
  line = { ...line, text: line.text + filter.rest() };
  if (line.text !== "") yield line;
}

/** `input` as text, as it is read. */
async function* readText(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  for await (const part of inUtf8(input)) {
    yield decoder.decode(part, { stream: true });
  }
  yield decoder.decode();
}

/**
 * `input` as UTF-8 without a mark: what begins with the mark of UTF-16, as files of
 * Windows' PowerShell do, is converted, and the mark of UTF-8, which its pipes have,
 * is dropped.
 */
export async function* inUtf8(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  let start: Uint8Array | undefined = new Uint8Array();
  let decoder: TextDecoder | undefined;
  for await (let chunk of input) {
    if (start) {
      chunk = new Uint8Array([...start, ...chunk]);
      const mark = MARKS.find(({ bytes }) =>
        bytes.every((byte, at) => byte === (chunk[at] ?? byte))
      );
      start = mark && chunk.length < mark.bytes.length ? chunk : undefined;
      if (start) continue;
      if (mark?.encoding) decoder = new TextDecoder(mark.encoding);
      else if (mark) chunk = chunk.subarray(mark.bytes.length);
    }
    const text = decoder?.decode(chunk, { stream: true });
    yield text === undefined ? chunk : encoder.encode(text);
  }
  if (start?.length) yield start;
  const rest = decoder?.decode();
  if (rest) yield encoder.encode(rest);
}

/** The marks at the start of a text; those of UTF-8 and what is converted. */
const MARKS: readonly { bytes: readonly number[]; encoding?: string }[] = [
  { bytes: [0xff, 0xfe], encoding: "utf-16le" },
  { bytes: [0xfe, 0xff], encoding: "utf-16be" },
  { bytes: [0xef, 0xbb, 0xbf] },
];

const encoder = new TextEncoder();
