/** Programs that some tests need. */
import { fileURLToPath } from "node:url";

/** Runs Deno's build for Windows, with Wine. */
export const WINDOWS_DENO: string = fileURLToPath(
  new URL("../../windows/deno", import.meta.url),
);

/** Whether this machine has `program`. */
export function isInstalled(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["-V"], stdin: "null" }).outputSync();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether there is a tmux, which draws terminals; without it tests are skipped. */
export const hasTmux: boolean = isInstalled("tmux");

/** Whether there is a `script`, which runs a program on a terminal. */
export const hasScript: boolean = isInstalled("script");

/** What a shell runs as the program and the arguments `words`, spaces included. */
export function shellCommand(...words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}
