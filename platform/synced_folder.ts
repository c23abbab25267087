/**
 * Folders that a program copies to other computers: OneDrive, iCloud Drive,
 * Dropbox and others. A database in there is copied in the middle of a change,
 * held while it is written, and perhaps replaced by an older copy.
 *
 * @module
 */
import { HERE, homeFolder, type Surroundings } from "./local_path.ts";

/**
 * The service that synchronizes the folder of `path`, as far as the path tells.
 * The path is absolute and has no links. The desktop and the documents of macOS
 * look the same whether iCloud has them or not.
 */
export function syncService(
  path: string,
  surroundings: Surroundings = HERE,
): string | undefined {
  const { system, variable } = surroundings;
  const parts = partsOf(path);
  if (system === "windows") {
    const folders = ["OneDrive", "OneDriveCommercial", "OneDriveConsumer"];
    const isIn = (name: string) => below(variable(name), parts) !== undefined;
    if (folders.some(isIn)) return "OneDrive";
  }
  const [first = "", place = "", folder = ""] =
    below(homeFolder(surroundings), parts) ?? [];
  if (system === "darwin" && first === "library") {
    if (place === "mobile documents") return "iCloud Drive";
    return place === "cloudstorage" ? serviceOf(folder) : undefined;
  }
  // Some are at the top of a drive: `G:\My Drive`.
  const [, top = ""] = system === "windows" ? parts : [];
  return serviceOf(first) ?? serviceOf(top);
}

/** What a folder is called, in lower case: `onedrive - example`. */
const FOLDERS: readonly [start: string, service: string][] = [
  ["onedrive", "OneDrive"],
  ["dropbox", "Dropbox"],
  ["iclouddrive", "iCloud Drive"],
  ["google drive", "Google Drive"],
  ["googledrive", "Google Drive"],
  ["my drive", "Google Drive"],
  ["nextcloud", "Nextcloud"],
  ["box", "Box"],
];

function serviceOf(folder: string): string | undefined {
  return FOLDERS.find(([start]) =>
    folder.startsWith(start) && /^([ (-]|$)/.test(folder.slice(start.length))
  )?.[1];
}

/** The parts of a path, as disks compare them that do not know case. */
function partsOf(path: string): string[] {
  return path.toLowerCase().split(/[\\/]/).filter((part) => part !== "");
}

/** The parts below `folder`, if they are in it. */
function below(
  folder: string | undefined,
  parts: readonly string[],
): string[] | undefined {
  const start = partsOf(folder ?? "");
  const isIn = start.length > 0 &&
    start.every((part, index) => parts[index] === part);
  return isIn ? parts.slice(start.length) : undefined;
}
