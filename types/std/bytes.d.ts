/** What we use of `@std/fmt/bytes`, which npm carries without types. */

/** `num` bytes with a unit, as in `1.34 kB`. */
export function format(num: number): string;
