/**
 * A file or folder that is being received: `notes.pdf.3f9a2c01.part` in the
 * folder for downloads, until it is whole and has the right hash.
 *
 * The eight digits are a hash of both users' names, and of the name and size of
 * what is sent. After a break, or a restart, the same offer finds the same
 * partial file. Whether its beginning is the same is checked by hash. A folder
 * is one partial file, and gets its name when all of it was received.
 *
 * Only what this client made is written to: a partial file that has become a
 * link, a folder, or has a second name, is left alone, and another one is begun.
 * This is checked with the open file, before anything is written. A program of the
 * same user that exchanges folders in the very moment is not kept out.
 *
 * Nothing that exists is ever overwritten. The name is reserved by creating an
 * empty file exclusively, and the partial file is renamed over that: no other
 * program can take the name in between. (A crash in that very moment leaves an
 * empty file behind.)
 *
 * A file of a folder that does not arrive has zeros until the end, so that what
 * was received before a break can be compared; then it is removed.
 *
 * One block is written while the next is received. Nothing is synced to the
 * disk: after a power failure a file that was just received may be incomplete,
 * as with any copying program.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { BadRecord, type Entry, FileFailure, PIECE_BYTES } from "./records.ts";
import { type HeldOptions, whileHeld } from "../../platform/held_files.ts";
import { writeReason } from "../view/failure.ts";
import {
  foldName,
  type ItemNames,
  numbered,
  type OfferedItem,
} from "./names.ts";
import { isSame, ownFile, Replaced, reserve } from "./own_file.ts";
import type { Bytes } from "../../core/scram.ts";

/**
 * So much is written at once, and gathered meanwhile: a call that waits costs
 * as much as a quarter of a megabyte.
 */
const BLOCK_BYTES = 1_048_576;

/** Where a file goes. Both users may use one folder on one computer. */
export interface Destination {
  readonly folder: string;
  readonly sender: string;
  readonly receiver: string;
  /** How to wait for other programs that hold a file. */
  readonly held?: HeldOptions;
}

/** See the top of the file. */
export class PartialFile {
  readonly #item: OfferedItem; // what it becomes
  readonly #names: ItemNames;
  readonly #path: string; // where it is
  readonly #folder: string;
  readonly #held: HeldOptions | undefined;
  #hash: Hash = createHash("sha256");
  #next = 0; // the file after the one that is open
  #open:
    | { file: Deno.FsFile; left: number; path: string; entry: Entry }
    | undefined;
  #written: Deno.FileInfo | undefined; // of an item that is a file
  #received = 0;
  readonly #made = new Set<string>(); // folders that were made, or found
  readonly #checked = new Set<string>(); // those that are folders, for a block
  readonly #missing = new Set<number>(); // files that do not arrive
  #starts: number[] | undefined; // the first byte of each file, if one is missing
  #block: Bytes; // what is gathered
  #gathered = 0; // bytes of it
  #spare: Bytes | undefined; // what is written, or was
  #writing = Promise.resolve();
  #error: unknown;

  private constructor(
    item: OfferedItem,
    names: ItemNames,
    { folder, held }: Destination,
    path: string,
  ) {
    this.#item = item;
    this.#names = names;
    this.#path = path;
    this.#folder = folder;
    this.#held = held;
    this.#block = new Uint8Array(Math.min(BLOCK_BYTES, item.size));
    PATHS_IN_USE.add(path);
  }

  /**
   * The partial file of `item`, new or found in the folder, which is made if it
   * is not there.
   *
   * @throws {FileFailure} If it cannot be written there.
   */
  static async open(
    item: OfferedItem,
    names: ItemNames,
    destination: Destination,
  ): Promise<PartialFile> {
    const { folder, held } = destination;
    for (const path of freePaths(item, names.name, destination)) {
      const partial = new PartialFile(item, names, destination, path);
      try {
        await Deno.mkdir(folder, { recursive: true });
        if (item.isFolder) await partial.#makeFolder("");
        else (await ownFile(path, held)).close();
        return partial;
      } catch (error) {
        await partial.close();
        if (!(error instanceof Replaced)) throw unwritable(item, error);
      }
    }
    throw new FileFailure(
      `Cannot write "${item.title}": ${MAX_COPIES} of its names are in use`,
    );
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
    this.#missing.clear();
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
   * The file at `index` does not arrive. Its bytes count as received.
   *
   * @returns How many of them were not received.
   * @throws {BadRecord} If there is no such file, or others come before it.
   */
  async leaveOut(index: number): Promise<number> {
    const { files } = this.#item;
    const entry = files[index];
    const [start, end] = this.#rangeOf(index);
    if (!entry || entry.path.endsWith("/") || this.#received < start) {
      throw new BadRecord("a missing file that is none");
    }
    this.#missing.add(index);
    const left = end - this.#received;
    if (left < 0) return 0; // it has arrived before a break, and is gone since
    this.#flush();
    await this.#writing;
    if (this.#error) throw unwritable(this.#item, this.#error);
    await this.#owned(this.#zero(index));
    this.#received = end;
    return left;
  }

  /**
   * Gives it its name, if it is whole and its hash is `hash`.
   *
   * @returns Where it is now; empty for a file that does not arrive.
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
    await this.#whileHeld(() => Deno.remove(this.#path, { recursive: true }))
      .catch(() => {});
  }

  /** Waits while another program holds a file that `task` needs. */
  #whileHeld<T>(task: () => Promise<T>): Promise<T> {
    return whileHeld(task, this.#held);
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

  /** The first byte of a file, and the one behind its last. */
  #rangeOf(index: number): [start: number, end: number] {
    const { files } = this.#item;
    if (!this.#starts) {
      let start = 0;
      this.#starts = files.map(({ size }) => (start += size) - size);
    }
    const start = this.#starts[index] ?? 0;
    return [start, start + (files[index]?.size ?? 0)];
  }

  async #zero(index: number): Promise<void> {
    while (this.#next <= index) await this.#advance();
    if (this.#next > index + 1 || !this.#open) return; // it is empty, or zero
    const { file, entry } = this.#open;
    await file.truncate(0);
    await file.truncate(entry.size); // sparse, on most disks
    await file.seek(0, Deno.SeekMode.End);
    this.#open.left = 0;
  }

  async #readBeginning(signal: AbortSignal): Promise<void> {
    const buffer = new Uint8Array(PIECE_BYTES);
    while (this.#received < this.#item.size) {
      signal.throwIfAborted();
      if (!this.#open?.left) await this.#advance();
      const open = this.#open!; // as many bytes as the files have are the size
      const wanted = buffer.subarray(0, open.left);
      const count = await open.file.read(wanted);
      if (count === null) return;
      this.#hash.update(wanted.subarray(0, count));
      open.left -= count;
      this.#received += count;
    }
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
    this.#checked.clear(); // other programs run meanwhile
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
    while (this.#next < this.#item.files.length) {
      this.#cutFile();
      const path = this.#names.paths[this.#next]!;
      const entry = this.#item.files[this.#next++]!;
      if (entry.path.endsWith("/")) {
        await this.#makeFolder(path);
        continue;
      }
      await this.#makeParent(path);
      const location = this.#locate(path);
      const file = await ownFile(location, this.#held);
      this.#open = { file, left: entry.size, path: location, entry };
      if (entry.size > 0) return;
    }
    this.#cutFile();
  }

  /** Closes the open file, without what an older version had behind its end. */
  #cutFile(): void {
    if (!this.#open) return;
    const { file, path, entry: { modified, executable } } = this.#open;
    file.truncateSync(file.seekSync(0, Deno.SeekMode.Current));
    const isNeeded = executable || !this.#item.isFolder;
    const info = isNeeded ? file.statSync() : undefined;
    this.#written = info;
    try {
      if (executable && info && isSame(info, Deno.lstatSync(path))) {
        const { mode } = info;
        if (mode !== null) Deno.chmodSync(path, (mode & 0o777) | OWNER_RUNS);
      }
    } catch {
      // Not every disk has such permissions.
    }
    try {
      if (modified !== undefined) {
        file.utimeSync(new Date(), new Date(modified));
      }
    } catch {
      // Not every disk has such times: a stick begins in 1980.
    }
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

  /**
   * Makes a folder in it, and those above; follows no link.
   *
   * @throws {Replaced} If there is something else, also in place of one above.
   */
  async #makeFolder(path: string): Promise<void> {
    if (this.#checked.has(path)) return;
    if (path !== "") await this.#makeParent(path);
    const location = this.#locate(path);
    if (!this.#made.has(path)) {
      await Deno.mkdir(location).catch((error) => {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      });
      this.#made.add(path);
    }
    if (!Deno.lstatSync(location).isDirectory) throw new Replaced(location);
    this.#checked.add(path);
  }

  /** @throws {Replaced} If what would get the name is not what was written. */
  async #checkWritten(): Promise<void> {
    const found = await Deno.lstat(this.#path);
    const isOurs = this.#item.isFolder
      ? found.isDirectory
      : this.#written && isSame(found, this.#written);
    if (!isOurs) throw new Replaced(this.#path);
  }

  #locate(path: string): string {
    return path === "" ? this.#path : join(this.#path, ...path.split("/"));
  }

  async #nameIt(): Promise<string> {
    this.#checked.clear();
    await this.#advance(); // to files without bytes
    this.#closeFile();
    for (const index of this.#missing) {
      const path = this.#names.paths[index]!;
      await this.#makeParent(path);
      await this.#whileHeld(() => Deno.remove(this.#locate(path)));
    }
    if (this.#missing.size > 0 && !this.#item.isFolder) {
      PATHS_IN_USE.delete(this.#path);
      return "";
    }
    await this.#checkWritten();
    for (let number = 1;; number++) {
      const name = numbered(this.#names.name, number);
      const path = join(this.#folder, name);
      if (!await reserve(path, this.#item.isFolder)) continue;
      try {
        await this.#whileHeld(() => Deno.rename(this.#path, path));
        PATHS_IN_USE.delete(this.#path);
        return path;
      } catch (error) {
        await Deno.remove(path).catch(() => {}); // the empty file that was just made
        throw error;
      }
    }
  }
}

/** Small pieces at once, which is cheaper than to wait for them. */
async function writeSome(file: Deno.FsFile, bytes: Bytes): Promise<number> {
  return bytes.length > SMALL_BYTES
    ? await file.write(bytes)
    : file.writeSync(bytes);
}

/** The paths for `item`, those that are being written left out. */
function* freePaths(
  item: OfferedItem,
  name: string,
  { folder, sender, receiver }: Destination,
): Generator<string, void, void> {
  const names = [sender, receiver].map(foldName);
  const identity = JSON.stringify([...names, item.title, item.size]);
  const hash = createHash("sha256").update(identity).digest("hex");
  for (let number = 1; number <= MAX_COPIES; number++) {
    const copy = number === 1 ? "" : `-${number}`;
    const path = join(folder, `${name}.${hash.slice(0, 8)}${copy}.part`);
    if (!PATHS_IN_USE.has(path)) yield path;
  }
}

/** So many partial files of one name can there be. */
const MAX_COPIES = 100;

function spoiled(message: string): FileFailure {
  return new FileFailure(message, { spoiled: true });
}

function unwritable({ title }: OfferedItem, error: unknown): Error {
  if (error instanceof FileFailure) return error;
  if (error instanceof DOMException) return error; // it is being ended
  if (error instanceof Replaced) {
    return spoiled(`Cannot write "${title}": ${error.message}`);
  }
  const message = `Cannot write "${title}": ${writeReason(error)}`;
  return new FileFailure(message, { cause: error });
}

/** What this program writes now: two transfers never share one. */
const PATHS_IN_USE = new Set<string>();

const SMALL_BYTES = 16_384;
const OWNER_RUNS = 0o100;
