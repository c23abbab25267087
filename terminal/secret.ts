/**
 * The line typed at a question for a password: edited, and never shown.
 *
 * Not `promptSecret` of @std/cli: that blocks the whole program while the user
 * types, so that it answers no PING and obeys no Ctrl-C.
 *
 * @module
 */

/** How a secret line ended. */
export type SecretEnd = "entered" | "interrupted" | "left";

/** A line that is not shown. */
export class SecretLine {
  #characters: string[] = [];

  /** The text so far. */
  get text(): string {
    return this.#characters.join("");
  }

  /** Takes keys as a terminal sends them; returns how the line ended, if it did. */
  feed(keys: string): SecretEnd | undefined {
    for (const key of keys.replaceAll(ESCAPES, "")) {
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
        return this.#characters.length === 0 ? "left" : undefined;
      case "\b":
      case "\x7f":
        this.#characters.pop();
        return undefined;
      case "\x15": // Ctrl-U
        this.#characters = [];
        return undefined;
      default:
        if (key >= " ") this.#characters.push(key);
        return undefined;
    }
  }
}

/** Arrow keys and the like. */
// deno-lint-ignore no-control-regex -- they begin with ESC
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)?/g;
