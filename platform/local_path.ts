/**
 * Paths as users have them, as the system takes them: with `~`, and those that
 * one computer writes in two ways, on Windows and in Git Bash or WSL.
 *
 * @module
 */
import { SYSTEM, type System } from "./system.ts";

/** What the system says about itself. Tests pass their own. */
export interface Surroundings {
  readonly system: System;
  /** An environment variable. */
  variable(name: string): string | undefined;
}

/** This system. */
export const HERE: Surroundings = {
  system: SYSTEM,
  variable(name) {
    try {
      return Deno.env.get(name);
    } catch {
      return undefined; // the program may not ask for it
    }
  },
};

/**
 * Whether a path is that of a folder, as far as the program may know. Windows has
 * other errors for folders, such as that access is denied.
 */
export function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** The user's home folder, if there is one. */
export function homeFolder(
  { system, variable }: Surroundings = HERE,
): string | undefined {
  const names = ["HOME", "USERPROFILE"];
  if (system === "windows") names.reverse(); // shells from elsewhere set HOME
  return names.map(variable).find(Boolean);
}

/** `typed` as a path of this system; what is not known stays as it is. */
export function localPath(
  typed: string,
  surroundings: Surroundings = HERE,
): string {
  const { system, variable } = surroundings;
  const home = homeFolder(surroundings);
  const isAtHome = (system === "windows" ? /^~(?=$|[\\/])/ : /^~(?=$|\/)/)
    .test(typed);
  if (home && isAtHome) return home + typed.slice(1);
  if (system === "windows") {
    return typed.replace(SHELL_DRIVE, (_, letter) => `${letter}:`)
      .replace(/^[A-Za-z]:$/, "$&/");
  }
  const inWsl = wslPath(typed);
  return inWsl !== typed && variable("WSL_DISTRO_NAME") ? inWsl : typed;
}

/** Git Bash, Cygwin and WSL write `C:\x` as `/c/x`, `/cygdrive/c/x`, `/mnt/c/x`. */
const SHELL_DRIVE = /^\/(?:cygdrive\/|mnt\/)?([A-Za-z])(?=\/|$)/;

/** A path of Windows as WSL has it: a drive, or its own folders from outside. */
function wslPath(typed: string): string {
  const drive = /^\/?([A-Za-z]):[\\/](.*)$/s.exec(typed);
  if (drive) {
    const [, letter = "", rest = ""] = drive;
    return `/mnt/${letter.toLowerCase()}/${rest.replaceAll("\\", "/")}`;
  }
  const own = /^\\{1,2}wsl(?:\$|\.localhost)\\[^\\]+(.*)$/s.exec(typed);
  return own ? own[1]!.replaceAll("\\", "/") || "/" : typed;
}
