/**
 * What opens a file in the browser, on each system.
 *
 * A file and not an address: all users of a computer can read the arguments of a
 * program. No command line here has a character that `cmd` reads as its own.
 *
 * @module
 */
import { posix, win32 } from "node:path";
import { pathToFileURL } from "node:url";
import { HERE, type Surroundings } from "./local_path.ts";

/** A program that opens a file. */
export interface Opener {
  readonly command: string;
  readonly args: readonly string[];
  /** The folder to start it in; default: the one of this program. */
  readonly cwd?: string;
  /** Whether its exit code says that it has failed; default: it does. */
  readonly exitCode?: "ignored";
}

/** Where the user sits: `ssh` is another computer, `headless` has no screen. */
export type Seat = "desktop" | "ssh" | "headless";

/** Whether a browser that is started here is one that the user sees. */
export function seatOf({ system, variable }: Surroundings = HERE): Seat {
  if (variable("SSH_CONNECTION")) return "ssh";
  if (system === "windows" || system === "darwin") return "desktop";
  return variable("WSL_DISTRO_NAME") || hasScreen(variable)
    ? "desktop"
    : "headless";
}

/** Without a screen, `xdg-open` starts a browser of the terminal, unseen. */
function hasScreen(variable: Surroundings["variable"]): boolean {
  return Boolean(variable("DISPLAY") || variable("WAYLAND_DISPLAY"));
}

/** What opens `file`, an absolute path; the next one if the one before fails. */
export function openersOf(
  file: string,
  { system, variable }: Surroundings = HERE,
): readonly Opener[] {
  if (system === "windows") return openersOfWindows(file);
  const url = pathToFileURL(file, { windows: false }).href;
  if (system === "darwin") return [{ command: "open", args: [url] }];
  const desktop = { command: "xdg-open", args: [url] };
  const distribution = variable("WSL_DISTRO_NAME");
  if (!distribution) return [desktop];
  return [
    { command: "wslview", args: [file] },
    ...(hasScreen(variable) ? [desktop] : []),
    {
      command: "explorer.exe",
      args: [windowsPath(file, distribution)],
      exitCode: "ignored", // it is 1, whatever has happened
    },
  ];
}

/**
 * `start` gets a bare name in the file's folder: `cmd` would read more into the
 * path, and Windows reads the bytes of a `file:` address in its old code page.
 * `cmd` starts in no folder of the network, and some schools forbid it. `rundll32`
 * opens no path with letters that the code page lacks.
 */
function openersOfWindows(file: string): Opener[] {
  const [cwd, name] = [win32.dirname(file), win32.basename(file)];
  const library = ["url.dll,FileProtocolHandler", file];
  const last: Opener = { command: "rundll32", args: library };
  if (cwd.startsWith("\\\\")) return [last];
  const args = ["/d", "/c", "start", "", `.\\${name}`];
  return [{ command: "cmd", args, cwd }, last];
}

/** The path by which Windows reaches a file of WSL. */
function windowsPath(file: string, distribution: string): string {
  const [, drive, rest = ""] = /^\/mnt\/([a-z])(\/.*)$/.exec(file) ?? [];
  const path = drive === undefined
    ? `//wsl$/${distribution}${posix.normalize(file)}`
    : `${drive.toUpperCase()}:${rest}`;
  return path.replaceAll("/", "\\");
}
