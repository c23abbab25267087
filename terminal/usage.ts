/**
 * The texts that come from a table of options: `--help`, and the tables in
 * docs/, which `deno task docs` writes.
 *
 * @module
 */
import {
  isFlag,
  type Option,
  type OptionTable,
  placeholderOf,
} from "./options.ts";

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
  const head = `  --${name}${short} ${placeholderOf(option)}`.trimEnd();
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
function defaultOf(option: Option): string {
  if (option.otherwise !== undefined) return option.otherwise;
  if (option.default === undefined) return "";
  return option.kind.write?.(option.default) ?? String(option.default);
}

/** The options as a table of Markdown, as `deno fmt` aligns it. */
export function markdownTable(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, option]) => {
    const value = isFlag(option) ? "" : ` ${placeholderOf(option)}`;
    const short = option.short === undefined ? "" : `, \`-${option.short}\``;
    const normal = defaultOf(option);
    return [
      `\`--${name}${value}\`${short}`,
      option.otherwise ?? (normal === "" ? "" : `\`${normal}\``),
      option.help,
    ].map((cell) => cell.replaceAll("|", "\\|"));
  });
  return alignedTable([["Option", "Default", ""], ...rows]);
}

/** A table of Markdown; the first row has the headings. */
function alignedTable(rows: readonly (readonly string[])[]): string {
  const [heads = []] = rows;
  const widths = heads.map((_, i) =>
    Math.max(3, ...rows.map((row) => row[i]!.length))
  );
  const lines = [
    heads,
    widths.map((width) => "-".repeat(width)),
    ...rows.slice(1),
  ];
  return lines.map((row) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  ).join("\n");
}
