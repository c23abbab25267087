// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What a person has chosen to send: files and folders that were dropped, or
 * files that were picked. Folders are walked here, for only a page can read
 * what was dropped on it.
 *
 * @module
 */

/** @import { DroppedFile } from "../../../core/page_talk.ts" */

/** So many files, and empty folders, go at a time. */
export const MAX_FILES = 100_000;

/** @typedef {File | FileSystemEntry} Thing What was chosen. */

/**
 * @typedef {DroppedFile & { file: File | undefined }} Chosen With what is in it;
 * an empty folder has nothing.
 */

/**
 * What was dropped. To be asked for during the event: afterwards it is gone.
 *
 * @param {DataTransfer | null} dropped
 * @returns {Thing[]}
 */
export function thingsIn(dropped) {
  const items = [...dropped?.items ?? []];
  return items.filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile())
    .filter((thing) => thing !== null);
}

/**
 * All files, folders walked, in order.
 *
 * @param {readonly Thing[]} things
 * @returns {Promise<Chosen[]>}
 * @throws {Error} If there are too many, or something cannot be read.
 */
export async function filesIn(things) {
  const counted = { files: 0 };
  const lists = await Promise.all(things.map((thing, item) => {
    const { name } = thing;
    return thing instanceof File
      ? [chosen({ item, path: name, size: thing.size, file: thing }, counted)]
      : walk(thing, { item, path: name, counted });
  }));
  return lists.flat();
}

/**
 * @param {FileSystemEntry} entry
 * @param {{ item: number, path: string, counted: Counted }} place
 * @returns {Promise<Chosen[]>}
 */
async function walk(entry, { item, path, counted }) {
  if (!isFolder(entry)) {
    const file = await fileOf(entry, path);
    return [chosen({ item, path, size: file.size, file }, counted)];
  }
  const reader = entry.createReader();
  /** @type {Chosen[]} */
  let found = [];
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

/** @typedef {{ files: number }} Counted How many were chosen so far. */

/** @param {Chosen} one @param {Counted} counted @throws {Error} If it is one too many. */
function chosen(one, counted) {
  if (++counted.files <= MAX_FILES) return one;
  const most = MAX_FILES.toLocaleString("en");
  throw new Error(
    `Cannot send more than ${most} files at a time: put them into an archive`,
  );
}

/** @param {FileSystemEntry} entry @returns {entry is FileSystemDirectoryEntry} */
function isFolder(entry) {
  return entry.isDirectory;
}

/** @param {FileSystemEntry} entry Of a file. @param {string} path @returns {Promise<File>} */
function fileOf(entry, path) {
  // The cast: what is no folder is a file.
  const file = /** @type {FileSystemFileEntry} */ (entry);
  return new Promise((resolve, reject) =>
    file.file(resolve, (cause) => reject(unreadable(path, cause)))
  );
}

/** @param {FileSystemDirectoryReader} reader @param {string} path @returns {Promise<FileSystemEntry[]>} */
function nextOf(reader, path) {
  return new Promise((resolve, reject) =>
    reader.readEntries(resolve, (cause) => reject(unreadable(path, cause)))
  );
}

/** @param {string} path @param {DOMException} cause */
function unreadable(path, cause) {
  return new Error(`Cannot read ${path}: ${cause.message}`, { cause });
}
