/**
 * Which texts can be display names: those that nickname.ts keeps, that are short,
 * and that no reader takes for a part of the program, for staff, or for a name of
 * another user.
 *
 * @module
 */
import { ChatError } from "../../../protocol.ts";
import { OTHERS } from "./confusables.ts";
import { comparisonKey, enforced } from "./nickname.ts";
import { reservedWord } from "./reserved_names.ts";
import { shapeOf } from "./similar_names.ts";

/** Limit of the characters that a reader sees. */
export const MAX_GRAPHEMES = 32;

/** Limit of the bytes, as UTF-8. */
export const MAX_NICK_BYTES = 128;

/** Limit of the marks on one letter. */
const MAX_MARKS = 3;

/** A display name, and by what it is compared. */
export interface DisplayName {
  /** As it is shown. */
  readonly nick: string;
  /** The same for the same nickname of RFC 8266. */
  readonly key: string;
  /** As a reader can read it: letters of other scripts that are drawn as Latin ones. */
  readonly read: string;
  /** The same for all that are similar, and for some that are not. */
  readonly shape: string;
}

/** @throws {ChatError} 100 if `text` cannot be a display name. */
export function displayName(text: string): DisplayName {
  const tooLong = `has at most ${MAX_GRAPHEMES} characters and ` +
    `${MAX_NICK_BYTES} bytes`;
  if (text.length > 4 * MAX_NICK_BYTES) throw unusable(text, tooLong);
  const nick = enforced(text);
  if (nick === undefined || BLANK.test(nick)) {
    throw unusable(text, "has characters that are seen, and none that control");
  }
  const isLong = [...graphemes.segment(nick)].length > MAX_GRAPHEMES ||
    new TextEncoder().encode(nick).length > MAX_NICK_BYTES;
  if (isLong) throw unusable(nick, tooLong);
  if (SIGNS.test(nick)) {
    throw unusable(nick, 'has no brackets, and none of < > @ # : / \\ | = " *');
  }
  if (MANY_MARKS.test(nick)) {
    throw unusable(nick, `has at most ${MAX_MARKS} marks on a letter`);
  }
  if (!/[\p{L}\p{N}\p{S}]/u.test(nick)) {
    throw unusable(nick, "has a letter, a digit or a symbol");
  }
  const read = readable(nick);
  const word = reservedIn(nick, read);
  if (word !== undefined) {
    throw unusable(nick, `is no name like "${word}", which is reserved`);
  }
  return { nick, key: comparisonKey(nick), read, shape: shapeOf(read) };
}

/** The error for a display name that looks like `other`, which a user has. */
export function looksLike(nick: string, other: string): ChatError {
  const why = `it looks like "${printable(other)}", the name of another user`;
  return new ChatError(
    104,
    `Cannot use the display name "${printable(nick)}": ${why}`,
  );
}

function unusable(nick: string, rule: string): ChatError {
  return new ChatError(
    100,
    `Cannot use the display name "${printable(nick)}": a display name ${rule}`,
  );
}

/** Fit to be quoted in a head. */
function printable(nick: string): string {
  return [...nick].slice(0, 64).join("").toWellFormed()
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, "?")
    .replaceAll(/\p{M}{4,}/gu, "?");
}

/** As a reader can read it, without spaces and points. */
function readable(nick: string): string {
  const drawn = Array.from(nick.normalize("NFD"), drawnAs).join("")
    .normalize("NFC");
  return drawn.replaceAll(UNREAD, "") || drawn;
}

/** A character of another script that is drawn like ours is ours; the case of others is none. */
function drawnAs(one: string): string {
  if (/[A-Za-z0-9]/.test(one)) return one;
  const small = one.toLowerCase();
  return DRAWN.get(one) ?? DRAWN.get(small) ?? small;
}

/** A reserved word that the name is, or has as a word. */
function reservedIn(nick: string, read: string): string | undefined {
  const whole = reservedWord(read) ?? (TARGETS.test(read) ? read : undefined);
  if (whole !== undefined) return whole;
  return nick.split(/[\s\p{P}]+/u).map((part) => reservedWord(readable(part)))
    .find((word) => word !== undefined && !COMMON.has(word));
}

/** Unicode's table (UTS #39), by the character. */
const DRAWN: ReadonlyMap<string, string> = new Map(
  Object.entries(OTHERS).flatMap(([drawn, others]) =>
    Array.from(others, (one) => [one, drawn] as const)
  ),
);

/** What the program writes around names, or before them. */
const SIGNS = /[\p{Ps}\p{Pe}<>@#:\/\\|=*"\u2190-\u21ff\u27f0-\u27ff]/u;

/** Symbols that are drawn as nothing, or as what is missing. */
const BLANK = /[\u2800\u{1d159}\ufffc\ufffd]/u;

const MANY_MARKS = new RegExp(`\\p{M}{${MAX_MARKS + 1},}`, "u");

/** What is not compared. */
const UNREAD = /[\s\p{P}\u200c\u200d]/gu;

/** Words with a meaning as targets, which are no names either. */
const TARGETS = /^(?:all|tosend|torecv)$/i;

/** Reserved words that names have as words. */
const COMMON: ReadonlySet<string> = new Set(
  ["host", "mod", "parley", "root", "server", "system", "you"],
);

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
