/**
 * Why there is no connection, or no longer one, and the errors of a server in
 * words. A program that has exit codes maps a {@linkcode ConnectionError.kind}
 * to one; a page shows the message alone.
 *
 * @module
 */
import {
  ChatError,
  type ErrorCode,
  ERRORS,
  type Frame,
  header,
} from "../../protocol.ts";

/** What went wrong, as far as it makes a difference to a caller. */
export type ConnectionErrorKind =
  /** The connection ended, or could not be opened. */
  | "lost"
  /** The server does not register this client. */
  | "refused"
  /** The server ended the connection on purpose. */
  | "removed"
  /** The other side does not speak the protocol, or cannot be trusted. */
  | "protocol";

/** Why there is no connection. */
export class ConnectionError extends Error {
  /** For stack traces. */
  override readonly name = "ConnectionError";
  /** Branch on this, never on the message. */
  readonly kind: ConnectionErrorKind;
  /** What the user can do, as sentences; may be empty. */
  readonly advice: string;
  /** Whether another attempt may succeed. */
  readonly passing: boolean;

  /** `message` says what failed, and why. By default it has no advice. */
  constructor(
    kind: ConnectionErrorKind,
    message: string,
    options: { advice?: string; passing?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.advice = options.advice ?? "";
    this.passing = options.passing ?? false;
  }
}

/**
 * Whether another attempt may cure `error`: a {@linkcode ConnectionError}, or
 * what a client throws when it cannot connect, which has the same property.
 */
export function isPassing(error: unknown): error is Error {
  return error instanceof Error && "passing" in error && error.passing === true;
}

/** The error of a request whose connection this side has closed. */
export function closed(): ConnectionError {
  return new ConnectionError("lost", "The connection is closed");
}

/** An ERROR frame as the error that it reports. */
export function errorOf(frame: Frame): ChatError {
  // The cast: a newer server may have codes that we do not, which is harmless
  // since codes are only ever compared.
  const code = Number(frame.args[0]) as ErrorCode;
  const reason = header(frame, "reason") ?? frame.args.slice(1).join(" ");
  return new ChatError(code, reason, {
    headers: Object.fromEntries(frame.headers),
  });
}

/** An error with its code: `ERROR 102 Unable to send: no user "bob" …`. */
export function errorText({ code, message }: ChatError): string {
  const text = ERRORS[code] ?? ""; // a newer server's code has none
  return `ERROR ${code} ${text}${message === text ? "" : `: ${message}`}`;
}

/**
 * Any error as a sentence without a code, with when to try again. A reason that
 * is a sentence stands alone.
 */
export function inWords(error: Error): string {
  // What ended a connection is told better by the server's own error.
  const told = error.cause instanceof ChatError ? error.cause : error;
  const { message } = told;
  if (!(told instanceof ChatError)) return message;
  const text = ERRORS[told.code] ?? `Error ${told.code}`;
  const retry = told.headers["retry-after"];
  const isTold = retry === undefined || told.code === 112; // by its reason
  const advice = isTold ? "" : `. Try again in ${retry} s`;
  const stands = message === text || message.startsWith("Cannot ");
  return `${stands ? message : `${text}: ${message}`}${advice}`;
}
