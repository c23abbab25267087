/**
 * Files that were dropped on the page: no path leads to them, but the page
 * hands over the bytes of one whenever it is asked to, as the body of a request.
 *
 * Nothing is kept on our disk. Who reads slowly slows down the browser, and a
 * file that changed there is not handed over: browsers see to that.
 *
 * @module
 */
import { FileFailure } from "./file_failure.ts";
import type { Source, SourceFile } from "./file_source.ts";
import type { DroppedFile } from "./page_talk.ts";

/** A page that was asked for a file has so long to begin, in milliseconds. */
export const HAND_OVER_MS = 30_000;

/** The files that pages were asked for. */
export class Reads {
  readonly #asked = new Map<number, PromiseWithResolvers<Body>>();
  #last = 0;

  /**
   * Asks for a file, by a number of its own, and waits for its bytes.
   *
   * @throws {FileFailure} If the page does not hand them over, or `gone` aborts.
   */
  async open(
    path: string,
    { ask, gone }: { ask(read: number): void; gone: AbortSignal },
  ): Promise<Body> {
    const read = ++this.#last;
    const body = Promise.withResolvers<Body>();
    this.#asked.set(read, body);
    const fail = () => this.fail(read);
    const late = setTimeout(fail, HAND_OVER_MS);
    gone.addEventListener("abort", fail);
    if (gone.aborted) fail();
    try {
      ask(read);
      return await body.promise;
    } catch (cause) {
      throw new FileFailure(`Cannot read "${path}": the page has it no more`, {
        cause,
      });
    } finally {
      clearTimeout(late);
      gone.removeEventListener("abort", fail);
      this.#asked.delete(read);
    }
  }

  /**
   * Takes the bytes of a file that was asked for.
   *
   * @returns Resolves when no more of them is needed; to false if nobody has
   * asked.
   */
  async take(read: number, bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
    const asked = this.#asked.get(read);
    if (!asked) return false;
    const body = new Body(bytes);
    asked.resolve(body);
    await body.closed;
    return true;
  }

  /** There will be no bytes. */
  fail(read: number): void {
    this.#asked.get(read)?.reject(new Error("the page said so, or nothing"));
  }
}

/** Bytes on their way from the page. Dispose to have no more. */
export class Body implements Disposable {
  /** Resolves when no more is wanted. */
  readonly closed: Promise<void>;
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #close: () => void;
  #left: Uint8Array = new Uint8Array();

  /** Takes them over. */
  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#pieces = bytes[Symbol.asyncIterator]();
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.closed, this.#close] = [promise, resolve];
  }

  /** Fills `place`, or its beginning; null at the end. */
  async read(place: Uint8Array): Promise<number | null> {
    while (this.#left.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done) return null;
      this.#left = value;
    }
    const piece = this.#left.subarray(0, place.length);
    place.set(piece);
    this.#left = this.#left.subarray(piece.length);
    return piece.length;
  }

  /** No more is wanted. */
  [Symbol.dispose](): void {
    this.#close();
  }
}

/** A file that was dropped on the page. */
export class DropSource implements Source {
  /** See {@linkcode Source}. */
  readonly item: number;
  /** See {@linkcode Source}. */
  readonly path: string;
  /** See {@linkcode Source}. */
  readonly size: number;
  readonly #open: (path: string) => Promise<Body>;

  /** `open` has the page hand it over. */
  constructor(
    { item, path, size }: DroppedFile,
    open: (path: string) => Promise<Body>,
  ) {
    this.item = item;
    this.path = path;
    this.size = size;
    this.#open = open;
  }

  /** See {@linkcode Source}. */
  async open(): Promise<SourceFile> {
    const { path } = this;
    const body = await this.#open(path);
    return {
      async read(place) {
        try {
          return await body.read(place);
        } catch (cause) {
          throw new FileFailure(
            `Cannot read "${path}": the page has stopped handing it over`,
            { cause },
          );
        }
      },
      check() {}, // what a browser hands over is what it had
      [Symbol.dispose]: () => body[Symbol.dispose](),
    };
  }
}
