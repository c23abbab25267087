/**
 * Rows above the prompt, each of which fits the screen.
 *
 * @module
 */
import { sanitize } from "../../core/text/sanitize.ts";
import { firstColumns, width } from "../../terminal/columns.ts";

/** More lines that wait are only counted. */
const MAX_PENDING = 5;

/** The rows for `lines`, which were typed and wait for the server. */
export function pendingRows(
  lines: readonly string[],
  columns: number,
): string[] {
  const rows = lines.slice(0, MAX_PENDING).map((line) =>
    shorten(`… ${sanitize(line.slice(0, columns * 2))}`, columns - 1)
  );
  const more = lines.length - rows.length;
  return more > 0 ? [...rows, `… and ${more} more`] : rows;
}

/** At most `columns` wide; a longer text ends in `…`. */
export function shorten(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  return `${firstColumns(text, columns - 1)}…`;
}
