/**
 * Why the program ends: the exit codes, and the words that go with them.
 *
 * Whoever finds a reason to end throws a {@linkcode Failure}; `main` alone
 * prints it and exits. What the server refuses without an end to the
 * connection is no failure but a `ChatError`, which is shown and lived with.
 *
 * @module
 */

/** The exit codes, which scripts rely on; the README lists them. */
export const EXIT = {
  ok: 0,
  failed: 1, // also: the connection was lost, a line was refused
  usage: 2,
  unreachable: 3, // unknown host, nobody listens, no answer in time
  refused: 4, // the server did not let us in
  removed: 5, // it let us in and threw us out
  protocol: 6, // the other side does not speak it, or is not who it should be
  interrupted: 130, // 128 and the number of SIGINT, as shells have it
} as const;

/** A reason to end. Its message says what, its advice what to do about it. */
export class Failure extends Error {
  /** For stack traces. */
  override readonly name = "Failure";
  /** One of {@linkcode EXIT}. */
  readonly exitCode: number;
  /** What the person can do, as sentences; may be empty. */
  readonly advice: string;

  /** It may pass: who was in before tries to come back instead. */
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
