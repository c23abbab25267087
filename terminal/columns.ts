/**
 * Columns of a terminal: how many a text takes, where it wraps, where it may be
 * cut. A grapheme is what a user sees as one character, such as a letter with
 * its accent, a flag or a family; it is never cut.
 *
 * Terminals differ in the width of new emoji. Where one disagrees with
 * `string-width`, a row of an old prompt may stay.
 *
 * @module
 */
import stringWidth from "string-width";

/** Cuts texts into graphemes. */
export const graphemes: Intl.Segmenter = new Intl.Segmenter(undefined, {
  granularity: "grapheme",
});

/** Columns that `text` takes, on one row. */
export function width(text: string): number {
  if (ASCII.test(text)) return text.length;
  if (text.length > MAX_KNOWN_UNITS) return stringWidth(text);
  let found = known.get(text);
  if (found === undefined) {
    if (known.size === MAX_KNOWN) known.clear();
    known.set(text, found = stringWidth(text));
  }
  return found;
}

/** Widths of graphemes: a message of one user can have 65,536 of them. */
const known = new Map<string, number>();
const MAX_KNOWN = 4_096;
const MAX_KNOWN_UNITS = 16;

/** Where the grapheme begins that ends at `at`, or that `at` is within. */
export function previous(text: string, at: number): number {
  return graphemes.segment(text).containing(at - 1)?.index ?? 0;
}

/** Where the grapheme ends that begins at `at`, or that `at` is within. */
export function next(text: string, at: number): number {
  const found = graphemes.segment(text).containing(at);
  return found ? found.index + found.segment.length : text.length;
}

/** A place on a terminal, relative to where a text began. */
export interface Place {
  readonly row: number;
  readonly column: number;
}

/** Where the next grapheme after `text` goes, on a terminal that wraps. */
export function place(text: string, columns: number): Place {
  let [row, column] = [0, 0];
  for (const { segment } of graphemes.segment(text)) {
    const taken = Math.min(width(segment), columns);
    if (segment === "\n" || column + taken > columns) {
      [row, column] = [row + 1, 0];
    }
    if (segment !== "\n") column += taken;
  }
  return column < columns ? { row, column } : { row: row + 1, column: 0 };
}

/** As many graphemes from the start of `text` as fit. */
export function firstColumns(text: string, most: number): string {
  let end = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    most -= width(segment);
    if (most < 0) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}

/** As many graphemes from the end of `text` as fit. */
export function lastColumns(text: string, most: number): string {
  let start = text.length;
  for (const { segment, index } of [...graphemes.segment(text)].reverse()) {
    most -= width(segment);
    if (most < 0) break;
    start = index;
  }
  return text.slice(start);
}

/**
 * `line` cut between words into rows of at most `first`, then `rest` columns. A
 * longer word, such as an address, stays whole: the terminal wraps it, and a
 * copy of it is right.
 */
export function wrap(line: string, first: number, rest = first): string[] {
  if (width(line) <= first) return [line];
  const rows: string[] = [];
  let row = "";
  let left = first;
  for (const word of line.match(/\s*\S+|\s+$/g) ?? []) {
    const taken = width(word);
    if (taken <= left || row === "") {
      row += word;
      left -= taken;
    } else {
      rows.push(row);
      row = word.trimStart();
      left = rest - width(row);
    }
  }
  return [...rows, row];
}

// deno-lint-ignore no-control-regex -- ASCII, where length is width
const ASCII = /^[\x00-\x7f]*$/;
