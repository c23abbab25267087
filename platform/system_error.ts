/**
 * Errors of the network by their codes, which are the same on every system. The text
 * of an error is not: Windows writes it in the language of its user. Errors of files
 * are in client/view/failure.ts and held_files.ts.
 *
 * @module
 */
import { SYSTEM, type System } from "./system.ts";

/**
 * The code of an error of the system, such as `ECONNREFUSED`; empty if it has none.
 * A host name that cannot be resolved is `ENOTFOUND`, or `EAI_AGAIN` if it may be
 * resolved later.
 *
 * Deno gives most errors a `code`. On Windows, the number that stands in the text
 * comes first: Deno 2.9.6 has `ENOENT` for an unknown host (11001).
 */
export function errorCode(error: unknown, system: System = SYSTEM): string {
  if (!(error instanceof Error)) return "";
  const told = system === "windows"
    ? WINDOWS_CODES[errorNumber(error)]
    : undefined;
  if (told !== undefined) return told;
  if ("code" in error && typeof error.code === "string") return error.code;
  return /failed to lookup address/.test(error.message) ? "ENOTFOUND" : "";
}

/** The number that the system gives an error; empty if the text has none. */
export function errorNumber({ message }: Error): string {
  return /\(os error (\d+)\)/.exec(message)?.[1] ?? "";
}

/**
 * What the system says about an error, without the number and without what Deno adds,
 * such as a path; empty if the text has no number.
 */
export function systemText({ message }: Error): string {
  return /^(.+?) \(os error \d+\)/.exec(message)?.[1] ?? "";
}

/**
 * Whether `accept` failed as the client was gone before: then the next one need not
 * wait. Deno's build for Windows finds no address of such a client, which is EINVAL;
 * elsewhere that may be the listener's fault, and last.
 */
export function isGoneBefore(error: unknown, system: System = SYSTEM): boolean {
  return system === "windows" && error instanceof TypeError ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset;
}

/** Numbers of errors of Windows that are about the network. */
const WINDOWS_CODES: Partial<Record<string, string>> = {
  1225: "ECONNREFUSED",
  1231: "ENETUNREACH",
  1232: "EHOSTUNREACH",
  10013: "EACCES",
  10047: "EAFNOSUPPORT",
  10048: "EADDRINUSE",
  10049: "EADDRNOTAVAIL",
  10050: "ENETDOWN",
  10051: "ENETUNREACH",
  10053: "ECONNABORTED",
  10054: "ECONNRESET",
  10060: "ETIMEDOUT",
  10061: "ECONNREFUSED",
  10064: "EHOSTDOWN",
  10065: "EHOSTUNREACH",
  11001: "ENOTFOUND",
  11002: "EAI_AGAIN",
  11003: "ENOTFOUND",
  11004: "ENOTFOUND",
};
