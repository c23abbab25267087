/** What we use of `@std/fmt/duration`, which npm carries without types. */

/** `ms` milliseconds in words, as in `1m 5s`; parts that are 0 left out. */
export function format(ms: number, options: { ignoreZero: true }): string;
