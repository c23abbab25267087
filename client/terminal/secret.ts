/**
 * What is typed at a question for a password: edited, and never shown.
 *
 * Not `promptSecret` of @std/cli: that stops the whole program while somebody
 * types, so that no PING is answered and no Ctrl-C is heard.
 *
 * @module
 */

/** How a secret line ended. */
export type SecretEnd = "entered" | "interrupted" | "left";

/** A line that nobody sees. */
export class SecretLine {
  #characters: string[] = [];

  /** What was typed so far. */
  get text(): string {
    return this.#characters.join("");
  }

  /** Takes keys as a terminal sends them; says how the line ended, if so. */
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
      case "\x04": // Ctrl-D, which means something on an empty line alone
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
