/**
 * The clock by which messages grow old. A computer's clock can be wrong, and
 * messages must not be deleted for that.
 *
 * @module
 */

/** How long a clock must be steady before anything is old because of it. */
export const BELIEVED_AFTER_MS = 60 * 60 * 1_000;

/** Less is no jump: clocks are set a little all the time. */
const JUMP_MS = 60_000;

/** The clocks of the computer, in milliseconds. */
export interface AgeClockOptions {
  /** Since the epoch. */
  readonly wall: () => number;
  /** They never jump. */
  readonly steady: () => number;
  /** What the clock begins with, if `wall` is ahead of it; by default it is not. */
  readonly start?: number | undefined;
}

/**
 * A clock of milliseconds since the epoch, as `wall` has them, but a clock that
 * is ahead at the start, or jumps ahead, counts only when it has been steady for
 * an hour; a computer that slept is such a case, and deletes a little later. A
 * clock that goes back counts at once, since that deletes nothing. A jump is
 * noticed only by a call, so call it often.
 */
export function ageClock(
  { wall, steady, start = Infinity }: AgeClockOptions,
): () => number {
  let steadySince = steady();
  let offset = wall() - steadySince;
  let believed = Math.min(offset, start - steadySince);
  return () => {
    const now = steady();
    const before = offset;
    offset = wall() - now;
    if (Math.abs(offset - before) > JUMP_MS) steadySince = now;
    const isSteady = now - steadySince >= BELIEVED_AFTER_MS;
    if (isSteady || offset - believed <= JUMP_MS) believed = offset;
    return now + believed;
  };
}
