/**
 * The raw kind of {@linkcode Terminal}: a prompt that stays whole, whatever
 * arrives while the user types.
 *
 * node:readline edits the line and draws it through this class, so that all
 * output leaves by one writer, in one order. What arrives is gathered and drawn
 * at most thirty times a second: up to the prompt's first row, clear, the new
 * lines, the prompt and the line so far. All of it is one write, so that nothing
 * flickers and no key gets between.
 *
 * The place where the prompt begins is computed from its width. That is right
 * for a line of several rows, and after a resize in terminals that wrap their
 * rows anew. In a terminal that cuts them off, a row of an old prompt may stay.
 *
 * The terminal is left as it was found: see {@linkcode restore}.
 *
 * @module
 */
import * as readline from "node:readline";
import { Readable, Writable } from "node:stream";
import { Output, type OutputClosed } from "./output.ts";
import {
  MARK_PASTES,
  PasteFilter,
  UNMARK_PASTES,
  withBreaks,
} from "./paste.ts";
import { SecretLine } from "./secret.ts";
import { columnsNow, HAS_JOBS } from "./system.ts";
import type { Terminal } from "./terminal.ts";

/** What the user can cause, and how a {@linkcode RawTerminal} is to be. */
export interface RawOptions {
  /** What could complete `line`: the candidates, and the part they replace. */
  complete(line: string): Completions | Promise<Completions>;
  /** Ctrl-C was typed. */
  interrupt(): void;
  /** The terminal is gone. */
  closed(error: OutputClosed): void;
  /** Ctrl-D was typed. Default: on an empty line, the input ends. */
  endOfInput?(): void;
  /** Whether a program that continues may take the terminal. Default: yes. */
  mayResume?(): Promise<boolean>;
  /**
   * Whether a line stays where it was typed; then a paste of lines is as if they
   * were typed. Default: it goes, and a paste is one line.
   */
  readonly keepsLines?: boolean;
}

type Completions = [candidates: string[], part: string];

/** See the top of the file; there can be only one. */
export class RawTerminal implements Terminal {
  readonly kind = "raw";
  readonly #options: RawOptions;
  readonly #output: Output;
  readonly #keys = new Readable({ read() {} });
  readonly #editor: Editor;
  #frame: string[] | undefined; // while a frame is drawn: its parts
  #records: string[] = [];
  #recordsLength = 0;
  #drawnAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #prompt = "";
  #status = ""; // rows above the prompt, each with its LF
  #asking = false;
  #typed: string[] = [];
  #reader: ((line: string | undefined) => void) | undefined;
  #secret: SecretLine | undefined; // readline must not have it: it remembers
  #answer: ((secret: string | undefined) => void) | undefined;
  #ended = false;
  #columns = columnsNow();

  /** Takes the terminal over. */
  constructor(options: RawOptions) {
    this.#options = options;
    this.#output = new Output(Deno.stdout, options.closed);
    this.#editor = this.#createEditor();
    this.#editor.on("line", (line: string) => this.#entered(line));
    this.#editor.on("close", () => this.#leaveLine());
    this.#editor.on("SIGINT", () => options.interrupt());
    Deno.addSignalListener("SIGWINCH", this.#resized);
    if (HAS_JOBS) {
      this.#editor.on("SIGTSTP", () => this.#suspend());
      Deno.addSignalListener("SIGCONT", this.#resumed);
    }
    for (const bug of BUGS) addEventListener(bug, restore);
    this.#takeOver();
    this.#readKeys();
  }

  #createEditor(): Editor {
    const output = new Writable({
      decodeStrings: false,
      write: (text, _encoding, done) => {
        this.#emit(String(text));
        done();
      },
    });
    Object.defineProperties(output, {
      columns: { get: () => this.#columns },
      isTTY: { value: true },
    });
    // The cast: see Editor.
    return readline.createInterface({
      input: this.#keys,
      output,
      terminal: true,
      prompt: "",
      historySize: 500,
      removeHistoryDuplicates: true,
      completer: (
        line: string,
        done: (error: null, found: Completions) => void,
      ) => {
        Promise.try(this.#options.complete, line)
          .catch((): Completions => [[], line])
          .then((found) => done(null, found));
      },
    }) as Editor;
  }

  get columns(): number {
    return this.#columns;
  }

  /** Characters that were printed and are not written yet. */
  get behind(): number {
    return this.#recordsLength + this.#output.behind;
  }

  print(lines: string): void {
    this.#records.push(lines);
    this.#recordsLength += lines.length;
    const wait = this.#drawnAt + DRAW_EVERY_MS - performance.now();
    this.#timer ??= setTimeout(() => this.#draw(), Math.max(0, wait));
  }

  async flushed(): Promise<void> {
    if (this.#recordsLength > MAX_BEHIND) this.#draw();
    await this.#output.flushed(MAX_BEHIND);
  }

  prompt(text: string): void {
    if (text === this.#prompt) return;
    this.#prompt = text;
    if (!this.#asking) this.#draw(this.#promptNow());
  }

  /** The rows are a part of the prompt, so that they move and go with it. */
  status(rows: readonly string[]): void {
    const status = rows.map((row) => `${row}\n`).join("");
    if (status === this.#status) return;
    this.#status = status;
    if (!this.#asking) this.#draw(this.#promptNow());
  }

  async ask(question: string): Promise<string | undefined> {
    this.#asking = true;
    this.#draw(question);
    return await this.read();
  }

  read(): Promise<string | undefined> {
    const line = this.#typed.shift();
    if (line !== undefined || this.#ended) return Promise.resolve(line);
    return new Promise((resolve) => this.#reader = resolve);
  }

  async askSecret(question: string): Promise<string | undefined> {
    this.#asking = true;
    this.#secret = new SecretLine();
    this.#secret.feed(this.#editor.line); // typed before the question came
    [this.#editor.line, this.#editor.cursor] = ["", 0];
    this.#draw(question);
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    if (this.#ended) resolve(undefined);
    this.#answer = resolve; // a caller that waits for a line goes on waiting
    return await promise;
  }

  clear(): void {
    this.print("\x1b[H\x1b[2J");
  }

  /** Shows what is still to be shown, and gives the terminal back. */
  async [Symbol.asyncDispose](): Promise<void> {
    Deno.removeSignalListener("SIGWINCH", this.#resized);
    if (HAS_JOBS) Deno.removeSignalListener("SIGCONT", this.#resumed);
    for (const bug of BUGS) removeEventListener(bug, restore);
    this.#leaveLine();
    this.#draw(); // what was printed after the line was left
    this.#editor.close();
    await this.#output.flushed();
    restore();
  }

  /** All drawing passes here, this class's and readline's. */
  #emit(text: string): void {
    if (this.#frame) this.#frame.push(text);
    else this.#output.write(text);
  }

  #draw(prompt?: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawnAt = performance.now();
    const records = this.#records;
    this.#records = [];
    this.#recordsLength = 0;
    if (this.#ended) return this.#output.write(records.join(""));
    this.#columns = columnsNow();
    this.#frame = [upBy(this.#editor.getCursorPos().rows), ...records];
    if (prompt !== undefined) this.#editor.setPrompt(prompt);
    this.#editor.prevRows = 0; // readline must not look for the old prompt
    this.#editor.prompt(true);
    this.#output.write(this.#frame.join(""));
    this.#frame = undefined;
  }

  #entered(line: string): void {
    if (this.#asking) {
      this.#asking = false;
      this.#editor.history.shift(); // an answer is no line to send again
    } else if (!this.#options.keepsLines) {
      this.#emit(upBy(this.#rowsOf(line) + 1)); // readline went below it
    }
    this.#editor.setPrompt(""); // which is where the cursor is now
    if (this.#prompt !== "") this.#draw(this.#promptNow());
    this.#typed.push(this.#options.keepsLines ? line : withBreaks(line));
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(this.#typed.shift());
  }

  #promptNow(): string {
    return this.#status + this.#prompt;
  }

  /** Removes the prompt, and a line that was not entered, from the screen. */
  #leaveLine(): void {
    if (this.#ended) return;
    this.#output.write(upBy(this.#editor.getCursorPos().rows));
    this.#ended = true;
    this.#draw();
    this.#reader?.(undefined);
    this.#reader = undefined;
    this.#answer?.(undefined);
    this.#answer = undefined;
  }

  /** How many rows below its first one `line` ends, after the prompt. */
  #rowsOf(line: string): number {
    const editor = this.#editor;
    [editor.line, editor.cursor] = [line, line.length];
    const { rows } = editor.getCursorPos();
    [editor.line, editor.cursor] = ["", 0];
    return rows;
  }

  /** Reads keys to the end of the program: nothing ends a read of a terminal. */
  async #readKeys(): Promise<void> {
    const decoder = new TextDecoder();
    const filter = new PasteFilter();
    const buffer = new Uint8Array(4_096);
    for (;;) {
      // It fails when the terminal is gone, as after a hang-up: no more lines.
      const count = await Deno.stdin.read(buffer).catch(() => null);
      if (count === null || this.#ended) break;
      const keys = decoder.decode(buffer.subarray(0, count), { stream: true });
      for (const part of filter.feed(this.#withoutEnd(keys))) {
        if (this.#secret) this.#feedSecret(this.#secret, part.text);
        // Not `push`: it would come later than a paste that follows.
        else if (part.pasted) this.#editor.write(part.text);
        else this.#keys.emit("data", part.text);
      }
    }
    this.#leaveLine();
  }

  /** `keys` without Ctrl-D, if that does not end the input. */
  #withoutEnd(keys: string): string {
    const { endOfInput } = this.#options;
    if (!endOfInput || !keys.includes(CTRL_D)) return keys;
    endOfInput();
    return keys.replaceAll(CTRL_D, "");
  }

  /** Keys after Enter in the same read are dropped: no user types that fast. */
  #feedSecret(secret: SecretLine, keys: string): void {
    const end = secret.feed(keys);
    if (end === "interrupted") return this.#options.interrupt();
    if (end === undefined) return;
    this.#secret = undefined;
    this.#asking = false;
    this.print(`${this.#editor.getPrompt()}\n`);
    this.#draw(this.#promptNow());
    this.#answer?.(end === "left" ? undefined : secret.text);
    this.#answer = undefined;
  }

  #takeOver(): void {
    Deno.stdin.setRaw(true);
    if (!this.#options.keepsLines) this.#output.write(MARK_PASTES);
  }

  #suspend(): void {
    restore();
    Deno.kill(0, "SIGTSTP"); // 0: also npx or another program that started us
  }

  readonly #resumed = async () => {
    if (await this.#options.mayResume?.() === false || this.#ended) return;
    this.#takeOver();
    this.#draw();
  };

  readonly #resized = () => this.#draw();
}

/**
 * Gives the terminal back as it was: cooked, without colours, with a cursor,
 * pastes unmarked. Works at any time, also in a crash, and twice.
 */
function restore(): void {
  try {
    Deno.stdin.setRaw(false);
    Deno.stdout.writeSync(encoder.encode(`${UNMARK_PASTES}\x1b[0m\x1b[?25h`));
  } catch {
    // No terminal, or none any more: nothing to give back.
  }
}

/** What is used of readline, with the parts that its types leave out. */
type Editor = Omit<readline.Interface, "line" | "cursor"> & {
  line: string;
  cursor: number;
  /** Where its next drawing looks for the prompt: so many rows up. */
  prevRows: number;
  history: string[];
};

const encoder = new TextEncoder();
const DRAW_EVERY_MS = 33;
const CTRL_D = "\x04";

/** Bugs that end the program; the terminal must not stay raw. */
const BUGS = ["error", "unhandledrejection"] as const;

/** Characters that may wait to be drawn before the socket is not read any more. */
const MAX_BEHIND = 262_144;

/** To the start of the row that is `rows` above, and clear from there. */
function upBy(rows: number): string {
  return `${rows > 0 ? `\x1b[${rows}A` : ""}\r\x1b[J`;
}
