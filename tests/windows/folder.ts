/**
 * Runs test files with a time limit for each test: a file with one that hangs is named
 * and killed, and the other files run.
 *
 * The files of a folder have one process, as a start takes seconds with Wine. Deno
 * says which file begins: after a kill, or a crash, the files that had not begun have a
 * new process.
 *
 * @module
 */
import { TextLineStream } from "@std/streams/text-line-stream";

/** Time for one test, or to load a file, in milliseconds. */
const LIMIT_MS = 5 * 60_000;

/** What Deno says of a test that takes long. */
const SLOW = /' has been running for over \(/;

/** A line of Deno before the tests of a file, or of a file that it cannot load. */
const BEGINS = /^(?:running \d+ tests?|Uncaught error) from (?:\.\/)?(\S+)/;

/** A test, or a step of one, that Deno left out. */
const IGNORED = /^ *(.+) \.\.\. ignored/;

/**
 * The end of a test. That of a step has more spaces before it; that of a test which
 * took long is a line without its name.
 */
const ENDS = /^(?:\S.* \.\.\.)? (ok|FAILED|ignored)(?: \(|$)/;

/** How tests are run. */
export interface Runner {
  /** A Deno. */
  readonly program: string;
  /** Further arguments of `deno test`. */
  readonly args: readonly string[];
  /** Further variables of the environment. */
  readonly env: Record<string, string>;
}

/** How many tests ended how; one that hangs has failed. */
export interface Sums {
  readonly ok: number;
  readonly FAILED: number;
  readonly ignored: number;
}

/** What running files gave. */
export interface Result {
  /** Whether all ran to the end and passed. */
  readonly passed: boolean;
  /** The tests that were left out, by their files. */
  readonly ignored: ReadonlyMap<string, readonly string[]>;
  /** The sums of each file that began. */
  readonly sums: ReadonlyMap<string, Sums>;
}

/** Runs `files`, each once, and shows what each printed when it has ended. */
export async function runFolder(
  files: readonly string[],
  runner: Runner,
): Promise<Result> {
  const ignored = new Map<string, string[]>();
  const sums = new Map<string, Sums>();
  let passed = true;
  for (let left = files; left.length > 0;) {
    const run = new Run(left, runner, { ignored, sums });
    passed = await run.passes() && passed;
    if (run.begun.size === 0) {
      console.log(`FAILED: Deno began none of ${left.join(", ")}`);
      break;
    }
    left = left.filter((file) => !run.begun.has(file));
  }
  return { passed, ignored, sums };
}

/** What is there before a file begins. */
const NONE: Sums = { ok: 0, FAILED: 0, ignored: 0 };

/** The sums of several. */
export function sumOf(all: Iterable<Sums>): Sums {
  return Iterator.from(all).reduce((sum, one) => ({
    ok: sum.ok + one.ok,
    FAILED: sum.FAILED + one.FAILED,
    ignored: sum.ignored + one.ignored,
  }), NONE);
}

/** What all files have together, of which each {@linkcode Run} adds its own. */
interface Found {
  readonly ignored: Map<string, string[]>;
  readonly sums: Map<string, Sums>;
}

/** One process, which runs files until one hangs. */
class Run {
  readonly begun = new Set<string>();
  readonly #child: Deno.ChildProcess;
  readonly #found: Found;
  #file = "the first file";
  #lines: string[] = []; // of this file, not yet shown
  #beganAt = performance.now();
  #hung = false;

  constructor(
    files: readonly string[],
    { program, args, env }: Runner,
    found: Found,
  ) {
    this.#found = found;
    this.#child = new Deno.Command(program, {
      args: ["test", "-A", "--no-check", ...args, ...files],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
    }).spawn();
  }

  /** Whether all its files ran and passed. */
  async passes(): Promise<boolean> {
    let timer = this.#limit();
    const lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      if (!SLOW.test(line)) {
        clearTimeout(timer);
        timer = this.#limit();
      }
      const name = BEGINS.exec(line)?.[1];
      if (name !== undefined) {
        this.#show();
        this.begun.add(this.#file = name);
        if (line.startsWith("Uncaught")) this.#count("FAILED");
      }
      this.#lines.push(line);
      // The cast: the pattern has no other words.
      const end = ENDS.exec(line)?.[1] as keyof Sums | undefined;
      if (end) this.#count(end);
      const test = IGNORED.exec(line)?.[1];
      if (test === undefined) continue;
      const tests = this.#found.ignored.get(this.#file) ?? [];
      this.#found.ignored.set(this.#file, [...tests, test]);
    }
    clearTimeout(timer);
    if (this.#hung) {
      this.#count("FAILED");
      this.#lines.push(
        `FAILED: a test of ${this.#file} hangs, and Deno was killed. It cannot tell more of the tests that failed before.`,
      );
    }
    this.#show();
    const { success } = await this.#child.status;
    return success && this.begun.size > 0;
  }

  /** Counts the end of a test of the file that runs. */
  #count(end: keyof Sums): void {
    const before = this.#found.sums.get(this.#file) ?? NONE;
    this.#found.sums.set(this.#file, { ...before, [end]: before[end] + 1 });
  }

  /** Kills the process when Deno tells of no progress for too long. */
  #limit(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#hung = true;
      this.#child.kill("SIGKILL");
    }, LIMIT_MS);
  }

  /** Shows what the file printed, in one piece, and how long it took. */
  #show(): void {
    const seconds = Math.round((performance.now() - this.#beganAt) / 1_000);
    if (this.#lines.length > 0) {
      console.log([...this.#lines, `${this.#file}: ${seconds} s`].join("\n"));
    }
    this.#lines = [];
    this.#beganAt = performance.now();
  }
}
