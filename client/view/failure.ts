/**
 * Why the program ends: the exit codes, and the words that go with them.
 *
 * What must end the program is a {@linkcode Failure}; `main` alone prints it and
 * exits. A `ConnectionError` of core/ becomes one where it leaves the chat. What the server refuses without an
 * end to the connection is a `ChatError`, which is shown and lived with.
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
