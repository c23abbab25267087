/**
 * Files of lines in the user's settings folder. The last line about a thing
 * counts, and clients only append: so clients that write at the same time lose
 * nothing.
 *
 * @module
 */
import { dirname, posix, win32 } from "node:path";
import { whileHeldSync } from "../../platform/held_files.ts";
import {
  homeFolder,
  isFolder,
  type Surroundings,
} from "../../platform/local_path.ts";
import { SYSTEM } from "../../platform/system.ts";
import { systemReason } from "../view/failure.ts";

/** See the top of the file. */
export class SettingsFile {
  readonly #path: string | undefined;

  /** `path` is undefined if the system has no folder for it. */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** Its lines, without those that are empty. */
  read(): string[] {
    let text = "";
    try {
      text = this.#readText();
    } catch {
      // `fault` tells why.
    }
    return text.split("\n").map((line) => line.trim()).filter(Boolean);
  }

  /** Why there is a file that cannot be read, as a sentence; or nothing. */
  get fault(): string {
    try {
      this.#readText();
      return "";
    } catch (error) {
      return `Cannot read ${reasonOf(error, this.#path)}`;
    }
  }

  /** Appends a line. @returns Why it could not be written; or nothing. */
  append(line: string): string {
    const path = this.#path;
    if (path === undefined) return "there is no home folder";
    try {
      Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      whileHeldSync(() => appendTo(path, line));
      return "";
    } catch (error) {
      return reasonOf(error, path);
    }
  }

  /** Empty without a file. */
  #readText(): string {
    const path = this.#path;
    if (path === undefined) return "";
    try {
      return whileHeldSync(() => Deno.readTextFileSync(path));
    } catch (error) {
      const missing = [Deno.errors.NotFound, Deno.errors.NotADirectory];
      if (missing.some((kind) => error instanceof kind)) return "";
      throw error;
    }
  }
}

function reasonOf(error: unknown, path = ""): string {
  const why = isFolder(path) ? "it is a folder" : systemReason(error);
  return `${path}: ${why}`;
}

/** Not every disk appends the lines of several programs one after the other. */
function appendTo(path: string, line: string): void {
  const options = { read: true, append: true, create: true, mode: 0o600 };
  using file = Deno.openSync(path, options);
  try {
    file.lockSync(true);
  } catch {
    // This disk has no locks.
  }
  // A user who edited the file may have left the last line without LF.
  const text = `${endsInLine(file) ? "\n" : ""}${line}\n`;
  file.writeSync(new TextEncoder().encode(text)); // a file takes all bytes
}

/** Whether the last line of `file` has no LF. */
function endsInLine(file: Deno.FsFile): boolean {
  if (file.statSync().size === 0) return false;
  file.seekSync(-1, Deno.SeekMode.End);
  const last = new Uint8Array(1);
  file.readSync(last);
  return last[0] !== 0x0a;
}

/** This system. Without the permission for a variable, reading it throws. */
const STRICT: Surroundings = {
  system: SYSTEM,
  variable: (name) => Deno.env.get(name),
};

/** The path of a file on this system; undefined without a home folder. */
export function settingsPath(
  file: string,
  surroundings: Surroundings = STRICT,
): string | undefined {
  const folder = configFolder(surroundings);
  if (folder === undefined) return undefined;
  const { join } = surroundings.system === "windows" ? win32 : posix;
  return join(folder, "parley", file);
}

/** An empty or relative path is none: it would mean the folder of the moment. */
function configFolder(surroundings: Surroundings): string | undefined {
  const { system, variable } = surroundings;
  const { isAbsolute, join } = system === "windows" ? win32 : posix;
  const folder = (path = "") => isAbsolute(path) ? path : undefined;
  const own = system === "windows"
    ? folder(variable("APPDATA"))
    : system === "darwin"
    ? undefined
    : folder(variable("XDG_CONFIG_HOME"));
  if (own !== undefined) return own;
  const home = folder(homeFolder(surroundings));
  return home && join(home, ...(USUAL[system] ?? [".config"]));
}

/** Where settings are in the home folder; elsewhere in `.config`. */
const USUAL: Partial<Record<Surroundings["system"], readonly string[]>> = {
  darwin: ["Library", "Application Support"],
  windows: ["AppData", "Roaming"],
};
