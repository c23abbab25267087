/**
 * Whether other users of a computer can read a file: by its mode, and on Windows,
 * which has no modes, by its folder.
 *
 * @module
 */
import { join, win32 } from "node:path";
import { SYSTEM, type System } from "./system.ts";

/**
 * Whether the mode of a file lets other users of the computer in. Windows has no
 * such modes: every file that can be written has 0666 there, and who may read it
 * is in access lists, which Deno does not show.
 *
 * @param mode As `Deno.FileInfo` has it; null if the system has none.
 */
export function openToOthers(
  mode: number | null,
  system: System = SYSTEM,
): boolean {
  return system !== "windows" && mode !== null && (mode & 0o077) !== 0;
}

/**
 * Whether the disk of `folder` keeps modes, tried with a file. A stick that was
 * formatted on Windows does not, nor does a drive of Windows in WSL: every file
 * there has the same mode, and `chmod` changes nothing. True if it cannot be tried.
 */
export function keepsModes(folder: string): boolean {
  const path = join(folder, `.${crypto.randomUUID()}`);
  try {
    const options = { write: true, createNew: true, mode: 0o600 };
    using file = Deno.openSync(path, options);
    const { mode } = file.statSync();
    Deno.removeSync(path);
    return !openToOthers(mode);
  } catch {
    return true; // it cannot be written, which says nothing about modes
  }
}

/**
 * Whether a folder is in the profile of a user of Windows, which only that user
 * and administrators may read. What is elsewhere, such as `C:\chat`, can be read
 * by all users of the computer, unless the access list of its folder says otherwise.
 *
 * @param profile What `%USERPROFILE%` says.
 */
export function inProfile(path: string, profile: string): boolean {
  const from = win32.relative(profile, path);
  return from !== "" && !/^\.\.([\\/]|$)/.test(from) && !win32.isAbsolute(from);
}
