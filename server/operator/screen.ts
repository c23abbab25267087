/**
 * Where the operator reads the log and types: a terminal, or pipes.
 *
 * On a terminal both share it: the log appears above the line that the operator
 * edits. Otherwise lines are just read and written. The end of the input ends
 * nothing else: a server runs without an operator.
 *
 * A server in the background (`&`, or Ctrl-Z and `bg`) serves, and reads nothing
 * until `fg`: the system stops a program that reads there.
 *
 * @module
 */
import { dim } from "@std/fmt/colors";
import { LossyLines } from "../../terminal/output.ts";
import type { RawOptions, RawTerminal } from "../../terminal/raw_terminal.ts";
import { HAS_JOBS, SYSTEM } from "../../platform/system.ts";

/** Lines of the log that come within this time take one write. */
const LOG_MS = 20;

/** Of a longer line from a pipe the rest is not read, in characters. */
const MAX_LINE = 65_536;

/** How often a server in the background asks whether it still is there. */
const ASK_EVERY_MS = 1_000;

/** What keys do while the operator edits a line. */
type Keys = Pick<RawOptions, "complete" | "interrupt">;

/** Standard output, and, once lines are read, standard input. */
export class Screen implements AsyncDisposable {
  readonly #output = new LossyLines(Deno.stdout);
  #waiting: string[] = []; // to be printed
  #timer: ReturnType<typeof setTimeout> | undefined;
  #terminal: RawTerminal | undefined;
  #closing: PromiseLike<void> | undefined; // the terminal's end
  #holdsLog = true;
  #isEnded = false;

  /** Prints a line of the log, with its time, soon. */
  log(line: string): void {
    this.#waiting.push(`${dim(localTime(new Date()))} ${line}`);
    if (this.#holdsLog) return;
    this.#timer ??= setTimeout(() => this.#draw(), LOG_MS);
  }

  /** Prints text at once, after the log so far. */
  print(text: string): void {
    if (this.#holdsLog) return this.#output.print(`${text}\n`);
    if (text !== "") this.#waiting.push(text);
    this.#draw();
  }

  /** Prints the log from now on: until here it would stand inside the greeting. */
  startLog(): void {
    this.#holdsLog = false;
    this.#draw();
  }

  /**
   * The lines that the operator types, to the end of the input. While a terminal
   * belongs to another program, it is not read.
   */
  async *lines(keys: Keys): AsyncGenerator<string, void, void> {
    const isTerminal = Deno.stdin.isTerminal();
    while (isTerminal && !await isInForeground()) {
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
      if (!Deno.stdin.isTerminal()) return; // it is gone
    }
    const { abilityOf, streamsNow } = await import("../../terminal/open.ts");
    const ability = abilityOf(streamsNow(), { plain: false }, SYSTEM);
    const terminal = ability === "drawn"
      ? await this.#openTerminal(keys)
      : undefined;
    if (terminal) return yield* this.#editedLines(terminal);
    const { openInput } = await import("../../terminal/input.ts");
    const { readLines } = await import("../../terminal/lines.ts");
    yield* readLines(await openInput(), MAX_LINE);
  }

  /** Gives the terminal back, after what is still to be printed. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    this.startLog();
    await (this.#closing ??= this.#terminal?.[Symbol.asyncDispose]());
    this.#terminal = undefined;
    this.#output.use(undefined);
    this.#draw();
    await this.#output.drained();
  }

  /** Undefined if the terminal does not obey; then it is read as lines. */
  async #openTerminal(keys: Keys): Promise<RawTerminal | undefined> {
    // Only here: no server in the background needs it.
    const { RawTerminal } = await import("../../terminal/raw_terminal.ts");
    return await RawTerminal.open({
      ...keys,
      closed: () => {}, // the server goes on
      endOfInput: () =>
        this.print("Type stop, or press Ctrl-C, to stop the server."),
      mayResume: isInForeground,
      keepsLines: true,
    });
  }

  async *#editedLines(
    terminal: RawTerminal,
  ): AsyncGenerator<string, void, void> {
    this.#terminal = terminal;
    if (this.#isEnded) return await this[Symbol.asyncDispose]();
    this.#output.use(terminal);
    this.print("Type help for commands.");
    terminal.prompt("> ");
    for (;;) {
      const line = await terminal.read();
      if (line === undefined) break; // the terminal is gone
      yield line.text;
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
    if (lines.length > 0) this.#output.print(lines.join(""));
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
  if (!HAS_JOBS) return true;
  const path = "/proc/self/stat";
  const mayRead = Deno.permissions.querySync({ name: "read", path });
  try {
    if (mayRead.state === "granted") {
      const stat = Deno.readTextFileSync(path);
      const fields = stat.slice(stat.lastIndexOf(")")).split(" ");
      return fields[3] === fields[6]; // our process group and the terminal's
    }
  } catch {
    // Not Linux, or not allowed after all. `ps` knows it too, but takes longer.
  }
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
    return true; // there is no ps
  }
}
