/**
 * Makes text from outside safe to show, on a terminal and on a page.
 *
 * A terminal obeys some characters instead of showing them: they move the
 * cursor, rewrite lines above, reverse the text, or are invisible. Each becomes
 * a visible mark: ␛ for the control characters that have a picture, `<U+202E>`
 * for the others. No character disappears silently.
 *
 * Invisible characters stay where scripts need them: joiners within emoji and
 * within words of Arabic and the scripts of India, variation selectors after
 * what they vary. The flags made of tag characters (Scotland) are not worth the
 * exception, and are shown as marks.
 *
 * All text from outside goes through here, the server's too: a server may be
 * hostile.
 *
 * @module
 */

/** Marks over one letter that are shown; more would spill over other lines. */
export const MAX_COMBINING_MARKS = 6;

/**
 * `text` on one line. With `lines`, its line breaks (LF, and a CR before it)
 * stay; without, they are shown as ␤. A tab becomes four spaces.
 */
export function sanitize(
  text: string,
  options: { lines?: boolean } = {},
): string {
  const { lines = false } = options;
  if ((lines ? PLAIN_LINES : PLAIN).test(text)) return text;
  return text
    .replaceAll("\r\n", "\n")
    .replace(TOO_MANY_MARKS, (marks) => {
      const shown = [...marks].slice(0, MAX_COMBINING_MARKS);
      return `${shown.join("")}<+${[...marks].length - shown.length} marks>`;
    })
    .replace(suspicious ??= createSuspicious(), (char) => {
      if (char === "\n") return lines ? char : "␤";
      return char === "\t" ? "    " : mark(char);
    });
}

/**
 * The name of a user or a room, as {@linkcode sanitize} gives it. It is never
 * empty or invisible: spaces of any kind become marks.
 */
export function sanitizeName(name: string): string {
  const shown = sanitize(name).replace(/[\s\u2800]/gu, mark);
  return shown === "" ? "<no name>" : shown;
}

/** The visible mark for a character that must not reach the terminal. */
function mark(char: string): string {
  const code = char.codePointAt(0)!; // matched, so there is one
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/** Text without a suspicious character, as nearly all messages are. */
const PLAIN = /^[\x20-\x7e]*$/;
const PLAIN_LINES = /^[\x20-\x7e\n]*$/;

const TOO_MANY_MARKS = new RegExp(`\\p{M}{${MAX_COMBINING_MARKS + 1},}`, "gu");

/** Scripts whose words need joiners and non-joiners. */
const JOINING = "[" + [
  "Arab,Syrc,Mong,Nkoo,Deva,Beng,Guru,Gujr,Orya,Taml,Telu,Knda,Mlym,Sinh",
  "Khmr,Mymr,Tibt",
].join(",").split(",").map((script) => `\\p{scx=${script}}`).join("") + "]";

/** Invisible characters where they belong. */
const NEEDED = [
  String.raw`(?<=\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)\u200d` +
  String.raw`(?=\p{Extended_Pictographic})`,
  String.raw`(?<=\p{Extended_Pictographic})[\ufe0e\ufe0f]`,
  String.raw`(?<=[0-9#*])\ufe0f(?=\u20e3)`, // keycaps
  String.raw`(?<=\p{Script=Han})[\u{e0100}-\u{e01ef}]`,
  String.raw`(?<=\p{Script=Mongolian})[\u180b-\u180d]`,
  String.raw`(?<=${JOINING})[\u200c\u200d](?=${JOINING})`,
].map((place) => `(?!${place})`).join("");

/**
 * Characters that are obeyed or cannot be seen: controls, formats but the
 * signs that Arabic and others write before numbers, separators of lines,
 * whatever Unicode ignores by default, and halves of surrogate pairs.
 */
function createSuspicious(): RegExp {
  return new RegExp(
    NEEDED +
      String
        .raw`(?![\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}])` +
      String
        .raw`[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]`,
    "gu",
  );
}

/** Created for the first text that needs it: that takes milliseconds. */
let suspicious: RegExp | undefined;
