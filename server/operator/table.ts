/**
 * Tables for the operator.
 *
 * @module
 */
import { sanitize } from "../../core/text/sanitize.ts";

/** Rows of cells as lines, in columns, each two spaces in; sanitized. */
export function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map((cell) => sanitize(cell)));
  const widths: number[] = [];
  for (const row of shown) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const lines = shown.map((row) =>
    row.map((cell, i) => `  ${cell.padEnd(widths[i]!)}`).join("").trimEnd()
  );
  return lines.join("\n");
}
