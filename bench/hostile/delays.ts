/**
 * How long things took, in a few numbers.
 *
 * @module
 */

/** The value below which `share` of the values are. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[
    Math.min(sorted.length - 1, Math.floor(sorted.length * share))
  ] ??
    NaN;
}
