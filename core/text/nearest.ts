/**
 * "Did you mean …?": the word that a mistyped one is closest to.
 *
 * @module
 */

/** The one of `words` that is at most two mistakes away from `word`. */
export function nearest(
  word: string,
  words: Iterable<string>,
): string | undefined {
  const all = [...words];
  for (let mistakes = 0; mistakes <= 2 && mistakes < word.length; mistakes++) {
    const near = all.filter((one) => isNear(word, one, mistakes));
    // A letter too much at the end: quitt is quit, and not quiet.
    const found = near.find((one) => word.startsWith(one)) ?? near[0];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether so many letters changed, added, left out or swapped make `b` of `a`. */
function isNear(a: string, b: string, mistakes: number): boolean {
  if (a === b) return true;
  if (mistakes === 0) return false;
  if (a[0] === b[0]) return isNear(a.slice(1), b.slice(1), mistakes);
  const isSwap = a[0] === b[1] && a[1] === b[0];
  return isNear(a.slice(1), b.slice(1), mistakes - 1) ||
    isNear(a.slice(1), b, mistakes - 1) ||
    isNear(a, b.slice(1), mistakes - 1) ||
    (isSwap && isNear(a.slice(2), b.slice(2), mistakes - 1));
}
