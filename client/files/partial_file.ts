/**
 * A file or folder that is being received: `notes.pdf.3f9a2c01.part` in the
 * folder for downloads, until it is whole and has the right hash.
 *
 * The eight digits are a hash of both users' names, and of the name and size of
 * what is sent. After a break, or a restart, the same offer finds the same
 * partial file. Whether its beginning is the same is checked by hash. A folder
 * is one partial file, and gets its name when all of it was received.
 *
 * Nothing that exists is ever overwritten. The name is reserved by creating an
 * empty file exclusively, and the partial file is renamed over that: no other
 * program can take the name in between. (A crash in that very moment leaves an
 * empty file behind.)
 *
 * One block is written while the next is received. Nothing is synced to the
 * disk: after a power failure a file that was just received may be incomplete,
 * as with any copying program.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { FileFailure, PIECE_BYTES } from "./records.ts";
import { systemReason } from "../view/failure.ts";
import { foldName, numbered, type OfferedItem } from "./names.ts";
import type { Bytes } from "../../core/scram.ts";

/**
 * So much is written at once, and gathered meanwhile: a call that waits costs
 * as much as a quarter of a megabyte.
 */
const BLOCK_BYTES = 1_048_576;

/** The two users; both may use one folder on one computer. */
export interface People {
  readonly sender: string;
  readonly receiver: string;
}

/** See the top of the file. */
export class PartialFile {
  readonly #item: OfferedItem; // what it becomes
  readonly #path: string; // where it is
  readonly #folder: string;
  #hash: Hash = createHash("sha256");
  #next = 0; // the file after the one that is open
  #open: { file: Deno.FsFile; left: number } | undefined;
  #received = 0;
  readonly #made = new Set<string>(); // folders that are known to be folders
  #block: Bytes; // what is gathered
  #gathered = 0; // bytes of it
  #spare: Bytes | undefined; // what is written, or was
  #writing = Promise.resolve();
  #error: unknown;

  private constructor(item: OfferedItem, folder: string, path: string) {
    this.#item = item;
    this.#path = path;
    this.#folder = folder;
    this.#block = new Uint8Array(Math.min(BLOCK_BYTES, item.size));
    PATHS_IN_USE.add(path);
  }

  /**
   * The partial file of `item`, new or found in `folder`, which is made if it is not
   * there.
   *
   * @throws {FileFailure} If it cannot be written there.
   */
  static async open(
    item: OfferedItem,
    folder: string,
    people: People,
  ): Promise<PartialFile> {
    const path = freePath(item, folder, people);
    const partial = new PartialFile(item, folder, path);
    try {
      await Deno.mkdir(folder, { recursive: true });
      if (item.isFolder) await partial.#makeFolder("");
      else (await ownFile(path)).close();
      return partial;
    } catch (error) {
      await partial.close();
      throw unwritable(item, error);
    }
  }

  /** How many bytes of the item are there or on their way to the disk. */
  get received(): number {
    return this.#received;
  }

  /**
   * Reads what was received before; {@linkcode write} continues behind it.
   *
   * @param signal Ends it early.
   * @returns How many bytes, and their SHA-256 in hexadecimal.
   */
  async beginning(
    signal: AbortSignal,
  ): Promise<{ offset: number; hash: string }> {
    await this.#owned(this.#readBeginning(signal));
    const hash = this.#hash.copy().digest("hex");
    return { offset: this.#received, hash };
  }

  /** Starts again at the first byte. */
  restart(): void {
    this.#closeFile();
    this.#hash = createHash("sha256");
    this.#next = 0;
    this.#received = 0;
    this.#gathered = 0;
  }

  /**
   * Takes the next bytes, at most 256 KiB. Resolves when it can take more;
   * rejects also with what went wrong with earlier bytes.
   */
  async write(bytes: Bytes): Promise<void> {
    this.#received += bytes.length;
    if (this.#received > this.#item.size) {
      throw spoiled(`Received more of "${this.#item.title}" than was offered`);
    }
    this.#hash.update(bytes);
    if (this.#gathered + bytes.length > this.#block.length) {
      await this.#nextBlock();
    }
    this.#block.set(bytes, this.#gathered);
    this.#gathered += bytes.length;
    if (this.#error) throw unwritable(this.#item, this.#error);
  }

  /**
   * Gives it its name, if it is whole and its hash is `hash`.
   *
   * @returns Where it is now.
   */
  async finish(hash: string): Promise<string> {
    const { title, size } = this.#item;
    if (this.#received !== size) {
      throw spoiled(`Received less of "${title}" than was offered`);
    }
    this.#flush();
    await this.#writing;
    if (this.#error) throw unwritable(this.#item, this.#error);
    if (this.#hash.digest("hex") !== hash) {
      throw spoiled(`"${title}" arrived damaged: its hash differs`);
    }
    return await this.#owned(this.#nameIt());
  }

  /** Closes it, and leaves it to be continued. */
  async close(): Promise<void> {
    this.#flush();
    await this.#writing;
    this.#closeFile();
    PATHS_IN_USE.delete(this.#path);
  }

  /** Removes it from the disk. What cannot be removed stays there. */
  async remove(): Promise<void> {
    await this.close();
    // It was removed, or the disk fails: why the transfer ended is told.
    await Deno.remove(this.#path, { recursive: true }).catch(() => {});
  }

  /** Keeps open what `task` uses until it has ended. */
  async #owned<T>(task: Promise<T>): Promise<T> {
    this.#writing = task.then(() => {}, () => {});
    try {
      return await task;
    } catch (error) {
      throw unwritable(this.#item, error);
    }
  }

  async #readBeginning(signal: AbortSignal): Promise<void> {
    const buffer = new Uint8Array(PIECE_BYTES);
    for (; this.#next < this.#item.files.length; this.#next++) {
      const { path, size, isFolder } = this.#item.files[this.#next]!;
      if (isFolder) {
        await this.#makeFolder(path);
        continue;
      }
      const file = await this.#reopen(path);
      if (!file) return;
      this.#open = { file, left: size };
      while (this.#open.left > 0) {
        signal.throwIfAborted();
        const wanted = buffer.subarray(0, this.#open.left);
        const count = await file.read(wanted);
        if (count === null) {
          this.#next++;
          return;
        }
        this.#hash.update(wanted.subarray(0, count));
        this.#open.left -= count;
        this.#received += count;
      }
      this.#cutFile();
    }
  }

  /** Opens what exists, if it is a file. */
  async #reopen(path: string): Promise<Deno.FsFile | undefined> {
    const location = this.#locate(path);
    await this.#makeParent(path);
    const info = await Deno.lstat(location).catch(() => undefined);
    if (!info?.isFile) return undefined;
    return await Deno.open(location, { read: true, write: true });
  }

  /** Writes what is gathered, and continues in the other block. */
  async #nextBlock(): Promise<void> {
    const full = this.#block;
    const before = this.#writing;
    this.#flush();
    await before; // which was of the other block
    this.#block = this.#spare ?? new Uint8Array(full.length);
    this.#spare = full;
  }

  /** Has what is gathered written, after what was before it. */
  #flush(): void {
    const bytes = this.#block.subarray(0, this.#gathered);
    this.#gathered = 0;
    this.#writing = this.#writing.then(() => this.#store(bytes));
  }

  /** Never rejects: the next call of a method does. */
  async #store(bytes: Bytes): Promise<void> {
    try {
      for (let stored = 0; stored < bytes.length && !this.#error;) {
        if (!this.#open?.left) await this.#advance();
        const open = this.#open!; // more bytes than files were refused before
        const piece = bytes.subarray(stored, stored + open.left);
        const count = await writeSome(open.file, piece);
        stored += count;
        open.left -= count;
      }
    } catch (error) {
      this.#error ??= error;
    }
  }

  /** Opens the next file that has bytes; those without are made on the way. */
  async #advance(): Promise<void> {
    for (; this.#next < this.#item.files.length;) {
      this.#cutFile();
      const { path, size, isFolder } = this.#item.files[this.#next++]!;
      if (isFolder) {
        await this.#makeFolder(path);
        continue;
      }
      await this.#makeParent(path);
      const file = await ownFile(this.#locate(path));
      this.#open = { file, left: size };
      if (size > 0) return;
    }
    this.#cutFile();
  }

  /** Closes the open file, without what an older version had behind its end. */
  #cutFile(): void {
    if (!this.#open) return;
    const { file } = this.#open;
    file.truncateSync(file.seekSync(0, Deno.SeekMode.Current));
    this.#closeFile();
  }

  #closeFile(): void {
    this.#open?.file.close();
    this.#open = undefined;
  }

  async #makeParent(path: string): Promise<void> {
    const end = path.lastIndexOf("/");
    if (this.#item.isFolder) {
      await this.#makeFolder(path.slice(0, Math.max(0, end)));
    }
  }

  /** Makes a folder in it, and those above; follows no link. */
  async #makeFolder(path: string): Promise<void> {
    if (this.#made.has(path)) return;
    if (path !== "") await this.#makeParent(path);
    const location = this.#locate(path);
    await Deno.mkdir(location).catch(async (error) => {
      const { isDirectory } = await Deno.lstat(location);
      if (!isDirectory) throw error; // also a link to a folder
    });
    this.#made.add(path);
  }

  #locate(path: string): string {
    return path === "" ? this.#path : join(this.#path, ...path.split("/"));
  }

  async #nameIt(): Promise<string> {
    await this.#advance(); // to files without bytes
    this.#closeFile();
    for (let number = 1;; number++) {
      const name = numbered(this.#item.name, number);
      const path = join(this.#folder, name);
      if (!await reserve(path, this.#item.isFolder)) continue;
      try {
        await Deno.rename(this.#path, path);
        PATHS_IN_USE.delete(this.#path);
        return path;
      } catch (error) {
        await Deno.remove(path).catch(() => {}); // the empty file that was just made
        throw error;
      }
    }
  }
}

/** Takes a name that is free; false if it is not. */
async function reserve(path: string, isFolder: boolean): Promise<boolean> {
  // Windows renames no folder over another, and needs no reservation: it
  // refuses to overwrite a folder.
  if (isFolder && Deno.build.os === "windows") {
    return !await Deno.lstat(path).catch(() => undefined);
  }
  try {
    if (isFolder) await Deno.mkdir(path);
    else (await Deno.open(path, { createNew: true, write: true })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/** Opens a file for writing, new or there already; follows no link. */
async function ownFile(location: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(location, { createNew: true, write: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    if (!(await Deno.lstat(location)).isFile) throw error;
    return await Deno.open(location, { write: true });
  }
}

/** Small pieces at once, which is cheaper than to wait for them. */
async function writeSome(file: Deno.FsFile, bytes: Bytes): Promise<number> {
  return bytes.length > SMALL_BYTES
    ? await file.write(bytes)
    : file.writeSync(bytes);
}

/** The path for `item`; another one if that is being written. */
function freePath(item: OfferedItem, folder: string, people: People): string {
  const names = [people.sender, people.receiver].map(foldName);
  const identity = JSON.stringify([...names, item.title, item.size]);
  const hash = createHash("sha256").update(identity).digest("hex");
  for (let number = 1;; number++) {
    const copy = number === 1 ? "" : `-${number}`;
    const path = join(folder, `${item.name}.${hash.slice(0, 8)}${copy}.part`);
    if (!PATHS_IN_USE.has(path)) return path;
  }
}

function spoiled(message: string): FileFailure {
  return new FileFailure(message, { spoiled: true });
}

function unwritable({ title }: OfferedItem, error: unknown): Error {
  if (error instanceof FileFailure) return error;
  if (error instanceof DOMException) return error; // it is being ended
  const message = `Cannot write "${title}": ${systemReason(error)}`;
  return new FileFailure(message, { cause: error });
}

/** What this program writes now: two transfers never share one. */
const PATHS_IN_USE = new Set<string>();

const SMALL_BYTES = 16_384;
