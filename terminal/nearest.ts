/**
 * "Did you mean …?": the word that a mistyped one is closest to.
 *
 * @module
 */
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** Longer words are not compared: that takes time that grows with the square. */
const MAX_LENGTH = 40;

/** The one of `words` that is at most two mistakes away from `word`. */
export function nearest(
  word: string,
  words: Iterable<string>,
): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  const [best] = Array.from(words, (one) => ({
    one,
    away: levenshteinDistance(word, one),
  })).sort((a, b) => a.away - b.away);
  return best && best.away <= 2 && best.away < word.length
    ? best.one
    : undefined;
}
