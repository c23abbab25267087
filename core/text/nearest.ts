/**
 * "Did you mean …?": the word that a mistyped one is closest to.
 *
 * @module
 */

/** Longer words are not compared: the time grows with the square. */
const MAX_LENGTH = 40;

/** The one of `words` that is at most two mistakes away from `word`. */
export function nearest(
  word: string,
  words: Iterable<string>,
): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  const [best] = Array.from(words, (one) => ({
    one,
    away: distance(word, one),
  })).sort((a, b) => a.away - b.away);
  return best && best.away <= 2 && best.away < word.length
    ? best.one
    : undefined;
}

/** How many letters must be changed, added, left out or swapped. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
