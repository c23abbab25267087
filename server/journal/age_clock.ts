/**
 * The clock by which things grow old: it does not follow every jump.
 *
 * A computer's clock can be wrong for a moment: somebody types another year, a
 * time server errs. Whatever is kept for 30 days must not be deleted because of
 * that. So a jump forward counts only when it has lasted for an hour; a
 * computer that slept is such a case, and waits a little with its deleting. The
 * clock may go back at once, which deletes nothing.
 *
 * @module
 */

/** So long a jump forward has to last before anything is old because of it. */
export const BELIEVED_AFTER_MS = 60 * 60 * 1_000;

/** Less is no jump: clocks are set a little all the time. */
const JUMP_MS = 60_000;

/**
 * Milliseconds since the epoch, as `wall` has them but for jumps. `steady` are
 * milliseconds that never jump. To be called often.
 */
export function ageClock(
  wall: () => number = Date.now,
  steady: () => number = () => performance.now(),
): () => number {
  let believed = wall() - steady();
  let jumpedAt: number | undefined;
  return () => {
    const now = steady();
    const ahead = wall() - now - believed;
    if (ahead <= JUMP_MS) jumpedAt = undefined;
    else jumpedAt ??= now;
    if (jumpedAt === undefined || now - jumpedAt >= BELIEVED_AFTER_MS) {
      believed += ahead;
      jumpedAt = undefined;
    }
    return now + believed;
  };
}
