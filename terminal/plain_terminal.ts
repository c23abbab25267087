/**
 * The plain kind of {@linkcode Terminal}: writes lines and reads lines.
 *
 * @module
 */
import { openLines } from "./input.ts";
import {
  areTerminalsWritten,
  Output,
  type OutputClosed,
  type Sink,
  terminalsWritten,
} from "./output.ts";
import { MARK_PASTES, UNMARK_PASTES } from "./paste.ts";
import { SecretLine } from "./secret.ts";
import { HAS_JOBS } from "../platform/system.ts";
import {
  EchoError,
  type Line,
  type Terminal,
  type TypedLines,
} from "./terminal.ts";

/** What the user can cause, and how a {@linkcode PlainTerminal} is to be. */
export interface PlainOptions {
  /** Nothing reads what is printed any more. */
  closed(error: OutputClosed): void;
  /** Ctrl-C was typed at a password, where the system sends no signal for it. */
  interrupt(): void;
  /** Where text is printed. Default: standard output. */
  readonly sink?: Sink;
  /** Whether one row may change, at the end of what was printed. */
  readonly draws?: boolean;
  /**
   * Whether the terminal is to mark pastes; otherwise each line of a paste is a
   * line that was entered.
   */
  readonly marks?: boolean;
  /** Until it is aborted, the end waits for the reader of a pipe. */
  readonly hurry?: AbortSignal;
}

/** See the top of the file; on standard input and output. */
export class PlainTerminal implements Terminal {
  readonly kind = "plain";
  readonly typed = ""; // the system has it
  readonly columns = Infinity;
  readonly #options: PlainOptions;
  readonly #output: Output;
  #row = ""; // that may change
  readonly #done = Promise.withResolvers<undefined>();
  readonly #readers: ((line: Line | undefined) => void)[] = [];
  #isReading = false;
  #hidden: TypedLines | undefined; // while what is typed is not shown
  #secrets = 0; // that are asked for
  #typed: Promise<TypedLines> | undefined;
  #lines: AsyncIterator<Line, void, void> | undefined;

  /** Reads nothing yet. */
  constructor(options: PlainOptions) {
    this.#options = options;
    this.#output = new Output(options.sink ?? Deno.stdout, options.closed);
    if (!options.marks) return;
    this.#markPastes();
    if (HAS_JOBS) Deno.addSignalListener("SIGCONT", this.#markPastes);
  }

  readonly #markPastes = () => this.#output.write(MARK_PASTES);

  print(lines: string): void {
    this.#output.write(
      this.#row === "" ? lines : CLEAR_ROW + lines + this.#row,
    );
  }

  async flushed(): Promise<void> {
    await this.#output.flushed(MAX_BEHIND);
  }

  /** Nothing: a screen reader would read a prompt after every message. */
  prompt(_text: string): void {}

  /** Usually nothing: what changes all the time cannot be read out loud. */
  status([row = ""]: readonly string[]): void {
    if (!this.#options.draws || row === this.#row) return;
    this.#row = row;
    this.#output.write(CLEAR_ROW + row);
  }

  async ask(question: string): Promise<string | undefined> {
    this.#output.write(question);
    return (await this.read())?.text;
  }

  async read(): Promise<Line | undefined> {
    const { promise, resolve } = Promise.withResolvers<Line | undefined>();
    this.#readers.push(resolve);
    if (!this.#isReading) this.#readLines();
    return await promise;
  }

  /**
   * The system edits no line that it does not show: {@linkcode SecretLine} does.
   * What is typed is hidden before the question is seen, and until a caller that
   * asks again at once has done so: a user may type on without a look.
   */
  async askSecret(question: string): Promise<string | undefined> {
    this.#secrets += 1;
    try {
      if (!this.#hidden) await this.#hide();
      this.#output.write(question);
      const keys = await this.read();
      if (keys === undefined) return undefined;
      const line = new SecretLine();
      line.feed(keys.text);
      return line.text;
    } finally {
      this.#secrets -= 1;
    }
  }

  async #hide(): Promise<void> {
    const typed = await this.#open();
    await terminalsWritten("unlimited");
    try {
      typed.hide(true);
    } catch (cause) {
      throw new EchoError(cause);
    }
    this.#hidden = typed;
  }

  /** Shows what is typed, unless a password is asked for again. */
  async #show(): Promise<void> {
    do {
      const written = this.#output.flushed()
        .then(() => terminalsWritten("unlimited"));
      if (!await Promise.race([written, this.#done.promise])) return;
    } while (!areTerminalsWritten());
    if (this.#secrets > 0) return;
    try {
      this.#hidden?.hide(false);
    } catch {
      // The terminal is gone.
    }
    this.#hidden = undefined;
  }

  clear(): void {}

  #open(): Promise<TypedLines> {
    const { sink = Deno.stdout, interrupt } = this.#options;
    return this.#typed ??= openLines({
      show: sink.isTerminal?.()
        ? (text) => this.#output.write(text)
        : undefined,
      interrupt,
    });
  }

  /** Each line goes to the reader that came last: a question comes first. */
  async #readLines(): Promise<void> {
    this.#isReading = true;
    this.#lines ??= (await this.#open())[Symbol.asyncIterator]();
    while (this.#readers.length > 0) {
      const next = this.#lines.next().then(({ value }) => value ?? undefined);
      const line = await Promise.race([next, this.#done.promise]);
      const isHidden = line !== undefined && this.#hidden !== undefined;
      if (isHidden) this.#output.write("\n"); // Enter was not shown either
      this.#readers.pop()!(line);
      if (isHidden) await this.#show();
    }
    this.#isReading = false;
  }

  /** A read of standard input may stay behind: no system call ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#done.resolve(undefined);
    await this.#giveBack();
    if (this.#hidden) this.#output.write("\n");
    this.status([]);
    if (this.#options.marks) {
      if (HAS_JOBS) Deno.removeSignalListener("SIGCONT", this.#markPastes);
      this.#output.write(UNMARK_PASTES);
    }
    await this.#output.drained(this.#options.hurry);
  }

  /** Unless nothing reads the terminal: see {@linkcode terminalsWritten}. */
  async #giveBack(): Promise<void> {
    const typed = await this.#typed;
    if (!typed || !await terminalsWritten("limited")) return;
    try {
      typed.close();
    } catch {
      // The terminal is gone.
    }
  }
}

/** Begins the row anew. */
const CLEAR_ROW = "\r\x1b[K";

/** Characters that may be behind before the socket is not read any more. */
const MAX_BEHIND = 65_536;
