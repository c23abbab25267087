/**
 * Where the operator reads the log and types: a terminal, or pipes.
 *
 * On a terminal both share it: the log appears above the line that the operator
 * edits. Otherwise lines are just read and written. The end of the input ends
 * nothing else: a server runs without an operator.
 *
 * A server that is started in the background reads nothing; one that is put
 * there later (Ctrl-Z and `bg`) is stopped by the system, as any program that
 * reads from a terminal.
 *
 * @module
 */
import { dim } from "@std/fmt/colors";
import type { RawOptions, RawTerminal } from "../../terminal/raw_terminal.ts";

/** Lines of the log that come within this time take one write. */
const LOG_MS = 20;

/** Of a longer line from a pipe the rest is not read, in characters. */
const MAX_LINE = 65_536;

/** Characters that a stopped terminal may miss before lines are left out. */
const MAX_BEHIND = 1024 * 1024;

/** What keys do while the operator edits a line. */
type Keys = Pick<RawOptions, "complete" | "interrupt">;

/** Standard output, and, once lines are read, standard input. */
export class Screen implements AsyncDisposable {
  #waiting: string[] = []; // to be printed
  #timer: ReturnType<typeof setTimeout> | undefined;
  #second = NaN;
  #time = "";
  #terminal: RawTerminal | undefined;
  #closing: PromiseLike<void> | undefined; // the terminal's end
  #leftOut = 0;

  /** Prints a line of the log, with its time, soon. */
  log(line: string): void {
    const now = Math.floor(Date.now() / 1_000);
    if (now !== this.#second) this.#time = dim(localTime(new Date()));
    this.#second = now;
    this.#waiting.push(`${this.#time} ${line}`);
    this.#timer ??= setTimeout(() => this.#draw(), LOG_MS);
  }

  /** Prints text at once, after the log so far. */
  print(text: string): void {
    if (text !== "") this.#waiting.push(text);
    this.#draw();
  }

  /**
   * The lines that the operator types, to the end of the input. A terminal that
   * belongs to another program is not read.
   */
  async *lines(keys: Keys): AsyncGenerator<string, void, void> {
    const isTerminal = Deno.stdin.isTerminal();
    if (isTerminal && !await isInForeground()) return;
    const isDrawn = isTerminal && Deno.stdout.isTerminal() &&
      Deno.env.get("TERM") !== "dumb";
    if (isDrawn) return yield* this.#editedLines(keys);
    const { readLines } = await import("../../terminal/lines.ts");
    yield* readLines(MAX_LINE);
  }

  /** Gives the terminal back, after what is still to be printed. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#draw();
    await (this.#closing ??= this.#terminal?.[Symbol.asyncDispose]());
    this.#terminal = undefined;
    this.#draw();
  }

  async *#editedLines(keys: Keys): AsyncGenerator<string, void, void> {
    // Only here: to load readline takes as long as to start the server.
    const { RawTerminal } = await import("../../terminal/raw_terminal.ts");
    const terminal = new RawTerminal({
      ...keys,
      closed: () => {}, // the server goes on
      endOfInput: () =>
        this.print("Type stop, or press Ctrl-C, to stop the server."),
      mayResume: isInForeground,
      keepsLines: true,
    });
    this.#terminal = terminal;
    this.print("Type help for commands.");
    terminal.prompt("> ");
    for (;;) {
      const line = await terminal.read();
      if (line === undefined) break; // the terminal is gone
      yield line;
    }
    await this[Symbol.asyncDispose]();
  }

  /** Prints what waits: above the line that is edited, if there is one. */
  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const terminal = this.#terminal;
    if (terminal && this.#closing) return; // it is drawn after the end
    const lines = this.#waiting.map((line) => `${line}\n`);
    this.#waiting = [];
    if (!terminal) return writeOut(lines.join(""));
    if (terminal.behind > MAX_BEHIND) { // as over a stalled SSH
      this.#leftOut += lines.length;
      return;
    }
    if (this.#leftOut > 0) lines.unshift(`(${this.#leftOut} lines left out)\n`);
    this.#leftOut = 0;
    terminal.print(lines.join(""));
  }
}

/** `2026-11-21 08:32:56`; toLocaleString would load 10 ms of tables. */
export function localTime(date: Date): string {
  const shifted = date.getTime() - date.getTimezoneOffset() * 60_000;
  return new Date(shifted).toISOString().slice(0, 19).replace("T", " ");
}

/**
 * Whether the terminal is ours now: the system stops any other program that
 * reads from it. Without permission to run `ps` the answer is yes: Deno would
 * ask the operator for it, and all clients would wait.
 */
async function isInForeground(): Promise<boolean> {
  const permission = { name: "run", command: "ps" } as const;
  const { state } = await Deno.permissions.query(permission);
  if (state !== "granted") return true;
  const args = ["-o", "stat=", "-p", `${Deno.pid}`];
  try {
    const { stdout } = await new Deno.Command("ps", { args, stdin: "null" })
      .output();
    const state = new TextDecoder().decode(stdout);
    return state === "" || state.includes("+");
  } catch {
    return true; // there is no ps, as on Windows, which has no jobs either
  }
}

/**
 * Writes to standard output, unless the terminal is gone: console.log would end
 * the server.
 */
function writeOut(text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let at = 0; at < bytes.length;) {
      at += Deno.stdout.writeSync(bytes.subarray(at));
    }
  } catch {
    // Nothing reads it any more.
  }
}

const encoder = new TextEncoder();
