/**
 * Which operating system this is, read in this one place and passed on, and what
 * depends on it alone. What depends on more is a pure function of what the system
 * says and which system it is: a test gives it the words of all systems.
 *
 * @module
 */

/** An operating system, as Deno names it: "windows", "darwin", "linux" and others. */
export type System = typeof Deno.build.os;

/** The system that this program runs on. */
export const SYSTEM: System = Deno.build.os;

/** Whether the system is Windows. */
export const IS_WINDOWS: boolean = SYSTEM === "windows";

/** Whether Ctrl-Z stops a program and `fg` continues it with SIGCONT. */
export const HAS_JOBS: boolean = !IS_WINDOWS;

/** Where to listen on every IPv4 address of this computer. */
export const EVERYWHERE = "0.0.0.0";

/** The same, and every IPv6 address. */
export const EVERYWHERE_6 = "::";

/** Whether `hostname` means every address of this computer. */
export function isEverywhere(hostname: string): boolean {
  return hostname === EVERYWHERE || hostname === EVERYWHERE_6;
}

/**
 * Whether a program that listens on `hostname` gets all connections to its port. On
 * Windows and macOS, others may have the same port on one of the addresses that
 * `0.0.0.0` and `::` mean; on Windows, `::` is IPv6 alone. See platform/listen.ts.
 */
export function ownsPorts(hostname: string, system: System = SYSTEM): boolean {
  return !isEverywhere(hostname) ||
    (system !== "windows" && system !== "darwin");
}

/**
 * What to ask a system for, so that it holds `connections` until they are accepted.
 * Windows holds 200 at most unless the number is negative (`SOMAXCONN_HINT`).
 */
export function backlogOf(
  connections: number,
  system: System = SYSTEM,
): number {
  return system === "windows" ? -connections : connections;
}

/** The address to listen on too where `hostname` does not mean IPv4, as it should. */
export function secondHost(
  hostname: string,
  system: System = SYSTEM,
): string | undefined {
  return hostname === EVERYWHERE_6 && system === "windows"
    ? EVERYWHERE
    : undefined;
}

/**
 * Signals that ask a program to end, each with its number.
 *
 * On Windows SIGHUP says that the console's window is closed, and SIGTERM that
 * the user signs out or the computer shuts down. Windows ends the program right
 * after both, whether it has stopped or not. `taskkill` without `/F` says nothing.
 */
export function endSignals(
  system: System = SYSTEM,
): Partial<Record<Deno.Signal, number>> {
  const both = { SIGINT: 2, SIGTERM: 15 };
  return system === "windows" ? { ...both, SIGHUP: 1, SIGBREAK: 21 } : both;
}

/** The exit code that shells expect after SIGHUP. */
export const HUNG_UP = 129;

/**
 * Calls `stop` when a signal asks the program to end, with the exit code that
 * shells expect. Once disposed, the signals end the program at once.
 */
export function onEndSignals(stop: (exitCode: number) => void): Disposable {
  const listening = new DisposableStack();
  for (const [name, number] of Object.entries(endSignals())) {
    const signal = name as Deno.Signal; // the cast: a key of endSignals()
    listening.use(listenTo(signal, () => stop(128 + number)));
  }
  return listening;
}

/**
 * Calls `act` at each SIGHUP, to the end of the program: when a terminal goes
 * away, both the system and the shell send it. On Windows it ends the program.
 */
export function onHangUp(act: () => void): void {
  if (!IS_WINDOWS) Deno.addSignalListener("SIGHUP", act);
}

/**
 * Calls `act` when the size of the terminal has changed, until it is disposed. A
 * system that has no signal for that is asked once a second.
 */
export function onResize(
  act: () => void,
  { listen = listenTo, size = sizeNow, everyMs = 1_000 } = {},
): Disposable {
  try {
    return listen("SIGWINCH", act);
  } catch {
    let { columns, rows } = size();
    const timer = setInterval(() => {
      const before = [columns, rows];
      ({ columns, rows } = size());
      if (columns !== before[0] || rows !== before[1]) act();
    }, everyMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }
}

function listenTo(signal: Deno.Signal, act: () => void): Disposable {
  Deno.addSignalListener(signal, act);
  return { [Symbol.dispose]: () => Deno.removeSignalListener(signal, act) };
}

/** How wide the terminal is, whichever of our streams is one. */
export function columnsNow(): number {
  return sizeNow().columns;
}

/** How large the terminal is; the usual size if there is none any more. */
export function sizeNow(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || 24 };
  } catch {
    return { columns: 80, rows: 24 };
  }
}
