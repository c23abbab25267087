/**
 * How things look to the operator: on lines, in columns, and harmless.
 *
 * A terminal obeys some characters instead of showing them. Names of users and
 * rooms have none of those, but what was typed into a pipe may, and what stands
 * in the database file may.
 *
 * @module
 */

/**
 * `text` on one line, with marks such as `<U+202E>` for what is obeyed or not
 * seen; also for what holds an emoji together, of which nobody here has need.
 */
export function visible(text: string): string {
  return text.replaceAll("\t", " ").replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
    (char) => {
      const code = char.codePointAt(0)!.toString(16).toUpperCase(); // of a match
      return `<U+${code.padStart(4, "0")}>`;
    },
  );
}

/** Rows of cells as lines, in columns, each two spaces in; made harmless. */
export function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(visible));
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

/** `2026-11-21 08:32:56`; toLocaleString would load 10 ms of tables. */
export function localTime(date: Date): string {
  const shifted = date.getTime() - date.getTimezoneOffset() * 60_000;
  return new Date(shifted).toISOString().slice(0, 19).replace("T", " ");
}

const encoder = new TextEncoder();

/**
 * Writes to standard output, unless the terminal is gone: console.log would end
 * the server.
 */
export function writeOut(text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.length;) {
      at += Deno.stdout.writeSync(bytes.subarray(at));
    }
  } catch {
    // Nobody reads it any more.
  }
}
