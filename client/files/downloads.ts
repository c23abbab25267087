/**
 * Where files go that are received, and how much room there is.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { dirname, join, posix, resolve, win32 } from "node:path";
import {
  HERE,
  homeFolder,
  isFolder,
  type Surroundings,
} from "../../platform/local_path.ts";
import { IS_WINDOWS } from "../../platform/system.ts";
import type { Disk } from "./records.ts";

/** What tells where the folder for downloads is. Tests pass their own. */
export interface DownloadsPlace extends Surroundings {
  /** What is in a file, if it can be read. */
  text(path: string): string | undefined;
  /** Whether there is a folder. */
  isFolder(path: string): boolean;
}

/**
 * The folder for downloads: the one that the desktop is set to, or `Downloads`
 * at home, or without a home the current folder.
 *
 * Windows has its setting in the registry, which only other programs can read.
 * What is known there is whether OneDrive has the folder.
 */
export function downloadsFolder(
  place: DownloadsPlace = { ...HERE, text, isFolder },
): string {
  const { system } = place;
  const home = homeFolder(place);
  if (!home) return ".";
  if (system === "windows") {
    const usual = win32.join(home, "Downloads");
    if (place.isFolder(usual)) return usual;
    const oneDrive = place.variable("OneDrive");
    if (!oneDrive) return usual;
    const moved = win32.join(oneDrive, "Downloads");
    return place.isFolder(moved) ? moved : usual;
  }
  const set = system === "darwin" ? undefined : desktopSetting(place, home);
  return set ?? posix.join(home, "Downloads");
}

/** What `xdg-user-dirs` has for downloads. */
function desktopSetting(
  { variable, text }: DownloadsPlace,
  home: string,
): string | undefined {
  const config = variable("XDG_CONFIG_HOME") || posix.join(home, ".config");
  const settings = text(posix.join(config, "user-dirs.dirs")) ?? "";
  const [, set] = /^XDG_DOWNLOAD_DIR="(.+)"\s*$/m.exec(settings) ?? [];
  return set?.replace(/^\$HOME(?=\/|$)/, home.replaceAll("$", "$$$$"))
    .replaceAll(/\\(.)/g, "$1");
}

/**
 * How many bytes fit on the disk of `folder`, which need not be there yet;
 * undefined if the system does not say.
 */
export async function freeBytes(folder: string): Promise<number | undefined> {
  for (let path = resolve(folder);; path = dirname(path)) {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    } catch {
      // Not there yet: what is above it has the same disk.
      if (dirname(path) === path) return undefined;
    }
  }
}

/**
 * What the disk of `folder` needs of names, tried with a file: a stick that was
 * formatted on Windows may be in any computer. Makes the folder, but not on
 * Windows, where all disks need the same.
 */
export async function diskOf(folder: string): Promise<Disk> {
  if (IS_WINDOWS) return "windows";
  const name = `.${crypto.randomUUID()}:?`.padEnd(255, "a");
  try {
    await Deno.mkdir(folder, { recursive: true });
    const path = join(folder, name);
    (await Deno.open(path, { createNew: true, write: true })).close();
    const other = join(folder, name.toUpperCase());
    const isSame = await Deno.lstat(other).then(() => true, () => false);
    await Deno.remove(path);
    return isSame ? "darwin" : "linux";
  } catch (error) {
    // Whatever else is wrong with the folder is found when it is written to.
    const code = error instanceof Error && "code" in error ? error.code : "";
    return NAME_REFUSED.has(`${code}`) ? "windows" : "linux";
  }
}

/** How systems refuse a name. */
const NAME_REFUSED = new Set(["EINVAL", "EILSEQ", "ENAMETOOLONG"]);

function text(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // there is no file, or no permission
  }
}
