/**
 * Where files go that are received, and how much room there is.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/**
 * The folder for downloads: the one that the desktop is set to, or `Downloads`
 * at home, or without a home the current folder. Tests pass their own system.
 */
export function downloadsFolder(
  { variable, text } = { variable: variableOf, text: textOf },
): string {
  const home = variable("HOME") ?? variable("USERPROFILE");
  if (!home) return ".";
  const config = variable("XDG_CONFIG_HOME") || join(home, ".config");
  const settings = text(join(config, "user-dirs.dirs")) ?? "";
  const [, set] = /^XDG_DOWNLOAD_DIR="(.+)"\s*$/m.exec(settings) ?? [];
  if (!set) return join(home, "Downloads");
  return set.replace(/^\$HOME(?=\/|$)/, home.replaceAll("$", "$$$$"))
    .replaceAll(/\\(.)/g, "$1");
}

/** `path` as a shell would read it: `~` is home. */
export function atHome(path: string): string {
  const home = variableOf("HOME") ?? variableOf("USERPROFILE");
  return home && /^~(?=$|[\\/])/.test(path) ? home + path.slice(1) : path;
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

function variableOf(name: string): string | undefined {
  return orUndefined(() => Deno.env.get(name));
}

function textOf(path: string): string | undefined {
  return orUndefined(() => Deno.readTextFileSync(path));
}

/** What `read` returns; nothing without the file, or the permission. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
