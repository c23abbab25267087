/**
 * What Unicode says of letters and digits that are drawn alike: the part of
 * confusables.txt (UTS #39) that is about A-Z, a-z and 0-9.
 *
 * `deno task names` writes this file. The data is © Unicode, Inc., under
 * the Unicode License.
 *
 * @module
 */

/** The letters that are drawn like a digit, in one case at least. */
export const DIGITS = { "0": "o", "1": "il" } as const;

/** What is drawn like one letter. */
export const SEQUENCES = { m: "rn" } as const;
