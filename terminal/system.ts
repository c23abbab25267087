/**
 * What depends on the operating system, read in this one place.
 *
 * @module
 */

/** Whether the system is Windows. */
export const IS_WINDOWS: boolean = Deno.build.os === "windows";

/** Whether Ctrl-Z stops a program and `fg` continues it with SIGCONT. */
export const HAS_JOBS: boolean = !IS_WINDOWS;

/** Signals that ask a program to end, each with its number. */
export const END_SIGNALS: Readonly<Partial<Record<Deno.Signal, number>>> =
  IS_WINDOWS
    ? { SIGINT: 2, SIGBREAK: 21 }
    : { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

/** How wide the terminal is, whichever of our streams is one. */
export function columnsNow(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // no terminal any more; the usual width
  }
}
