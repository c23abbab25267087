/** A wait that fails, and says what it waited for. */
import { SYSTEM } from "../../../platform/system.ts";

/** Whether programs are waited for that run with Wine, or this is one. */
const IS_SLOW = SYSTEM === "windows" || Deno.env.has("RUNS_WINE");

/**
 * After so long a test that waits in vain fails, in milliseconds. On a busy machine a
 * program may take 20 s to start. With Wine, one turn of a server with a hundred
 * connections may take a second, and three hundred small records over TLS half a
 * minute.
 */
export const PATIENCE_MS = IS_SLOW ? 120_000 : 60_000;

/** `promise`, or an error if it takes too long. */
export async function within<T>(
  promise: Promise<T>,
  what: () => string,
  ms: number = PATIENCE_MS,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`Cannot wait any longer: ${what()}`)),
    ms,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
