/**
 * How things look to the operator: harmless.
 *
 * A terminal obeys some characters instead of showing them. Names of users and
 * rooms have none of those, but what was typed into a pipe may, and what stands
 * in the database file may.
 *
 * @module
 */

/** `text` on one line, with marks such as `<U+202E>` for what is not seen. */
export function visible(text: string): string {
  return text.replaceAll("\t", " ").replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (char) => {
      const code = char.codePointAt(0)!.toString(16).toUpperCase(); // of a match
      return `<U+${code.padStart(4, "0")}>`;
    },
  );
}
