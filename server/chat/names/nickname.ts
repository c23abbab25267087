/**
 * The Nickname profile of PRECIS (RFC 8266): which texts can be display names, how
 * they are kept, and which are the same.
 *
 * A text is changed as section 2.3 says: spaces become U+0020, are trimmed and
 * collapsed, and the text is normalized (NFKC). Then it must be of the
 * FreeformClass (RFC 8264, section 4.3), with the rules for characters that depend
 * on others (RFC 5892, appendix A). One rule is narrower here: U+200C stands only
 * between Arabic letters, or as U+200D behind a virama.
 *
 * @module
 */

/** So often the rules are applied at most: RFC 8266, section 2.3. */
const MAX_ROUNDS = 3;

/** The text as it is kept; undefined if it cannot be a nickname. */
export function enforced(text: string): string | undefined {
  const nickname = stable(text, (one) => one);
  return nickname !== undefined && isFreeform(nickname) ? nickname : undefined;
}

/** Two nicknames with one key are the same: section 2.4. */
export function comparisonKey(nickname: string): string {
  return stable(nickname, (one) => one.toLowerCase()) ?? nickname;
}

/** Applies the rules until nothing changes; undefined if that never is, or nothing is left. */
function stable(
  text: string,
  map: (text: string) => string,
): string | undefined {
  for (let round = 0; round <= MAX_ROUNDS; round++) {
    const spaced = text.replaceAll(/\p{Zs}/gu, " ")
      .replaceAll(/^ +| +$/g, "").replaceAll(/ {2,}/g, " ");
    const next = map(spaced).normalize("NFKC");
    if (next === text) return text === "" ? undefined : text;
    text = next;
  }
  return undefined;
}

/** Whether each character is one of the FreeformClass, in its place. */
function isFreeform(text: string): boolean {
  if (DISALLOWED.test(text)) return false;
  return CONTEXTS.every(([found, allowed]) =>
    [...text.matchAll(found)].every(({ 0: { length }, index }) =>
      allowed(text.slice(0, index), text.slice(index + length), text)
    )
  );
}

/**
 * Controls, formats, halves of pairs, private and unassigned characters, separators
 * of lines, what is ignored by default, and old Hangul Jamo; but the two joiners.
 */
const DISALLOWED =
  /[[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]--[\u200c\u200d]]/v;

/** Signs of the scripts of India and its neighbours that join consonants. */
const VIRAMA =
  /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\u2d7f\ua806\ua8c4\ua953\ua9c0\uaaf6\uabed]$/;

/** Characters, and whether one may stand between these texts. */
const CONTEXTS: readonly [
  found: RegExp,
  allowed: (before: string, after: string, all: string) => boolean,
][] = [
  [/\u200c/g, (before, after) =>
    VIRAMA.test(before) ||
    /[\p{L}&&\p{Script=Arabic}]\p{Mn}*$/v.test(before) &&
      /^[\p{L}&&\p{Script=Arabic}]/v.test(after)],
  [/\u200d/g, (before) => VIRAMA.test(before)],
  [/\u00b7/g, (before, after) => before.endsWith("l") && after[0] === "l"],
  [/\u0375/g, (_, after) => /^\p{Script=Greek}/u.test(after)],
  [/[\u05f3\u05f4]/g, (before) => /\p{Script=Hebrew}$/u.test(before)],
  [
    /\u30fb/g,
    (_before, _after, all) =>
      /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(
        all.replaceAll("\u30fb", ""),
      ),
  ],
  [/[\u0660-\u0669]/g, (_before, _after, all) => !/[\u06f0-\u06f9]/.test(all)],
];
