/**
 * Writes the tables of options into docs/: `deno task docs`. What stands between
 * the two marks of a file is generated.
 */
import { OPTIONS as CLIENT_OPTIONS } from "../../client/options.ts";
import { OPTIONS as SERVER_OPTIONS } from "../../server/options.ts";
import { markdownTable } from "../../terminal/usage.ts";

/** The tables by file. */
export const TABLES: Readonly<Record<string, string>> = {
  "docs/client.md": markdownTable(CLIENT_OPTIONS),
  "docs/server.md": markdownTable(SERVER_OPTIONS),
};

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
