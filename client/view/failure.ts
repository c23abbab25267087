/**
 * Why the program ends: the exit codes, and the words that go with them; and
 * errors of the system in words.
 *
 * What must end the program is a {@linkcode Failure}; `main` alone prints it and
 * exits. A `ConnectionError` of core/ becomes one where it leaves the chat. What
 * the server refuses without an end to the connection is a `ChatError`, which is
 * only shown.
 *
 * @module
 */
import {
  ConnectionError,
  type ConnectionErrorKind,
} from "../../core/net/connection_error.ts";

/** The exit codes, which scripts rely on; docs/client.md lists them. */
export const EXIT = {
  ok: 0,
  failed: 1, // also: the connection was lost, a line was refused
  usage: 2,
  unreachable: 3, // unknown host, connection refused, no answer in time
  refused: 4, // the server did not register us
  removed: 5, // the server ended the connection
  protocol: 6, // the other side does not speak it, or is not who it should be
  interrupted: 130, // 128 and the number of SIGINT, as shells have it
} as const;

/** A reason to end. Its message says what, its advice what to do about it. */
export class Failure extends Error {
  /** For stack traces. */
  override readonly name = "Failure";
  /** One of {@linkcode EXIT}. */
  readonly exitCode: number;
  /** What the user can do, as sentences; may be empty. */
  readonly advice: string;
  /** Whether another attempt may succeed. */
  readonly passing: boolean;

  /** `exitCode` is one of {@linkcode EXIT}, or 128 and a signal. */
  constructor(
    exitCode: number,
    message: string,
    options: { advice?: string; passing?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.exitCode = exitCode;
    this.advice = options.advice ?? "";
    this.passing = options.passing ?? false;
  }
}

/** `error` as a reason to end, if the connection is that; else `error` itself. */
export function failureOf(error: unknown): unknown {
  if (!(error instanceof ConnectionError)) return error;
  const { kind, message, advice, passing } = error;
  const options = { advice, passing, cause: error };
  return new Failure(EXIT_CODES[kind], message, options);
}

const EXIT_CODES: Readonly<Record<ConnectionErrorKind, number>> = {
  lost: EXIT.failed,
  refused: EXIT.refused,
  removed: EXIT.removed,
  protocol: EXIT.protocol,
};

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
