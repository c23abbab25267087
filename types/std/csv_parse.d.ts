/** What we use of `@std/csv/parse`, which npm carries without types. */

/** The records of `input`, without empty lines. Throws a SyntaxError. */
export function parse(
  input: string,
  options?: { readonly separator?: string },
): string[][];
