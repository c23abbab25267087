/** What we use of `@std/path`, which npm carries without types. */

/** What a name must match that fits `glob`. */
export function globToRegExp(
  glob: string,
  options?: { caseInsensitive?: boolean; extended?: boolean },
): RegExp;
