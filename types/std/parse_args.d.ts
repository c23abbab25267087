/** What we use of `@std/cli/parse-args`, which npm carries without types. */

/** Which options there are, and what kind each is. */
export interface ParseOptions {
  /** Options with a value. */
  string?: readonly string[];
  /** Options without one. */
  boolean?: readonly string[];
  /** Those of them that may be said with `--no-`. */
  negatable?: readonly string[];
  /** Options that give a list: a value each time that they are given. */
  collect?: readonly string[];
  /** Values of the options that are not given. */
  default?: Readonly<Record<string, string | boolean>>;
  /** Other names of options. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Is given what nobody asked for; false keeps it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** The options by name, and in `_` the arguments that belong to none. */
export interface Args {
  _: (string | number)[];
  [option: string]: unknown;
}

/** Reads a command line. */
export function parseArgs(
  args: readonly string[],
  options?: ParseOptions,
): Args;
