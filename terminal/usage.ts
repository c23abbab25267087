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
  const rows = Array.from(
    sentence.replaceAll("`", "").matchAll(ROW),
    ([row]) => " ".repeat(INDENT) + row.trimEnd(),
  );
  return head.length < INDENT - 1
    ? [head.padEnd(INDENT) + rows[0]!.trimStart(), ...rows.slice(1)]
    : [head, ...rows];
}

/** As many words as fit into a row, right of the indentation. */
const ROW = new RegExp(`.{1,${WIDTH - INDENT}}( |$)`, "g");

/** The default as a user writes it; empty if there is none. */
export function defaultOf(option: Option): string {
  const { otherwise, default: normal } = option;
  if (otherwise !== undefined) return otherwise;
  if (normal === undefined || isFlag(option)) return "";
  return option.write?.(normal) ?? String(normal);
}
