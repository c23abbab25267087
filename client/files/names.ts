/**
 * Names of files that somebody else has chosen, made safe for any disk.
 *
 * What is fine on the sender's computer may be a device, a path, a hidden file
 * or a trick of letters on the receiver's. So every part of a path is made a
 * name that Linux, macOS and Windows all take for an ordinary, visible file,
 * and that shows all it has. What no honest sender can mean, such as `..`, is
 * not repaired but refused: see {@linkcode pathParts}.
 *
 * Pure; whether a name is still free on the disk is asked elsewhere.
 *
 * @module
 */

/**
 * Longest name we make, in bytes of UTF-8. File systems take 255 (encrypted
 * ones 143), and " (999)" and the ending of an unfinished file must fit.
 */
export const MAX_NAME_BYTES = 120;

/** Deepest folder that is taken. */
export const MAX_DEPTH = 32;

/** Longest path that is taken, in UTF-16 units. */
export const MAX_PATH_LENGTH = 2_048;

/**
 * The parts of a path as the protocol has it: relative, parted by `/`, an empty
 * folder with `/` at its end.
 *
 * @returns Undefined if no honest sender says such a thing: an absolute path,
 * one with `.`, `..`, an empty part or a NUL in it, or one over the limits.
 */
export function pathParts(path: string): string[] | undefined {
  const parts = path.replace(/\/$/, "").split("/");
  const isHonest = path.length <= MAX_PATH_LENGTH &&
    parts.length <= MAX_DEPTH && !path.includes("\0") &&
    parts.every((part) => part !== "" && part !== "." && part !== "..");
  return isHonest ? parts : undefined;
}

/** `name`, one part of a path, as a name that is safe on any system. */
export function safeName(name: string): string {
  const plain = name.normalize("NFC")
    .replace(UNSAFE, "_")
    .replace(/^\s+/u, "")
    .replace(/^[.~]/, "_") // hidden, or a home folder to a careless shell
    .replace(/^-/, "_"); // an option, to a careless command
  const short = shorten(plain).replace(/[\s.]+$/u, "");
  if (short === "") return "_";
  if (UNFINISHED.test(short)) return `${short}_`;
  return RESERVED.test(short) ? `_${short}` : short;
}

/** `name` with a number before its ending, as in `notes (2).pdf`. */
export function numbered(name: string, number: number): string {
  if (number === 1) return name;
  const { stem, ending } = split(name);
  return `${stem} (${number})${ending}`;
}

/** Names as people say them: `a.txt`, `photos/`, `a.txt and 2 more`. */
export function titleOf(names: readonly string[]): string {
  const [first = "nothing", ...others] = names;
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}

/** The form in which two names are one on disks that do not know case. */
export function foldName(name: string): string {
  return name.normalize("NFKC").toLowerCase();
}

/**
 * Makes the paths of one folder safe, so that what was two files stays two:
 * names that become the same get numbers.
 */
export class SafePaths {
  /** Safe name by the original one, for each folder by its safe path. */
  readonly #folders = new Map<string, Map<string, string>>();
  /**
   * Names that are taken, folded, each with its folder's safe path, and the
   * number to try next: a hundred thousand of one name must not take a day.
   */
  readonly #taken = new Map<string, number>();

  /** The safe path of `parts`, parted by `/`. The same parts give the same. */
  add(parts: readonly string[]): string {
    let path = "";
    for (const part of parts) {
      const names = this.#namesIn(path);
      let name = names.get(part);
      if (name === undefined) {
        name = this.#free(path, safeName(part));
        names.set(part, name);
      }
      path = path === "" ? name : `${path}/${name}`;
    }
    return path;
  }

  #namesIn(folder: string): Map<string, string> {
    let names = this.#folders.get(folder);
    if (!names) this.#folders.set(folder, names = new Map());
    return names;
  }

  #free(folder: string, name: string): string {
    const key = (candidate: string) => `${folder}/${foldName(candidate)}`;
    let number = this.#taken.get(key(name)) ?? 1;
    while (this.#taken.has(key(numbered(name, number)))) number++;
    const free = numbered(name, number);
    this.#taken.set(key(free), 2);
    this.#taken.set(key(name), number + 1);
    return free;
  }
}

/** At most {@linkcode MAX_NAME_BYTES}; the ending stays, if it is short. */
function shorten(name: string): string {
  if (byteLength(name) <= MAX_NAME_BYTES) return name;
  const { stem, ending } = split(name);
  let kept = "";
  let left = MAX_NAME_BYTES - byteLength(ending);
  for (const { segment } of graphemes.segment(stem)) {
    left -= byteLength(segment);
    if (left < 0) break;
    kept += segment;
  }
  return kept + ending;
}

/** `archive.tar.gz` as `archive` and `.tar.gz`. */
function split(name: string): { stem: string; ending: string } {
  const [ending = ""] = ENDING.exec(name) ?? [];
  return { stem: name.slice(0, name.length - ending.length), ending };
}

function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** What some system forbids, and what cannot be seen or turns text around. */
const UNSAFE =
  /[<>:"/\\|?*]|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Devices of Windows, whatever ending they have. */
const RESERVED =
  /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)\s*(\.|$)/i;

/** What looks like something unfinished of ours, which we would go on with. */
const UNFINISHED = /\.[0-9a-f]{8}(-\d+)?\.part$/i;

const ENDING = /(?<=.)(\.tar)?\.[A-Za-z0-9]{1,12}$/;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const encoder = new TextEncoder();
