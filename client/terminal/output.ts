/**
 * Standard output, written by one writer: what comes while it writes leaves
 * joined in the next write.
 *
 * Whoever produces much waits for {@linkcode Output.flushed}, so that a slow
 * reader of ours slows down the server's sending, and not our memory's growing.
 *
 * @module
 */

/** Says that nobody reads our output any more, as in `client.ts | head`. */
export class OutputClosed extends Error {
  /** For stack traces. */
  override readonly name = "OutputClosed";
}

/** What is written to; `Deno.stdout` fits. */
export interface Sink {
  /** Writes a part of `bytes`; says how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Text on its way to a {@linkcode Sink}. */
export class Output {
  readonly #sink: Sink;
  #queue: string[] = [];
  #queued = 0; // characters, those that are being written included
  #flushing: Promise<void> | undefined;
  readonly #onClosed: (error: OutputClosed) => void;
  #closed = false;

  /** `onClosed` is told when nobody reads any more, once. */
  constructor(sink: Sink, onClosed: (error: OutputClosed) => void) {
    this.#sink = sink;
    this.#onClosed = onClosed;
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

  /** The only writer. */
  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const text = this.#queue.join("");
        this.#queue = [];
        const bytes = encoder.encode(text);
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.#sink.write(bytes.subarray(sent));
        }
        this.#queued -= text.length;
      }
    } catch (cause) {
      this.#closed = true;
      this.#queue = [];
      const message = "Cannot write: nobody reads the output";
      this.#onClosed(new OutputClosed(message, { cause }));
    } finally {
      this.#flushing = undefined;
    }
  }
}

const encoder = new TextEncoder();
