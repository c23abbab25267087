/**
 * Runs the tests with Deno's build for Windows, on Debian with Wine:
 *
 *     deno task test:windows [FILES AND FOLDERS]
 *
 * First the tests themselves, all but those of a browser. Then those that are skipped
 * on Windows, which have to fail (see tests/tools/system/skips.ts). Then the files of
 * this folder: their tests run on Linux and start programs on both systems.
 *
 * As in CI, a test that hangs fails by its name, and one that fails is tried once
 * more; one that passes then is told at the end. The sums of each area are told at
 * the end, too, and by Ctrl-C sooner.
 *
 * `tests/windows/deno` makes what this needs. It exits with 2, and this too, if the
 * machine cannot run it.
 *
 * @module
 */
import { dirname } from "node:path/posix";
import { fileURLToPath } from "node:url";
import {
  type FileResult,
  type Results,
  runFolder,
  type Runner,
  sumOf,
} from "./folder.ts";

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

/** A second try for each test. */
const RETRY = "--retry=1";

/** Deno ends a test that hangs. */
const DEADLINE = "--preload=tests/tools/system/deadline.ts";

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

/** Some of the tests, and how they are run. */
interface Part {
  readonly what: string;
  readonly files: readonly string[];
  readonly runner: Runner;
  /** What came of the files that began. */
  readonly results: Results;
}

/** Runs a part, as many folders at once as there are processors. */
async function run(
  what: string,
  files: readonly string[],
  runner: Runner,
): Promise<Part> {
  const part = { what, files, runner, results: new Map() };
  if (files.length > 0) console.log(`\n${what}`);
  const folders = Map.groupBy(files, (file) => dirname(file)).values();
  const work = async () => {
    for (const folder of folders) await runFolder(folder, runner, part.results);
  };
  await Promise.all(
    Array.from({ length: navigator.hardwareConcurrency }, work),
  );
  return part;
}

/** The names of those that `pick` gives of each file, after the file's. */
function named(
  { results }: Part,
  pick: (result: FileResult) => readonly string[],
): string[] {
  return [...results].flatMap(([file, result]) =>
    pick(result).map((name) => `${file}: ${name}`)
  );
}

/**
 * Shows how many tests of each area passed, failed and were left out, and the names
 * of those that failed. @returns Whether all ran, and passed.
 */
function showEnd(part: Part): boolean {
  const { what, files, results } = part;
  if (files.length === 0) return true;
  const areas = Map.groupBy(
    results,
    ([file]) => file.split("/").slice(0, 2).join("/"),
  );
  console.log(`\nSums of: ${what}`);
  for (const [area, files] of [...areas, ["all", [...results]] as const]) {
    const { ok, FAILED, ignored } = sumOf(files.map(([, one]) => one));
    console.log(
      `${area}: ${ok} passed, ${FAILED} failed, ${ignored} left out`,
    );
  }
  const bad = [
    ...named(part, ({ failures }) => failures)
      .map((name) => `FAILED: ${name}`),
    ...named(part, ({ leftOut }) => leftOut.filter((one) => !NAMED.test(one)))
      .map((name) => `FAILED: ${name} is left out, and does not say why`),
    ...files.filter((file) => !results.has(file))
      .map((file) => `NOT RUN: ${file}`),
  ];
  for (const line of bad) console.log(line);
  const again = ({ retried, failures }: FileResult) =>
    retried.filter((name) => !failures.includes(name));
  for (const name of named(part, again)) {
    console.log(`failed at first: ${name}`);
  }
  return bad.length === 0;
}

async function main(args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command(WINDOWS, { args: ["--version"] })
    .spawn().status;
  if (code !== 0) return 2;

  const files = args.length > 0
    ? args.flatMap(filesAt)
    : [...filesAt("tests"), ...MIXED];
  const isMixed = (file: string) => MIXED.includes(file);
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, stop);
  }
  const linux = {
    ...{ program: Deno.execPath(), args: [RETRY], env: {} },
    // Deno ends a test after six minutes. This is for when it does not.
    ...{ limitMs: 8 * 60_000, fileLimitMs: 30 * 60_000, show: console.log },
    signal: stopping.signal,
  };
  const windows = { ...linux, program: WINDOWS, args: [RETRY, DEADLINE] };
  const onWindows = await run(
    "Tests on Windows",
    files.filter((file) => !isMixed(file)),
    windows,
  );
  const again = await run(
    "Tests that are skipped on Windows; each has to fail there",
    [...onWindows.results]
      .filter(([, { leftOut }]) => leftOut.some((name) => LACKING.test(name)))
      .map(([file]) => file),
    {
      ...windows,
      args: [...windows.args, "--filter=/ \\(skipped: windows /"],
      env: { RUN_SKIPPED: "1" },
    },
  );
  const mixed = await run(
    "Tests with programs on Windows and on Linux",
    files.filter(isMixed),
    { ...linux, env: { RUNS_WINE: "1" } }, // see tests/tools/net/within.ts
  );
  // All parts, also those after one that failed or was stopped.
  const passed = [onWindows, again, mixed].map(showEnd);
  if (stopping.signal.aborted) console.log("The run was stopped");
  return passed.every(Boolean) && !stopping.signal.aborted ? 0 : 1;
}

if (import.meta.main) {
  Deno.chdir(fileURLToPath(new URL("../../", import.meta.url)));
  Deno.exit(await main(Deno.args));
}
