/**
 * Where the log is read and the operator types: a terminal, or pipes.
 *
 * On a terminal both share one screen. node:readline edits the line, and what is
 * printed meanwhile appears above it, so that neither tears the other apart.
 * Otherwise lines are just read and written. The end of the input is the end of
 * nothing else: a server runs without anybody who types.
 *
 * A server that is started in the background reads nothing; one that is put
 * there later (Ctrl-Z and `bg`) is stopped by the system, as whatever reads from
 * a terminal.
 *
 * @module
 */
import { dim } from "@std/fmt/colors";
import type { Readable } from "node:stream";
import type { Editing, Editor } from "./editor.ts";
import { localTime, writeOut } from "./shown.ts";

/** Lines of the log that come so close together take one write. */
const LOG_MS = 20;

/** Of a line from a pipe that is longer, the rest is not read, in characters. */
const MAX_LINE = 65_536;

/** Standard output, and, once somebody asks for lines, standard input. */
export class Screen implements Disposable {
  #waiting: string[] = []; // to be printed
  #timer: ReturnType<typeof setTimeout> | undefined;
  #second = NaN;
  #time = "";
  #editor: Editor | undefined;

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
   * What is typed, line by line, to the end of the input. A terminal that
   * belongs to another program just now is not read.
   */
  async *lines(editing: Editing): AsyncGenerator<string, void, void> {
    if (!Deno.stdin.isTerminal()) yield* plainLines();
    else if (await isInForeground()) {
      const drawn = Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb";
      yield* drawn ? this.#editedLines(editing) : plainLines();
    }
  }

  /** Gives the terminal back, after what is still to be printed. Idempotent. */
  [Symbol.dispose](): void {
    this.#leave();
    this.#draw();
  }

  async *#editedLines(editing: Editing): AsyncGenerator<string, void, void> {
    // Only here: to load readline takes as long as to start the server.
    const { edit } = await import("./editor.ts");
    const { editor, keys } = edit(editing);
    editor.on("SIGTSTP", () => this.#suspend());
    if (HAS_JOBS) Deno.addSignalListener("SIGCONT", this.#resumed);
    for (const end of ENDS) addEventListener(end, restore);
    this.#editor = editor;
    Deno.stdin.setRaw(true);
    readKeys(keys, () => this.print("stop, or Ctrl-C, stops the server"));
    this.print(editing.hint);
    yield* editor;
    this.#leave(); // the terminal is gone
  }

  /** Prints what waits: above the line that is edited, if there is one. */
  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#waiting.join("\n");
    this.#waiting = [];
    const lines = text === "" ? "" : `${text}\n`;
    const editor = this.#editor;
    if (!editor) return writeOut(lines);
    writeOut(upBy(editor.getCursorPos().rows) + lines);
    editor.prevRows = 0; // it must not look for the old prompt: that is gone
    editor.prompt(true);
  }

  /** Takes the prompt, and what was not entered, from the screen. */
  #leave(): void {
    const editor = this.#editor;
    if (!editor) return;
    this.#editor = undefined;
    if (HAS_JOBS) Deno.removeSignalListener("SIGCONT", this.#resumed);
    for (const end of ENDS) removeEventListener(end, restore);
    writeOut(upBy(editor.getCursorPos().rows));
    editor.close();
    restore();
  }

  #suspend(): void {
    restore();
    Deno.kill(0, "SIGTSTP"); // 0: also npx or whatever else started us
  }

  readonly #resumed = () => {
    isInForeground().then((ours) => {
      if (!ours || !this.#editor) return;
      Deno.stdin.setRaw(true);
      this.#draw();
    });
  };
}

/**
 * Reads keys to the end of the program: nothing ends a read of a terminal.
 * Ctrl-D is none of them, or it would end the reading for good.
 */
async function readKeys(keys: Readable, ended: () => void): Promise<void> {
  const buffer = new Uint8Array(4_096);
  for (;;) {
    const count = await read(buffer);
    if (count === null) break;
    const typed = buffer.subarray(0, count);
    if (typed.includes(CTRL_D)) ended();
    keys.push(typed.filter((byte) => byte !== CTRL_D));
  }
  keys.push(null);
}

const CTRL_D = 0x04;

/** Reads standard input; null when there is no more, or nothing to be read. */
function read(buffer: Uint8Array): Promise<number | null> {
  return Deno.stdin.read(buffer).catch(() => null); // as nohup leaves it
}

async function* plainLines(): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4_096);
  let rest = "";
  for (;;) {
    const count = await read(buffer);
    if (count === null) break;
    rest += decoder.decode(buffer.subarray(0, count), { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop()!.slice(0, MAX_LINE); // there is always a last one
    yield* lines;
  }
  if (rest !== "") yield rest;
}

const decoder = new TextDecoder();

/**
 * Whether the terminal is ours now: who else reads from it is stopped. Where we
 * may not run `ps` we take it for ours: Deno would ask the operator about it,
 * and let everybody wait.
 */
async function isInForeground(): Promise<boolean> {
  const permission = { name: "run", command: "ps" } as const;
  const { state } = await Deno.permissions.query(permission);
  if (state !== "granted") return true;
  const args = ["-o", "stat=", "-p", `${Deno.pid}`];
  try {
    const { stdout } = await new Deno.Command("ps", { args, stdin: "null" })
      .output();
    const state = decoder.decode(stdout);
    return state === "" || state.includes("+");
  } catch {
    return true; // there is no ps, as on Windows, which has no jobs either
  }
}

function restore(): void {
  try {
    Deno.stdin.setRaw(false);
  } catch {
    // No terminal any more: nothing to give back.
  }
}

/** Whether Ctrl-Z stops a program and `fg` wakes it with SIGCONT. */
const HAS_JOBS = Deno.build.os !== "windows";

/** A crash must not leave the terminal raw. */
const ENDS = ["error", "unhandledrejection"] as const;

/** To the start of the row that is `rows` above, and clear from there. */
function upBy(rows: number): string {
  return `${rows > 0 ? `\x1b[${rows}A` : ""}\r\x1b[J`;
}
