/**
 * Formats what the terminal client shows: times, coloured names, wrapped texts.
 *
 * Values in, strings out; nothing is drawn here. All text from outside passes
 * through here to the screen and is sanitized, so no caller can forget it.
 *
 * A reader sees who wrote a line. A message starts with its time and its sender;
 * a line of the program starts with `* `, `! ` or ` * `; every further line of a
 * message, from the sender or from wrapping, starts with `  | `. So no message
 * can look like a line of the program.
 *
 * Plain output has one record a line, always names the room, and does not wrap:
 * for pipes and for screen readers.
 *
 * @module
 */
import stringWidth from "string-width";
import { mentions, nameHash, textParts } from "../../core/text/marks.ts";
import { sanitize, sanitizeName } from "../../core/text/sanitize.ts";

/** Something to show. */
export type Item =
  | Message
  | { readonly kind: "event"; readonly at: Date; readonly text: string }
  | { readonly kind: "note" | "error" | "echo"; readonly text: string }
  | { readonly kind: "room"; readonly name: string; readonly members: string };

/** A message. */
export interface Message {
  /** What kind of {@linkcode Item} it is. */
  readonly kind: "message";
  /** When the server received it. */
  readonly at: Date;
  /** The sender. */
  readonly from: string;
  /** The room with its `#`, `ALL`, or a user. */
  readonly to: string;
  /** May have line breaks. */
  readonly text: string;
  /** Whether it is from the history: shown dim, and no bell. */
  readonly old?: boolean;
  /** Whether it came in a direct session, without the server. */
  readonly direct?: boolean;
}

/** How to show things. */
export interface ViewOptions {
  /** One record a line, without wrapping. */
  readonly plain: boolean;
  /** Whether to colour. */
  readonly colors: boolean;
  /** The width of the terminal now; plain output ignores it. */
  readonly columns: () => number;
  /** The clock; tests pass their own. */
  readonly now?: () => Date;
}

/**
 * The colours for names: those of the 256 that have a contrast of 3.5 to 1 and
 * more on black and on white, without greys. A test computes it.
 */
export const NAME_COLORS: readonly number[] = [
  ...[26, 27, 28, 29, 30, 31, 32, 33, 61, 62, 63, 64, 67, 68, 94, 97, 98, 99],
  ...[100, 128, 129, 130, 131, 132, 133, 134, 135, 160, 161, 162, 163, 164],
  ...[165, 166, 167, 168, 196, 197, 198, 199],
];

/** What stands before each further line of a message. */
export const HANGING = "  | ";

/** Formats items. It tells when the day changes. */
export class View {
  /** The own name: its mentions are marked. */
  me = "";
  /** The room whose messages need not name it. */
  room: string | undefined;
  readonly #options: ViewOptions;
  readonly #now: () => Date;
  #day: string;

  /** The first item is expected to be of today. */
  constructor(options: ViewOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
    this.#day = dayOf(this.#now());
  }

  /** The lines of `item`, each with its LF, and a bell where one is due. */
  format(item: Item): string {
    switch (item.kind) {
      case "message":
        return this.#newDay(item.at) + this.#message(item);
      case "event": {
        const rows = this.#rows(`${timeOf(item.at)} * `, item.text);
        return this.#newDay(item.at) + this.#painted(rows, DIM);
      }
      case "note":
        return this.#rows("* ", item.text).join("");
      case "error":
        return this.#painted(this.#rows("! ", item.text), "31");
      case "echo": // a command that was typed, after its prompt
        return this.#painted(this.#rows("", item.text), DIM);
      case "room": {
        const name = sanitizeName(item.name.replace(/^#/, ""));
        return sanitize(` * ${name} <${item.members}>`) + "\n";
      }
    }
  }

  #message(message: Message): string {
    const head = this.#head(message);
    const rows = this.#rows(head.plain, message.text);
    if (message.old) return this.#painted(rows, DIM);
    const told = message.from !== this.me && message.from !== "you" &&
      (message.to === "you" || mentions(message.text, this.me));
    const body = rows.join("").slice(head.plain.length);
    const bell = told && !this.#options.plain ? "\x07" : "";
    return head.colored + this.#marked(body) + bell;
  }

  #head(message: Message): { plain: string; colored: string } {
    const time = timeOf(message.at);
    const from = sanitizeName(message.from);
    const to = sanitizeName(message.to);
    const isRoom = to.startsWith("#");
    const isCurrent = to.toLowerCase() === this.room?.toLowerCase();
    const named = isRoom && (this.#options.plain || !isCurrent);
    const room = named ? `${to} ` : "";
    const way = message.direct ? " (direct)" : "";
    const arrow = isRoom ? "" : ` -> ${to}${way}`;
    const color = from === "you" ? "" : `;38;5;${colorOf(from)}`;
    return {
      plain: `${time} ${room}${from}${arrow}: `,
      colored: this.#paint(`${time} ${room}`, DIM) +
        this.#paint(from, BOLD + color) + this.#paint(arrow, BOLD) + ": ",
    };
  }

  /** Mentions in inverse video; a mention that was wrapped is not found. */
  #marked(text: string): string {
    if (!this.#options.colors) return text;
    return textParts(text, this.me).map((part) =>
      part.kind === "mention" ? this.#paint(part.text, "7") : part.text
    ).join("");
  }

  /** `text` after `head`, as rows that fit, each with its LF. */
  #rows(head: string, text: string): string[] {
    if (this.#options.plain) return [`${head}${sanitize(text)}\n`];
    const columns = Math.max(this.#options.columns(), MIN_COLUMNS);
    const safe = sanitize(text, { lines: true });
    const first = columns - width(head);
    const rest = columns - HANGING.length;
    const rows = safe.split("\n").flatMap((line, index) =>
      wrap(line, index === 0 ? first : rest, rest)
    );
    return rows.map((row, index) => (index ? HANGING : head) + row + "\n");
  }

  #newDay(at: Date): string {
    const day = dayOf(at);
    if (day === this.#day) return "";
    this.#day = day;
    const weekday = at.toLocaleDateString("en", { weekday: "long" });
    return this.#paint(`* ${weekday}, ${day}\n`, DIM);
  }

  #painted(rows: readonly string[], codes: string): string {
    return rows.map((row) => this.#paint(row, codes)).join("");
  }

  /** A row is painted up to its LF, so that no colour leaks into the next. */
  #paint(text: string, codes: string): string {
    if (!this.#options.colors || text === "") return text;
    const [, row, end] = /^(.*?)(\n?)$/s.exec(text)!; // matches always
    return `\x1b[${codes}m${row}\x1b[0m${end}`;
  }
}

/** The colour of a name: the same on every terminal. */
export function colorOf(name: string): number {
  return NAME_COLORS[nameHash(name) % NAME_COLORS.length]!;
}

/**
 * `line` cut into rows of at most `first`, then `rest` columns: between words
 * where that is possible, never within what is seen as one character.
 */
export function wrap(line: string, first: number, rest: number): string[] {
  if (width(line) <= first) return [line];
  const rows: string[] = [];
  let row = "";
  let left = first;
  const nextRow = (start: string) => {
    rows.push(row);
    row = start;
    left = rest - width(start);
  };
  for (const word of line.match(/ *[^ ]+| +$/g) ?? []) {
    const bare = word.trimStart();
    if (width(word) <= left) {
      row += word;
      left -= width(word);
    } else if (width(bare) <= rest) {
      nextRow(bare);
    } else {
      for (const { segment } of graphemes.segment(word)) {
        if (width(segment) > left && (row !== "" || left < rest)) nextRow("");
        row += segment;
        left -= width(segment);
      }
    }
  }
  return [...rows, row];
}

const DIM = "2";
const BOLD = "1";
const MIN_COLUMNS = 20; // narrower, rows break rather than shrink
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
// deno-lint-ignore no-control-regex -- ASCII, where length is width
const ASCII = /^[\x00-\x7f]*$/;

function width(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

function timeOf(at: Date): string {
  const [hours, minutes] = [at.getHours(), at.getMinutes()];
  return `${two(hours)}:${two(minutes)}:${two(at.getSeconds())}`;
}

function dayOf(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
