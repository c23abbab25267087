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

/** What the system said about a file, as a person would; never with a path. */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Deno.errors.NotCapable) return NOT_ALLOWED;
  // `code` is what Deno and node:fs both give errors of the system.
  const code = "code" in error ? String(error.code) : "";
  // Deno has no code for some of them, but what the system says comes first.
  const [, told] = /^(.+) \(os error \d+\)/.exec(error.message) ?? [];
  return REASONS[code] ?? (code || told?.toLowerCase() || error.name);
}

const NOT_ALLOWED = "the program was started without permission for it";

/** What to say for errors of the system, by their codes. */
const REASONS: Partial<Record<string, string>> = {
  EACCES: "permission is denied",
  EDQUOT: "the disk quota is used up",
  EEXIST: "something of that name is in the way",
  EIO: "the disk reports an error",
  EISDIR: "it is a folder",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long for the disk",
  ENOENT: "there is no such file",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is no folder",
  EPERM: "permission is denied",
  EROFS: "the disk is read-only",
};
