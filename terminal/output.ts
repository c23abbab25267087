/**
 * An output of the program, written by one writer: text that comes during a write
 * leaves in the next one, as a whole.
 *
 * No caller waits for a reader, and no write blocks the program. A terminal that
 * nothing reads (a stopped SSH, text that is selected in a console of Windows), a
 * full pipe and a slow disk hold up their own lines, and nothing else. A caller
 * that writes much waits for {@linkcode Output.flushed}, or leaves lines out, as
 * {@linkcode LossyLines} do.
 *
 * @module
 */

/** The end of an {@linkcode Output}: its reader has gone, or the disk is full. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
  /** What was queued; a part of its start may be written. */
  readonly unwritten: string;

  constructor(cause: unknown, unwritten: string) {
    super("Cannot write the output", { cause });
    this.unwritten = unwritten;
  }

  /** Whether a reader has gone, which is its right; else the output is broken. */
  get isHarmless(): boolean {
    return this.cause instanceof Deno.errors.BrokenPipe;
  }
}

/** Where text is written; `Deno.stdout` fits. */
export interface Sink {
  /** Writes a part of `bytes`; says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Whether it is a terminal. Default: it is none. */
  isTerminal?(): boolean;
}

/** Text on its way to a {@linkcode Sink}. */
export class Output {
  readonly #sink: Sink;
  readonly #isTerminal: boolean;
  #queue: string[] = [];
  #queued = 0;
  #taken = 0; // bytes
  #flushing: Promise<void> | undefined;
  readonly #onClosed: (error: OutputClosed) => void;
  #closed = false;

  /** Calls `onClosed` once, when nothing can be written any more. */
  constructor(sink: Sink, onClosed: (error: OutputClosed) => void) {
    this.#sink = sink;
    this.#isTerminal = sink.isTerminal?.() ?? false;
    this.#onClosed = onClosed;
  }

  /** Characters that are queued, those of the current write included. */
  get behind(): number {
    return this.#queued;
  }

  /** Queues `text`. Never waits, never throws. */
  write(text: string): void {
    if (this.#closed || text === "") return;
    this.#queue.push(text);
    this.#queued += text.length;
    this.#flushing ??= this.#flush();
  }

  /** If over `behind` characters are queued, waits for all. Never throws. */
  async flushed(behind = 0): Promise<void> {
    while (this.#flushing && this.#queued > behind) await this.#flushing;
  }

  /**
   * Waits until all is written, or the reader has taken nothing for two seconds.
   *
   * @param hurry Until it is aborted, the reader of a pipe has any time it needs.
   * @returns Whether all is written.
   */
  async drained(hurry?: AbortSignal): Promise<boolean> {
    let [taken, idleMs] = [this.#taken, 0];
    while (this.#flushing) {
      await settledWithin(CHECK_MS, this.#flushing);
      if (this.#taken > taken) [taken, idleMs] = [this.#taken, 0];
      else if (this.#isTerminal || (hurry?.aborted ?? true)) idleMs += CHECK_MS;
      if (idleMs > PATIENCE_MS) return false;
    }
    return true;
  }

  /** The only writer. */
  async #flush(): Promise<void> {
    let bytes: Uint8Array = new Uint8Array();
    let at = 0;
    if (this.#isTerminal) writtenTerminals.add(this);
    try {
      while (this.#queue.length > 0) {
        const text = this.#queue.join("");
        this.#queue = [];
        [bytes, at] = [encoder.encode(text), 0];
        while (at < bytes.length) {
          at += await this.#write(bytes.subarray(at, at + MAX_WRITE_BYTES));
        }
        this.#queued -= text.length;
      }
    } catch (cause) {
      this.#closed = true;
      const unwritten = decoder.decode(bytes.subarray(at)) +
        this.#queue.join("");
      this.#queue = [];
      this.#queued = 0;
      this.#onClosed(new OutputClosed(cause, unwritten));
    } finally {
      this.#flushing = undefined;
      writtenTerminals.delete(this);
    }
  }

  /** Another program may have made it an output that does not wait. */
  async #write(bytes: Uint8Array): Promise<number> {
    try {
      const count = await this.#sink.write(bytes);
      this.#taken += count;
      return count;
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      return 0;
    }
  }
}

/** What {@linkcode LossyLines} print to. */
export interface Printer {
  /** Characters that were printed and are not written yet. */
  readonly behind: number;
  /** Shows whole lines, each with its LF, soon. Never waits. */
  print(lines: string): void;
  /** Waits while what was printed is too far behind. */
  flushed(): Promise<void>;
}

/**
 * Lines for an output that may stand still or fail, such as a log. Lines over the
 * limit of what waits, and lines that cannot be written, are left out; the next
 * ones say how many. A failed output is tried again: a disk may have room again.
 */
export class LossyLines {
  readonly #sink: Sink;
  #output: Output;
  #printer: Printer | undefined;
  readonly #leftOut = new LeftOut();
  #isStuck = false;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#output = this.#open();
  }

  /** Queues whole lines, each with its LF, or leaves them out. Never waits. */
  print(lines: string): void {
    const { behind } = this.#printer ?? this.#output;
    if (behind > MAX_BEHIND) {
      if (this.#leftOut.isEmpty) this.#tellLater();
      this.#leftOut.add(lines);
      return;
    }
    const text = this.#leftOut.takeNotice() + lines;
    if (this.#printer) this.#printer.print(text);
    else this.#output.write(text);
  }

  /** Prints to `printer` from now on; undefined: to the sink. */
  use(printer: Printer | undefined): void {
    this.#printer = printer;
  }

  /** Waits for the sink's reader, as {@linkcode Output.drained}; once in vain. */
  async drained(): Promise<void> {
    if (!this.#isStuck) this.#isStuck = !await this.#output.drained();
  }

  #open(): Output {
    return new Output(this.#sink, ({ unwritten }) => {
      this.#leftOut.addFailed(unwritten);
      this.#output = this.#open();
    });
  }

  async #tellLater(): Promise<void> {
    const printer = this.#printer;
    await (printer ?? this.#output).flushed();
    this.print("");
  }
}

/** The lines that {@linkcode LossyLines} left out, until a notice tells them. */
class LeftOut {
  #count = 0;
  #hasFailed = false;
  #last = { notice: "", count: 0 }; // what was told

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Counts lines that were not queued. */
  add(lines: string): void {
    this.#count += countLines(lines);
  }

  /** Counts lines of an output that failed. The notice in them is no such line. */
  addFailed(unwritten: string): void {
    this.#hasFailed = true;
    this.add(unwritten);
    const { notice, count } = this.#last;
    if (count > 0 && unwritten.includes(notice)) {
      this.#count += count - countLines(notice);
    }
  }

  /** The notice about all of them, with its LF; empty if there are none. */
  takeNotice(): string {
    if (this.#count === 0) return "";
    const what = this.#count === 1 ? "1 line" : `${this.#count} lines`;
    // After a failure it is unknown how much was written, and where a line ended.
    const notice = this.#hasFailed
      ? `\n(up to ${what} left out)\n`
      : `(${what} left out)\n`;
    this.#last = { notice, count: this.#count };
    this.#count = 0;
    this.#hasFailed = false;
    return notice;
  }
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}

/**
 * Waits until nothing is to be written to a terminal any more. A terminal's mode
 * can change only then: the system call waits for a write that is under way, and
 * the whole program with it.
 *
 * @param patience `"limited"`: not longer than {@linkcode Output.drained} waits.
 * @returns Whether the mode can change now.
 */
export async function terminalsWritten(
  patience: "limited" | "unlimited",
): Promise<boolean> {
  for (let output; (output = writtenTerminals.values().next().value);) {
    if (patience === "unlimited") await output.flushed();
    else if (!await output.drained()) return false;
  }
  return true;
}

/** Whether a terminal's mode can change now; see {@linkcode terminalsWritten}. */
export function areTerminalsWritten(): boolean {
  return writtenTerminals.size === 0;
}

/** Those to which something is written now. */
const writtenTerminals = new Set<Output>();

/** Resolves with `promise`, or after `ms`. */
async function settledWithin(
  ms: number,
  promise: Promise<unknown>,
): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One write: a reader that is slow is told from one that reads nothing. */
const MAX_WRITE_BYTES = 16_384;

/** Characters that may wait before {@linkcode LossyLines} leave lines out. */
const MAX_BEHIND = 1024 * 1024;

/** After so long without a write that ends, the end of the program waits no more. */
const PATIENCE_MS = 2_000;

/** How often {@linkcode Output.drained} checks whether the reader took something. */
const CHECK_MS = 250;

/** How long an output that does not wait, and takes nothing now, is left alone. */
const RETRY_MS = 20;
