/**
 * Standard input: bytes that Deno reads, or of a terminal node:tty; and the lines
 * that a user types into a terminal that draws nothing.
 *
 * On Windows, Deno reads a console in its code page: what the page lacks arrives as
 * `?`. node:tty reads UTF-8 there. Elsewhere Deno reads what is typed as lines:
 * unlike node:tty it reads no more than is asked for.
 *
 * @module
 */
import { SYSTEM, type System } from "../platform/system.ts";
import { readTypedLines } from "./lines.ts";
import type { Line, LineScreen, TypedLines } from "./terminal.ts";

/** Whether node:tty, and not Deno, reads lines of standard input on `system`. */
export function readsWithNode(isTerminal: boolean, system: System): boolean {
  return isTerminal && system === "windows";
}

/** Standard input as bytes; it ends with the input, or its terminal. */
export async function openInput(): Promise<AsyncIterable<Uint8Array>> {
  if (!readsWithNode(Deno.stdin.isTerminal(), SYSTEM)) return readDeno();
  const { TtyInput } = await import("./tty_input.ts");
  return TtyInput.open() ?? readDeno();
}

/**
 * The lines that are typed. The system shows and edits them; on Windows KeyLines do:
 * a console loses keys when its mode changes while they are read.
 */
export async function openLines(screen: LineScreen): Promise<TypedLines> {
  if (!readsWithNode(Deno.stdin.isTerminal(), SYSTEM)) {
    return new SystemLines(readDeno(), setRaw);
  }
  const { KeyLines, TtyInput } = await import("./tty_input.ts");
  const { show } = screen;
  const input = show && TtyInput.openRaw();
  if (input) return new KeyLines(input, { ...screen, show });
  return new SystemLines(await openInput(), () => {
    throw new Error("Cannot set the mode of this terminal");
  });
}

/** Lines that the system edits and shows, unless they are hidden. */
class SystemLines implements TypedLines {
  #isHidden = false;
  #wasHidden = false;
  readonly #input: AsyncIterable<Uint8Array>;
  readonly #setRaw: (isRaw: boolean) => void;

  constructor(
    input: AsyncIterable<Uint8Array>,
    setRaw: (isRaw: boolean) => void,
  ) {
    this.#input = input;
    this.#setRaw = setRaw;
  }

  hide(isHidden: boolean): void {
    if (isHidden === this.#isHidden) return;
    this.#setRaw(isHidden);
    this.#isHidden = isHidden;
    this.#wasHidden = true;
  }

  close(): void {
    this.hide(false);
  }

  /** A hidden line ends with the key itself, which is CR; it may be read later. */
  [Symbol.asyncIterator](): AsyncIterator<Line, void, void> {
    return readTypedLines(
      this.#input,
      (text) => this.#wasHidden ? text.replaceAll("\r", "\n") : text,
    );
  }
}

/** Ctrl-C stays a signal. */
function setRaw(isRaw: boolean): void {
  Deno.stdin.setRaw(isRaw, isRaw ? { cbreak: true } : undefined);
}

/** It fails where there is none, as nohup leaves it. */
async function* readDeno(): AsyncGenerator<Uint8Array, void, void> {
  const buffer = new Uint8Array(16_384);
  for (;;) {
    const count = await Deno.stdin.read(buffer).catch(() => null);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}
