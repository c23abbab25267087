/**
 * Writes the tables of options into docs/: `deno task docs`. What stands between
 * the two marks of a file is generated.
 */
import { OPTIONS as CLIENT_OPTIONS } from "../../client/options.ts";
import { OPTIONS as SERVER_OPTIONS } from "../../server/options.ts";
import { isFlag, type OptionTable } from "../../terminal/options.ts";
import { defaultOf } from "../../terminal/usage.ts";

/** The tables by file. */
export const TABLES: Readonly<Record<string, string>> = {
  "docs/client.md": markdownTable(CLIENT_OPTIONS),
  "docs/server.md": markdownTable(SERVER_OPTIONS),
};

/** The options as a table of Markdown, aligned as by `deno fmt`. */
function markdownTable(table: OptionTable): string {
  const options = Object.entries(table).map(([name, option]) => {
    const value = isFlag(option) ? "" : ` ${option.placeholder}`;
    const short = option.short === undefined ? "" : `, \`-${option.short}\``;
    const normal = defaultOf(option);
    return [
      `\`--${name}${value}\`${short}`,
      option.otherwise ?? (normal === "" ? "" : `\`${normal}\``),
      option.help,
    ].map((cell) => cell.replaceAll("|", "\\|"));
  });
  const rows = [["Option", "Default", ""], ...options];
  const widths = [0, 1, 2].map((i) =>
    Math.max(3, ...rows.map((row) => row[i]!.length))
  );
  const [heads = [], ...others] = rows;
  return [heads, widths.map((width) => "-".repeat(width)), ...others]
    .map((row) =>
      `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
    ).join("\n");
}

const MARKED = /(?<=<!-- options -->\n\n)[^]*?(?=\n\n<!-- \/options -->)/;

/** What is generated in the document `text`; undefined without the marks. */
export function generatedIn(text: string): string | undefined {
  return MARKED.exec(text)?.[0];
}

if (import.meta.main) {
  for (const [path, table] of Object.entries(TABLES)) {
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace(MARKED, () => table));
  }
}
