/**
 * What is sent: files, on the disk or in a browser (page_drop.ts), and their
 * bytes; and the shared folder, where peers find what they may get.
 *
 * What is offered is found first. Each file is compared with that when it is
 * opened and again after its last byte, so a file that changes while it is sent
 * does not arrive as a mixture: it does not arrive. The others do, and both users
 * are told; so it is with what cannot be read.
 *
 * No link inside a folder is followed, and only files and folders are sent: a
 * link can lead anywhere, and a device has no end. A path that the user typed
 * may be a link itself.
 *
 * @module
 */
import { basename, join, resolve, sep } from "node:path";
import { whileHeld } from "../../platform/held_files.ts";
import { SYSTEM, type System } from "../../platform/system.ts";
import { systemReason } from "../view/failure.ts";
import { namesOn, titleOf } from "./names.ts";
import {
  type Disk,
  type Entry,
  FileFailure,
  inRecords,
  Lines,
  MAX_FILES,
  MAX_FOLDERS,
  MAX_PATHS_LENGTH,
  pathParts,
} from "./records.ts";

/** A file to be sent, or with `/` at the end of its path an empty folder. */
export interface FileSource extends Entry {
  /** Where it is on this disk, without any link on the way, if it is there. */
  readonly location?: string;
  /**
   * Opens it, at its beginning. It may be opened again, after a break.
   *
   * @throws {FileFailure} If it is not what was offered, or cannot be read.
   */
  open(): Promise<OpenFile>;
}

/** The bytes of an open file. Dispose to close it. */
export interface OpenFile extends Disposable {
  /**
   * Fills the beginning of `place`; returns how many bytes, or null at the end.
   *
   * @throws {FileFailure} If it cannot be read.
   */
  read(place: Uint8Array): Promise<number | null>;
  /**
   * Compares it with what was offered, after its last byte.
   *
   * @throws {FileFailure} If it has changed meanwhile.
   */
  check(): void;
}

/** The files of one offer, within its limits. */
export class Outgoing {
  /** Grouped by item, in the order in which they are sent. */
  readonly sources: FileSource[] = [];
  /** The sum of their sizes, in bytes. */
  size = 0;
  /** Why files, links and devices of its folders are not among them. */
  readonly omitted = new Lines();
  /** What turned out to be changed, or not to be read, while it was sent. */
  readonly failed = new Map<FileSource, FileFailure>();
  readonly #titles: string[] = []; // of the items
  readonly #folders = new Set<string>();
  #pathsLength = 0;

  /** How many files, links and devices of its folders are not among them. */
  get leftOut(): number {
    return this.omitted.count;
  }

  /** How many files, empty folders included. */
  get files(): number {
    return this.sources.length;
  }

  /** As people say it: `a.txt and 2 more`. */
  get title(): string {
    return titleOf(this.#titles);
  }

  /** Why something of it does not arrive. */
  get missing(): Lines {
    const missing = new Lines();
    missing.addAll(this.omitted);
    for (const { message } of this.failed.values()) missing.add(message);
    return missing;
  }

  /** The names that are changed on the receiver's disk. */
  async renamedOn(disk: Disk): Promise<Lines> {
    const renamed = new Lines();
    const items = Map.groupBy(this.sources, ({ item }) => item).values()
      .map((files, index) => {
        const title = this.#titles[index]!.replace(/\/$/, "");
        return { title, files };
      });
    for (const { changes } of await namesOn(disk, [...items])) {
      renamed.addAll(changes);
    }
    return renamed;
  }

  /**
   * Adds a file, or an empty folder. A path that is too long is left out.
   *
   * @throws {FileFailure} If there are too many.
   */
  add(source: FileSource): void {
    const { path, size } = source;
    if (!pathParts(path)) return this.omitPath(path);
    this.#pathsLength += path.length;
    this.#countFolders(source);
    if (this.files === MAX_FILES || this.#pathsLength > MAX_PATHS_LENGTH) {
      throw tooMany(MAX_FILES, "files");
    }
    if (this.#folders.size > MAX_FOLDERS) throw tooMany(MAX_FOLDERS, "folders");
    if (source.item !== this.sources.at(-1)?.item) {
      this.#titles.push(path.replace(/\/.*/s, "/"));
    }
    this.sources.push(source);
    this.size += size;
  }

  /** Those that the receiver will count, see `MAX_FOLDERS`. */
  #countFolders({ item, path }: FileSource): void {
    const endBefore = (end: number) => path.lastIndexOf("/", end - 1);
    let end = endBefore(path.length - 1); // behind which an empty folder ends
    for (; end > 0; end = endBefore(end)) {
      const folder = `${item}/${path.slice(0, end)}`;
      if (this.#folders.has(folder)) return;
      this.#folders.add(folder);
    }
  }

  /** Leaves out a path that no receiver takes. */
  omitPath(path: string): void {
    const why = "the path is too long or too deep";
    this.omitted.add(`Cannot send "${path}": ${why}`);
  }
}

function tooMany(most: number, what: string): FileFailure {
  return new FileFailure(
    `Cannot send more than ${most} ${what} at once: pack them first`,
  );
}

/**
 * Finds what `paths` are, each an item of its own: a file or a folder.
 *
 * @throws {FileFailure} If one of them cannot be sent.
 */
export async function findFiles(paths: readonly string[]): Promise<Outgoing> {
  const found = new Outgoing();
  for (const [item, path] of paths.entries()) await addItem(found, item, path);
  return found;
}

async function addItem(
  found: Outgoing,
  item: number,
  path: string,
): Promise<void> {
  const name = basename(resolve(path));
  if (name === "") {
    throw new FileFailure(`Cannot send "${path}": it has no name`);
  }
  try {
    const location = await Deno.realPath(path);
    const info = await Deno.stat(location);
    const place = { item, path: name, location };
    if (info.isFile) found.add(diskFile(place, info));
    else if (info.isDirectory) await addFolder(found, place);
    else throw new FileFailure(`Cannot send "${name}": it is not a file`);
  } catch (error) {
    if (error instanceof FileFailure) throw error;
    const reason = systemReason(error);
    throw new FileFailure(`Cannot send "${path}": ${reason}`, { cause: error });
  }
}

/** A file or folder on this disk, and what the receiver is to call it. */
interface Place {
  readonly item: number;
  readonly path: string;
  readonly location: string;
}

/** Adds what is in a folder; what cannot be sent is left out. */
async function addFolder(found: Outgoing, place: Place): Promise<void> {
  if (!pathParts(place.path)) return found.omitPath(place.path);
  const before = found.files;
  for (const { name, isDirectory, isFile } of await entriesOf(place, found)) {
    const path = `${place.path}/${name}`;
    const location = join(place.location, name);
    const inside = { item: place.item, path, location };
    if (isDirectory) await addFolder(found, inside);
    else if (isFile) await addFile(found, inside);
    else found.omitted.add(`Cannot send "${path}": it is a link or a device`);
  }
  if (found.files > before) return;
  const empty = { ...place, path: `${place.path}/` };
  found.add(diskFile(empty, { size: 0, mtime: null, mode: null }));
}

/** Always in the same order: what was sent before a break is compared by it. */
async function entriesOf(
  place: Place,
  { omitted }: Outgoing,
): Promise<Deno.DirEntry[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(place.location));
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    if (!place.path.includes("/")) throw error; // nothing of it can be sent
    omitted.add(unreadable(place, error).message);
    return [];
  }
}

async function addFile(found: Outgoing, place: Place): Promise<void> {
  try {
    const info = await Deno.lstat(place.location);
    if (info.isFile) Deno.openSync(place.location).close(); // it can be read
    found.add(diskFile(place, info));
  } catch (error) {
    if (error instanceof FileFailure) throw error;
    found.omitted.add(unreadable(place, error).message);
  }
}

/** What tells whether a file is as it was offered. */
type FileState = Pick<Deno.FileInfo, "size" | "mtime" | "mode">;

function diskFile(place: Place, state: FileState): FileSource {
  const { size, mtime, mode } = state;
  const open = () => openOnDisk(place, state);
  const modified = mtime?.getTime();
  const executable = ((mode ?? 0) & OWNER_RUNS) !== 0;
  return {
    ...place,
    size,
    modified,
    executable: executable || undefined,
    open,
  };
}

/**
 * Opens a file, if it is as it was `offered`. A file costs not its bytes but the
 * calls that wait: one for each file is enough for others to get their turn, and
 * a folder of small files takes a fifth of the time.
 */
async function openOnDisk(file: Place, offered: FileState): Promise<OpenFile> {
  const { location } = file;
  const check = (info: Deno.FileInfo) => {
    const isSame = info.isFile && info.size === offered.size &&
      info.mtime?.getTime() === offered.mtime?.getTime();
    if (!isSame) throw changed(file);
  };
  try {
    // Before it is opened: opening a pipe waits for its writer, and a link that
    // was put there meanwhile must not be followed.
    const before = Deno.lstatSync(location);
    check(before);
    if (Deno.realPathSync(location) !== location) throw changed(file);
    const handle = await whileHeld(() => Deno.open(location));
    const { ino, dev } = handle.statSync();
    if (ino !== before.ino || dev !== before.dev) {
      handle.close();
      throw changed(file);
    }
    return {
      async read(place) {
        try {
          // Small pieces at once, which is cheaper than to wait for them.
          const isSmall = place.length <= SMALL_BYTES;
          return isSmall ? handle.readSync(place) : await handle.read(place);
        } catch (error) {
          throw unreadable(file, error);
        }
      },
      check: () => check(handle.statSync()),
      [Symbol.dispose]: () => handle.close(),
    };
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** What a shared folder has. */
export interface Listing {
  /** Files by their paths; all of item 0. */
  readonly entries: Entry[];
  /** How many more there are. */
  readonly more: number;
}

/**
 * The folder that others may get files from: `--share FOLDER`.
 *
 * What is asked for is found by going down from the folder, part by part, and
 * must lie exactly where its path says: a link anywhere on the way leads
 * somewhere else, and then there is no such file. That is checked again when
 * the file is opened. Only the form of letters may differ: macOS takes them
 * apart, and keyboards do not. The peer is never told whether something exists
 * that is not shared.
 */
export class SharedFolder {
  /** Where it is, without any link on the way. */
  readonly location: string;

  private constructor(location: string) {
    this.location = location;
  }

  /**
   * Shares the folder at `path`.
   *
   * @throws {FileFailure} If it is not a folder.
   */
  static async open(path: string): Promise<SharedFolder> {
    try {
      const location = await Deno.realPath(path);
      if ((await Deno.stat(location)).isDirectory) {
        return new SharedFolder(location);
      }
    } catch (error) {
      throw new FileFailure(`Cannot share "${path}": ${systemReason(error)}`, {
        cause: error,
      });
    }
    throw new FileFailure(`Cannot share "${path}": it is not a folder`);
  }

  /**
   * The file or folder at `path`, as the peer names it.
   *
   * @throws {FileFailure} If there is none inside the shared folder.
   */
  async find(path: string): Promise<Outgoing> {
    const none = new FileFailure(`Nothing called "${path}" is shared`);
    const parts = askedParts(path);
    if (!parts) throw none;
    const location = await this.#locate(parts);
    if (location === undefined) throw none;
    const outgoing = await readable(location);
    const inside = this.location + sep;
    const isInside = outgoing.sources.every(({ location }) =>
      location?.startsWith(inside)
    );
    if (!isInside) throw none; // a link was put there meanwhile
    return outgoing;
  }

  /** Where it is, if no link is on the way to it. */
  async #locate(parts: readonly string[]): Promise<string | undefined> {
    const location = join(this.location, ...parts);
    if (await isAt(location)) return location;
    let known = this.location;
    for (const part of parts) {
      const name = await nameIn(known, part);
      if (name === undefined) return undefined;
      known = join(known, name);
    }
    return await isAt(known) ? known : undefined;
  }

  /** What it has, by path; of many, the first. */
  async list(): Promise<Listing> {
    const { sources } = await readable(this.location);
    const files = sources.filter(({ path }) => !path.endsWith("/"));
    const named = files.map((file) => (
      { ...file, path: file.path.slice(file.path.indexOf("/") + 1) }
    ));
    const [entries = []] = inRecords(named);
    return { entries, more: files.length - entries.length };
  }
}

/**
 * The parts of a path that a peer asks for. On disks of Windows `:` separates a
 * file from its hidden streams: `a.pdf:Zone.Identifier` says where it is from.
 *
 * @returns Undefined if nothing that is shared is called so.
 */
export function askedParts(
  path: string,
  system: System = SYSTEM,
): string[] | undefined {
  const parts = pathParts(path.replaceAll("\\", "/"));
  const isOfStream = system === "windows" && path.includes(":");
  return isOfStream ? undefined : parts;
}

/** Whether something is there, and the path to it has no link. */
async function isAt(location: string): Promise<boolean> {
  return await Deno.realPath(location).catch(() => undefined) === location;
}

/** What is called `asked` in a folder, maybe with letters of another form. */
async function nameIn(
  folder: string,
  asked: string,
): Promise<string | undefined> {
  const meant = asked.normalize("NFC");
  if (meant === asked.normalize("NFD")) return asked; // it has one form only
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    const names = entries.map(({ name }) => name)
      .filter((name) => name.normalize("NFC") === meant);
    return names.find((name) => name === asked) ?? names[0];
  } catch {
    return undefined; // there is no such folder
  }
}

/** What there is to be sent; a failure names no path of this disk. */
async function readable(location: string): Promise<Outgoing> {
  try {
    return await findFiles([location]);
  } catch (error) {
    if (!(error instanceof FileFailure && error.cause)) throw error;
    const reason = systemReason(error.cause);
    const message = `Cannot read what is shared: ${reason}`;
    throw new FileFailure(message, { cause: error });
  }
}

/** @returns The failure of a file that is not what was offered. */
export function changed({ path }: Pick<Entry, "path">): FileFailure {
  return new FileFailure(`"${path}" changed while it was sent`);
}

function unreadable(
  { path }: Pick<Entry, "path">,
  cause: unknown,
): FileFailure {
  if (cause instanceof FileFailure) return cause;
  // The system's names are bytes, and Deno's are not: this one leads nowhere.
  const isLost = path.includes("\ufffd") &&
    cause instanceof Deno.errors.NotFound;
  const reason = isLost ? "its name is not UTF-8" : systemReason(cause);
  return new FileFailure(`Cannot read "${path}": ${reason}`, { cause });
}

const OWNER_RUNS = 0o100;
const SMALL_BYTES = 16_384;
