/**
 * What may stand on a terminal: nothing that it obeys or hides, but what the
 * program itself has written.
 *
 * This says it in other words than core/text/sanitize.ts does, and does not use it,
 * so that a mistake in there cannot hide itself.
 *
 * @module
 */
import { assertEquals } from "@std/assert";

/** Colours, as the view paints, and the bell after a message to us. */
// deno-lint-ignore no-control-regex -- these are what is meant
const OWN = /\x1b\[[\d;]*m|\x07$/g;

/**
 * Controls but the line break, separators, halves of characters; what turns
 * text around; and what cannot be seen, but for joiners and selectors, which
 * have their places.
 */
const FOUL = new RegExp(
  String.raw`[^\P{Cc}\n]|[\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]|` +
    String
      .raw`(?![\u200c\u200d\ufe0e\ufe0f\u180b-\u180d\u{e0100}-\u{e01ef}])` +
    String.raw`\p{Default_Ignorable_Code_Point}`,
  "u",
);

/** A joiner or selector that stands after nothing, or after a plain letter. */
const MISPLACED =
  /(?<=^|[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\s\p{P}])[\u200c\u200d\ufe0e\ufe0f\u180b-\u180d\u{e0100}-\u{e01ef}](?!\u20e3)/mu;

/** Fails if `text`, lines as the view gives them, is not fit to be shown. */
export function checkShown(text: string): void {
  const others = text.replaceAll(OWN, "");
  const found = FOUL.exec(others) ?? MISPLACED.exec(others);
  assertEquals(
    found && codeOf(found[0]),
    null,
    `in ${JSON.stringify(text)}`,
  );
}

function codeOf(char: string): string {
  return `U+${char.codePointAt(0)!.toString(16).padStart(4, "0")}`;
}
