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

/** Nothing came on the connection for `ms` milliseconds. */
export function silent(ms: number): ConnectionError {
  return new ConnectionError(
    "lost",
    `Connection lost: the server sent nothing for ${ms / 1_000} seconds`,
    { advice: "Is this computer still on the network?", passing: true },
  );
}

/** A connection to `place` was not opened within `ms` milliseconds. */
export function late(place: string, ms: number): ConnectionError {
  return new ConnectionError(
    "lost",
    `Cannot connect to ${place}: no answer within ${ms / 1_000} seconds`,
    { passing: true },
  );
}

/** This side has left a server that is about to stop. */
export function stopping(): ConnectionError {
  return new ConnectionError("lost", "The server stops", { passing: true });
}

/** The last attempt to reconnect failed with `error`, and there is no other. */
export function givenUp(error: Error): ConnectionError {
  const why = error instanceof ChatError ? errorText(error) : error.message;
  return new ConnectionError("lost", "Connection lost, and cannot reconnect", {
    advice: `The last attempt: ${why}`,
    cause: error,
  });
}

/** Whether the operator, or a newer connection of the user, has removed us. */
export function isRemoval(error: unknown): boolean {
  return error instanceof ConnectionError && error.kind === "removed";
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
 * Any error as sentences without a code, with what the user can do. A reason
 * that is a sentence stands alone.
 */
export function inWords(error: Error): string {
  // What ended a connection is told better by the server's own error.
  const told = error.cause instanceof ChatError ? error.cause : error;
  const { advice = "" } = error instanceof ConnectionError ? error : {};
  const { message } = told;
  if (!(told instanceof ChatError)) return withAdvice(message, advice);
  const text = ERRORS[told.code] ?? `Error ${told.code}`;
  const stands = message === text || message.startsWith("Cannot ");
  return withAdvice(
    stands ? message : `${text}: ${message}`,
    adviceOn(told) || advice,
  );
}

/** `text` with a full stop, unless it has one, and `advice` behind it. */
export function withAdvice(text: string, advice: string): string {
  return `${text}${/[.!?]$/.test(text) ? "" : "."} ${advice}`.trim();
}

/** What a user can do about a refusal; empty if its reason says it. */
export function adviceOn({ code, headers }: ChatError): string {
  const seconds = Number(headers["retry-after"]);
  if (!(seconds > 0)) return ADVICE[code] ?? "";
  const isTold = code === 104 || code === 112 || code === 117;
  return isTold ? "" : `Try again in ${timeText(seconds * 1_000)}.`;
}

/** For errors that do not end the session. */
const ADVICE: Partial<Record<number, string>> = {
  102: "/who all shows who is connected.",
  105: "The server may be of another version.",
  106: "Send it in parts.",
  109: "/rooms shows the rooms; /join ROOM joins one.",
  118: "@NAME: TEXT sends a private message through the server.",
  120: "You can still read.",
};

/** A time in milliseconds as words, such as "10 minutes"; rounded up. */
export function timeText(ms: number): string {
  let [count, unit] = [Math.ceil(ms / 1_000), "second"];
  // What is left of two hours after a moment is two hours, and not 120 minutes.
  for (
    const [next, size] of [["minute", 60], ["hour", 60], ["day", 24]] as const
  ) {
    if (count < 2 * size && count !== size) break;
    [count, unit] = [Math.ceil(count / size), next];
  }
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
