/**
 * Files that were dropped on the page: this program has no path to them, but the
 * page sends any piece of one on request, as the body of a POST.
 *
 * So nothing is copied to the disk, and no request is open while a transfer
 * pauses: browsers have only a few open at a time. The browser refuses to read a
 * file that has changed.
 *
 * @module
 */
import { FileFailure } from "../files/records.ts";
import type { FileSource, OpenFile } from "../files/file_source.ts";
import { abortable } from "@std/async/abortable";
import type { DroppedFile } from "../../core/page_talk.ts";

/** A page has so long to send a piece, in milliseconds. */
const HAND_OVER_MS = 30_000;

/** The pieces that pages were asked for. */
export class Reads {
  readonly #handOverMs: number;
  readonly #asked = new Map<number, Asked>();
  #last = 0;

  /** A page has `handOverMs` to send a piece; default 30 seconds. */
  constructor({ handOverMs = HAND_OVER_MS }: { handOverMs?: number } = {}) {
    this.#handOverMs = handOverMs;
  }

  /**
   * Has a page send a piece, into `place`, which is as long.
   *
   * @param ask Asks the page to send it under the number `read`.
   * @param gone Aborts when the page is gone.
   * @throws {Error} If it does not.
   */
  async fill(
    place: Uint8Array,
    ask: (read: number) => void,
    gone: AbortSignal,
  ): Promise<void> {
    const read = ++this.#last;
    const answer = Promise.withResolvers<void>();
    this.#asked.set(read, { place, ...answer });
    const late = setTimeout(() => this.fail(read), this.#handOverMs);
    try {
      ask(read);
      await abortable(answer.promise, gone);
    } finally {
      clearTimeout(late);
      this.#asked.delete(read);
    }
  }

  /**
   * Takes the bytes of a piece.
   *
   * @returns Resolves at their end; to false if they were never asked for.
   */
  async take(read: number, bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
    const asked = this.#asked.get(read);
    if (!asked) return read > 0 && read <= this.#last; // it comes too late
    const { place, resolve, reject } = asked;
    try {
      let filled = 0;
      for await (const some of bytes) {
        if (this.#asked.get(read) !== asked) return true; // the same
        place.set(some, filled); // which throws if they are too many
        filled += some.length;
      }
      if (filled < place.length) throw new RangeError("too few bytes");
      resolve();
    } catch (error) {
      reject(error);
    }
    return true;
  }

  /** There will be no bytes. */
  fail(read: number): void {
    this.#asked.get(read)?.reject(new Error("The page did not send it"));
  }
}

interface Asked extends PromiseWithResolvers<void> {
  readonly place: Uint8Array;
}

/** A file that was dropped on the page; `fill` has the page send its bytes. */
export function droppedFile(
  { item, path, size }: DroppedFile,
  fill: (place: Uint8Array, from: number) => Promise<void>,
): FileSource {
  const open = (): Promise<OpenFile> => {
    let at = 0;
    const read = async (place: Uint8Array) => {
      const length = Math.min(place.length, size - at);
      if (length === 0) return null;
      try {
        await fill(place.subarray(0, length), at);
      } catch (cause) {
        const why = "the page no longer has it";
        throw new FileFailure(`Cannot read "${path}": ${why}`, { cause });
      }
      at += length;
      return length;
    };
    // Nothing is to be checked or closed: what comes is what was dropped.
    return Promise.resolve({ read, check() {}, [Symbol.dispose]() {} });
  };
  return { item, path, size, open };
}
