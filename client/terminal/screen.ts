/**
 * The terminal with a prompt that stays whole, whatever arrives while somebody
 * types.
 *
 * node:readline edits the line, and draws it through us: everything leaves by
 * one writer, in one order. What arrives is gathered and drawn at most
 * thirty times a second: up to the prompt's first row, clear, the new lines,
 * the prompt and what was typed so far. All of it is one write, so that nothing
 * flickers and no key gets between.
 *
 * Where the prompt begins is computed from its width, so that it is right
 * when the input takes several rows, and after a change of the window's size in
 * terminals that wrap their rows anew; in one that cuts them off instead, a row
 * of an old prompt may stay behind.
 *
 * The terminal is left as it was found: see `restore`.
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
import type { SecretTerminal } from "./terminal.ts";

/** What the person at the screen can cause. */
export interface ScreenEvents {
  /** What could complete `line`: the candidates, and the part they replace. */
  complete(line: string): Promise<[candidates: string[], part: string]>;
  /** Ctrl-C was typed. */
  interrupt(): void;
  /** The terminal is gone. */
  closed(error: OutputClosed): void;
}

/** The kind of {@linkcode SecretTerminal} with a prompt; there can be only one. */
export class Screen implements SecretTerminal {
  readonly #events: ScreenEvents;
  readonly #output: Output;
  readonly #keys = new Readable({ read() {} });
  readonly #line: Line;
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

  /** Takes the terminal over: raw, and with pastes marked. */
  constructor(events: ScreenEvents) {
    this.#events = events;
    this.#output = new Output(Deno.stdout, events.closed);
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
    // The cast: see Line.
    this.#line = readline.createInterface({
      input: this.#keys,
      output,
      terminal: true,
      historySize: 500,
      removeHistoryDuplicates: true,
      completer: (line: string, done: Completed) => {
        events.complete(line).catch(() => [[], line] as [string[], string])
          .then((found) => done(null, found));
      },
    }) as Line;
    this.#line.on("line", (line: string) => this.#entered(line));
    this.#line.on("close", () => this.#leaveLine());
    this.#line.on("SIGINT", () => events.interrupt());
    if (HAS_JOBS) this.#line.on("SIGTSTP", () => this.#suspend());
    Deno.addSignalListener("SIGWINCH", this.#resized);
    if (HAS_JOBS) Deno.addSignalListener("SIGCONT", this.#resumed);
    this.#line.setPrompt("");
    this.#takeOver();
    this.#readKeys();
  }

  /** How wide the screen is now. */
  get columns(): number {
    return this.#columns;
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
    this.#secret.feed(this.#line.line); // typed before the question came
    [this.#line.line, this.#line.cursor] = ["", 0];
    this.#draw(question);
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    if (this.#ended) resolve(undefined);
    this.#answer = resolve; // whoever waits for a line goes on waiting
    return await promise;
  }

  clear(): void {
    this.print("\x1b[H\x1b[2J");
  }

  /** Shows what is still to be shown, and gives the terminal back. */
  async [Symbol.asyncDispose](): Promise<void> {
    Deno.removeSignalListener("SIGWINCH", this.#resized);
    if (HAS_JOBS) Deno.removeSignalListener("SIGCONT", this.#resumed);
    this.#leaveLine();
    this.#draw(); // what was printed after the line was left
    this.#line.close();
    await this.#output.flushed();
    restore();
  }

  /** Everything that is drawn passes here, ours and readline's. */
  #emit(text: string): void {
    if (this.#frame) this.#frame.push(text);
    else this.#output.write(text);
  }

  #draw(prompt?: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawnAt = performance.now();
    if (this.#ended) return this.#drawLast();
    this.#columns = columnsNow();
    this.#frame = [upBy(this.#line.getCursorPos().rows), ...this.#records];
    this.#records = [];
    this.#recordsLength = 0;
    if (prompt !== undefined) this.#line.setPrompt(prompt);
    this.#line.prevRows = 0; // it must not look for the old prompt: that is gone
    this.#line.prompt(true);
    this.#output.write(this.#frame.join(""));
    this.#frame = undefined;
  }

  /** When the line is gone, what is still to be shown is all there is. */
  #drawLast(): void {
    this.#output.write(this.#records.join(""));
    this.#records = [];
    this.#recordsLength = 0;
  }

  #entered(line: string): void {
    if (this.#asking) {
      this.#asking = false;
      this.#line.history.shift(); // a name is nothing to say again
    } else {
      this.#emit(upBy(this.#rowsOf(line) + 1)); // readline went below it
    }
    this.#line.setPrompt(""); // which is where we are now
    if (this.#prompt !== "") this.#draw(this.#promptNow());
    this.#typed.push(withBreaks(line));
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(this.#typed.shift());
  }

  #promptNow(): string {
    return this.#status + this.#prompt;
  }

  /** Takes the prompt, and what was not sent, from the screen. */
  #leaveLine(): void {
    if (this.#ended) return;
    this.#output.write(upBy(this.#line.getCursorPos().rows));
    this.#ended = true;
    this.#draw();
    this.#reader?.(undefined);
    this.#reader = undefined;
    this.#answer?.(undefined);
    this.#answer = undefined;
  }

  /** How many rows below its first one `line` ends, after the prompt. */
  #rowsOf(line: string): number {
    const editor = this.#line;
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
      for (const part of filter.feed(keys)) {
        if (this.#secret) this.#feedSecret(this.#secret, part.text);
        // Not `push`: it would come later than a paste that follows.
        else if (part.pasted) this.#line.write(part.text);
        else this.#keys.emit("data", part.text);
      }
    }
    this.#leaveLine();
  }

  /** What follows Enter in one read is dropped: nobody types that fast. */
  #feedSecret(secret: SecretLine, keys: string): void {
    const end = secret.feed(keys);
    if (end === "interrupted") return this.#events.interrupt();
    if (end === undefined) return;
    this.#secret = undefined;
    this.#asking = false;
    this.print(`${this.#line.getPrompt()}\n`);
    this.#draw(this.#promptNow());
    this.#answer?.(end === "left" ? undefined : secret.text);
    this.#answer = undefined;
  }

  #takeOver(): void {
    Deno.stdin.setRaw(true);
    this.#output.write(MARK_PASTES);
  }

  #suspend(): void {
    restore();
    Deno.kill(0, "SIGTSTP"); // 0: also npx or whatever else started us
  }

  readonly #resumed = () => {
    this.#takeOver();
    this.#draw();
  };

  readonly #resized = () => this.#draw();
}

/**
 * Gives the terminal back as it was: cooked, without colours, with a cursor,
 * pastes unmarked. Works at any time, also in a crash, and twice.
 */
export function restore(): void {
  try {
    Deno.stdin.setRaw(false);
    Deno.stdout.writeSync(encoder.encode(`${UNMARK_PASTES}\x1b[0m\x1b[?25h`));
  } catch {
    // No terminal, or none any more: nothing to give back.
  }
}

/** What we use of readline, with the parts its types leave out. */
type Line = Omit<readline.Interface, "line" | "cursor"> & {
  line: string;
  cursor: number;
  /** Where its next drawing looks for the prompt: so many rows up. */
  prevRows: number;
  history: string[];
};

type Completed = (error: null, found: [string[], string]) => void;

const encoder = new TextEncoder();
const DRAW_EVERY_MS = 33;
/** Whether Ctrl-Z stops a program and `fg` wakes it with SIGCONT. */
const HAS_JOBS = Deno.build.os !== "windows";

/** Characters that may wait to be drawn before we stop reading the socket. */
const MAX_BEHIND = 262_144;

/** To the start of the row that is `rows` above, and clear from there. */
function upBy(rows: number): string {
  return `${rows > 0 ? `\x1b[${rows}A` : ""}\r\x1b[J`;
}

/** How wide the terminal is, whichever of our streams is one. */
export function columnsNow(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // no terminal any more; the usual width
  }
}
