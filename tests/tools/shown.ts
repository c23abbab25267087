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
 * Controls but line breaks and tabs, separators, halves of characters; what
 * turns text around; and what cannot be seen and no language needs.
 */
const FOUL = new RegExp(
  String.raw`[^\P{Cc}\n\t]|[\p{Zl}\p{Zp}\p{Cs}]|` +
    String
      .raw`(?![\u200c-\u200f\u180b-\u180d\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}])` +
    String.raw`[\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]`,
  "u",
);

/** A flag of a region, such as Scotland's: its tags are no text. */
const FLAG = /\u{1f3f4}[\u{e0030}-\u{e007a}]{3,6}\u{e007f}/gu;

/** Fails if `text`, lines as the view gives them, is not fit to be shown. */
export function checkShown(text: string): void {
  const found = FOUL.exec(text.replaceAll(OWN, "").replaceAll(FLAG, ""));
  assertEquals(
    found && codeOf(found[0]),
    null,
    `in ${JSON.stringify(text)}`,
  );
}

function codeOf(char: string): string {
  return `U+${char.codePointAt(0)!.toString(16).padStart(4, "0")}`;
}
