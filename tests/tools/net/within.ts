/** A wait that fails, and says what it waited for. */

/**
 * After so long a test that waits in vain fails, in milliseconds. Long, as no test
 * that passes waits for it: on a busy machine a program may take 20 s to start.
 */
export const PATIENCE_MS = 60_000;

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
