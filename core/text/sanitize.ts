/**
 * Makes text from outside safe to show, on a terminal and on a page.
 *
 * A terminal obeys some characters instead of showing them: they move the
 * cursor, rewrite lines above, reverse the text, or are invisible. Each becomes
 * a visible mark: ␛ for the control characters that have a picture, `<U+202E>`
 * for the others. No character disappears silently.
 *
 * What languages need stays, though it is invisible: joiners and non-joiners,
 * marks of direction, variation selectors, and the tags of a flag. Names have
 * none of these, so there they are marks too.
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
 * stay; without, they are shown as ␤. With `tabs` tabs stay; without, they are
 * four spaces.
 */
export function sanitize(
  text: string,
  options: { lines?: boolean; tabs?: boolean } = {},
): string {
  const { lines = false, tabs = false } = options;
  if ((lines ? PLAIN_LINES : PLAIN).test(text)) return text;
  return limitMarks(text.replaceAll("\r\n", "\n")).replace(UNSEEN, (found) => {
    if (found === "\n") return lines ? found : "␤";
    if (found === "\t") return tabs ? found : "    ";
    return NEEDED.test(found) ? found : mark(found);
  });
}

/**
 * The name of a user or a room. It is never empty, and each of its characters is
 * seen: spaces of any kind become marks too.
 */
export function sanitizeName(name: string): string {
  if (/^[\x21-\x7e]+$/.test(name)) return name;
  const shown = limitMarks(name)
    .replace(UNSEEN, (found) => Array.from(found, mark).join(""))
    .replace(/[\s\u2800]/gu, mark);
  return shown === "" ? "<no name>" : shown;
}

/** Longest display name that is shown, in UTF-16 units; servers allow fewer. */
const MAX_NICK = 128;

/** A user: the display name, if there is one, and always the name. */
export function sanitizePerson(name: string, nick: string | undefined): string {
  const shown = sanitizeName(name);
  if (nick === undefined) return shown;
  const start = nick.slice(0, MAX_NICK).replaceAll(/\p{Bidi_Control}/gu, "?");
  return `${sanitize(start)} (${shown})`;
}

/** `line` without what stands unseen before its first word. */
export function withoutLead(line: string): string {
  return line.replace(LEAD, "");
}

/** Whether a line has nothing that is seen, and means nothing. */
export function isBlank(line: string): boolean {
  return withoutLead(line) === "";
}

/**
 * What a keyboard (an arrow key is `ESC [ A`) or a paste puts before a word
 * unseen: it makes no line public.
 */
const LEAD =
  // deno-lint-ignore no-control-regex -- the sequences themselves
  /^(?:\x1b[[O](?:[0-9;]*[A-Za-z~])?|[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800\ufffc])+/u;

function limitMarks(text: string): string {
  return text.replace(TOO_MANY_MARKS, (marks) => {
    const shown = [...marks].slice(0, MAX_COMBINING_MARKS);
    return `${shown.join("")}<+${[...marks].length - shown.length} marks>`;
  });
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

/**
 * Characters that are obeyed or cannot be seen: controls, formats but the
 * signs that Arabic and others write before numbers, separators of lines,
 * whatever Unicode ignores by default, and halves of surrogate pairs. The tags
 * of a flag are found at once.
 */
const UNSEEN =
  /(?<=\u{1f3f4})[\u{e0030}-\u{e007a}]{3,6}\u{e007f}|(?![\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Those of them that languages need, and the tags of a flag. */
const NEEDED =
  /^(?:[\u200c-\u200f\u180b-\u180d\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]|[\u{e0030}-\u{e007a}]{3,6}\u{e007f})$/u;
