/**
 * Tests that a system cannot run, each with what the system lacks. The table has all
 * of it, so that it tells what is tested on some systems only.
 *
 * With RUN_SKIPPED=1 such a test runs and has to fail: one that passes is not to be
 * skipped.
 *
 * @module
 */
import { SYSTEM, type System } from "../../../platform/system.ts";
import { within } from "../net/within.ts";
import { hasNetcat, isInstalled } from "./programs.ts";

/**
 * Whether this user can make links. On Windows that needs a setting for developers,
 * and Wine makes none, but reports success.
 */
export const CAN_LINK: boolean = SYSTEM !== "windows" || canLink();

function canLink(): boolean {
  const path = Deno.makeTempDirSync({ prefix: "parley-test-" });
  try {
    Deno.symlinkSync("nowhere", `${path}/link`, { type: "file" });
    return Deno.lstatSync(`${path}/link`).isSymlink;
  } catch {
    return false;
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

/**
 * Whether a test can write to four programs whose output it reads. On Windows, Deno
 * reads and writes the pipes of programs in threads, of which it has four a processor:
 * eight pipes that are read leave none to write. Seen with Deno 2.9.6, two processors.
 */
const WRITES_TO_FOUR = SYSTEM !== "windows" ||
  navigator.hardwareConcurrency > 2;

/** Whether this is Wine's Windows: no other one has these variables. */
const IS_WINE = SYSTEM === "windows" && Deno.env.has("WINELOADER");

/** What Wine alone does too badly for a test, and how that is known. */
const WINE_LACKS = {
  // A short program without Parley; see docs/platforms.md.
  "fast sockets":
    "its sockets take 175 s for 100 times 100 echoes, those of Linux take 1.4 s",
} as const satisfies Record<string, string>;

/** What tests need, and the systems that do not have it. */
const LACKED_BY = {
  "/dev/full": ["darwin", "windows"],
  "/proc": ["darwin", "windows"],
  "/sys": ["darwin", "windows"],
  "file names with a line break": ["windows"],
  "links": CAN_LINK ? [] : ["windows"],
  "mode that says who may read a file": ["windows"],
  "shell sh": ["windows"],
  "signals between programs": ["windows"],
  "named pipes in folders": ["windows"],
  "names that are not UTF-8": ["darwin", "windows"],
  "program that keeps a file from all others": ["darwin", "linux"],
  "pseudo-terminals of Linux": ["darwin", "windows"],
  "prlimit": ["darwin", "windows"],
  "threads for the pipes of four programs": WRITES_TO_FOUR ? [] : ["windows"],
  "ulimit": ["windows"],
  "xdg-open": ["darwin", "windows"],
} as const satisfies Record<string, readonly System[]>;

/** Programs that tests run, and whether this computer has them. */
const PROGRAMS = {
  "tmux": () => isInstalled("tmux"),
  "nc of OpenBSD": hasNetcat,
};

/** What Wine has, as it finds Linux's files at such paths, but Windows does not. */
const WINE_HAS: readonly string[] = ["/dev/full"];

/** Whether skipped tests run, and have to fail. */
const RUN_SKIPPED = Deno.env.get("RUN_SKIPPED") === "1";

/** After so long a skipped test that hangs has failed, in milliseconds. */
const HANGS_MS = 60_000;

/** A test, or a step of one. */
interface Test<T> {
  name: string;
  fn: (t: T) => void | Promise<void>;
  ignore?: boolean;
  sanitizeExit?: boolean;
  sanitizeOps?: boolean;
  sanitizeResources?: boolean;
}

/** `test`, skipped where the system does not have `what`; its name then says so. */
export function needs<T>(
  what: keyof typeof LACKED_BY,
  test: Test<T>,
): Test<T> {
  const systems: readonly System[] = LACKED_BY[what];
  if (!systems.includes(SYSTEM)) return test;
  const name = `${test.name} (skipped: ${SYSTEM} has no ${what})`;
  if (RUN_SKIPPED && !WINE_HAS.includes(what)) {
    return failing({ ...test, name });
  }
  return { ...test, name, ignore: true };
}

/** `test`, skipped where Wine does `what` too badly; its name then says so. */
export function needsOfWine<T>(
  what: keyof typeof WINE_LACKS,
  test: Test<T>,
): Test<T> {
  return skippedIf(IS_WINE ? `Wine: ${WINE_LACKS[what]}` : undefined, test);
}

/** `test`, skipped where `why` tells what is not there; its name then says so. */
export function skippedIf<T>(
  why: string | undefined,
  test: Test<T>,
): Test<T> {
  if (why === undefined) return test;
  return { ...test, name: `${test.name} (skipped: ${why})`, ignore: true };
}

/** A test that runs `program`, skipped where there is none. */
export function needsProgram<T>(
  program: keyof typeof PROGRAMS,
  test: Test<T>,
): Test<T> {
  return skippedIf(
    PROGRAMS[program]() ? undefined : `there is no ${program}`,
    test,
  );
}

/** A test on real terminals, skipped where there is no tmux. */
export function tmuxTest(name: string, fn: () => Promise<void>): void {
  Deno.test(needsProgram("tmux", { name, fn }));
}

/** A test that passes if `test` fails, or hangs. */
function failing<T>({ name, fn }: Test<T>): Test<T> {
  return {
    name,
    fn: async (t) => {
      const passed = await within(Promise.try(fn, t), () => name, HANGS_MS)
        .then(() => true, () => false);
      if (passed) throw new Error("Cannot skip this test: it passes");
    },
    sanitizeExit: false, // a test that fails leaves things open
    sanitizeOps: false,
    sanitizeResources: false,
  };
}
