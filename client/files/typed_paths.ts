/**
 * Paths as users have them: typed with quotes, dragged into a terminal, copied
 * from a file manager, with `~` and `*`; and the Tab key for them.
 *
 * @module
 */
import { globToRegExp } from "@std/path/glob-to-regexp";
import { fileURLToPath } from "node:url";
import { sanitize } from "../../core/text/sanitize.ts";
import { localPath } from "../../platform/local_path.ts";
import { lastWord, quoted, splitWords } from "../../platform/shell_words.ts";
import { SYSTEM, type System } from "../../platform/system.ts";
import { FileFailure } from "./records.ts";

/**
 * The paths that a typed one means: at home, of a `file:` address, or all that
 * fit a pattern, which is the last part of the path. Whether a path exists is
 * found later.
 *
 * @throws {FileFailure} If nothing fits the pattern, or it is too complex.
 */
export function meantPaths(typed: string): string[] {
  const path = localPath(addressOr(typed));
  if (exists(path)) return [path];
  const [folder, pattern] = inFolder(path, SYSTEM);
  if (!/[*?[]/.test(path)) {
    const name = alike(namesIn(folder), pattern);
    return [name === undefined ? path : folder + name];
  }
  const simple = pattern.replace(/\*+/g, "*");
  if (simple.split(/[*{]/).length - 1 > MAX_WILD) {
    throw new FileFailure(
      `Cannot send "${path}": a pattern may have * and { only ${MAX_WILD} ` +
        "times, because more take too long. Use fewer",
    );
  }
  const found = fitting(namesIn(folder), simple, SYSTEM);
  if (found.length > 0) return found.sort().map((name) => folder + name);
  throw new FileFailure(`Cannot send "${path}": no file fits this pattern`);
}

/** With each more, a name that does not fit takes some 100 times longer. */
const MAX_WILD = 3;

/**
 * Those of `names` that fit a pattern, as the shells of `system` see it. macOS
 * writes names in a form that takes letters apart, and keyboards do not: both
 * are compared in the form that does not.
 */
export function fitting(
  names: readonly string[],
  pattern: string,
  system: System,
): string[] {
  const isWindows = system === "windows";
  const all = isWindows && pattern === "*.*"; // also those without an ending
  const fits = globToRegExp(all ? "*" : pattern.normalize("NFC"), {
    caseInsensitive: isWindows,
    extended: false, // repeated groups take too long too
  });
  return names.filter((name) =>
    fits.test(name.normalize("NFC")) &&
    (pattern.startsWith(".") || !name.startsWith("."))
  );
}

/**
 * The only one of `names` that looks like `name`. Screenshots of macOS have U+202F
 * in their names, and some terminals and clipboards make a space of it.
 */
export function alike(
  names: readonly string[],
  name: string,
): string | undefined {
  const plain = (one: string) => one.normalize("NFC").replace(/\p{Zs}/gu, " ");
  const [found, ...others] = names.filter((one) => plain(one) === plain(name));
  return others.length === 0 ? found : undefined;
}

/** Those of `names` that begin like `start`, on disks of `system`. */
export function beginning(
  names: readonly string[],
  start: string,
  system: System,
): string[] {
  const comparable = (name: string) => {
    const whole = name.normalize("NFC");
    return FOLDS_CASE.has(system) ? whole.toLowerCase() : whole;
  };
  return names.filter((name) =>
    comparable(name).startsWith(comparable(start)) &&
    (start !== "" || !name.startsWith("."))
  );
}

/** Their disks usually take names of another case for the same. */
const FOLDS_CASE: ReadonlySet<System> = new Set<System>(["windows", "darwin"]);

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder || "."), ({ name }) => name);
  } catch {
    return []; // there is none
  }
}

/** The path of a `file:` address; anything else as it is. */
function addressOr(typed: string): string {
  if (!/^file:/i.test(typed)) return typed;
  try {
    return fileURLToPath(typed);
  } catch {
    return typed; // of another computer, or no address at all
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The candidates for the last path in `text`, and the part that they replace. */
export async function completePath(
  text: string,
): Promise<[candidates: string[], part: string]> {
  const part = lastWord(text);
  const closed = ["", '"', "'"].map((quote) => splitWords(part + quote));
  const [typed = ""] = closed.find((words) => words !== undefined) ?? [];
  const [folder, start] = inFolder(typed, SYSTEM);
  try {
    const place = localPath(addressOr(folder)) || ".";
    const entries = await Array.fromAsync(Deno.readDir(place));
    const files = new Map(entries.map(({ name, isFile }) => [name, isFile]));
    const candidates = beginning([...files.keys()], start, SYSTEM)
      .filter((name) => name === sanitize(name)) // the editor sanitizes nothing
      .map((name) => quoted(folder + name, !files.get(name)));
    return [candidates.sort(), part];
  } catch {
    return [[], part]; // there is no such folder
  }
}

/** The folder and the name of a path. */
function inFolder(
  path: string,
  system: System,
): [folder: string, name: string] {
  const parts = system === "windows" ? /^(.*[\\/])?(.*)$/s : /^(.*\/)?(.*)$/s;
  const [, folder = "", name = ""] = parts.exec(path) ?? [];
  return [folder, name];
}
