/**
 * The line that a user types: its text, the cursor, and the lines before it.
 *
 * Not node:readline: that moves and deletes by code points, so that Backspace
 * takes a family apart, and it holds no line breaks. Here a key acts on what a
 * user sees as one character. Nothing is drawn here, and the text stays as it
 * was typed or pasted, byte for byte.
 *
 * @module
 */
import { isBlank } from "../core/text/sanitize.ts";
import { next, previous } from "./columns.ts";
import type { Line } from "./terminal.ts";

/** What a key asks for, beside editing the line. */
export type Deed =
  | "entered"
  | "interrupted"
  | "ended"
  | "suspended"
  | "completing";

/** A line that is being typed. */
export class LineEditor {
  #text = "";
  #cursor = 0;
  #pasted = false; // whether it begins with a paste of several lines
  #erased = ""; // by the last key that erases more than one character
  readonly #history: Line[] = []; // the newest first
  #recalled = -1; // which line of the history this is; -1 for none
  #draft: Line = EMPTY; // what was typed before a line was recalled

  /** What was typed so far. */
  get text(): string {
    return this.#text;
  }

  /** Where in the text the next character goes. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Puts `text` at the cursor. */
  insert(text: string, { pasted = false } = {}): void {
    const before = this.#text.slice(0, this.#cursor);
    if (isBlank(before)) this.#pasted = pasted && text.includes("\n");
    this.#text = before + text + this.#text.slice(this.#cursor);
    this.#cursor += text.length;
  }

  /** Replaces the last `count` characters before the cursor. */
  replace(count: number, text: string): void {
    this.#erase(this.#cursor - count);
    this.insert(text);
  }

  /** Ends the line, and begins an empty one. */
  take({ remember = true } = {}): Line {
    const line = this.#line();
    this.#set(EMPTY);
    this.#recalled = -1;
    if (!remember || line.text === "") return line;
    const again = this.#history.findIndex(({ text }) => text === line.text);
    if (again >= 0) this.#history.splice(again, 1);
    this.#history.unshift(line);
    if (this.#history.length > MAX_HISTORY) this.#history.pop();
    return line;
  }

  /** Takes keys as a terminal sends them; gives what they ask for. */
  *feed(keys: string): Generator<Deed, void, void> {
    for (const [key] of keys.matchAll(KEY)) {
      const deed = this.#press(key);
      if (deed) yield deed;
    }
  }

  #press(key: string): Deed | undefined {
    if (!CONTROL.test(key)) return this.insert(key), undefined;
    const name = nameOf(key);
    if (name === CTRL_D && this.#text === "") return "ended";
    const move = MOVES[name];
    const erase = ERASES[name];
    if (move) this.#cursor = move(this.#text, this.#cursor);
    else if (erase) {
      const gone = this.#erase(erase(this.#text, this.#cursor));
      if (KILLS.has(name)) this.#erased = gone;
    } else if (name === CTRL_Y) this.insert(this.#erased);
    else if (UP.includes(name)) this.#recall(this.#recalled + 1);
    else if (DOWN.includes(name)) this.#recall(this.#recalled - 1);
    return DEEDS[name];
  }

  /** Erases what is between the cursor and `to`. */
  #erase(to: number): string {
    const [from, end] = [
      Math.min(to, this.#cursor),
      Math.max(to, this.#cursor),
    ];
    const gone = this.#text.slice(from, end);
    this.#text = this.#text.slice(0, from) + this.#text.slice(end);
    this.#cursor = from;
    return gone;
  }

  #recall(index: number): void {
    const line = index === -1 ? this.#draft : this.#history[index];
    if (!line || this.#recalled === index) return;
    if (this.#recalled === -1) this.#draft = this.#line();
    this.#recalled = index;
    this.#set(line);
  }

  #set({ text, pasted }: Line): void {
    [this.#text, this.#cursor, this.#pasted] = [text, text.length, pasted];
  }

  #line(): Line {
    const pasted = this.#pasted && this.#text.includes("\n");
    return { text: this.#text, pasted };
  }
}

const EMPTY: Line = { text: "", pasted: false };

/** Lines that Up brings back. */
const MAX_HISTORY = 500;

/** A key, or text without keys: terminals send arrows and Alt after ESC. */
const KEY =
  // deno-lint-ignore no-control-regex -- keys begin with ESC, or are controls
  /\x1b(?:\[(?:\[.|[0-?]*[ -/]*[@-~])|O.|[^[O\x1b])?|\p{Cc}|\P{Cc}+/gsu;
const CONTROL = /^\p{Cc}/u;
const CTRL_D = "\x04";
const CTRL_Y = "\x19";

/** A key without what differs between terminals, such as `word D`. */
function nameOf(key: string): string {
  const [, number = "", modifier = "", end] =
    // deno-lint-ignore no-control-regex -- these keys begin with ESC
    /^\x1b[[O](\d*)(?:;(\d+))?([A-Z~])$/.exec(key) ?? [];
  if (end === undefined) return key;
  const word = Number(modifier) > 2 ? "word " : ""; // with Alt or Ctrl
  return word + (end === "~" ? number : "") + end;
}

type Move = (text: string, at: number) => number;

const home: Move = () => 0;
const end: Move = (text) => text.length;
const left: Move = (text, at) => at === 0 ? 0 : previous(text, at);

const wordLeft: Move = (text, at) => {
  while (at > 0 && isSpace(text[at - 1])) at--;
  while (at > 0 && !isSpace(text[at - 1])) at--;
  return at;
};

const wordRight: Move = (text, at) => {
  while (at < text.length && isSpace(text[at])) at++;
  while (at < text.length && !isSpace(text[at])) at++;
  return at;
};

function isSpace(char: string | undefined): boolean {
  return char === undefined || /\s/.test(char);
}

const MOVES: Readonly<Record<string, Move>> = {
  ...{ "\x01": home, "H": home, "1~": home, "7~": home }, // Ctrl-A
  ...{ "\x05": end, "F": end, "4~": end, "8~": end }, // Ctrl-E
  ...{ "\x02": left, "D": left, "\x06": next, "C": next }, // Ctrl-B, Ctrl-F
  ...{ "\x1bb": wordLeft, "word D": wordLeft },
  ...{ "\x1bf": wordRight, "word C": wordRight },
};

const ERASES: Readonly<Record<string, Move>> = {
  ...{ "\x7f": left, "\b": left, "3~": next, [CTRL_D]: next },
  ...{ "\x0b": end, "\x15": home }, // Ctrl-K, Ctrl-U
  ...{ "\x17": wordLeft, "\x1b\x7f": wordLeft }, // Ctrl-W
  ...{ "\x1bd": wordRight, "word 3~": wordRight },
};

/** Those that Ctrl-Y undoes. */
const KILLS = new Set(["\x0b", "\x15", "\x17", "\x1b\x7f", "\x1bd", "word 3~"]);

const UP = ["A", "\x10"]; // Ctrl-P
const DOWN = ["B", "\x0e"]; // Ctrl-N

const DEEDS: Readonly<Record<string, Deed>> = {
  "\r": "entered",
  "\n": "entered",
  "\x03": "interrupted",
  "\x1a": "suspended",
  "\t": "completing",
};
