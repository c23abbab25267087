/**
 * What cannot be stored now, and what may be stored or not.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";

/**
 * It may be stored, now or later: other computers store it, and do not answer. The
 * connection of a client that waits for an answer must end without one. When the
 * client sends it again with the same key, that shows what became of it.
 */
export class UndecidedError extends Error {
  /** The class, for logs. */
  override readonly name = "UndecidedError";
}

/**
 * For a change that is worth no error when the disk is full: what follows goes on
 * without it. Throws any error but that of what is not stored now, or may not be.
 */
export function unlessNotStored(error: unknown): void {
  if (error instanceof ChatError || error instanceof UndecidedError) return;
  throw error;
}
