/// <reference lib="dom" />
/**
 * What the browser stores for this page: values by key.
 *
 * @module
 */

/** The value that the browser has stored under `key`, or undefined. */
export function recall(kind: Store, key: string): unknown {
  try {
    return JSON.parse(globalThis[kind].getItem(key) ?? "");
  } catch {
    return undefined; // another program may have written it
  }
}

/** Stores `value` under `key`; false if the browser stores nothing. */
export function remember(kind: Store, key: string, value: unknown): boolean {
  try {
    globalThis[kind].setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false; // then the user types it again
  }
}

/** Removes what is stored under `key`. */
export function forget(kind: Store, key: string): void {
  try {
    globalThis[kind].removeItem(key);
  } catch {
    // The browser stores nothing.
  }
}

/** For all tabs and for long, or for one tab. */
type Store = "localStorage" | "sessionStorage";
