/**
 * Separates keys from pastes: once asked to, a terminal writes `ESC [ 200 ~`
 * before pasted text and `ESC [ 201 ~` after it.
 *
 * A pasted line break must not send. The paste becomes one line, which shows
 * each break as ␤; sending turns ␤ into a break again. A ␤ that a user types
 * becomes a break too, but no keyboard has it.
 *
 * @module
 */
import { sanitize } from "../core/text/sanitize.ts";

/** Asks the terminal to mark pastes; {@linkcode UNMARK_PASTES} to stop that. */
export const MARK_PASTES = "\x1b[?2004h";

/** See {@linkcode MARK_PASTES}. */
export const UNMARK_PASTES = "\x1b[?2004l";

/** Limit of one paste, in characters; the rest of it is dropped. */
export const MAX_PASTE = 1024 * 1024;

/** A part of the input. */
export interface Typed {
  /** Whether it was pasted, and so is one line of text without keys. */
  readonly pasted: boolean;
  /** Never empty. */
  readonly text: string;
}

/** Separates keys from pastes, wherever the reads cut the input. */
export class PasteFilter {
  #held = ""; // may be the beginning of a mark
  #paste: string | undefined; // the text so far of a paste that goes on

  /** The parts that `text` completes, in order. */
  *feed(text: string): Generator<Typed, void, void> {
    let rest = this.#held + text;
    this.#held = "";
    while (rest !== "") {
      const mark = this.#paste === undefined ? START : END;
      const at = rest.indexOf(mark);
      const held = at < 0 ? heldBack(rest, mark) : 0;
      const part = rest.slice(0, at < 0 ? rest.length - held : at);
      if (this.#paste !== undefined) {
        this.#paste = (this.#paste + part).slice(0, MAX_PASTE);
      } else if (part !== "") yield { pasted: false, text: part };
      if (at < 0) {
        this.#held = rest.slice(rest.length - held);
        return;
      }
      rest = rest.slice(at + mark.length);
      const line = onOneLine(this.#paste ?? "");
      if (line !== "") yield { pasted: true, text: line };
      this.#paste = this.#paste === undefined ? "" : undefined;
    }
  }
}

/** `line` with the line breaks and tabs that were pasted. */
export function withBreaks(line: string): string {
  return line.replaceAll("␤", "\n").replaceAll("␉", "\t");
}

/**
 * A copy of whole lines ends with a break, which the user does not mean; nor
 * does a user mean the soft hyphens and such that web pages have in texts.
 */
function onOneLine(paste: string): string {
  return sanitize(
    paste.replace(/\r\n?/g, "\n").replace(/\n+$/, "").replaceAll("\t", "␉")
      .replaceAll(/[\u00ad\u200b\u2060\ufeff]/g, ""),
  );
}

const START = "\x1b[200~";
const END = "\x1b[201~";

/** How many characters at the end of `text` may be the beginning of `mark`. */
function heldBack(text: string, mark: string): number {
  for (let length = mark.length - 1; length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}
