/**
 * `--help`, from a table of options. From the same table `deno task docs` writes
 * the tables in docs/.
 *
 * @module
 */
import { isFlag, type Option, type OptionTable } from "./options.ts";

/** Columns of a terminal that a help has to fit. */
const WIDTH = 80;

/** Columns left of the sentences. */
const INDENT = 22;

/** The help: `usage`, and the options by group. */
export function helpText(usage: string, table: OptionTable): string {
  const lines = [usage];
  for (const [name, option] of Object.entries(table)) {
    if (option.group !== undefined) lines.push("", `${option.group}:`);
    lines.push(...rowsOf(name, option));
  }
  return lines.join("\n");
}

function rowsOf(name: string, option: Option): string[] {
  const short = option.short === undefined ? "" : `, -${option.short}`;
  const head = `  --${name}${short} ${option.placeholder}`.trimEnd();
  const normal = defaultOf(option);
  const sentence = option.help + (normal === "" ? "" : ` (default: ${normal})`);
  const [first = "", ...others] = wrapWords(
    sentence.replaceAll("`", ""),
    WIDTH - INDENT,
  );
  const indented = others.map((row) => " ".repeat(INDENT) + row);
  if (head.length < INDENT - 1) {
    return [head.padEnd(INDENT) + first, ...indented];
  }
  return [head, " ".repeat(INDENT) + first, ...indented];
}

/** Lines of at most `columns` ASCII characters. */
function wrapWords(text: string, columns: number): string[] {
  const rows: string[] = [];
  for (const word of text.split(" ")) {
    const row = rows.at(-1);
    if (row === undefined || row.length + 1 + word.length > columns) {
      rows.push(word);
    } else rows.push(`${rows.pop()} ${word}`);
  }
  return rows;
}

/** The default as a user writes it; empty if there is none. */
export function defaultOf(option: Option): string {
  const { otherwise, default: normal } = option;
  if (otherwise !== undefined) return otherwise;
  if (normal === undefined || isFlag(option)) return "";
  return option.write?.(normal) ?? String(normal);
}
