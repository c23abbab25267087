/**
 * A command line from one table of options. The table gives the parser here, the
 * type of what the parser returns, `--help` and the tables in docs/ (usage.ts).
 *
 *     const OPTIONS = {
 *       port: port(9898, "Port to listen on"),
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
import { SYSTEM, type System } from "../platform/system.ts";

/** One option; made by a function for the kind of its value, as {@linkcode port}. */
export interface Option<T = unknown> extends OptionTexts {
  /** Stands for the value in texts, as `PORT`; empty for a flag. */
  readonly placeholder: string;
  /** The value of an option that is not given. */
  readonly default: T;
  /** What a value must be: "must be a number from 0 to 65535". */
  readonly must: string;
  /** The value that `text` means; undefined if it means none. */
  read(text: string): T | undefined;
  /** `value` as a user writes it. Default: `String(value)`. */
  write?(value: T): string;
  /** One sentence, which may have code in backticks. */
  readonly help: string;
}

/** What an option may have besides. */
export interface OptionTexts {
  /** The heading of this option and of those below it. */
  readonly group?: string;
  /** What holds if it is not given and has no default. */
  readonly otherwise?: string;
  /** The option as one letter. */
  readonly short?: string;
  /** Options without which this one cannot be given. */
  readonly requires?: readonly string[];
  /** Options together with which it cannot be given. */
  readonly conflicts?: readonly string[];
  /** A flag that is set with it. */
  readonly implies?: string;
  /** Whether it can be given several times; its value is a list then. */
  readonly repeats?: boolean;
}

/** Options by name, in the order of the help. */
export type OptionTable = Readonly<Record<string, Option>>;

/** What a command line says: a value for each option of the table. */
export type Values<T extends OptionTable> = {
  readonly [N in keyof T]: T[N] extends Option<infer V> ? V : never;
};

/** A command line that cannot be obeyed; the message says why. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What to print if `error` is a fault of the command line or the permissions. */
export function usageFault(error: unknown): string | undefined {
  if (error instanceof Deno.errors.NotCapable) {
    return `Cannot run: ${error.message}`;
  }
  return error instanceof UsageError ? error.message : undefined;
}

/**
 * Reads a command line; `rest` belongs to no option. `--help` and `--version`
 * win over everything but a mistyped name.
 *
 * @throws {UsageError} What is wrong, and what to write instead.
 */
export async function parseOptions<T extends OptionTable>(
  table: T,
  args: readonly string[],
  system: System = SYSTEM,
): Promise<{ values: Values<T>; rest: string[] } | "help" | "version"> {
  const unknown: string[] = [];
  const names = Object.keys(table);
  const words = withNegatives(table, args.map((arg) => unescaped(arg, system)));
  const { _: rest, ...given } = parseArgs(words, {
    string: ["_", ...names.filter((name) => !isFlag(table[name]!))],
    boolean: names.filter((name) => isFlag(table[name]!)),
    collect: names.filter((name) => table[name]!.repeats),
    alias: Object.fromEntries(
      names.map((name) => [name, table[name]!.short ?? []]),
    ),
    unknown: (arg, key) => {
      if (key !== undefined) unknown.push(arg.replace(/=.*/s, ""));
    },
  });
  if (unknown[0] !== undefined) throw await noSuchOption(table, unknown[0]);
  if (given["help"] === true) return "help";
  if (given["version"] === true) return "version";
  for (const [name, words] of Object.entries(given)) {
    if (Array.isArray(words) && words.length === 0) delete given[name];
  }
  checkTogether(table, given);
  const values = readValues(table, given);
  // The cast: each value was read by the kind of its option.
  return { values: values as Values<T>, rest: rest.map(String) };
}

/**
 * Shells of Windows complete a folder as `"C:\my files\"`, and there `\"` is a quote
 * that belongs to the word. No path has one: it was a backslash.
 */
function unescaped(arg: string, system: System): string {
  return system === "windows" ? arg.replace(/^([^"]*)"$/, "$1\\") : arg;
}

/** `--port -1` as `--port=-1`: the parser takes -1 for an option. */
function withNegatives(table: OptionTable, args: readonly string[]): string[] {
  const words: string[] = [];
  for (const arg of args) {
    const last = words.at(-1) ?? "";
    const option = last.startsWith("--") ? table[last.slice(2)] : undefined;
    const isValue = option && !isFlag(option) && /^-\d+$/.test(arg);
    if (isValue) words[words.length - 1] = `${last}=${arg}`;
    else words.push(arg);
  }
  return words;
}

/** An argument that no option and no place of the command line takes. */
export function unexpected(arg: string, hint = "See --help."): UsageError {
  return new UsageError(`Unexpected argument "${arg}". ${hint}`);
}

/** Whether `option` takes no value. */
export function isFlag({ placeholder }: Option): boolean {
  return placeholder === "";
}

function readValues(
  table: OptionTable,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    const word = given[name];
    const read = (one: unknown) => readValue(name, option, String(one));
    if (isFlag(option)) values[name] ||= word === true;
    else if (word === undefined) values[name] = option.default;
    else if (Array.isArray(word)) values[name] = word.flatMap(read);
    else values[name] = read(word);
    if (word !== undefined && option.implies) values[option.implies] = true;
  }
  return values;
}

function readValue(name: string, option: Option, word: string): unknown {
  if (word === "") {
    throw new UsageError(
      `Cannot use --${name} without a value: write --${name} ${option.placeholder}`,
    );
  }
  const value = option.read(word);
  if (value !== undefined) return value;
  throw new UsageError(
    `Cannot use --${name} "${word}": it must be ${option.must}`,
  );
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

/** Characters of an option, such as `--hi`, of which the rest can be guessed. */
const MIN_START = 4;

async function noSuchOption(
  table: OptionTable,
  word: string,
): Promise<UsageError> {
  const { nearest } = await import("../core/text/nearest.ts");
  const names = Object.keys(table).map((name) => `--${name}`);
  const meant = word.toLowerCase();
  const start = meant.length < MIN_START ? "none" : meant;
  const near = names.find((name) => name.startsWith(start)) ??
    nearest(meant, names);
  const guess = near ? ` Did you mean ${near}?` : "";
  return new UsageError(
    `Cannot use "${word}": no such option.${guess} See --help.`,
  );
}

/** An option that is given or not. */
export function flag(help: string, texts: OptionTexts = {}): Option<boolean> {
  const read = (word: string) => word === "true";
  return { placeholder: "", must: "", read, default: false, help, ...texts };
}

/** Any text but an empty one, such as a path. */
export function text<D extends string | undefined>(
  placeholder: string,
  normal: D,
  help: string,
  texts: OptionTexts = {},
): Option<string | D> {
  const base = value(placeholder, "", (word) => word, help, texts);
  return { ...base, default: normal };
}

/** A value that `read` understands; undefined if the option is not given. */
export function value<T>(
  placeholder: string,
  must: string,
  read: (word: string) => T | undefined,
  help: string,
  texts: OptionTexts = {},
): Option<T | undefined> {
  return { placeholder, must, read, default: undefined, help, ...texts };
}

/** A list: one value each time that the option is given. */
export function several<T>(
  option: Option<T | undefined>,
): Option<readonly T[]> {
  const read = (word: string) => {
    const value = option.read(word);
    return value === undefined ? undefined : [value];
  };
  return { ...option, read, default: [], write: () => "", repeats: true };
}

/** A whole number in a range, both ends included. */
export function count<D extends number | undefined>(
  [least, most]: readonly [least: number, most: number],
  normal: D,
  help: string,
  texts: OptionTexts = {},
): Option<number | D> {
  const must = `a number from ${least} to ${most}`;
  const read = (word: string) => {
    const number = /^\d{1,8}$/.test(word) ? Number(word) : NaN;
    return number >= least && number <= most ? number : undefined;
  };
  const base = value("NUMBER", must, read, help, texts);
  return { ...base, default: normal };
}

/** A port; 0 takes a free one. */
export function port(
  normal: number,
  help: string,
  texts?: OptionTexts,
): Option<number> {
  return { ...count([0, 65_535], normal, help, texts), placeholder: "PORT" };
}

/** One of `words`; the first is the default. */
export function choice<const W extends string>(
  words: readonly [W, ...W[]],
  help: string,
  texts?: OptionTexts,
): Option<W> {
  const must = `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  const read = (word: string) => words.find((one) => one === word);
  const base = value(words.join("|"), must, read, help, texts);
  return { ...base, default: words[0] };
}

/** Milliseconds, written as `90s`, `15m`, `2h`, `30d` or `forever`. */
export function duration(normal: number, help: string): Option<number> {
  const must = "a time such as 90s, 15m, 2h or 30d, or forever";
  const base = value("TIME", must, readDuration, help);
  return { ...base, default: normal, write: writeDuration };
}

/** Of `90s`, `15m`, `2h`, `30d` or `forever`, the milliseconds. */
export function readDuration(word: string): number | undefined {
  if (word === "forever") return Infinity;
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(word) ?? [];
  if (number === undefined) return undefined;
  // The cast: the letters of the expression above.
  return Number(number) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

/** The opposite of {@linkcode readDuration}; of whole seconds. */
export function writeDuration(ms: number): string {
  if (ms === Infinity) return "forever";
  const units = Object.entries(UNITS_MS).reverse();
  const [unit, unitMs] = units.find(([, one]) => ms % one === 0) ?? ["s", 1e3];
  return `${ms / unitMs}${unit}`;
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Bytes, written as `500MB`, `2GB`, `2GiB` or `unlimited`; `least` or more. */
export function size(
  least: number,
  help: string,
  texts?: OptionTexts,
): Option<number | undefined> {
  const must = `a size such as 500MB, 2GB or 2GiB, at least ${
    writeSize(least)
  }, or unlimited`;
  const read = (word: string) => {
    const bytes = readSize(word);
    return bytes !== undefined && bytes >= least ? bytes : undefined;
  };
  return value("SIZE", must, read, help, texts);
}

/** Of `500MB`, `2GB`, `2GiB` or `unlimited`, the bytes. */
export function readSize(word: string): number | undefined {
  if (word === "unlimited") return Infinity;
  const [, number, unit] = /^(\d{1,6})([KMGT]i?B)$/i.exec(word) ?? [];
  if (number === undefined) return undefined;
  const [, bytes] = SIZES.find(([name]) =>
    name.toLowerCase() === unit!.toLowerCase() // which it has with the number
  )!;
  return Number(number) * bytes;
}

/** The opposite of {@linkcode readSize}; of whole kilobytes. */
export function writeSize(bytes: number): string {
  if (bytes === Infinity) return "unlimited";
  const [unit, size] = SIZES.findLast(([, size]) => bytes % size === 0) ??
    SIZES[0];
  return `${bytes / size}${unit}`;
}

const SIZES = [
  ...[["kB", 1e3], ["KiB", 2 ** 10], ["MB", 1e6], ["MiB", 2 ** 20]],
  ...[["GB", 1e9], ["GiB", 2 ** 30], ["TB", 1e12], ["TiB", 2 ** 40]],
] as const;

/** The two options that every program has. */
export const ABOUT = {
  help: flag("Show this help", { short: "h", group: "Help" }),
  version: flag("Show the version"),
} as const satisfies OptionTable;
