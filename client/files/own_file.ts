/**
 * Files that this client alone writes: made new, or found again. What another
 * program has put in their place, such as a link to a file of the user, is not
 * written to.
 *
 * @module
 */
import { basename } from "node:path";
import { type HeldOptions, whileHeld } from "../../platform/held_files.ts";
import { IS_WINDOWS } from "../../platform/system.ts";

/** Takes a name that is free; false if it is not. */
export async function reserve(
  path: string,
  isFolder: boolean,
): Promise<boolean> {
  // Windows renames no folder over another, and needs no reservation: it
  // refuses to overwrite a folder.
  if (isFolder && IS_WINDOWS) {
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

/**
 * Opens a file, new or there already; follows no link.
 *
 * @throws {Replaced} If it is something else, or has another name too.
 */
export async function ownFile(
  location: string,
  held?: HeldOptions,
): Promise<Deno.FsFile> {
  const open = (options: Deno.OpenOptions) =>
    whileHeld(() => Deno.open(location, options), held);
  try {
    return await open({ createNew: true, read: true, write: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const found = await Deno.lstat(location);
  if (!isOwn(found)) throw new Replaced(location);
  const file = await open({ read: true, write: true });
  // Since then it may have become a link.
  const opened = await file.stat();
  if (isOwn(opened) && isSame(opened, found)) return file;
  file.close();
  throw new Replaced(location);
}

/** Whether it is a file that has one name. Windows does not count names. */
function isOwn({ isFile, nlink }: Deno.FileInfo): boolean {
  return isFile && (nlink ?? 1) <= 1;
}

/** Whether both are of one file. */
export function isSame(one: Deno.FileInfo, other: Deno.FileInfo): boolean {
  return one.isFile && other.isFile && one.dev === other.dev &&
    one.ino === other.ino;
}

/** Something else is in the place of a partial file, or of a part of it. */
export class Replaced extends Error {
  /** For stack traces. */
  override readonly name = "Replaced";

  constructor(path: string) {
    super(`something else is in the place of ${basename(path)}`);
  }
}
