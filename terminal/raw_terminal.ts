/**
 * The raw kind of {@linkcode Terminal}: a prompt that stays whole, whatever
 * arrives while the user types.
 *
 * line_editor.ts edits the line, and prompt_rows.ts says how it looks. What
 * arrives is gathered and drawn at most thirty times a second: up to the prompt's
 * first row, clear, the new lines, the prompt and the line so far. All of it is
 * one write, so that nothing flickers and no key gets between.
 *
 * The place where the prompt begins is computed from its width. That is right
 * for a line of several rows, and after a resize in terminals that wrap their
 * rows anew. In a terminal that cuts them off, a row of an old prompt may stay.
 *
 * The terminal is left as it was found: cooked, without colours, with a cursor.
 *
 * @module
 */
import { sanitize } from "../core/text/sanitize.ts";
import { place, wrap } from "./columns.ts";
import { type Deed, LineEditor } from "./line_editor.ts";
import {
  areTerminalsWritten,
  Output,
  type OutputClosed,
  terminalsWritten,
} from "./output.ts";
import { MARK_PASTES, PasteFilter, UNMARK_PASTES } from "./paste.ts";
import { promptRows } from "./prompt_rows.ts";
import { SecretLine } from "./secret.ts";
import { HAS_JOBS, onResize, sizeNow, SYSTEM } from "../platform/system.ts";
import type { Line, Terminal } from "./terminal.ts";
import { TtyInput } from "./tty_input.ts";

/** What the user can cause, and how a {@linkcode RawTerminal} is to be. */
export interface RawOptions {
  /** What could complete `line`: the candidates, and the part they replace. */
  complete?(line: string): Completions | Promise<Completions>;
  /** A line is begun; gives what makes of it what is read, once it is entered. */
  begins?(): ((line: Line) => Line) | undefined;
  /** Ctrl-C was typed on an empty line; on another one it clears the line. */
  interrupt(): void;
  /** The terminal is gone. */
  closed(error: OutputClosed): void;
  /** Ctrl-D was typed. Default: on an empty line, the input ends. */
  endOfInput?(): void;
  /** Whether a program that continues may take the terminal. Default: yes. */
  mayResume?(): Promise<boolean>;
  /**
   * Whether a line stays where it was typed; then a paste of lines is as if they
   * were typed. Default: it goes, and a paste is text of one line.
   */
  readonly keepsLines?: boolean;
}

type Completions = [candidates: string[], part: string];

/** See the top of the file; there can be only one. */
export class RawTerminal implements Terminal {
  readonly kind = "raw";
  readonly #options: RawOptions;
  readonly #output: Output;
  readonly #input: TtyInput;
  readonly #resizing: Disposable;
  readonly #editor = new LineEditor();
  #records: string[] = [];
  #recordsLength = 0;
  #drawnAt = 0;
  #redrawing = false; // once what was drawn is written
  #timer: ReturnType<typeof setTimeout> | undefined;
  #head = ""; // what is drawn of the prompt and the line before the cursor
  #prompt = "";
  #status = ""; // rows above the prompt, each with its LF
  #question: string | undefined;
  #begun: ((line: Line) => Line) | undefined; // unless the line is empty
  #typed: Line[] = [];
  /** A question comes in front of what waits for a line. */
  readonly #readers: ((line: Line | undefined) => void)[] = [];
  #secret: SecretLine | undefined; // the editor must not have it: it remembers
  #answer: ((secret: string | undefined) => void) | undefined;
  #ended = false;
  #isAway = false; // another program has the terminal
  #returning: ReturnType<typeof setTimeout> | undefined;
  #size = sizeNow();

  /**
   * Takes the terminal over, once nothing else is to be written to it. Undefined if
   * it passes no single keys; then it is left as it was.
   */
  static async open(options: RawOptions): Promise<RawTerminal | undefined> {
    await terminalsWritten("unlimited");
    const input = TtyInput.openRaw();
    return input && new RawTerminal(options, input);
  }

  private constructor(options: RawOptions, input: TtyInput) {
    this.#options = options;
    this.#input = input;
    this.#output = new Output(Deno.stdout, options.closed);
    this.#resizing = onResize(() => this.#draw());
    if (HAS_JOBS) Deno.addSignalListener("SIGCONT", this.#resumed);
    for (const bug of BUGS) addEventListener(bug, this.#giveBack);
    this.#markPastes();
    this.#readKeys();
  }

  get typed(): string {
    return this.#question === undefined ? this.#editor.text : "";
  }

  get columns(): number {
    return this.#size.columns;
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
    if (this.#question === undefined) this.#draw();
  }

  /** The rows are a part of the prompt, so that they move and go with it. */
  status(rows: readonly string[]): void {
    const status = rows.map((row) => `${row}\n`).join("");
    if (status === this.#status) return;
    this.#status = status;
    if (this.#question === undefined) this.#draw();
  }

  async ask(question: string): Promise<string | undefined> {
    this.#question = question;
    this.#draw();
    return (await this.read())?.text;
  }

  read(): Promise<Line | undefined> {
    const line = this.#typed.shift();
    if (line !== undefined || this.#ended) return Promise.resolve(line);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  async askSecret(question: string): Promise<string | undefined> {
    this.#question = question;
    this.#secret = new SecretLine();
    // What was typed before the question came.
    this.#secret.feed(this.#editor.take({ remember: false }).text);
    this.#draw();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    if (this.#ended) resolve(undefined);
    this.#answer = resolve; // a caller that waits for a line goes on waiting
    return await promise;
  }

  clear(): void {
    this.print("\x1b[H\x1b[2J");
  }

  /**
   * Shows what is still to be shown, and gives the terminal back. One that nothing
   * reads stays as it is: see {@linkcode terminalsWritten}.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#resizing[Symbol.dispose]();
    if (HAS_JOBS) Deno.removeSignalListener("SIGCONT", this.#resumed);
    for (const bug of BUGS) removeEventListener(bug, this.#giveBack);
    clearTimeout(this.#returning);
    this.#input.pause();
    this.#leaveLine();
    this.#draw(); // what was printed after the line was left
    if (this.#isAway) return void await this.#output.drained();
    this.#output.write(RESTORED);
    if (await terminalsWritten("limited")) this.#setRaw(false);
  }

  /** In a crash, when nothing can wait. */
  readonly #giveBack = () => {
    if (this.#isAway || !areTerminalsWritten()) return;
    this.#setRaw(false);
    try {
      Deno.stdout.writeSync(encoder.encode(RESTORED));
    } catch {
      // The terminal is gone: nothing to give back.
    }
  };

  /** @returns Whether the terminal obeys. */
  #setRaw(isRaw: boolean): boolean {
    try {
      this.#input.setRaw(isRaw);
      return true;
    } catch {
      return false; // no terminal any more
    }
  }

  /** To the first row of the prompt, and clear from there. */
  #up(): string {
    return upBy(place(this.#head, this.#size.columns).row);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const isShown = !this.#ended && !this.#isAway;
    if (isShown && this.#records.length === 0 && this.#output.behind > 0) {
      return void this.#drawLater(); // or each key would queue a drawing
    }
    this.#drawnAt = performance.now();
    const records = this.#records.join("");
    this.#records = [];
    this.#recordsLength = 0;
    if (!isShown) return this.#output.write(records);
    this.#size = sizeNow();
    const clear = this.#up();
    const asks = this.#question !== undefined;
    const { drawing, head } = promptRows({
      status: asks ? "" : this.#status,
      prompt: this.#question ?? this.#prompt,
      text: this.#editor.text,
      cursor: this.#editor.cursor,
    }, this.#size);
    this.#head = head;
    this.#output.write(clear + records + drawing);
  }

  async #drawLater(): Promise<void> {
    if (this.#redrawing) return;
    this.#redrawing = true;
    await this.#output.flushed();
    this.#redrawing = false;
    this.#draw();
  }

  #obey(deed: Deed): void {
    switch (deed) {
      case "entered":
        return this.#entered();
      case "interrupted": {
        const remember = this.#question === undefined;
        const { text } = this.#editor.take({ remember });
        return text === "" ? this.#options.interrupt() : undefined;
      }
      case "ended":
        return (this.#options.endOfInput ?? this.#leaveLine).call(this);
      case "suspended":
        return HAS_JOBS ? void this.#suspend() : undefined;
      case "completing":
        return void this.#complete();
    }
  }

  #entered(): void {
    const asked = this.#question;
    // An answer is no line to send again.
    let line = this.#editor.take({ remember: asked === undefined });
    if (asked !== undefined || this.#options.keepsLines) {
      this.print(`${asked ?? this.#prompt}${sanitize(line.text)}\n`);
    }
    this.#question = undefined;
    const begun = this.#begun ?? this.#options.begins?.();
    this.#begun = undefined;
    if (begun && asked === undefined) line = begun(line);
    this.#typed.push(line);
    this.#readers.pop()?.(this.#typed.shift());
  }

  /** Completes the word before the cursor, as far as all candidates agree. */
  async #complete(): Promise<void> {
    const { text, cursor } = this.#editor;
    const { complete } = this.#options;
    if (this.#question !== undefined || !complete) return;
    const [found, part] = await Promise
      .try(complete, text.slice(0, cursor))
      .catch((): Completions => [[], ""]);
    const typedOn = text !== this.#editor.text ||
      cursor !== this.#editor.cursor;
    if (typedOn || this.#question !== undefined || found.length === 0) return;
    const start = found.reduce(commonStart);
    if (start !== part && start.length >= part.length) {
      this.#editor.replace(part.length, start);
    } else if (found.length > 1) {
      const names = found.map((name) => name.trim()).join("  ");
      this.print(`${wrap(names, this.columns).join("\n")}\n`);
    }
    this.#draw();
  }

  /** Removes the prompt, and a line that was not entered, from the screen. */
  #leaveLine(): void {
    if (this.#ended) return;
    if (!this.#isAway) this.#output.write(this.#up());
    this.#ended = true;
    this.#draw();
    for (const reader of this.#readers.splice(0)) reader(undefined);
    this.#answer?.(undefined);
    this.#answer = undefined;
  }

  #readKeys(): void {
    const decoder = new TextDecoder();
    const filter = new PasteFilter(
      this.#options.keepsLines ? undefined : SYSTEM,
    );
    const take = (bytes: Uint8Array) => {
      const keys = decoder.decode(bytes, { stream: true });
      for (const { pasted, text } of filter.feed(keys)) {
        if (this.#secret) this.#feedSecret(this.#secret, text);
        else if (pasted) this.#editor.insert(text, { pasted });
        else for (const deed of this.#editor.feed(text)) this.#obey(deed);
        if (this.#editor.text === "") this.#begun = undefined;
        else this.#begun ??= this.#options.begins?.();
      }
      this.#draw();
    };
    this.#input.start(take, () => this.#leaveLine());
  }

  /** Keys after Enter in the same read are dropped: no user types that fast. */
  #feedSecret(secret: SecretLine, keys: string): void {
    const end = secret.feed(keys);
    if (end === "interrupted") return this.#options.interrupt();
    if (end === undefined) return;
    this.#secret = undefined;
    this.print(`${this.#question}\n`);
    this.#question = undefined;
    this.#answer?.(end === "left" ? undefined : secret.text);
    this.#answer = undefined;
  }

  #markPastes(): void {
    if (!this.#options.keepsLines) this.#output.write(MARK_PASTES);
  }

  /** Gives the terminal back and stops, unless nothing reads the terminal. */
  async #suspend(): Promise<void> {
    const up = this.#up();
    this.#isAway = true;
    this.#head = "";
    this.#input.pause();
    this.#output.write(up + RESTORED);
    const isBack = await terminalsWritten("limited") && this.#setRaw(false);
    if (this.#ended) return;
    if (!isBack) return this.#takeOver();
    // Where no shell does job control, the system stops and continues nothing.
    this.#goAway(STOPPED_WITHIN_MS);
    Deno.kill(0, "SIGTSTP"); // 0: also npx or another program that started us
  }

  /** Leaves the terminal to another program; tries to return after some time. */
  #goAway(ms: number): void {
    this.#isAway = true;
    this.#head = "";
    this.#input.pause();
    this.#returning = setTimeout(this.#resumed, ms);
  }

  /** Takes the terminal, unless another program is in the foreground. */
  readonly #resumed = async () => {
    clearTimeout(this.#returning);
    const isFree = await this.#options.mayResume?.() ?? true;
    if (this.#ended) return;
    // No signal comes when `fg` of the shell brings a running program back.
    if (!isFree) return this.#goAway(RETURN_MS);
    await terminalsWritten("unlimited");
    if (this.#ended) return;
    // Both: a shell may have set the mode back, and node:tty does not know of it.
    if (!this.#setRaw(false) || !this.#setRaw(true)) return this.#leaveLine();
    this.#takeOver();
  };

  /** Reads and draws again. */
  #takeOver(): void {
    this.#isAway = false;
    this.#markPastes();
    this.#input.resume();
    this.#draw();
  }
}

/** How both texts begin. */
function commonStart(one: string, other: string): string {
  let end = 0;
  while (end < one.length && one[end] === other[end]) end++;
  return one.slice(0, end);
}

const encoder = new TextEncoder();
const DRAW_EVERY_MS = 33;

/** Without colours, with a cursor, pastes unmarked. */
const RESTORED = `${UNMARK_PASTES}\x1b[0m\x1b[?25h`;

/** After so long without a stop there is none. */
const STOPPED_WITHIN_MS = 200;

/** How often a program in the background asks whether it still is there. */
const RETURN_MS = 1_000;

/** Bugs that end the program; the terminal must not stay raw. */
const BUGS = ["error", "unhandledrejection"] as const;

/** Characters that may wait to be drawn before the socket is not read any more. */
const MAX_BEHIND = 262_144;

/** To the start of the row that is `rows` above, and clear from there. */
function upBy(rows: number): string {
  return `${rows > 0 ? `\x1b[${rows}A` : ""}\r\x1b[J`;
}
