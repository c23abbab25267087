/**
 * Formats what the terminal client shows: times, coloured names, wrapped texts.
 *
 * Values in, strings out; nothing is drawn here. All text from outside passes
 * through here to the screen and is sanitized, so no caller can forget it.
 *
 * A reader sees who wrote a line. A message starts with its time and its sender;
 * a line of the program starts with `* `, `! ` or ` * `; every further line of a
 * message starts with `  | `. So no message can look like a line of the program.
 *
 * The terminal wraps a message, so that a copy of an address or of code is right.
 * Texts of the program are wrapped between words; the terminal wraps a longer word.
 * Only where it would begin a row with what looks like a line of the program, a
 * text is broken.
 *
 * Plain output has one record a line, always names the room, and does not wrap:
 * for pipes and for screen readers.
 *
 * @module
 */
import { graphemes, width, wrap } from "../../terminal/columns.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { mentions, nameHash, textParts } from "../../core/text/marks.ts";
import {
  sanitize,
  sanitizeName,
  sanitizePerson,
} from "../../core/text/sanitize.ts";
import { lookAlike } from "../../protocol.ts";

/** Something to show. */
export type Item =
  | Message
  | { readonly kind: "event"; readonly at: Date; readonly text: string }
  | { readonly kind: "note" | "error" | "echo"; readonly text: string }
  | {
    readonly kind: "room";
    readonly name: string;
    readonly members: string;
    readonly topic?: string;
  };

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
  /** Whether we sent it; false under our name is an earlier user of it. */
  readonly own?: boolean;
  /** Whether it is from the history: shown dim, and no bell. */
  readonly old?: boolean;
  /** Whether it came in a direct session, without the server. */
  readonly direct?: boolean;
  /** The display name of the sender. */
  readonly nick?: string | undefined;
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
const HANGING = "  | ";

/** Formats items. It tells when the day changes. */
export class View {
  /** The own name: its mentions are marked. */
  me = "";
  /** The room whose messages need not name it. */
  room: string | undefined;
  readonly #options: ViewOptions;
  #day: string;
  #told = -Infinity; // when a message to us was last shown, in milliseconds

  /** The first item is expected to be of today. */
  constructor(options: ViewOptions) {
    this.#options = options;
    this.#day = dayOf(this.#now());
  }

  /** The lines of `item`, each with its LF, and a bell where one is due. */
  format(whole: Item): string {
    const item = this.#options.plain ? whole : shortened(whole);
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
        return this.#painted(this.#lines("", item.text), DIM);
      case "room": {
        const name = sanitizeName(item.name.replace(/^#/, ""));
        const topic = item.topic ? `  ${item.topic}` : "";
        return sanitize(` * ${name} <${item.members}>${topic}`) + "\n";
      }
    }
  }

  #message(message: Message): string {
    const head = this.#head(message);
    const rows = this.#lines(head.plain, message.text);
    if (message.old) return this.#painted(rows, DIM);
    const told = message.from !== this.me && message.from !== "you" &&
      (message.to === "you" || mentions(message.text, this.me));
    const body = rows.join("").slice(head.plain.length);
    return head.colored + this.#marked(body) + (told ? this.#bell() : "");
  }

  /** One bell for messages in a row, as those that a reconnect brings. */
  #bell(): string {
    const now = this.#now().getTime();
    const again = Math.abs(now - this.#told) < SAME_BELL_MS;
    this.#told = now;
    return again || this.#options.plain ? "" : "\x07";
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }

  #head(message: Message): { plain: string; colored: string } {
    const time = timeOf(message.at);
    const isNamesake = message.own === false &&
      lookAlike(message.from) === lookAlike(this.me);
    const name = sanitizeName(message.from);
    const from = isNamesake
      ? `${name} (earlier)`
      : sanitizePerson(message.from, message.nick);
    const to = sanitizeName(message.to);
    const isRoom = to.startsWith("#");
    const isCurrent = to.toLowerCase() === this.room?.toLowerCase();
    const named = isRoom && (this.#options.plain || !isCurrent);
    const room = named ? `${to} ` : "";
    const way = message.direct ? " (direct)" : "";
    const arrow = isRoom ? "" : ` -> ${to}${way}`;
    const color = from === "you" ? "" : `;38;5;${colorOf(name)}`;
    return {
      plain: `${time} ${room}${from}${arrow}: `,
      colored: this.#paint(`${time} ${room}`, DIM) +
        this.#paint(from, BOLD + color) + this.#paint(arrow, BOLD) + ": ",
    };
  }

  /** Mentions in inverse video. */
  #marked(text: string): string {
    if (!this.#options.colors) return text;
    return textParts(text, this.me).map((part) =>
      part.kind === "mention" ? this.#paint(part.text, "7") : part.text
    ).join("");
  }

  /** A text of the program after `head`, as rows that fit, each with its LF. */
  #rows(head: string, text: string): string[] {
    return this.#hung(
      head,
      sanitize(text, { lines: true }),
      (line, first, columns) => {
        const rest = columns - HANGING.length;
        return wrap(line, first, rest).flatMap((row, index) =>
          guarded(row, index === 0 ? first : rest, columns)
        );
      },
    );
  }

  /** The lines of a user after `head`, for the terminal to wrap. */
  #lines(head: string, text: string): string[] {
    const shown = sanitize(text, { lines: true, tabs: !this.#options.plain });
    return this.#hung(head, shown, guarded);
  }

  #hung(
    head: string,
    text: string,
    cut: (line: string, first: number, columns: number) => string[],
  ): string[] {
    if (this.#options.plain) return [`${head}${text.replaceAll("\n", "␤")}\n`];
    const columns = Math.max(this.#options.columns(), MIN_COLUMNS);
    const rows = text.split("\n").flatMap((line, index) =>
      cut(line, columns - width(index === 0 ? head : HANGING), columns)
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

/** A server may send 16 MiB as one text, which would stop the screen for long. */
function shortened(item: Item): Item {
  if (item.kind === "room" || item.text.length <= MAX_SHOWN) return item;
  const more = (item.text.length - MAX_SHOWN).toLocaleString("en");
  const text = `${item.text.slice(0, MAX_SHOWN)}\n[${more} more characters]`;
  return { ...item, text };
}

/** Shows a text of the program where there is no session yet; sanitized. */
export function tell(
  terminal: Pick<Terminal, "kind" | "columns" | "print">,
  kind: "note" | "error",
  text: string,
): void {
  const plain = terminal.kind === "plain";
  const columns = () => terminal.columns;
  terminal.print(
    new View({ plain, colors: false, columns }).format({ kind, text }),
  );
}

/** The colour of a name: the same on every terminal. */
export function colorOf(name: string): number {
  return NAME_COLORS[nameHash(name) % NAME_COLORS.length]!;
}

/**
 * `line`, broken where a terminal would begin a row with what looks like a line
 * of the program.
 *
 * @param left Columns that are left of the first row.
 */
function guarded(line: string, left: number, columns: number): string[] {
  if (line.length <= 4 * columns) { // for a longer one that were a second pass
    const tabs = line.split("\t").length - 1;
    if (width(line) + tabs * TAB <= left) return [line];
  }
  const likeOurs = likeOursIn(line);
  const rows: string[] = [];
  let start = 0;
  for (const { segment, index } of graphemes.segment(line)) {
    // A tab goes to the next stop, and never wraps: behind a full row it takes
    // nothing, and what follows it begins the next row.
    const isTab = segment === "\t";
    const taken = width(segment);
    if (isTab ? left <= 0 : taken > left) {
      if (likeOurs(index)) {
        rows.push(line.slice(start, index));
        start = index;
        left = columns - HANGING.length;
      } else if (!isTab) left = columns;
    }
    const toStop = Math.min(TAB - (columns - left) % TAB, left - 1);
    left -= isTab ? Math.max(toStop, 0) : taken;
  }
  return [...rows, line.slice(start)];
}

/**
 * Whether `line` looks like a line of the program from an index on; indexes only
 * rise. A run of blanks is looked through once: a row may begin at each of them.
 */
function likeOursIn(line: string): (index: number) => boolean {
  let end = -1; // of the blanks that were looked through
  let last = -1; // where in them, or behind, the last such beginning is
  return (index) => {
    if (index <= end) return index <= last;
    BLANKS.lastIndex = index;
    BLANKS.test(line); // matches always, perhaps nothing
    end = BLANKS.lastIndex;
    for (last = end; last >= index; last--) {
      LIKE_OURS.lastIndex = last;
      if (LIKE_OURS.test(line)) return true;
    }
    return false;
  };
}

/** Most UTF-16 units of one text that a screen shows. */
const MAX_SHOWN = 262_144;

const DIM = "2";
const BOLD = "1";
const MIN_COLUMNS = 20; // narrower, rows break rather than shrink

/** Columns from one tab stop to the next. */
const TAB = 8;

/** Messages to us within this time ring once. */
const SAME_BELL_MS = 1_000;

/** Characters that take no columns. */
const UNSEEN = String.raw`\p{Cf}\p{Default_Ignorable_Code_Point}`;
const TWO_DIGITS = String.raw`(?:\p{Nd}[${UNSEEN}]*){2}`;
const COLON = String.raw`[\p{P}\p{S}][${UNSEEN}]*`;

const BLANKS = new RegExp(String.raw`[\s\u2800${UNSEEN}]*`, "vy");

/**
 * How lines of the program and messages of other users begin, behind blanks; also
 * with signs and digits that look alike.
 */
const LIKE_OURS = new RegExp(
  String
    .raw`(?:[*!ǃ[[\p{P}\p{S}]--\p{ASCII}]][${UNSEEN}]*|` +
    String
      .raw`${TWO_DIGITS}${COLON}${TWO_DIGITS}${COLON}${TWO_DIGITS})[\s\u2800]`,
  "vy",
);

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
