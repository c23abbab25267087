/**
 * The rows at the end of the screen: those above the prompt, the prompt, and the
 * line that is typed, as text for a terminal that wraps.
 *
 * A line that would take more than half of the screen is shown in part, around
 * the cursor: what is above the screen could not be cleared, and each drawing
 * would leave a copy of it there.
 *
 * @module
 */
import { sanitize } from "../core/text/sanitize.ts";
import {
  firstColumns,
  lastColumns,
  next,
  place,
  previous,
  width,
} from "./columns.ts";

/** What the rows show. */
export interface PromptParts {
  /** Rows above the prompt, each with its LF. */
  readonly status: string;
  readonly prompt: string;
  /** What was typed; it may have line breaks and control characters. */
  readonly text: string;
  /** Where in the text the next character goes. */
  readonly cursor: number;
}

/** The size of a terminal. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Rows as they are drawn. */
export interface PromptRows {
  /** Draws them from the start of an empty row, up to the cursor's place. */
  readonly drawing: string;
  /** The text before the cursor: in any width it tells the cursor's row. */
  readonly head: string;
}

/** The rows that fit a terminal of this size. */
export function promptRows(parts: PromptParts, size: Size): PromptRows {
  const { columns } = size;
  const most = Math.max(1, Math.floor(size.rows / 2));
  const status = parts.status.split(/(?<=\n)/);
  while (place(status.join(""), columns).row > size.rows - most - 2) {
    if (status.shift() === undefined) break;
  }
  const cells = columns * most;
  const prompt = lastColumns(parts.prompt, cells / 2);
  const [before, after] = shownAround(parts, cells - width(prompt));
  const head = status.join("") + prompt + before;
  const end = place(head + after, columns);
  let drawing = head + after;
  if (after !== "") {
    // Twice up to the cursor: no width of ours decides on its column.
    if (end.row > 0) drawing += `${atMargin(end) ? " " : ""}\x1b[${end.row}A`;
    drawing += `\r${head}`;
  }
  // A row that is full wraps with the next character, which is gone by CR.
  if (atMargin(place(head, columns))) {
    drawing += `${after === "" ? " " : after.slice(0, next(after, 0))}\r`;
  }
  return { drawing, head };

  function atMargin(at: { row: number; column: number }): boolean {
    return at.row > 0 && at.column === 0;
  }
}

/** What is shown of the text before and after the cursor. */
function shownAround(
  { text, cursor }: PromptParts,
  cells: number,
): [before: string, after: string] {
  // No more is looked at: a paste may have a million characters.
  const from = cursor > cells ? previous(text, cursor - cells + 1) : 0;
  const to = cursor + cells < text.length
    ? next(text, cursor + cells)
    : text.length;
  let before = marked(text.slice(from, cursor));
  let after = marked(text.slice(cursor, to));
  const needed = width(before) + width(after);
  if (from === 0 && to === text.length && needed <= cells) {
    return [before, after];
  }
  const room = cells - Math.min(width(after), Math.floor(cells / 2));
  if (from > 0 || width(before) > room) {
    before = `…${lastColumns(before, room - 2)}`;
  }
  const rest = cells - width(before);
  if (to < text.length || width(after) > rest) {
    after = `${firstColumns(after, rest - 1)}…`;
  }
  return [before, after];
}

/** Typed text on one row, as a terminal can show it. */
function marked(text: string): string {
  return sanitize(text.replaceAll("\t", "␉"));
}
