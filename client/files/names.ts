/**
 * Names of files that a peer has chosen, as the receiver's disk takes them.
 *
 * A name is changed only where it has to be: where the disk refuses it or takes
 * two names for one, and where it would deceive a reader (control characters,
 * and those that turn text around). What lands in the folder for downloads
 * itself must also be no hidden file and no option: that folder may be the home
 * folder, where `.profile` is run. What no honest sender can mean, such as `..`,
 * is not repaired but refused: see `pathParts` in records.ts.
 *
 * Pure: what a disk needs is found out by downloads.ts, and whether a name is
 * free by partial_file.ts.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  BadRecord,
  type Disk,
  type Entry,
  Lines,
  pathParts,
} from "./records.ts";

/**
 * Longest name that each disk takes: in bytes of UTF-8, on Windows in UTF-16 units.
 * Windows takes 255, but many of its programs no path of more than 259.
 */
export const MAX_NAME_LENGTH: Readonly<Record<Disk, number>> = {
  linux: 255,
  darwin: 255,
  windows: 120,
};

/** How much of a list is named at once: as much as one record has of it. */
const PORTION = 32_768;

/** What an entry counts of a portion beside its path, in characters. */
const ENTRY_COST = 64;

/** Room for " (999)" and for the ending of a partial file. */
const ENDING_LENGTH = 30;

/** `name`, one part of a path, as `disk` takes it. */
export function safeName(name: string, disk: Disk): string {
  const readable = name.replace(DECEPTIVE, "_");
  const most = MAX_NAME_LENGTH[disk];
  if (disk !== "windows") return shorten(readable, most, disk);
  const short = shorten(readable.replace(REFUSED, "_"), most, disk)
    .replace(/[\s.]+$/u, "");
  if (short === "") return "_";
  return RESERVED.test(short) ? `_${short}` : short;
}

/** The name of a whole item, which lands in the folder for downloads itself. */
export function itemName(name: string, disk: Disk): string {
  const most = MAX_NAME_LENGTH.linux - ENDING_LENGTH; // more than Windows gets
  const safe = shorten(safeName(name, disk), most, disk)
    .replace(/^[.~]/, "_") // hidden, or a home folder to a careless shell
    .replace(/^-/, "_"); // an option, to a careless command
  return UNFINISHED.test(safe) ? `${safe}_` : safe;
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
 * Names the paths of one item, so that what was two files stays two: names that
 * become the same get numbers. Only {@linkcode ItemList} checks the paths.
 *
 * A name is looked at once, in its folder: a peer may send 16 MiB of paths.
 */
export class SafePaths {
  /** The names that were changed. */
  readonly changes = new Lines();
  readonly #disk: Disk;
  readonly #root = new NamedFolder("");

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** The safe path of `parts`, parted by `/`; a folder has one at the end. */
  add(parts: readonly string[], isFolder = false): string {
    let folder = this.#root;
    for (const [index, part] of parts.entries()) {
      const known = folder.folders.get(part);
      if (known) {
        folder = known;
        continue;
      }
      const name = this.#name(folder, part);
      const path = folder.path + name;
      if (name !== part) {
        this.changes.add(() =>
          `"${parts.slice(0, index + 1).join("/")}" is called "${path}"`
        );
      }
      if (!isFolder && index === parts.length - 1) return path;
      const inside = new NamedFolder(`${path}/`);
      folder.folders.set(part, inside);
      folder = inside;
    }
    return folder.path;
  }

  #name(folder: NamedFolder, part: string): string {
    const disk = this.#disk;
    const name = folder === this.#root
      ? itemName(part, disk)
      : safeName(part, disk);
    const key = keyOf(name, disk);
    if (!folder.taken.has(key)) {
      folder.taken.add(key);
      return name;
    }
    const most = MAX_NAME_LENGTH[disk] - ENDING_LENGTH;
    const short = shorten(name, most, disk);
    const shortKey = keyOf(short, disk);
    for (let number = folder.next.get(shortKey) ?? 2;; number++) {
      const candidate = numbered(short, number);
      const candidateKey = keyOf(candidate, disk);
      if (folder.taken.has(candidateKey)) continue;
      folder.taken.add(candidateKey);
      folder.next.set(shortKey, number + 1);
      return candidate;
    }
  }
}

/** A folder of an item, as {@linkcode SafePaths} names it. */
class NamedFolder {
  /** Its safe path, with a `/` at its end; empty outside of the item. */
  readonly path: string;
  /** By their original names. */
  readonly folders = new Map<string, NamedFolder>();
  /** The names in it, as the disk compares them. */
  readonly taken = new Set<string>();
  /**
   * The number to try next, by the name that gets it, cut to have room for it: a
   * hundred thousand of one name, or of one beginning, must not take a day.
   */
  readonly next = new Map<string, number>();

  constructor(path: string) {
    this.path = path;
  }
}

/** In which form `disk` compares a name. */
function keyOf(name: string, disk: Disk): string {
  if (disk === "linux") return name;
  // Of some letters only the capital ones are the same: "ς" and "σ", "ß" and "ss".
  const folded = foldName(name.toUpperCase());
  if (folded.length <= MAX_NAME_LENGTH.linux) return folded;
  // NFKC makes 18 characters of one: of a long list that would be 300 MB.
  return createHash("sha256").update(folded).digest("base64");
}

/** An item of an offer: all as the sender calls it, not safe to write or show. */
export interface OfferedItem {
  /** What it is called. */
  readonly title: string;
  /** Whether it is a folder. */
  readonly isFolder: boolean;
  /** Its files in their order, and empty folders. */
  readonly files: readonly Entry[];
  /** The sum of their sizes. */
  size: number;
}

/** What an item is called on a disk. */
export interface ItemNames {
  readonly name: string;
  /** Of its files in their order, inside of it; empty for an item that is a file. */
  readonly paths: readonly string[];
  /** The names that were changed. */
  readonly changes: Lines;
}

/**
 * What each item and its files are called on `disk`.
 *
 * @param turn Resolves when all else had its turn: awaited after each portion, so
 * that a long list stops nothing.
 */
export async function namesOn(
  disk: Disk,
  items: readonly NamedItem[],
  turn: () => Promise<void> = nextTurn,
): Promise<ItemNames[]> {
  const names: ItemNames[] = [];
  let room = PORTION;
  for (const { title, files } of items) {
    const safe = new SafePaths(disk);
    const name = itemName(title, disk);
    const paths: string[] = [];
    for (const { path } of files) {
      room -= path.length + ENTRY_COST;
      if (room < 0) {
        await turn();
        room = PORTION;
      }
      const safePath = safe.add(pathParts(path) ?? [], path.endsWith("/"));
      paths.push(safePath.slice(name.length + 1).replace(/\/$/, ""));
    }
    names.push({ name, paths, changes: safe.changes });
  }
  return names;
}

/** What of an item decides its names. */
type NamedItem = Pick<OfferedItem, "title"> & {
  readonly files: readonly Pick<Entry, "path">[];
};

/**
 * Gathers what an offer describes, while it arrives. The work of an entry does not
 * depend on how many there were.
 */
export class ItemList {
  /** So far. */
  readonly items: OfferedItem[] = [];
  /** How many folders they have. */
  folders = 0;
  #tree: Tree = new Map(); // of the last item
  #files: Entry[] = []; // the same

  /** @throws {BadRecord} If no honest sender describes anything so. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) this.#addOne(entry);
  }

  #addOne(entry: Entry): void {
    const { item, path, size } = entry;
    const parts = pathParts(path) ?? [];
    const [title = ""] = parts;
    const isInFolder = path.includes("/");
    if (item === this.items.length) {
      this.#tree = new Map();
      this.#files = [];
      const files = this.#files;
      this.items.push({ title, isFolder: isInFolder, files, size: 0 });
    }
    const last = this.items.at(-1);
    if (!last || item !== this.items.length - 1) throw odd("counts wrongly");
    if (title !== last.title) throw odd("mixes folders");
    if (isInFolder !== last.isFolder) throw odd("mixes files and folders");
    this.#place(parts, path.endsWith("/"));
    this.#files.push(entry);
    last.size += size;
  }

  /** @throws {BadRecord} If it is there already, or one of its folders is a file. */
  #place(parts: readonly string[], isFolder: boolean): void {
    let tree = this.#tree;
    for (const part of parts.slice(0, -1)) {
      if (!tree.has(part)) {
        tree.set(part, new Map());
        this.folders++;
      }
      const inside = tree.get(part);
      if (!inside) throw odd("has a folder that is a file");
      tree = inside;
    }
    const last = parts.at(-1)!;
    if (tree.has(last)) throw odd("names a file twice");
    tree.set(last, isFolder ? new Map() : undefined);
  }
}

/** What is in a folder, by name; undefined: a file. */
interface Tree extends Map<string, Tree | undefined> {}

function odd(what: string): BadRecord {
  return new BadRecord(`a list of files that ${what}`);
}

/** At most so long as `disk` measures it; the ending stays, if it is short. */
function shorten(name: string, most: number, disk: Disk): string {
  if (3 * name.length <= most || lengthOn(disk, name) <= most) return name;
  const { stem, ending } = split(name);
  const room = most - ending.length; // the ending is ASCII
  const read = disk === "windows"
    ? room
    : encoder.encodeInto(stem, new Uint8Array(room)).read;
  // One grapheme is looked for, not all, and only what decides where it begins
  // is looked at: a peer may send 16 MiB of long names.
  const near = stem.slice(0, read + 2);
  const end = graphemes.segment(near).containing(read)?.index;
  return stem.slice(0, end) + ending;
}

/** `archive.tar.gz` as `archive` and `.tar.gz`. */
function split(name: string): { stem: string; ending: string } {
  const [ending = ""] = ENDING.exec(name) ?? [];
  return { stem: name.slice(0, name.length - ending.length), ending };
}

function lengthOn(disk: Disk, name: string): number {
  return disk === "windows" ? name.length : encoder.encode(name).length;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** What moves a cursor, breaks a line or turns text around; half a surrogate pair. */
const DECEPTIVE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** What Windows refuses, or takes for a folder or a stream. */
const REFUSED = /[<>:"/\\|?*]/g;

/** Devices of Windows, whatever ending they have. */
const RESERVED =
  /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)\s*(\.|$)/i;

/** What looks like a partial file, which a later transfer would continue. */
const UNFINISHED = /\.[0-9a-f]{8}(-\d+)?\.part$/i;

const ENDING = /(?<=.)(\.tar)?\.[A-Za-z0-9]{1,12}$/;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const encoder = new TextEncoder();
