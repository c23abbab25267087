/**
 * Why nothing can be said of what a client wants stored.
 *
 * @module
 */

/**
 * It may be stored, now or later: other computers store it, and do not answer. The
 * connection of a client that waits for an answer must end without one. When the
 * client sends it again with the same key, that shows what became of it.
 */
export class UndecidedError extends Error {
  /** The class, for logs. */
  override readonly name = "UndecidedError";
}
