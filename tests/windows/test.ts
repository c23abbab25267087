/**
 * Runs the tests with Deno's build for Windows, on Debian with Wine:
 *
 *     deno task test:windows [FILES]
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
import { fileURLToPath } from "node:url";

const TOP = fileURLToPath(new URL("../../", import.meta.url));

/** Deno's build for Windows. */
const WINDOWS = `${TOP}tests/windows/deno`;

/** Tests that run on Linux, with programs on both systems. */
const MIXED = [
  "tests/windows/terminal.ts",
  "tests/windows/files.ts",
  "tests/windows/mixed_class.ts",
];

const ALL = ["tests", ...MIXED];

/** Browsers run on Linux alone. */
const IGNORED = "--ignore=tests/browser";

const RUN = ["test", "-A", "--no-check", "--parallel", "--shuffle"];

/** Runs tests, shows what they print, and gives whether all passed. */
async function passes(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<boolean> {
  const { success } = await new Deno.Command(program, {
    args: [...RUN, ...args],
    cwd: TOP,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).spawn().status;
  return success;
}

/** The files below `paths` that skip tests. */
async function skipping(paths: readonly string[]): Promise<string[]> {
  const found = new Deno.Command("grep", {
    args: ["-rl", "--include=*_test.ts", "system/skips.ts", ...paths],
    cwd: TOP,
  });
  const { stdout } = await found.output();
  return new TextDecoder().decode(stdout).split("\n").filter(Boolean);
}

async function main(args: readonly string[]): Promise<number> {
  const paths = args.length > 0 ? args : ALL;
  const mixed = paths.filter((path) => path.startsWith("tests/windows/"));
  const ours = paths.filter((path) => !mixed.includes(path));
  const { code } = await new Deno.Command(WINDOWS, { args: ["--version"] })
    .spawn().status;
  if (code !== 0) return 2;

  let passed = true;
  if (ours.length > 0) {
    console.log("\nTests on Windows");
    passed = await passes(WINDOWS, [IGNORED, ...ours]);
    const skips = await skipping(ours);
    if (skips.length > 0) {
      console.log(
        "\nTests that are skipped on Windows; each has to fail there",
      );
      const args = ["--filter=/ \\(skipped: windows /", ...skips];
      passed = await passes(WINDOWS, args, { RUN_SKIPPED: "1" }) && passed;
    }
  }
  if (mixed.length > 0) {
    console.log("\nTests with programs on Windows and on Linux");
    passed = await passes(Deno.execPath(), mixed) && passed;
  }
  return passed ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
