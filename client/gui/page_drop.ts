/**
 * Files that were dropped on the page: this program has no path to them, but the
 * page sends any piece of one on request. So nothing is copied to the disk. The
 * browser refuses to read a file that has changed.
 *
 * @module
 */
import { FileFailure } from "../files/records.ts";
import type { FileSource, OpenFile } from "../files/file_source.ts";
import type { DroppedFile } from "../../core/page_talk.ts";

/** A file that was dropped on the page; `fill` has the page send its bytes. */
export function droppedFile(
  { item, path, size, modified }: DroppedFile,
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
  return { item, path, size, modified, open };
}
