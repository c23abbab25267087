/** The runner of the tests on Windows; here it runs this Deno. */
import { assertEquals } from "@std/assert";
import { relative } from "node:path";
import { type Results, runFolder } from "../../windows/folder.ts";
import { writeFiles } from "../file_tools.ts";
import { tempFolder } from "../temp.ts";

/** Files of tests, and what is told of each. */
const FILES = {
  "a_passing": [
    `Deno.test("one", () => {});
     Deno.test({ name: "two (skipped: why)", ignore: true, fn() {} });`,
    { ok: 1, ignored: 1, leftOut: ["two (skipped: why)"] },
  ],
  "b_failing": [
    `let tries = 0;
     Deno.test("always", () => { throw new Error("bad"); });
     Deno.test("at first", () => { if (tries++ === 0) throw new Error("bad"); });`,
    { ok: 1, FAILED: 1, failures: ["always"], retried: ["always", "at first"] },
  ],
  "c_hanging": [
    `Deno.test("one", () => {});
     Deno.test("for ever", () => new Promise(() => setInterval(() => {}, 1e3)));
     Deno.test("three", () => {});`,
    {
      ...{ ok: 1, FAILED: 1 },
      failures: ["for ever: no test ended for too long, and Deno was killed"],
    },
  ],
  "d_ending": [
    `Deno.test({ name: "end", sanitizeExit: false, fn: () => Deno.exit(3) });`,
    { FAILED: 1, failures: ["end: Deno ended with 3"] },
  ],
  "e_broken": [
    `throw new Error("bad");`,
    { FAILED: 1, failures: ["loading the file: an error that nothing caught"] },
  ],
  "f_late": [
    `Deno.test("one", async () => {
       setTimeout(() => { throw new Error("bad"); });
       await new Promise((resolve) => setTimeout(resolve, 60_000));
     });
     Deno.test("two", () => {});`,
    {
      FAILED: 3,
      failures: ["one: an error that nothing caught", "one", "two"],
    },
  ],
  "g_after": [`Deno.test("one", () => {});`, { ok: 1 }],
} as const;

Deno.test("runFolder() runs what is after a file that hangs, ends Deno or cannot be loaded", async () => {
  using folder = tempFolder();
  const pathOf = (name: string) =>
    relative(Deno.cwd(), `${folder.path}/${name}_test.ts`);
  const results: Results = new Map();
  for (const [name, [code]] of Object.entries(FILES)) {
    writeFiles(folder.path, { [`${name}_test.ts`]: code });
  }

  await runFolder(Object.keys(FILES).map(pathOf), {
    ...{ program: Deno.execPath(), args: ["--retry=1"], env: {} },
    ...{ limitMs: 20_000, fileLimitMs: 120_000 },
    show: () => {}, // it would be taken for results of ours
    signal: new AbortController().signal,
  }, results);

  const none = { ok: 0, FAILED: 0, ignored: 0 };
  const names = { leftOut: [], failures: [], retried: [] };
  for (const [name, [, expected]] of Object.entries(FILES)) {
    assertEquals(
      results.get(pathOf(name)),
      { ...none, ...names, ...expected } as unknown,
      name,
    );
  }
});
