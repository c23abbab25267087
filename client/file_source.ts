/**
 * Files on our disk that are sent: which there are, and their bytes.
 *
 * What is offered is found first, and each file is compared with it when it is
 * opened and again after its last byte. So a file that changes while it is sent
 * ends the transfer instead of arriving as a mixture.
 *
 * No link inside a folder is followed, and what is no file is left out: a link
 * can lead anywhere, and a device has no end. A path that somebody typed may be
 * a link itself.
 *
 * @module
 */
import { basename, join, resolve } from "node:path";
import { FileFailure, systemReason } from "./file_failure.ts";
import { pathParts } from "./file_names.ts";
import { type Entry, MAX_FILES, MAX_PATHS_LENGTH } from "./file_records.ts";

/** A file that is sent, or with `/` at its path's end an empty folder. */
export interface Source extends Entry {
  /** Where it is, without any link on the way. */
  readonly location: string;
  /** When it was changed last, in milliseconds since the epoch. */
  readonly changedAt: number;
}

/** What is sent in one offer. */
export interface Outgoing {
  /** Grouped by item, in the order in which they are sent. */
  readonly sources: readonly Source[];
  /** The sum of their sizes. */
  readonly size: number;
  /** How many links, devices and the like were left out. */
  readonly leftOut: number;
}

/**
 * Finds what `paths` are, each an item of its own: a file or a folder.
 *
 * @throws {FileFailure} If one of them cannot be sent.
 */
export async function findSources(paths: readonly string[]): Promise<Outgoing> {
  const found = { sources: [], size: 0, leftOut: 0, pathsLength: 0 };
  for (const [item, path] of paths.entries()) await addItem(found, item, path);
  return found;
}

interface Found {
  readonly sources: Source[];
  size: number;
  leftOut: number;
  pathsLength: number;
}

async function addItem(
  found: Found,
  item: number,
  path: string,
): Promise<void> {
  const name = basename(resolve(path));
  if (name === "") {
    throw new FileFailure(`Cannot send "${path}": it is no name`);
  }
  try {
    const location = await Deno.realPath(path);
    const info = await Deno.stat(location);
    if (info.isFile) addFile(found, { item, path: name, location }, info);
    else if (info.isDirectory) {
      await addFolder(found, { item, path: name, location });
    } else throw new FileFailure(`Cannot send "${name}": it is no file`);
  } catch (error) {
    if (error instanceof FileFailure) throw error;
    const reason = systemReason(error);
    throw new FileFailure(`Cannot send "${path}": ${reason}`, { cause: error });
  }
}

type Place = Pick<Source, "item" | "path" | "location">;

async function addFolder(found: Found, place: Place): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(place.location));
  // The same order after a break: what was sent is compared by position.
  names.sort((a, b) => a.name < b.name ? -1 : 1);
  let isEmpty = true;
  for (const { name, isDirectory, isFile } of names) {
    const path = `${place.path}/${name}`;
    const location = join(place.location, name);
    const inside = { item: place.item, path, location };
    if (isDirectory) await addFolder(found, inside);
    else if (isFile) addFile(found, inside, await Deno.lstat(location));
    else {
      found.leftOut++;
      continue;
    }
    isEmpty = false;
  }
  if (!isEmpty) return;
  addFile(found, { ...place, path: `${place.path}/` }, {
    size: 0,
    mtime: null,
  });
}

function addFile(
  found: Found,
  place: Place,
  { size, mtime }: Pick<Deno.FileInfo, "size" | "mtime">,
): void {
  if (!pathParts(place.path)) {
    throw new FileFailure(`Cannot send "${place.path}": it lies too deep`);
  }
  found.pathsLength += place.path.length;
  if (
    found.sources.length === MAX_FILES || found.pathsLength > MAX_PATHS_LENGTH
  ) {
    throw new FileFailure(
      `Cannot send more than ${MAX_FILES} files at once: pack them first`,
    );
  }
  found.sources.push({ ...place, size, changedAt: mtime?.getTime() ?? 0 });
  found.size += size;
}

/** The bytes of files, one after the other, as if they were one. */
export class SourceReader implements Disposable {
  readonly #sources: readonly Source[];
  #next = 0;
  #open: OpenSource | undefined;

  /** Opens nothing yet. */
  constructor(sources: readonly Source[]) {
    this.#sources = sources;
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
      this.#open ??= await this.#openNext();
      if (!this.#open) break;
      const { file, source } = this.#open;
      const wanted = Math.min(buffer.length - filled, this.#open.left);
      if (wanted === 0) {
        this.#closeWhole(this.#open);
        continue;
      }
      const place = buffer.subarray(filled, filled + wanted);
      const count = await readSome(file, place).catch((error) => {
        throw unreadable(source, error);
      });
      if (count === null) throw changed(source);
      this.#open.left -= count;
      filled += count;
    }
    return filled;
  }

  /** Closes what is open. */
  [Symbol.dispose](): void {
    this.#open?.file.close();
    this.#open = undefined;
  }

  async #openNext(): Promise<OpenSource | undefined> {
    let source = this.#sources[this.#next++];
    while (source?.path.endsWith("/")) source = this.#sources[this.#next++];
    if (!source) return undefined;
    const file = await openSource(source);
    return { source, file, left: source.size };
  }

  #closeWhole({ source, file }: OpenSource): void {
    const info = file.statSync();
    this[Symbol.dispose]();
    if (!isAsOffered(source, info)) throw changed(source);
  }
}

interface OpenSource {
  readonly source: Source;
  readonly file: Deno.FsFile;
  left: number;
}

/**
 * Opens a file that is as it was offered. What a file costs is not its bytes
 * but the calls that wait: one for each file is enough for others to get their
 * turn, and a folder of small files takes a fifth of the time.
 */
async function openSource(source: Source): Promise<Deno.FsFile> {
  const { location } = source;
  try {
    // Before it is opened: opening a pipe waits for its writer, and a link
    // that was put there meanwhile must not be followed.
    const before = Deno.lstatSync(location);
    if (!isAsOffered(source, before)) throw changed(source);
    if (Deno.realPathSync(location) !== location) throw changed(source);
    const file = await Deno.open(location);
    const info = file.statSync();
    if (info.ino === before.ino && info.dev === before.dev) return file;
    file.close();
  } catch (error) {
    if (error instanceof FileFailure) throw error;
    throw unreadable(source, error);
  }
  throw changed(source);
}

/** Small pieces at once, which is cheaper than to wait for them. */
async function readSome(
  file: Deno.FsFile,
  place: Uint8Array,
): Promise<number | null> {
  return place.length > SMALL_BYTES
    ? await file.read(place)
    : file.readSync(place);
}

function isAsOffered(source: Source, info: Deno.FileInfo): boolean {
  return info.isFile && info.size === source.size &&
    (info.mtime?.getTime() ?? 0) === source.changedAt;
}

function changed({ path }: Source): FileFailure {
  return new FileFailure(`"${path}" changed while it was sent`);
}

function unreadable({ path }: Source, cause: unknown): FileFailure {
  const reason = systemReason(cause);
  return new FileFailure(`Cannot read "${path}": ${reason}`, { cause });
}

const SMALL_BYTES = 16_384;
