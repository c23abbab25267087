/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What a user has chosen to send: files and folders that were dropped, or files
 * that were picked. Folders are walked here, because only a page can read what
 * was dropped on it.
 *
 * @module
 */

import type { DroppedFile } from "../../../core/page_talk.ts";

/** Limit of files and empty folders in one drop. */
export const MAX_FILES = 100_000;

/** What was chosen. */
export type Thing = File | FileSystemEntry;

/** A file with its content; an empty folder has none. */
export type Chosen = DroppedFile & { readonly file: File | undefined };

/** How many files were chosen so far. */
interface Counted {
  files: number;
}

/** Where an entry lies in a drop. */
interface Place {
  readonly item: number;
  readonly path: string;
  readonly counted: Counted;
}

/** What was dropped. Call it during the event: afterwards it is gone. */
export function thingsIn(dropped: DataTransfer | null): Thing[] {
  const items = [...dropped?.items ?? []];
  return items.filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile())
    .filter((thing) => thing !== null);
}

/**
 * All files, folders walked, in order.
 *
 * @throws {Error} If there are too many, or one cannot be read.
 */
export async function filesIn(things: readonly Thing[]): Promise<Chosen[]> {
  const counted = { files: 0 };
  const lists = await Promise.all(things.map((thing, item) => {
    const { name } = thing;
    return thing instanceof File
      ? [chosen({ item, path: name, size: thing.size, file: thing }, counted)]
      : walk(thing, { item, path: name, counted });
  }));
  return lists.flat();
}

async function walk(
  entry: FileSystemEntry,
  { item, path, counted }: Place,
): Promise<Chosen[]> {
  if (!isFolder(entry)) {
    const file = await fileOf(entry, path);
    return [chosen({ item, path, size: file.size, file }, counted)];
  }
  const reader = entry.createReader();
  let found: Chosen[] = [];
  for (;;) {
    const some = await nextOf(reader, path); // at most 100, and none at the end
    if (some.length === 0) break;
    const lists = await Promise.all(
      some.map((one) =>
        walk(one, { item, path: `${path}/${one.name}`, counted })
      ),
    );
    found = found.concat(...lists);
  }
  if (found.length > 0) return found;
  const empty = { item, path: `${path}/`, size: 0, file: undefined };
  return [chosen(empty, counted)];
}

/** @throws {Error} If it is one too many. */
function chosen(one: Chosen, counted: Counted): Chosen {
  if (++counted.files <= MAX_FILES) return one;
  const most = MAX_FILES.toLocaleString("en");
  throw new Error(
    `Cannot send more than ${most} files at a time: put them into an archive`,
  );
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemEntry, path: string): Promise<File> {
  // The cast: an entry that is no folder is a file.
  const file = entry as FileSystemFileEntry;
  return new Promise((resolve, reject) =>
    file.file(resolve, (cause) => reject(unreadable(path, cause)))
  );
}

function nextOf(
  reader: FileSystemDirectoryReader,
  path: string,
): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) =>
    reader.readEntries(resolve, (cause) => reject(unreadable(path, cause)))
  );
}

function unreadable(path: string, cause: DOMException): Error {
  return new Error(`Cannot read ${path}: ${cause.message}`, { cause });
}
