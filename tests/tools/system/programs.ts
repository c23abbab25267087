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

/** Whether OpenBSD's nc is here, whose -N ends its direction with its input. */
export function hasNetcat(): boolean {
  try {
    const { stderr } = new Deno.Command("nc", { args: ["-h"] }).outputSync();
    return new TextDecoder().decode(stderr).includes("OpenBSD");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What a shell runs as the program and the arguments `words`, spaces included. */
export function shellCommand(...words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}
