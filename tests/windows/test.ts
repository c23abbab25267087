/**
 * Runs the tests with Deno's build for Windows, on Debian with Wine:
 *
 *     deno task test:windows [FILES AND FOLDERS]
 *
 * First the tests themselves, all but those of a browser. Then those that are skipped
 * on Windows, which have to fail (see tests/tools/system/skips.ts). Then the files of
 * this folder: their tests run on Linux and start programs on both systems.
 *
 * `tests/windows/deno` makes what this needs. It exits with 2, and this too, if the
 * machine cannot run it.
 *
 * @module
 */
import { dirname } from "node:path/posix";
import { fileURLToPath } from "node:url";
import { type Result, runFolder, type Runner, sumOf } from "./folder.ts";

/** Deno's build for Windows. */
const WINDOWS = "tests/windows/deno";

/** Tests that run on Linux, with programs on both systems. */
const MIXED = [
  "tests/windows/terminal.ts",
  "tests/windows/files.ts",
  "tests/windows/mixed_class.ts",
];

/** Browsers run on Linux alone. */
const LINUX_ONLY = "tests/browser";

/** A test that is left out says why. */
const NAMED = /\(skipped: .+\)$/;

/** A test that is left out on each Windows. */
const LACKING = /\(skipped: windows has no .+\)$/;

/** The test files at or below `path`. */
function filesAt(path: string): string[] {
  if (Deno.statSync(path).isFile) return [path];
  if (path === LINUX_ONLY) return [];
  return [...Deno.readDirSync(path)]
    .filter(({ name, isDirectory }) => isDirectory || name.endsWith("_test.ts"))
    .flatMap(({ name }) => filesAt(`${path}/${name}`))
    .sort();
}

/** Runs `files`, as many folders at once as there are processors. */
async function run(
  what: string,
  files: readonly string[],
  runner: Runner,
): Promise<Result> {
  console.log(`\n${what}`);
  const folders = Map.groupBy(files, (file) => dirname(file)).values();
  const results: Result[] = [];
  const work = async () => {
    for (const folder of folders) results.push(await runFolder(folder, runner));
  };
  await Promise.all(
    Array.from({ length: navigator.hardwareConcurrency }, work),
  );
  const all = {
    passed: results.every(({ passed }) => passed),
    ignored: new Map(results.flatMap(({ ignored }) => [...ignored])),
    sums: new Map(results.flatMap(({ sums }) => [...sums])),
  };
  showSums(what, all);
  return all;
}

/** Shows how many tests of each area passed, failed and were left out. */
function showSums(what: string, { sums }: Result): void {
  const areas = Map.groupBy(
    sums,
    ([file]) => file.split("/").slice(0, 2).join("/"),
  );
  console.log(`\nSums of: ${what}`);
  for (const [area, files] of [...areas, ["all", [...sums]] as const]) {
    const { ok, FAILED, ignored } = sumOf(files.map(([, one]) => one));
    console.log(
      `${area}: ${ok} passed, ${FAILED} failed, ${ignored} left out`,
    );
  }
}

/** Runs tests on Windows; then those of them that are skipped, which have to fail. */
async function passOnWindows(files: readonly string[]): Promise<boolean> {
  const windows = { program: WINDOWS, args: [], env: {} };
  const { passed, ignored } = await run("Tests on Windows", files, windows);
  const names = [...ignored.values()].flat();
  const unnamed = names.filter((name) => !NAMED.test(name));
  for (const name of unnamed) {
    console.log(`FAILED: "${name}" is left out, and does not say why`);
  }
  const lacking = [...ignored].filter(([, names]) =>
    names.some((name) => LACKING.test(name))
  );
  const again = await run(
    "Tests that are skipped on Windows; each has to fail there",
    lacking.map(([file]) => file),
    {
      ...windows,
      args: ["--filter=/ \\(skipped: windows /"],
      env: { RUN_SKIPPED: "1" },
    },
  );
  return passed && again.passed && unnamed.length === 0;
}

async function main(args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command(WINDOWS, { args: ["--version"] })
    .spawn().status;
  if (code !== 0) return 2;

  const files = args.length > 0
    ? args.flatMap(filesAt)
    : [...filesAt("tests"), ...MIXED];
  const isMixed = (file: string) => MIXED.includes(file);
  const onWindows = files.filter((file) => !isMixed(file));
  const mixed = files.filter(isMixed);
  const results = [await passOnWindows(onWindows)];
  const linux = { program: Deno.execPath(), args: [], env: {} };
  results.push(
    (await run("Tests with programs on Windows and on Linux", mixed, linux))
      .passed,
  );
  return results.every(Boolean) ? 0 : 1;
}

if (import.meta.main) {
  Deno.chdir(fileURLToPath(new URL("../../", import.meta.url)));
  Deno.exit(await main(Deno.args));
}
