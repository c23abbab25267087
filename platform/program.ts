/**
 * The command that starts a program of Parley, as users can paste it: this program
 * from where it is, as a source file, a bundle or a binary, and the other program
 * beside it.
 *
 * @module
 */
import posix from "node:path/posix";
import windows from "node:path/win32";
import { fileURLToPath } from "node:url";
import { SYSTEM, type System } from "./system.ts";

/** The two programs. */
export type Program = "client" | "server";

/** How a program was started. */
export interface Start {
  /** Whether it is a binary of its own. */
  readonly standalone: boolean;
  /** The path of that binary, or of Deno. */
  readonly execPath: string;
  /** The file that was started, or its URL; in a binary, its source. */
  readonly main: string;
  /** The current folder; undefined if it was deleted. */
  readonly cwd: string | undefined;
}

/**
 * The command without its arguments, such as `deno run -A client.ts`. The other
 * program is on another computer, perhaps: its path is never one of this computer's
 * root. In a test or a tool, both are those of the source.
 */
export function commandFor(
  program: Program,
  start: Start = thisStart(),
  system: System = SYSTEM,
): string {
  const own = OWN.exec(start.main)?.[1];
  if (own === undefined) return `${RUN} ${program}.ts`;
  const { standalone, main } = start;
  if (!standalone && /^https?:/.test(main)) {
    return `${RUN} ${main.replace(OWN, `${program}$2`)}`;
  }
  const path = system === "windows" ? windows : posix;
  const { dir, base } = path.parse(standalone ? start.execPath : main);
  const name = own === program
    ? base
    : base.includes(own)
    ? base.replace(own, program)
    : `parley-${program}`;
  const folder = start.cwd === undefined ? dir : path.relative(start.cwd, dir);
  const isBelow = folder !== ".." && !folder.startsWith(`..${path.sep}`) &&
    !path.isAbsolute(folder);
  const place = isBelow
    ? path.join(folder, name)
    : own === program
    ? path.join(dir, name)
    : name;
  if (!standalone) return `${RUN} ${shellWord(place, system)}`;
  const word = shellWord(
    path.isAbsolute(place) ? place : `.${path.sep}${place}`,
    system,
  );
  // PowerShell, the shell of Windows' terminal, takes a mere string for a text.
  return word.startsWith('"') ? `& ${word}` : word;
}

/** A word as a shell reads it; cmd.exe knows no other quotes. */
export function shellWord(word: string, system: System = SYSTEM): string {
  const isPlain = system === "windows"
    ? /^[\w@%+=:,./\\-]+$/
    : /^[\w@%+=:,./-]+$/;
  if (isPlain.test(word)) return word;
  if (system === "windows") return `"${word}"`;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

const RUN = "deno run -A";

/** The name of one of our programs at the end of a path, and what is after it. */
const OWN = /(client|server)(\.m?[jt]s)$/;

function thisStart(): Start {
  const { build: { standalone }, mainModule } = Deno;
  const isFile = mainModule.startsWith("file:");
  const main = isFile ? fileURLToPath(mainModule) : mainModule;
  return { standalone, execPath: Deno.execPath(), main, cwd: folder() };
}

function folder(): string | undefined {
  try {
    return Deno.cwd();
  } catch {
    return undefined; // it was deleted, or may not be read
  }
}
