/**
 * Separates keys from pastes: once asked to, a terminal writes `ESC [ 200 ~`
 * before pasted text and `ESC [ 201 ~` after it. A pasted line break is text and
 * does not send. No character of a paste is replaced.
 *
 * @module
 */
import type { System } from "../platform/system.ts";

/** Asks the terminal to mark pastes; {@linkcode UNMARK_PASTES} to stop that. */
export const MARK_PASTES = "\x1b[?2004h";

/** See {@linkcode MARK_PASTES}. */
export const UNMARK_PASTES = "\x1b[?2004l";

/** Limit of one paste, in characters; the rest of it is dropped. */
export const MAX_PASTE = 1024 * 1024;

/** A part of the input. */
export interface Typed {
  /** Whether it was pasted, and so is text without keys. */
  readonly pasted: boolean;
  /** Never empty. Keys are whole: a read may end within one. */
  readonly text: string;
}

/** Separates keys from pastes, wherever the reads cut the input. */
export class PasteFilter {
  #held = ""; // may be the beginning of a mark or a key
  #paste: string | undefined; // the text so far of a paste that goes on
  #hasMarks = false; // the terminal has marked a paste
  readonly #system: System | undefined;

  /** @param system Takes also what {@linkcode isUnmarkedPaste} there for a paste. */
  constructor(system?: System) {
    this.#system = system;
  }

  /** The parts that `text`, which is one read, completes, in order. */
  *feed(text: string): Generator<Typed, void, void> {
    const system = this.#hasMarks ? undefined : this.#system;
    if (this.#held === "" && system && isUnmarkedPaste(text, system)) {
      return yield { pasted: true, text: withoutEnd(text) };
    }
    const whole = this.#held + text;
    this.#held = UNFINISHED.exec(whole)![0]; // matches always
    const parts = whole.slice(0, whole.length - this.#held.length).split(MARK);
    for (const part of parts) {
      if (this.#paste === undefined) {
        if (part === START) [this.#paste, this.#hasMarks] = ["", true];
        else if (part !== "") yield { pasted: false, text: part };
      } else if (part === END) {
        const text = withoutEnd(this.#paste);
        this.#paste = undefined;
        if (text !== "") yield { pasted: true, text };
      } else this.#paste = (this.#paste + part).slice(0, MAX_PASTE);
    }
  }

  /** At the end of the input: what was not complete. */
  rest(): string {
    return (this.#paste ?? "") + this.#held;
  }
}

/**
 * Whether `keys`, which came in one read, are a paste that the terminal did not
 * mark: text after a line break. The console of Windows 10 marks no pastes, and no
 * user types that fast. Elsewhere such keys were typed before the program read them.
 */
export function isUnmarkedPaste(keys: string, system: System): boolean {
  return system === "windows" && !keys.includes("\x1b") &&
    /\r\n?\P{Cc}/u.test(keys);
}

/**
 * A terminal writes CR for a line break. A copy of one whole line ends with a
 * break that the user does not mean: "@bob: hi" stays private.
 */
function withoutEnd(paste: string): string {
  const text = paste.replace(/\r\n?/g, "\n");
  return /\n[^\n]/.test(text) ? text : text.replace(/\n+$/, "");
}

const START = "\x1b[200~";
const END = "\x1b[201~";
// deno-lint-ignore no-control-regex -- ESC begins a mark
const MARK = /(\x1b\[20[01]~)/;
/** What may be the beginning of a mark or a key; else nothing. */
// deno-lint-ignore no-control-regex -- ESC begins them
const UNFINISHED = /(?:\x1b(?:\[(?:\[|[0-?]*[ -/]*)|O)?)?$/;
