/**
 * Runs test files in one process after another, so that none can hold up the rest.
 *
 * The files of a folder have one process, as a start takes seconds with Wine. Deno
 * ends a test that hangs, by tests/tools/system/deadline.ts. A process in which even
 * that fails is killed. Deno says which file begins: after a kill, or a crash, the
 * files that had not begun have a new process.
 *
 * @module
 */
import { TextLineStream } from "@std/streams/text-line-stream";

/** What Deno says of a test that takes long. */
const SLOW = /'.+' has been running for over \(.+\)$/;

/** A line of Deno before the tests of a file, or of a file that it cannot load. */
const BEGINS = /^(?:running \d+ tests?|Uncaught error) from (?:\.\/)?(\S+)/;

/** The name of a test, not of a step, when it begins; it is on the line of its end too. */
const TEST = /^(\S.*?) \.\.\./;

/** A test, or a step of one, that Deno left out. */
const IGNORED = /^ *(.+) \.\.\. ignored/;

/** A test failed, and is tried again. */
const RETRIED = / retrying \(attempt \d+ failed\) /;

/**
 * The end of a test. That of a step has more spaces before it; that of a test which
 * took long is a line without its name.
 */
const ENDS = /^(?:\S.* \.\.\.)? (ok|FAILED|ignored|cancelled)(?: \(|$)/;

/** What Deno says at the end. */
const SUM = /^(?:ok|FAILED) \| \d+ passed/;

type End = "ok" | "FAILED" | "ignored" | "cancelled";

/** How tests are run. */
export interface Runner {
  /** A Deno. */
  readonly program: string;
  /** Further arguments of `deno test`. */
  readonly args: readonly string[];
  /** Further variables of the environment. */
  readonly env: Record<string, string>;
  /** Without the end of a test for so long, a process is killed, in milliseconds. */
  readonly limitMs: number;
  /** So is one that is in one file for so long. */
  readonly fileLimitMs: number;
  /** Shows what is to be told at once, and what a file has printed. */
  show(text: string): void;
  /** When it aborts, what runs is killed, and no more is started. */
  readonly signal: AbortSignal;
}

/** What came of a file. */
export interface FileResult {
  /** How many tests ended so. */
  readonly ok: number;
  readonly FAILED: number;
  readonly ignored: number;
  /** The tests, and steps of some, that were left out. */
  readonly leftOut: readonly string[];
  /** The tests that failed; and what it means that a file did not end. */
  readonly failures: readonly string[];
  /** The tests that failed at first. */
  readonly retried: readonly string[];
}

/** The results of files that began, by their names. */
export type Results = Map<string, FileResult>;

/** Runs `files`, each once, and shows what each printed when it has ended. */
export async function runFolder(
  files: readonly string[],
  runner: Runner,
  results: Results,
): Promise<void> {
  for (let left = files; left.length > 0 && !runner.signal.aborted;) {
    const run = new Run(left, runner, results);
    await run.end();
    if (run.begun.size === 0) {
      for (const file of left) {
        results.set(file, { ...NONE, FAILED: 1, failures: ["did not begin"] });
      }
      runner.show(`FAILED: Deno began none of ${left.join(", ")}`);
      break;
    }
    left = left.filter((file) => !run.begun.has(file));
  }
}

/** What is there before a file begins. */
const NONE: FileResult = {
  ...{ ok: 0, FAILED: 0, ignored: 0 },
  ...{ leftOut: [], failures: [], retried: [] },
};

/** The results of several files together. */
export function sumOf(all: Iterable<FileResult>): FileResult {
  return Iterator.from(all).reduce((sum, one) => ({
    ok: sum.ok + one.ok,
    FAILED: sum.FAILED + one.FAILED,
    ignored: sum.ignored + one.ignored,
    leftOut: [...sum.leftOut, ...one.leftOut],
    failures: [...sum.failures, ...one.failures],
    retried: [...sum.retried, ...one.retried],
  }), NONE);
}

/** One process, which runs files until one hangs. */
class Run {
  readonly begun = new Set<string>();
  readonly #child: Deno.ChildProcess;
  readonly #results: Results;
  readonly #runner: Runner;
  #file: string; // that runs
  #test = "loading the file";
  #lines: string[] = []; // of this file, not yet shown
  #beganAt = performance.now();
  #hasFailed = false;
  #isSummed = false;
  #killed: string | undefined; // why

  constructor(
    files: readonly string[],
    runner: Runner,
    results: Results,
  ) {
    const { program, args, env } = runner;
    this.#runner = runner;
    this.#results = results;
    this.#file = files[0]!; // it may hang before Deno says that it begins
    this.#child = new Deno.Command(program, {
      args: ["test", "-A", "--no-check", ...args, ...files],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
    }).spawn();
  }

  /** Resolves when it has run all its files, or was killed. */
  async end(): Promise<void> {
    const stop = () => this.#kill("was stopped");
    this.#runner.signal.addEventListener("abort", stop);
    let timer = this.#limit();
    const lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const slow = SLOW.exec(line)?.[0];
      if (slow !== undefined) this.#runner.show(`${this.#file}: ${slow}`); // at once
      else {
        clearTimeout(timer);
        timer = this.#limit();
      }
      this.#take(line);
    }
    clearTimeout(timer);
    this.#runner.signal.removeEventListener("abort", stop);
    const { success, code } = await this.#child.status;
    if (this.#killed !== undefined) {
      this.begun.add(this.#file);
      this.#fail(`${this.#test}: ${this.#killed}, and Deno was killed`);
    } else if (!this.#isSummed || (!success && !this.#hasFailed)) {
      this.#fail(`${this.#test}: Deno ended with ${code}`);
    }
    this.#show();
  }

  /** Takes a line of Deno. */
  #take(line: string): void {
    const name = BEGINS.exec(line)?.[1];
    if (name !== undefined) {
      if (!this.begun.has(name)) this.#begin(name);
      // Of no test: while the file is loaded, or later, by what a test left behind.
      if (line.startsWith("Uncaught")) {
        this.#fail(`${this.#test}: an error that nothing caught`);
      }
    }
    this.#lines.push(line);
    const test = IGNORED.exec(line)?.[1];
    if (test !== undefined) this.#add({ leftOut: [test] });
    this.#test = TEST.exec(line)?.[1] ?? this.#test;
    if (SUM.test(line)) this.#isSummed = true;
    if (RETRIED.test(line)) this.#add({ retried: [this.#test] });
    // The cast: the pattern has no other words.
    const end = ENDS.exec(line)?.[1] as End | undefined;
    if (end === "ok" || end === "ignored") this.#add({ [end]: 1 });
    else if (end) this.#fail(this.#test);
  }

  #begin(file: string): void {
    this.#show();
    this.begun.add(this.#file = file);
    this.#test = "loading the file";
    this.#add({});
  }

  /** Adds to the result of the file that runs. */
  #add(more: Partial<FileResult>): void {
    const before = this.#results.get(this.#file) ?? NONE;
    this.#results.set(this.#file, sumOf([before, { ...NONE, ...more }]));
  }

  #fail(what: string): void {
    this.#hasFailed = true;
    this.#add({ FAILED: 1, failures: [what] });
  }

  #kill(why: string): void {
    this.#killed = why;
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself meanwhile.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Kills the process when no test ends for too long, or its file takes too long. */
  #limit(): ReturnType<typeof setTimeout> {
    const { limitMs, fileLimitMs } = this.#runner;
    const left = this.#beganAt + fileLimitMs - performance.now();
    return left < limitMs
      ? setTimeout(() => this.#kill("its file took too long"), left)
      : setTimeout(() => this.#kill("no test ended for too long"), limitMs);
  }

  /** Shows what the file printed, in one piece, and how long it took. */
  #show(): void {
    const seconds = Math.round((performance.now() - this.#beganAt) / 1_000);
    if (this.#lines.length > 0) {
      const lines = [...this.#lines, `${this.#file}: ${seconds} s`];
      this.#runner.show(lines.join("\n"));
    }
    this.#lines = [];
    this.#beganAt = performance.now();
  }
}
