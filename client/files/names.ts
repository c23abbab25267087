/**
 * Names of files that a peer has chosen, made safe for any disk.
 *
 * What is fine on the sender's computer may be a device, a path, a hidden file
 * or a trick of letters on the receiver's. So every part of a path is made a
 * name that Linux, macOS and Windows all take for an ordinary, visible file,
 * and that shows all it has. What no honest sender can mean, such as `..`, is
 * not repaired but refused: see `pathParts` in records.ts.
 *
 * Pure: whether a name is free on the disk is found out by partial_file.ts.
 *
 * @module
 */
import { BadRecord, type Entry, pathParts, sizeOf } from "./records.ts";

/**
 * Longest name that is made, in bytes of UTF-8. File systems take 255 (encrypted
 * ones 143), and " (999)" and the ending of an unfinished file must fit.
 */
export const MAX_NAME_BYTES = 120;

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
  /** Safe name by the original one behind the safe path of its folder. */
  readonly #names = new Map<string, string>();
  /**
   * Names that are taken, folded, each with its folder's safe path, and the
   * number to try next: a hundred thousand of one name must not take a day.
   */
  readonly #taken = new Map<string, number>();

  /** The safe path of `parts`, parted by `/`. The same parts give the same. */
  add(parts: readonly string[]): string {
    let path = "";
    for (const part of parts) {
      const original = `${path}/${part}`;
      let name = this.#names.get(original);
      if (name === undefined) {
        name = this.#free(path, safeName(part));
        this.#names.set(original, name);
      }
      path = path === "" ? name : `${path}/${name}`;
    }
    return path;
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

/** An item of an offer, with safe names. */
export interface OfferedItem {
  /** What it is to be called. */
  readonly name: string;
  /** Whether it is a folder. */
  readonly isFolder: boolean;
  /** Its files in their order; those of a folder by paths inside of it. */
  readonly files: readonly OfferedFile[];
  /** The sum of their sizes. */
  readonly size: number;
  /** What the sender calls it: not safe, to be shown sanitized. */
  readonly title: string;
}

/** A file of an {@linkcode OfferedItem}, or an empty folder. */
export interface OfferedFile {
  /** Parted by `/`; empty for an item that is a file. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Whether it is an empty folder. */
  readonly isFolder: boolean;
}

/**
 * The items that `entries` describe.
 *
 * @throws {BadRecord} If no honest sender describes anything so.
 */
export function itemsOf(entries: readonly Entry[]): OfferedItem[] {
  const groups: Entry[][] = [];
  for (const entry of entries) {
    if (entry.item === groups.length) groups.push([]);
    if (entry.item !== groups.length - 1) throw odd("counts wrongly");
    groups.at(-1)!.push(entry);
  }
  return groups.map(itemOf);
}

function itemOf(entries: readonly Entry[]): OfferedItem {
  const paths = new SafePaths();
  const seen = new Set<string>(); // files, and folders with `/`
  const title = pathParts(entries[0]!.path)?.[0] ?? "";
  const isFolder = entries[0]!.path.includes("/");
  const files = entries.map(({ path, size }): OfferedFile => {
    const parts = pathParts(path);
    if (!parts || parts[0] !== title) throw odd("mixes folders");
    if (isFolder !== path.includes("/")) throw odd("mixes files and folders");
    addOnce(seen, parts, path.endsWith("/"));
    const safe = paths.add(parts);
    const inside = isFolder ? safe.slice(safe.indexOf("/") + 1) : "";
    const isRoot = parts.length === 1; // all of a folder that is empty
    return { path: isRoot ? "" : inside, size, isFolder: path.endsWith("/") };
  });
  const name = paths.add([title]);
  return { name, isFolder, files, size: sizeOf(entries), title };
}

/** Notes a path, and that what it lies in are folders. */
function addOnce(
  seen: Set<string>,
  parts: readonly string[],
  isFolder: boolean,
): void {
  const path = parts.join("/");
  if (seen.has(path) || seen.has(`${path}/`)) throw odd("names a file twice");
  seen.add(isFolder ? `${path}/` : path);
  for (let depth = 1; depth < parts.length; depth++) {
    const folder = parts.slice(0, depth).join("/");
    if (seen.has(folder)) throw odd("has a folder that is a file");
    seen.add(`${folder}/`);
  }
}

function odd(what: string): BadRecord {
  return new BadRecord(`a list of files that ${what}`);
}

/** At most {@linkcode MAX_NAME_BYTES}; the ending stays, if it is short. */
function shorten(name: string): string {
  if (byteLength(name) <= MAX_NAME_BYTES) return name;
  const { stem, ending } = split(name);
  return cut(stem, MAX_NAME_BYTES - byteLength(ending), byteLength) + ending;
}

/** Whole graphemes from the beginning of `text`, which `measure` at most `most`. */
export function cut(
  text: string,
  most: number,
  measure: (grapheme: string) => number,
): string {
  let left = most;
  let kept = "";
  for (const { segment } of graphemes.segment(text)) {
    left -= measure(segment);
    if (left < 0) break;
    kept += segment;
  }
  return kept;
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

/** What looks like a partial file, which a later transfer would continue. */
const UNFINISHED = /\.[0-9a-f]{8}(-\d+)?\.part$/i;

const ENDING = /(?<=.)(\.tar)?\.[A-Za-z0-9]{1,12}$/;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const encoder = new TextEncoder();
