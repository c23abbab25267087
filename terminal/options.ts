/**
 * A command line from one table of options. The table gives the parser here, the
 * type of what the parser returns, `--help` and the tables in docs/ (usage.ts).
 *
 *     const OPTIONS = {
 *       port: { kind: port(), default: 9898, help: "Port to listen on" },
 *       ...ABOUT,
 *     } satisfies OptionTable;
 *     const { values } = await parseOptions(OPTIONS, Deno.args); // values.port: number
 *
 * A program that starts fast imports this module first: it holds no texts of the
 * help, and loads the search for similar names only after a mistake.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";

/** What kind of value an option takes. */
export interface Kind<T> {
  /** Stands for the value in texts, as `PORT`; empty for a flag. */
  readonly placeholder: string;
  /** What a value must be: "must be a number from 0 to 65535". */
  readonly must: string;
  /** The value that `text` means; undefined if it means none. */
  read(text: string): T | undefined;
  /** `value` as a user writes it; default: `String(value)`. */
  write?(value: T): string;
}

/** One option. Its texts may have code in backticks. */
export interface Option<T = unknown> {
  readonly kind: Kind<T>;
  /** One sentence, which begins with a verb or a noun. */
  readonly help: string;
  /** The heading of this option and of those below it. */
  readonly group?: string;
  /** The value of an option that is not given. */
  readonly default?: T;
  /** What holds instead, if there is no such value. */
  readonly otherwise?: string;
  /** Instead of the placeholder of the kind. */
  readonly placeholder?: string;
  /** The option as one letter. */
  readonly short?: string;
  /** Options without which this one cannot be given. */
  readonly requires?: readonly string[];
  /** Options together with which it cannot be given. */
  readonly conflicts?: readonly string[];
  /** A flag that is set with it. */
  readonly implies?: string;
}

/** Options by name, in the order of the help. */
export type OptionTable = Readonly<Record<string, Option>>;

/** What a command line says: a value for each option of the table. */
export type Values<T extends OptionTable> = {
  readonly [N in keyof T]: T[N] extends { kind: Kind<infer V> }
    ? T[N] extends { default: unknown } ? V
    : V extends boolean ? boolean
    : V | undefined
    : never;
};

/** A command line that was understood. */
export interface Parsed<T extends OptionTable> {
  readonly values: Values<T>;
  /** The arguments that belong to no option. */
  readonly rest: readonly string[];
}

/** A command line that cannot be obeyed; the message says why. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Reads a command line. `--help` and `--version` win over everything but a
 * mistyped name.
 *
 * @throws {UsageError} What is wrong, and what to write instead.
 */
export async function parseOptions<T extends OptionTable>(
  table: T,
  args: readonly string[],
): Promise<Parsed<T> | "help" | "version"> {
  const unknown: string[] = [];
  const flags = Object.keys(table).filter((name) => isFlag(table[name]!));
  const { _: rest, ...given } = parseArgs(withNegatives(table, args), {
    string: [
      "_",
      ...Object.keys(table).filter((name) => !flags.includes(name)),
    ],
    boolean: flags,
    alias: Object.fromEntries(
      Object.entries(table).flatMap(([name, { short }]) =>
        short === undefined ? [] : [[short, name]]
      ),
    ),
    unknown: (arg, key) => {
      if (key !== undefined) unknown.push(arg.replace(/=.*/s, ""));
    },
  });
  if (unknown[0] !== undefined) throw await noSuchOption(table, unknown[0]);
  if (given["help"] === true) return "help";
  if (given["version"] === true) return "version";
  checkTogether(table, given);
  const values = readValues(table, given);
  // The cast: each value was read by the kind of its option.
  return { values: values as Values<T>, rest: rest.map(String) };
}

/** An argument that no option and no place of the command line takes. */
export function unexpected(arg: string): UsageError {
  return new UsageError(`Unexpected argument "${arg}". See --help.`);
}

/** Whether `option` takes no value. */
export function isFlag({ kind }: Option): boolean {
  return kind.placeholder === "";
}

function readValues(
  table: OptionTable,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    const word = given[name];
    if (isFlag(option)) values[name] ||= word === true;
    else if (word === undefined) values[name] = option.default;
    else values[name] = readValue(name, option, String(word));
    if (word !== undefined && option.implies) values[option.implies] = true;
  }
  return values;
}

function readValue(name: string, option: Option, word: string): unknown {
  if (word === "") {
    throw new UsageError(
      `Cannot use --${name} without a value: write --${name} ${
        placeholderOf(option)
      }`,
    );
  }
  const value = option.kind.read(word);
  if (value !== undefined) return value;
  throw new UsageError(
    `Cannot use --${name} "${word}": it must be ${option.kind.must}`,
  );
}

/** What stands for the value of `option` in texts; empty for a flag. */
export function placeholderOf({ placeholder, kind }: Option): string {
  return placeholder ?? kind.placeholder;
}

function checkTogether(
  table: OptionTable,
  given: Readonly<Record<string, unknown>>,
): void {
  const isGiven = (name: string) =>
    given[name] !== undefined && given[name] !== false;
  for (const [name, option] of Object.entries(table)) {
    if (!isGiven(name)) continue;
    const missing = option.requires?.find((other) => !isGiven(other));
    if (missing) {
      throw new UsageError(`Cannot use --${name} without --${missing}`);
    }
    const other = option.conflicts?.find(isGiven);
    if (other) {
      throw new UsageError(
        `Cannot use --${name} with --${other}: leave one of them out`,
      );
    }
  }
}

/** Ties a value such as `-5m` to its option, or it counts as an option. */
function withNegatives(table: OptionTable, args: readonly string[]): string[] {
  const tied: string[] = [];
  for (const arg of args) {
    const [, name = ""] = /^--(.+)$/.exec(tied.at(-1) ?? "") ?? [];
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    const isValue = /^-\d/.test(arg) && option && !isFlag(option);
    if (isValue) tied.push(`${tied.pop()}=${arg}`);
    else tied.push(arg);
  }
  return tied;
}

async function noSuchOption(
  table: OptionTable,
  word: string,
): Promise<UsageError> {
  const { nearest } = await import("../core/text/nearest.ts");
  const names = Object.keys(table).map((name) => `--${name}`);
  const near = nearest(word, names);
  const guess = near ? ` Did you mean ${near}?` : "";
  return new UsageError(
    `Cannot use "${word}": no such option.${guess} See --help.`,
  );
}

/** An option that is given or not. */
export const flag: Kind<boolean> = {
  placeholder: "",
  must: "given without a value",
  read: (text) => text === "true",
};

/** Any text but none. */
export const text: Kind<string> = kind("TEXT", "a text", (word) => word);

/** The path of a file. */
export const file: Kind<string> = kind("FILE", "a path", (word) => word);

/** The path of a folder. */
export const folder: Kind<string> = kind("FOLDER", "a path", (word) => word);

/** A port; `least` is 0 where 0 takes a free one. */
export function port(least: 0 | 1 = 0): Kind<number> {
  return count(least, 65_535, "PORT");
}

/** A whole number from `least` to `most`. */
export function count(
  least: number,
  most: number,
  placeholder = "NUMBER",
): Kind<number> {
  return kind(placeholder, `a number from ${least} to ${most}`, (word) => {
    const number = /^\d{1,8}$/.test(word) ? Number(word) : NaN;
    return number >= least && number <= most ? number : undefined;
  });
}

/** A number of bytes from `least` to `most`. */
export function bytes(least: number, most: number): Kind<number> {
  return count(least, most, "BYTES");
}

/** One of `words`. */
export function choice<const W extends string>(
  ...words: readonly W[]
): Kind<W> {
  const must = `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  return kind(
    words.join("|"),
    must,
    (word) => words.find((one) => one === word),
  );
}

/** Milliseconds, written as `90s`, `15m`, `2h`, `30d` or `forever`. */
export const duration: Kind<number> = {
  ...kind(
    "TIME",
    "a time such as 90s, 15m, 2h or 30d, or forever",
    (word) => {
      if (word === "forever") return Infinity;
      const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(word) ?? [];
      if (number === undefined) return undefined;
      // The cast: the letters of the expression above.
      return Number(number) * UNITS_MS[unit as keyof typeof UNITS_MS];
    },
  ),
  write(ms) {
    if (ms === Infinity) return "forever";
    const units = Object.entries(UNITS_MS).reverse();
    const [unit, unitMs] = units.find(([, one]) => ms % one === 0) ??
      ["s", 1e3];
    return `${ms / unitMs}${unit}`;
  },
};

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A kind of values; see {@linkcode Kind}. */
export function kind<T>(
  placeholder: string,
  must: string,
  read: (text: string) => T | undefined,
): Kind<T> {
  return { placeholder, must, read };
}

/** The two options that every program has. */
export const ABOUT = {
  help: { kind: flag, short: "h", group: "Help", help: "Show this help" },
  version: { kind: flag, help: "Show the version" },
} as const satisfies OptionTable;
