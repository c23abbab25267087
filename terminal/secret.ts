/**
 * The line typed at a question for a password: edited, and never shown.
 *
 * Not `promptSecret` of @std/cli: that blocks the whole program while the user
 * types, so that it answers no PING and obeys no Ctrl-C.
 *
 * @module
 */
import { previous } from "./columns.ts";

/** How a secret line ended. */
export type SecretEnd = "entered" | "interrupted" | "left";

/** A line that is not shown. */
export class SecretLine {
  /** The text so far. */
  text = "";

  /** Takes keys as a terminal sends them; returns how the line ended, if it did. */
  feed(keys: string): SecretEnd | undefined {
    for (const key of withoutEscapes(keys)) {
      const end = this.#press(key);
      if (end) return end;
    }
    return undefined;
  }

  #press(key: string): SecretEnd | undefined {
    switch (key) {
      case "\r":
      case "\n":
        return "entered";
      case "\x03": // Ctrl-C
        return "interrupted";
      case "\x04": // Ctrl-D, which has a meaning only on an empty line
        return this.text === "" ? "left" : undefined;
      case "\b":
      case "\x7f":
        this.text = this.text.slice(0, previous(this.text, this.text.length));
        return undefined;
      case "\x15": // Ctrl-U
        this.text = "";
        return undefined;
      default:
        if (key >= " ") this.text += key;
        return undefined;
    }
  }
}

/** `keys` without arrow keys and the like. */
export function withoutEscapes(keys: string): string {
  return keys.replaceAll(ESCAPES, "");
}

/** Arrow keys and the like; `ESC [ [ A` is F1 on the console of Linux. */
// deno-lint-ignore no-control-regex -- they begin with ESC
const ESCAPES = /\x1b(?:\[\[.|\[[0-?]*[ -/]*[@-~]|O.)?/g;
