/**
 * A log for lines that could come many times a second.
 *
 * @module
 */

/** At most one line is logged in so long, in milliseconds. */
export const LOG_EVERY_MS = 60_000;

/**
 * Logs the first line, and then at most one a minute, with the number of lines
 * that were left out before it. `now` gives milliseconds that never jump.
 */
export function throttledLog(
  log: (line: string) => void,
  now: () => number,
): (line: string) => void {
  let loggedAt = -Infinity;
  let leftOut = 0;
  return (line) => {
    if (now() - loggedAt < LOG_EVERY_MS) {
      leftOut++;
      return;
    }
    log(leftOut > 0 ? `${line} (${leftOut} more since the last time)` : line);
    loggedAt = now();
    leftOut = 0;
  };
}
