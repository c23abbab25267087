/**
 * The plain kind of {@linkcode Terminal}: writes lines and reads lines.
 *
 * @module
 */
import { readLines } from "./lines.ts";
import { Output, type OutputClosed, type Sink } from "./output.ts";
import { SecretLine } from "./secret.ts";
import { HAS_JOBS } from "./system.ts";
import type { Terminal } from "./terminal.ts";

/** See the top of the file; on standard input and output. */
export class PlainTerminal implements Terminal {
  readonly kind = "plain";
  readonly columns = Infinity;
  readonly #output: Output;
  readonly #draws: boolean;
  #row = ""; // that may change
  readonly #done = Promise.withResolvers<undefined>();
  #hidden = false; // what is typed, at the moment
  readonly #readers: ((line: string | undefined) => void)[] = [];
  #isReading = false;
  // A line that is typed unseen ends with the key itself, which is CR.
  readonly #lines = readLines(
    Infinity,
    (text) => this.#hidden ? text.replaceAll("\r", "\n") : text,
  );

  /**
   * Calls `onClosed` when nothing reads what is printed any more.
   *
   * @param draws Whether one row may change, at the end of what was printed.
   */
  constructor(
    onClosed: (error: OutputClosed) => void,
    { sink, draws }: { sink: Sink; draws: boolean } = {
      sink: Deno.stdout,
      draws: false,
    },
  ) {
    this.#output = new Output(sink, onClosed);
    this.#draws = draws;
  }

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
    if (!this.#draws || row === this.#row) return;
    this.#row = row;
    this.#output.write(CLEAR_ROW + row);
  }

  ask(question: string): Promise<string | undefined> {
    this.#output.write(question);
    return this.read();
  }

  async read(): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#readers.push(resolve);
    if (!this.#isReading) this.#readLines();
    return await promise;
  }

  /** The system edits no line that it does not show: {@linkcode SecretLine} does. */
  async askSecret(question: string): Promise<string | undefined> {
    this.#output.write(question);
    Deno.stdin.setRaw(true, { cbreak: HAS_JOBS });
    this.#hidden = true;
    const keys = await this.read();
    this.#show();
    this.#output.write("\n");
    if (keys === undefined) return undefined;
    const line = new SecretLine();
    line.feed(keys);
    return line.text;
  }

  clear(): void {}

  /** Each line goes to the reader that came last: a question comes first. */
  async #readLines(): Promise<void> {
    this.#isReading = true;
    while (this.#readers.length > 0) {
      const next = this.#lines.next().then(({ value }) => value ?? undefined);
      const line = await Promise.race([next, this.#done.promise]);
      this.#readers.pop()!(line);
    }
    this.#isReading = false;
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
const CLEAR_ROW = "\r\x1b[K";

/** Characters that may be behind before the socket is not read any more. */
const MAX_BEHIND = 65_536;
