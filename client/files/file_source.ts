/**
 * What is sent: files, on the disk or in a browser (page_drop.ts), and their
 * bytes; and the shared folder, where peers find what they may get.
 *
 * What is offered is found first. Each file is compared with that when it is
 * opened and again after its last byte, so a file that changes while it is sent
 * ends the transfer instead of arriving as a mixture.
 *
 * No link inside a folder is followed, and only files and folders are sent: a
 * link can lead anywhere, and a device has no end. A path that the user typed
 * may be a link itself.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { basename, join, resolve, sep } from "node:path";
import { systemReason } from "../view/failure.ts";
import { titleOf } from "./names.ts";
import {
  type Entry,
  FileFailure,
  inRecords,
  MAX_FILES,
  MAX_PATHS_LENGTH,
  pathParts,
  PIECE_BYTES,
  sizeOf,
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
  /** How many links, devices and the like were left out. */
  leftOut = 0;
  #pathsLength = 0;

  /** How many files, empty folders included. */
  get files(): number {
    return this.sources.length;
  }

  /** As people say it: `a.txt and 2 more`. */
  get title(): string {
    const items = Map.groupBy(this.sources, ({ item }) => item).values();
    return titleOf(
      [...items.map(([first]) => first!.path.replace(/\/.*/s, "/"))],
    );
  }

  /**
   * Adds a file, or an empty folder.
   *
   * @throws {FileFailure} If its path is too deep, or there are too many.
   */
  add(source: FileSource): void {
    const { path, size } = source;
    if (!pathParts(path)) {
      throw new FileFailure(`Cannot send "${path}": the path is too deep`);
    }
    this.#pathsLength += path.length;
    if (this.files === MAX_FILES || this.#pathsLength > MAX_PATHS_LENGTH) {
      throw new FileFailure(
        `Cannot send more than ${MAX_FILES} files at once: pack them first`,
      );
    }
    this.sources.push(source);
    this.size += size;
  }
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

async function addFolder(found: Outgoing, place: Place): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(place.location));
  // The same order after a break: what was sent is compared by position.
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  const before = found.files;
  for (const { name, isDirectory, isFile } of entries) {
    const path = `${place.path}/${name}`;
    const location = join(place.location, name);
    const inside = { item: place.item, path, location };
    if (isDirectory) await addFolder(found, inside);
    else if (isFile) found.add(diskFile(inside, await Deno.lstat(location)));
    else found.leftOut++;
  }
  if (found.files > before) return;
  const empty = { ...place, path: `${place.path}/` };
  found.add(diskFile(empty, { size: 0, mtime: null }));
}

/** What tells whether a file is as it was offered. */
type FileState = Pick<Deno.FileInfo, "size" | "mtime">;

function diskFile(place: Place, { size, mtime }: FileState): FileSource {
  const open = () => openOnDisk(place, { size, mtime });
  return { ...place, size, open };
}

/**
 * Opens a file, if it is as it was `offered`. A file costs not its bytes but the
 * calls that wait: one for each file is enough for others to get their turn, and
 * a folder of small files takes a fifth of the time.
 */
async function openOnDisk(
  file: Place,
  offered: FileState,
): Promise<OpenFile> {
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
    const handle = await Deno.open(location);
    const info = handle.statSync();
    if (info.ino === before.ino && info.dev === before.dev) {
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
    }
    handle.close();
  } catch (error) {
    throw unreadable(file, error);
  }
  throw changed(file);
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
 * the file is opened. The peer is never told whether something exists that is
 * not shared.
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
    const parts = pathParts(path.replaceAll("\\", "/"));
    if (!parts) throw none;
    const location = join(this.location, ...parts);
    const found = await Deno.realPath(location).catch(() => undefined);
    if (found !== location) throw none;
    const outgoing = await readable(location);
    const inside = this.location + sep;
    const isInside = outgoing.sources.every(({ location }) =>
      location?.startsWith(inside)
    );
    if (!isInside) throw none; // a link was put there meanwhile
    return outgoing;
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

/** The bytes of an item's files, one after the other, as if they were one. */
export class ItemReader implements Disposable {
  /** The sum of their sizes. */
  readonly size: number;
  /** Of the bytes that were skipped; the sender adds what it sends. */
  hash: Hash = createHash("sha256");
  readonly #sources: readonly FileSource[];
  #next = 0;
  #open: { source: FileSource; file: OpenFile; left: number } | undefined;

  /** Opens nothing yet. */
  constructor(sources: readonly FileSource[]) {
    this.#sources = sources.filter(({ path }) => !path.endsWith("/"));
    this.size = sizeOf(sources);
  }

  /**
   * Fills `buffer`, across the ends of files.
   *
   * @returns How many bytes; fewer than asked for only at the end of all.
   * @throws {FileFailure} If a file is not what was offered.
   */
  async fill(buffer: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const open = this.#open ??= await this.#openNext();
      if (!open) break;
      const wanted = Math.min(buffer.length - filled, open.left);
      if (wanted === 0) {
        open.file.check();
        this[Symbol.dispose]();
        continue;
      }
      const place = buffer.subarray(filled, filled + wanted);
      const count = await open.file.read(place);
      if (count === null) throw changed(open.source);
      open.left -= count;
      filled += count;
    }
    return filled;
  }

  /** Reads the first `bytes`, of which there are as many; their hash. */
  async skip(bytes: number, signal: AbortSignal): Promise<string> {
    const buffer = new Uint8Array(PIECE_BYTES);
    for (let left = bytes; left > 0;) {
      signal.throwIfAborted();
      const count = await this.fill(buffer.subarray(0, left));
      this.hash.update(buffer.subarray(0, count));
      left -= count;
    }
    return this.hash.copy().digest("hex");
  }

  /** Goes back to the first byte. */
  restart(): void {
    this[Symbol.dispose]();
    this.#next = 0;
    this.hash = createHash("sha256");
  }

  /** Closes what is open. */
  [Symbol.dispose](): void {
    this.#open?.file[Symbol.dispose]();
    this.#open = undefined;
  }

  async #openNext() {
    const source = this.#sources[this.#next++];
    if (!source) return undefined;
    return { source, file: await source.open(), left: source.size };
  }
}

function changed({ path }: Pick<Entry, "path">): FileFailure {
  return new FileFailure(`"${path}" changed while it was sent`);
}

function unreadable({ path }: Place, cause: unknown): FileFailure {
  if (cause instanceof FileFailure) return cause;
  const reason = systemReason(cause);
  return new FileFailure(`Cannot read "${path}": ${reason}`, { cause });
}

const SMALL_BYTES = 16_384;
