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
import { FileFailure } from "./records.ts";
import { systemReason } from "../view/system_error.ts";
import {
  changed,
  type Outgoing,
  OutgoingList,
  type Source,
  type SourceFile,
} from "./source.ts";

/**
 * Finds what `paths` are, each an item of its own: a file or a folder.
 *
 * @throws {FileFailure} If one of them cannot be sent.
 */
export async function findSources(
  paths: readonly string[],
): Promise<Outgoing<DiskSource>> {
  const found = new OutgoingList<DiskSource>();
  for (const [item, path] of paths.entries()) await addItem(found, item, path);
  return found;
}

type Found = OutgoingList<DiskSource>;

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

type Place = Pick<DiskSource, "item" | "path" | "location">;

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
  found.add(
    new DiskSource({ ...place, size, changedAt: mtime?.getTime() ?? 0 }),
  );
}

/** A file of our disk. */
export class DiskSource implements Source {
  /** See {@linkcode Source}. */
  readonly item: number;
  /** See {@linkcode Source}. */
  readonly path: string;
  /** See {@linkcode Source}. */
  readonly size: number;
  /** Where it is, without any link on the way. */
  readonly location: string;
  /** When it was changed last, in milliseconds since the epoch. */
  readonly changedAt: number;

  /** As it was found. */
  constructor(found: Place & Pick<DiskSource, "size" | "changedAt">) {
    this.item = found.item;
    this.path = found.path;
    this.size = found.size;
    this.location = found.location;
    this.changedAt = found.changedAt;
  }

  /**
   * Opens it, if it is as it was offered. What a file costs is not its bytes but
   * the calls that wait: one for each file is enough for others to get their
   * turn, and a folder of small files takes a fifth of the time.
   */
  async open(): Promise<SourceFile> {
    const { location } = this;
    try {
      // Before it is opened: opening a pipe waits for its writer, and a link
      // that was put there meanwhile must not be followed.
      const before = Deno.lstatSync(location);
      if (!isAsOffered(this, before)) throw changed(this);
      if (Deno.realPathSync(location) !== location) throw changed(this);
      const file = await Deno.open(location);
      const info = file.statSync();
      if (info.ino === before.ino && info.dev === before.dev) {
        return new DiskFile(this, file);
      }
      file.close();
    } catch (error) {
      if (error instanceof FileFailure) throw error;
      throw unreadable(this, error);
    }
    throw changed(this);
  }
}

/** A file of our disk that is open. */
class DiskFile implements SourceFile {
  readonly #source: DiskSource;
  readonly #file: Deno.FsFile;

  constructor(source: DiskSource, file: Deno.FsFile) {
    this.#source = source;
    this.#file = file;
  }

  /** Small pieces at once, which is cheaper than to wait for them. */
  async read(place: Uint8Array): Promise<number | null> {
    try {
      return place.length > SMALL_BYTES
        ? await this.#file.read(place)
        : this.#file.readSync(place);
    } catch (error) {
      throw unreadable(this.#source, error);
    }
  }

  check(): void {
    if (isAsOffered(this.#source, this.#file.statSync())) return;
    throw changed(this.#source);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function isAsOffered(source: DiskSource, info: Deno.FileInfo): boolean {
  return info.isFile && info.size === source.size &&
    (info.mtime?.getTime() ?? 0) === source.changedAt;
}

function unreadable({ path }: DiskSource, cause: unknown): FileFailure {
  const reason = systemReason(cause);
  return new FileFailure(`Cannot read "${path}": ${reason}`, { cause });
}

const SMALL_BYTES = 16_384;
