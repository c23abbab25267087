/**
 * Why a file cannot be sent, received or kept, in words for both sides.
 *
 * The words may be sent to the other side, which is told why: so they name
 * files as that side knows them, and never a path of our disk.
 *
 * @module
 */

/** Longest reason that is told to the other side, in UTF-16 units. */
export const MAX_REASON_LENGTH = 500;

/** Ends one transfer, and nothing else. */
export class FileFailure extends Error {
  /** For stack traces. */
  override readonly name = "FileFailure";
  /** Whether what is there by now is of no use any more. */
  readonly spoiled: boolean;

  /** What was received stays of use unless it is said to be `spoiled`. */
  constructor(
    message: string,
    options: { spoiled?: boolean; cause?: unknown } = {},
  ) {
    super(message.slice(0, MAX_REASON_LENGTH), { cause: options.cause });
    this.spoiled = options.spoiled ?? false;
  }
}
