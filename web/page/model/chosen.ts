/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The files that a user has chosen to send: dropped files and folders, or picked
 * files. Folders are walked here, because only a page can read what was dropped
 * on it.
 *
 * @module
 */

import type { DroppedFile } from "../../../core/page_talk.ts";

/** Limit of files and empty folders in one drop. */
export const MAX_FILES = 100_000;

/** A file or folder that was chosen. */
export type Thing = File | FileSystemEntry;

/** A file with its content; an empty folder has none. */
export type Chosen = DroppedFile & { readonly file: File | undefined };

/** All that was dropped. Call it during the event: afterwards the data is gone. */
export function thingsIn(dropped: DataTransfer | null): Thing[] {
  const items = [...dropped?.items ?? []];
  return items.filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile())
    .filter((thing) => thing !== null);
}

/** The files to be sent, and the reasons why others cannot be. */
export interface Found {
  readonly files: readonly Chosen[];
  readonly leftOut: readonly string[];
}

/**
 * All files, folders walked, in order.
 *
 * @throws {Error} If there are too many.
 */
export async function filesIn(things: readonly Thing[]): Promise<Found> {
  let left = MAX_FILES;
  const leftOut: string[] = [];
  const walk = async (
    thing: Thing,
    item: number,
    path: string,
  ): Promise<Chosen[]> => {
    try {
      return await list(thing, item, path);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      leftOut.push(error.message);
      return [];
    }
  };
  const list = async (
    thing: Thing,
    item: number,
    path: string,
  ): Promise<Chosen[]> => {
    if (isFolder(thing)) {
      const found: Chosen[][] = [];
      const reader = thing.createReader();
      for (;;) {
        // At most 100 at a time, and none at the end.
        const some = await read<FileSystemEntry[]>(
          path,
          (resolve, reject) => reader.readEntries(resolve, reject),
        );
        if (some.length === 0) break;
        const inside = some.map((one) =>
          walk(one, item, `${path}/${one.name}`)
        );
        found.push(...await Promise.all(inside));
      }
      if (found.length > 0) return found.flat();
    }
    if (left-- === 0) throw tooMany();
    if (isFolder(thing)) {
      return [{ item, path: `${path}/`, size: 0, file: undefined }];
    }
    const file = thing instanceof File
      ? thing
      : await read<File>(path, (resolve, reject) =>
        // The cast: an entry that is no folder is a file.
        (thing as FileSystemFileEntry).file(resolve, reject));
    const { size, lastModified: modified } = file;
    return [{ item, path, size, modified, file }];
  };
  const lists = things.map((thing, item) => walk(thing, item, thing.name));
  return { files: (await Promise.all(lists)).flat(), leftOut };
}

/** A file or a folder that the browser cannot read. */
class Unreadable extends Error {}

function isFolder(thing: Thing): thing is FileSystemDirectoryEntry {
  return "isDirectory" in thing && thing.isDirectory;
}

/** The result of a function with two callbacks. */
async function read<T>(
  path: string,
  start: (resolve: (got: T) => void, reject: ErrorCallback) => void,
): Promise<T> {
  try {
    return await new Promise(start);
  } catch (cause) {
    // The cast: browsers reject with nothing else.
    const { message } = cause as DOMException;
    throw new Unreadable(`Cannot read "${path}": ${message}`, { cause });
  }
}

function tooMany(): Error {
  const most = MAX_FILES.toLocaleString("en");
  return new Error(
    `Cannot send more than ${most} files at a time: put them into an archive`,
  );
}
