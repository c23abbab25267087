/**
 * Durations as people write them on a command line.
 *
 * @module
 */

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `15m`, `2h`, `30d` or `forever`, in milliseconds. */
export function parseDuration(text: string): number | undefined {
  if (text === "forever") return Infinity;
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  // The cast: the letters of the expression above.
  return Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
}
