/** The way of a message is short: a reader can follow it in an hour. */
import { assert, assertEquals } from "@std/assert";
import { linesOfCode, measurePaths, sumOfLines } from "./message_path.ts";

const MAX_FILES = 10;
const MAX_LINES_OF_CODE = 2_000;

Deno.test(`a SEND passes at most ${MAX_FILES} files and ${MAX_LINES_OF_CODE} lines of code`, async () => {
  for (const [message, files] of await measurePaths()) {
    const names = files.map(({ name }) => name);
    assert(names.includes("server/journal/sqlite_journal.ts"), message);
    assert(files.length <= MAX_FILES, names.join(" "));
    assert(sumOfLines(files) <= MAX_LINES_OF_CODE, message);
  }
});

Deno.test("linesOfCode() counts neither blank lines nor comments", () => {
  const source =
    "/**\n * A file.\n */\n\nconst a = 1; // one\n  // two\n{\n}\n";

  assertEquals(linesOfCode(source), 3);
});
