/**
 * What is sent: files, wherever they are, and their bytes.
 *
 * Those of our disk are in `disk.ts`; those that a page has, in
 * `page_drop.ts`. Each is what was offered to its last byte, or its transfer
 * ends: nobody gets a mixture of two.
 *
 * @module
 */
import {
  type Entry,
  FileFailure,
  MAX_FILES,
  MAX_PATHS_LENGTH,
} from "./records.ts";
import { pathParts, titleOf } from "./names.ts";

/** A file that is sent, or with `/` at its path's end an empty folder. */
export interface Source extends Entry {
  /**
   * Opens it, at its beginning. It may be opened again, after a break.
   *
   * @throws {FileFailure} If it is not what was offered, or cannot be read.
   */
  open(): Promise<SourceFile>;
}

/** The bytes of an open file. Dispose to close it. */
export interface SourceFile extends Disposable {
  /**
   * Fills `place`, or its beginning; says how many bytes, or null at the end.
   *
   * @throws {FileFailure} If it cannot be read.
   */
  read(place: Uint8Array): Promise<number | null>;
  /**
   * Looks at it once more, after its last byte.
   *
   * @throws {FileFailure} If it has changed meanwhile.
   */
  check(): void;
}

/** What is sent in one offer. */
export interface Outgoing<T extends Source = Source> {
  /** As people say it: `a.txt and 2 more`. */
  readonly title: string;
  /** How many files, empty folders included. */
  readonly files: number;
  /** Grouped by item, in the order in which they are sent. */
  readonly sources: readonly T[];
  /** The sum of their sizes. */
  readonly size: number;
  /** How many links, devices and the like were left out. */
  readonly leftOut: number;
}

/** An offer that is put together, within the limits of one. */
export class OutgoingList<T extends Source> implements Outgoing<T> {
  /** See {@linkcode Outgoing}. */
  readonly sources: T[] = [];
  /** See {@linkcode Outgoing}. */
  size = 0;
  /** See {@linkcode Outgoing}. */
  leftOut = 0;
  #pathsLength = 0;

  /** See {@linkcode Outgoing}. */
  get files(): number {
    return this.sources.length;
  }

  /** See {@linkcode Outgoing}. */
  get title(): string {
    const items = Map.groupBy(this.sources, ({ item }) => item).values();
    return titleOf([
      ...items.map(([first]) => first!.path.replace(/\/.*/s, "/")),
    ]);
  }

  /**
   * Adds a file, or an empty folder.
   *
   * @throws {FileFailure} If it lies too deep, or there are too many.
   */
  add(source: T): void {
    const { path, size } = source;
    if (!pathParts(path)) {
      throw new FileFailure(`Cannot send "${path}": it lies too deep`);
    }
    this.#pathsLength += path.length;
    if (
      this.sources.length === MAX_FILES || this.#pathsLength > MAX_PATHS_LENGTH
    ) {
      throw new FileFailure(
        `Cannot send more than ${MAX_FILES} files at once: pack them first`,
      );
    }
    this.sources.push(source);
    this.size += size;
  }
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
        file.check();
        this[Symbol.dispose]();
        continue;
      }
      const place = buffer.subarray(filled, filled + wanted);
      const count = await file.read(place);
      if (count === null) throw changed(source);
      this.#open.left -= count;
      filled += count;
    }
    return filled;
  }

  /** Closes what is open. */
  [Symbol.dispose](): void {
    this.#open?.file[Symbol.dispose]();
    this.#open = undefined;
  }

  async #openNext(): Promise<OpenSource | undefined> {
    let source = this.#sources[this.#next++];
    while (source?.path.endsWith("/")) source = this.#sources[this.#next++];
    if (!source) return undefined;
    return { source, file: await source.open(), left: source.size };
  }
}

interface OpenSource {
  readonly source: Source;
  readonly file: SourceFile;
  left: number;
}

/** It is not what was offered any more. */
export function changed({ path }: Entry): FileFailure {
  return new FileFailure(`"${path}" changed while it was sent`);
}
