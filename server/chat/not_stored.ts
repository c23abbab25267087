/**
 * For a change that is worth no error when the disk is full: what follows goes on
 * without it.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";

/** Throws any error but that of what cannot be stored now. */
export function unlessNotStored(error: unknown): void {
  if (!(error instanceof ChatError)) throw error;
}
