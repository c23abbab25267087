/**
 * Reads what is sent: the bytes of an item's files, one after the other.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import {
  changed,
  type FileSource,
  type OpenFile,
  type Outgoing,
} from "./file_source.ts";
import { FileFailure, PIECE_BYTES, sizeOf } from "./records.ts";

/** What {@linkcode ItemReader.fill} has read. */
interface Filled {
  readonly count: number;
  /** A file that failed behind these bytes. */
  readonly missing?: MissingFile;
}

/** A file that does not arrive. */
export interface MissingFile {
  /** Its place among the item's entries, from 0. */
  readonly file: number;
  readonly reason: string;
  /** How many of its bytes are not read. */
  readonly bytes: number;
}

/** The bytes of an item's files, one after the other, as if they were one. */
export class ItemReader implements Disposable {
  /** The sum of their sizes. */
  readonly size: number;
  /** Of the bytes that were skipped; the sender adds what it sends. */
  hash: Hash = createHash("sha256");
  readonly #sources: readonly FileSource[];
  readonly #failed: Outgoing["failed"] | undefined;
  #next = 0;
  #current: Current | undefined;

  /**
   * Opens nothing yet.
   *
   * @param failed Gets each file that cannot be sent; those that are in it are
   * not tried. Undefined: the first one ends it.
   */
  constructor(sources: readonly FileSource[], failed?: Outgoing["failed"]) {
    this.#sources = sources;
    this.#failed = failed;
    this.size = sizeOf(sources);
  }

  /**
   * Fills `buffer`, across the ends of files.
   *
   * @returns Fewer bytes than asked for only before a missing file, and at the
   * end of all.
   * @throws {FileFailure} If a file is not what was offered.
   */
  async fill(buffer: Uint8Array): Promise<Filled> {
    let count = 0;
    try {
      while (count < buffer.length) {
        const current = this.#current ??= this.#advance();
        if (!current) break;
        const file = current.file ??= await this.#open(current.source);
        const wanted = Math.min(buffer.length - count, current.left);
        if (wanted === 0) {
          file.check();
          this[Symbol.dispose]();
          continue;
        }
        const place = buffer.subarray(count, count + wanted);
        const read = await file.read(place);
        if (read === null) throw changed(current.source);
        current.left -= read;
        count += read;
      }
      return { count };
    } catch (error) {
      if (!(error instanceof FileFailure)) throw error;
      return { count, missing: this.#leaveOut(error) };
    }
  }

  /**
   * Reads the first `bytes`, of which there are as many. Those of missing files
   * are zeros.
   *
   * @returns Their hash, and the files that are missing.
   */
  async skip(
    bytes: number,
    signal: AbortSignal,
  ): Promise<{ hash: string; missing: MissingFile[] }> {
    const buffer = new Uint8Array(PIECE_BYTES);
    const found: MissingFile[] = [];
    for (let left = bytes; left > 0;) {
      signal.throwIfAborted();
      const { count, missing } = await this.fill(buffer.subarray(0, left));
      this.hash.update(buffer.subarray(0, count));
      left -= count;
      if (!missing) continue;
      const zeros = Math.min(missing.bytes, left);
      left -= zeros;
      found.push({ ...missing, bytes: missing.bytes - zeros });
      for (let more = zeros; more > 0; more -= ZEROS.length) {
        signal.throwIfAborted();
        this.hash.update(ZEROS.subarray(0, more));
      }
    }
    return { hash: this.hash.copy().digest("hex"), missing: found };
  }

  /** Goes back to the first byte. */
  restart(): void {
    this[Symbol.dispose]();
    this.#next = 0;
    this.hash = createHash("sha256");
  }

  /** Closes what is open. */
  [Symbol.dispose](): void {
    this.#current?.file?.[Symbol.dispose]();
    this.#current = undefined;
  }

  #advance(): Current | undefined {
    const source = this.#sources[this.#next++];
    return source && { source, left: source.size };
  }

  #open(source: FileSource): Promise<OpenFile> | OpenFile {
    const known = this.#failed?.get(source);
    if (known) throw known;
    return source.path.endsWith("/") ? NO_FILE : source.open();
  }

  #leaveOut(failure: FileFailure): MissingFile {
    const { source, left } = this.#current!; // which has failed
    this[Symbol.dispose]();
    if (!this.#failed) throw failure;
    this.#failed.set(source, failure);
    return { file: this.#next - 1, reason: failure.message, bytes: left };
  }
}

/** Where an {@linkcode ItemReader} is. */
interface Current {
  readonly source: FileSource;
  file?: OpenFile;
  left: number;
}

/** An empty folder, among files. */
const NO_FILE: OpenFile = {
  read: () => Promise.resolve(null),
  check() {},
  [Symbol.dispose]() {},
};

const ZEROS = new Uint8Array(PIECE_BYTES);
