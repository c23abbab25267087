/**
 * What a person, or a pipe, reads and types: one interface, two kinds.
 *
 * The plain kind, here, writes lines and reads lines, and moves no cursor. The
 * kind with a prompt that stays whole is in screen.ts.
 *
 * @module
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import { Output, type OutputClosed, type Sink } from "./output.ts";
import { SecretLine } from "./secret.ts";

/** Where things are shown and typed. Dispose it to leave it as it was found. */
export interface Terminal extends AsyncDisposable {
  /** Shows whole lines, each with its LF, soon. Never waits. */
  print(lines: string): void;

  /** Waits while what was printed is too far behind. */
  flushed(): Promise<void>;

  /** Shows `text` wherever the person types next, until it is changed. */
  prompt(text: string): void;

  /** Shows rows that change, above the prompt; without any, nothing. */
  status(rows: readonly string[]): void;

  /** Asks one question; the answer stays where it was typed. */
  ask(question: string): Promise<string | undefined>;

  /** The next line that is typed; undefined when there are no more. */
  read(): Promise<string | undefined>;

  /** Clears the screen, if there is one. */
  clear(): void;
}

/** A terminal on which something can be typed that is not shown. */
export interface SecretTerminal extends Terminal {
  /** Asks for a password; undefined if nothing more is typed. */
  askSecret(question: string): Promise<string | undefined>;
}

/** How a {@linkcode PlainTerminal} is to be. */
export interface PlainOptions {
  /** Where it prints. Default: standard output. */
  readonly sink?: Sink;
  /** Whether one row may change, at the end of what was printed. */
  readonly draws?: boolean;
}

/** The plain kind, on standard input and output. */
export class PlainTerminal implements SecretTerminal {
  readonly #output: Output;
  readonly #draws: boolean;
  #row = ""; // that may change
  readonly #done = Promise.withResolvers<undefined>();
  #hidden = false; // what is typed, at the moment
  #isRead = false; // somebody waits for a line
  #answer: ((line: string | undefined) => void) | undefined; // and is passed by
  #lines: ReadableStreamDefaultReader<string> | undefined;

  /** `onClosed` is told when nobody reads what we print any more. */
  constructor(
    onClosed: (error: OutputClosed) => void,
    { sink = Deno.stdout, draws = false }: PlainOptions = {},
  ) {
    this.#output = new Output(sink, onClosed);
    this.#draws = draws;
  }

  print(lines: string): void {
    this.#output.write(this.#row === "" ? lines : ANEW + lines + this.#row);
  }

  async flushed(): Promise<void> {
    await this.#output.flushed(MAX_BEHIND);
  }

  /** Nothing: a prompt would be read out loud after every message. */
  prompt(_text: string): void {}

  /** Usually nothing: what changes all the time cannot be read out loud. */
  status([row = ""]: readonly string[]): void {
    if (!this.#draws || row === this.#row) return;
    this.#row = row;
    this.#output.write(ANEW + row);
  }

  ask(question: string): Promise<string | undefined> {
    this.#output.write(question);
    return this.read();
  }

  async read(): Promise<string | undefined> {
    this.#isRead = true;
    for (;;) {
      const line = await this.#nextLine();
      const answer = this.#answer;
      this.#answer = undefined;
      answer?.(line);
      if (!answer || line === undefined) {
        this.#isRead = false;
        return line;
      }
    }
  }

  /** The system edits no line that it does not show: we do. */
  async askSecret(question: string): Promise<string | undefined> {
    this.#output.write(question);
    Deno.stdin.setRaw(true, { cbreak: Deno.build.os !== "windows" });
    this.#hidden = true;
    const keys = await this.#lineForUs();
    this.#show();
    this.#output.write("\n");
    if (keys === undefined) return undefined;
    const line = new SecretLine();
    line.feed(keys);
    return line.text;
  }

  clear(): void {}

  /** The next line, though somebody else waits for lines already. */
  #lineForUs(): Promise<string | undefined> {
    if (!this.#isRead) return this.read();
    return new Promise((resolve) => this.#answer = resolve);
  }

  async #nextLine(): Promise<string | undefined> {
    this.#lines ??= Deno.stdin.readable
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(
        new TransformStream<string, string>({
          // What is typed unseen ends with the key itself, which is CR.
          transform: (text, next) =>
            next.enqueue(this.#hidden ? text.replaceAll("\r", "\n") : text),
        }),
      )
      .pipeThrough(new TextLineStream())
      .getReader();
    const next = this.#lines.read().then(({ value }) => value);
    return await Promise.race([next, this.#done.promise]);
  }

  #show(): void {
    if (this.#hidden) Deno.stdin.setRaw(false);
    this.#hidden = false;
  }

  /** A read of standard input may stay behind: no system call ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#done.resolve(undefined);
    this.#show();
    this.status([]);
    await this.#output.flushed();
  }
}

/** Begins the row anew. */
const ANEW = "\r\x1b[K";

/** Characters that may be on their way before we stop reading the socket. */
const MAX_BEHIND = 65_536;
