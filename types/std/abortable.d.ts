/** What we use of `@std/async/abortable`, which npm carries without types. */

/** `p`, or a rejection with the signal's reason if that comes first. */
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
