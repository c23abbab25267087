/**
 * Standard output, written by one writer: text that comes during a write leaves
 * in the next one, as a whole.
 *
 * A caller that writes much waits for {@linkcode Output.flushed}. A slow reader
 * of the output then slows the caller down, and the queue stays small.
 *
 * @module
 */
import { writeAll } from "../core/net/stream.ts";

/** Nothing reads the output any more, as in `client.ts | head`. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** Where text is written; `Deno.stdout` fits. */
export interface Sink {
  /** Writes a part of `bytes`; says how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Text on its way to a {@linkcode Sink}. */
export class Output {
  readonly #sink: Sink;
  #queue: string[] = [];
  #queued = 0;
  #flushing: Promise<void> | undefined;
  readonly #onClosed: (error: OutputClosed) => void;
  #closed = false;

  /** Calls `onClosed` once, when nothing reads any more. */
  constructor(sink: Sink, onClosed: (error: OutputClosed) => void) {
    this.#sink = sink;
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

  /** The only writer. */
  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const text = this.#queue.join("");
        this.#queue = [];
        const bytes = encoder.encode(text);
        await writeAll(this.#sink, bytes);
        this.#queued -= text.length;
      }
    } catch (cause) {
      this.#closed = true;
      this.#queue = [];
      this.#queued = 0;
      const message = "Cannot write: nothing reads the output";
      this.#onClosed(new OutputClosed(message, { cause }));
    } finally {
      this.#flushing = undefined;
    }
  }
}

const encoder = new TextEncoder();
