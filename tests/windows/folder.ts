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

/** How tests are run. */
export interface Runner {
  /** A Deno. */
  readonly program: string;
  /** Further arguments of `deno test`. */
  readonly args: readonly string[];
  /** Further variables of the environment. */
  readonly env: Record<string, string>;
}

/** What running files gave. */
export interface Result {
  /** Whether all ran to the end and passed. */
  readonly passed: boolean;
  /** The tests that were left out, by their files. */
  readonly ignored: ReadonlyMap<string, readonly string[]>;
}

/** Runs `files`, each once, and shows what each printed when it has ended. */
export async function runFolder(
  files: readonly string[],
  runner: Runner,
): Promise<Result> {
  const ignored = new Map<string, string[]>();
  let passed = true;
  for (let left = files; left.length > 0;) {
    const run = new Run(left, runner, ignored);
    passed = await run.passes() && passed;
    if (run.begun.size === 0) {
      console.log(`FAILED: Deno began none of ${left.join(", ")}`);
      break;
    }
    left = left.filter((file) => !run.begun.has(file));
  }
  return { passed, ignored };
}

/** One process, which runs files until one hangs. */
class Run {
  readonly begun = new Set<string>();
  readonly #child: Deno.ChildProcess;
  readonly #ignored: Map<string, string[]>;
  #file = "the first file";
  #lines: string[] = []; // of this file, not yet shown
  #beganAt = performance.now();
  #hung = false;

  constructor(
    files: readonly string[],
    { program, args, env }: Runner,
    ignored: Map<string, string[]>,
  ) {
    this.#ignored = ignored;
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
      }
      this.#lines.push(line);
      const test = IGNORED.exec(line)?.[1];
      if (test === undefined) continue;
      const tests = this.#ignored.get(this.#file) ?? [];
      this.#ignored.set(this.#file, [...tests, test]);
    }
    clearTimeout(timer);
    if (this.#hung) {
      this.#lines.push(
        `FAILED: a test of ${this.#file} hangs, and Deno was killed. It cannot tell more of the tests that failed before.`,
      );
    }
    this.#show();
    const { success } = await this.#child.status;
    return success && this.begun.size > 0;
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
