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
const END_SIGNALS: Partial<Record<Deno.Signal, number>> = IS_WINDOWS
  ? { SIGINT: 2, SIGBREAK: 21 }
  : { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

/**
 * Calls `stop` when a signal asks the program to end, with the exit code that
 * shells expect. Once disposed, the signals end the program at once, but for
 * SIGHUP: when a terminal goes away, both the system and the shell send it.
 */
export function onEndSignals(stop: (exitCode: number) => void): Disposable {
  const listening = new DisposableStack();
  for (const [name, number] of Object.entries(END_SIGNALS)) {
    const signal = name as Deno.Signal; // the cast: a key of END_SIGNALS
    const listener = () => stop(128 + number);
    Deno.addSignalListener(signal, listener);
    if (signal === "SIGHUP") continue;
    listening.defer(() => Deno.removeSignalListener(signal, listener));
  }
  return listening;
}

/** How wide the terminal is, whichever of our streams is one. */
export function columnsNow(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // no terminal any more; the usual width
  }
}
