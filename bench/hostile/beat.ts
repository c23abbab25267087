/**
 * Doing something again and again, at times of its own.
 *
 * `setInterval` counts from when it was called last: what is late together stays
 * together, and clients that should act independently end up in step.
 *
 * @module
 */

/** Acts every `ms` milliseconds from now on, until what it returns is called. */
export function beat(ms: number, act: () => void): () => void {
  let at = performance.now();
  let timer = setTimeout(next, ms);

  function next(): void {
    at += ms;
    timer = setTimeout(next, Math.max(0, at + ms - performance.now()));
    act();
  }

  return () => clearTimeout(timer);
}
