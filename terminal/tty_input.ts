/**
 * A terminal as standard input, read by node:tty: in UTF-8 on each system, and so
 * that reading can pause.
 *
 * Not `Deno.stdin` for keys: nothing ends its read, and in the background the system
 * stops a program that reads, or that sets the terminal back as it ends.
 *
 * @module
 */
import { ReadStream } from "node:tty";
import { isBlank } from "../core/text/sanitize.ts";
import { sanitize } from "../core/text/sanitize.ts";
import { SYSTEM } from "../platform/system.ts";
import { width } from "./columns.ts";
import { PasteFilter } from "./paste.ts";
import { SecretLine, withoutEscapes } from "./secret.ts";
import type { Line, LineScreen, TypedLines } from "./terminal.ts";

/** See the top of the file. Iterate it, or {@linkcode TtyInput.start} it. */
export class TtyInput implements AsyncIterable<Uint8Array> {
  readonly #stream: ReadStream;

  /** Undefined if standard input is no terminal, whatever it says. */
  static open(): TtyInput | undefined {
    try {
      return new TtyInput();
    } catch {
      return undefined; // node:tty could not open it
    }
  }

  /**
   * Standard input whose keys come one by one, and are not shown. Undefined if it is
   * no terminal, or one that does not obey, as Git Bash without ConPTY.
   */
  static openRaw(): TtyInput | undefined {
    const input = TtyInput.open();
    try {
      input?.setRaw(true);
      return input;
    } catch {
      return undefined; // its mode cannot be set
    }
  }

  private constructor() {
    this.#stream = new ReadStream(0);
    this.#stream.on("error", () => {}); // also while nothing is read
  }

  /**
   * Whether keys come one by one, and are not shown.
   *
   * @throws {Error} If the terminal does not obey.
   */
  setRaw(isRaw: boolean): void {
    this.#stream.setRawMode(isRaw); // it emits its error
    if (this.#stream.isRaw === isRaw) return;
    throw new Error("Cannot set the mode of the terminal");
  }

  /** Gives `take` what is typed, until {@linkcode TtyInput.pause}. */
  start(take: (bytes: Uint8Array) => void, ended: () => void): void {
    this.#stream.on("data", take);
    this.#stream.on("end", ended);
    this.#stream.on("error", ended); // the terminal is gone, as after a hang-up
  }

  /** Reads nothing, until {@linkcode TtyInput.resume}. */
  pause(): void {
    this.#stream.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#stream.resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    // Not destroyed: its mode is still to be set back.
    const reads = this.#stream.iterator({ destroyOnReturn: false });
    try {
      for await (const bytes of reads) yield bytes;
    } catch {
      // The terminal is gone.
    }
  }
}

/** What {@linkcode KeyLines} need. */
export interface KeyScreen extends LineScreen {
  readonly show: (text: string) => void;
}

/**
 * Lines of a terminal that passes single keys: edited and shown as the system does
 * elsewhere, at the end of what was printed.
 */
export class KeyLines implements TypedLines {
  readonly #input: TtyInput;
  readonly #screen: KeyScreen;
  #isHidden = false;

  /** Takes over `input`, which passes single keys. */
  constructor(input: TtyInput, screen: KeyScreen) {
    this.#input = input;
    this.#screen = screen;
  }

  hide(isHidden: boolean): void {
    this.#isHidden = isHidden;
  }

  /** Gives the terminal back. */
  close(): void {
    this.#input.pause();
    this.#input.setRaw(false);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Line, void, void> {
    const decoder = new TextDecoder();
    const filter = new PasteFilter(SYSTEM);
    let line = new SecretLine();
    let pasted = false;
    for await (const bytes of this.#input) {
      const keys = decoder.decode(bytes, { stream: true });
      for (const part of filter.feed(keys)) {
        if (part.pasted) {
          if (isBlank(line.text)) pasted = part.text.includes("\n");
          line.text += part.text;
          this.#show(sanitize(part.text));
          continue;
        }
        for (const key of withoutEscapes(part.text)) {
          const before = line.text;
          const end = line.feed(key);
          if (end === "interrupted") this.#screen.interrupt();
          else if (end === "left") return;
          this.#echo(before, line.text);
          if (end !== "entered") continue;
          this.#show("\n");
          yield { text: line.text, pasted };
          [line, pasted] = [new SecretLine(), false];
        }
      }
    }
  }

  #echo(before: string, after: string): void {
    if (after.startsWith(before)) return this.#show(after.slice(before.length));
    const columns = width(sanitize(before.slice(after.length)));
    this.#show("\b \b".repeat(columns));
  }

  #show(text: string): void {
    if (!this.#isHidden && text !== "") this.#screen.show(text);
  }
}
