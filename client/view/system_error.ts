/**
 * What the system says about a file, in words for people.
 *
 * @module
 */

/** Why the system refused a file, in words for people, and never with a path. */
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
