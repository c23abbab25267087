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
import { SYSTEM, type System } from "../../platform/system.ts";
import { errorNumber, systemText } from "../../platform/system_error.ts";
import { EchoError } from "../../terminal/terminal.ts";

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

/** The exit codes, in `--help`. */
export const EXIT_HELP = `Exit codes:
  0  the client quit as asked       1  a line was not sent, or a connection lost
  2  wrong use                      3  cannot connect
  4  refused by the server          5  removed by the server
  6  not a Parley server, or not trusted           130  interrupted with Ctrl-C`;

/** The next step of a user whom the client cannot ask for a password. */
export const PASSWORD_FILE_ADVICE =
  "Put it into a file and add --password-file FILE.";

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

/**
 * `error` as a reason to end, if the connection or the terminal is that; else `error`
 * itself.
 */
export function failureOf(error: unknown): unknown {
  if (error instanceof EchoError) {
    return new Failure(EXIT.usage, error.message, {
      advice: PASSWORD_FILE_ADVICE,
      cause: error,
    });
  }
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
export function systemReason(
  error: unknown,
  system: System = SYSTEM,
): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Deno.errors.NotCapable) return NOT_ALLOWED;
  // `code` is what Deno and node:fs both give errors of the system.
  const code = "code" in error ? String(error.code) : "";
  const own = OWN_REASONS[system];
  const reason = own?.[errorNumber(error)] ?? own?.[code] ?? REASONS[code];
  // Deno has no code for some errors of the system.
  return reason ?? (code || systemText(error).toLowerCase() || error.name);
}

/**
 * The same for a file that was to be made. Windows says that there is no such file
 * when it protects the folder from programs that it does not know.
 */
export function writeReason(error: unknown, system: System = SYSTEM): string {
  const isProtected = system === "windows" &&
    error instanceof Deno.errors.NotFound;
  return isProtected
    ? "the folder is gone, or Windows protects it: allow Deno in Windows " +
      "Security, Ransomware protection, or choose another with --downloads"
    : systemReason(error, system);
}

/**
 * What systems say in their own way, by the number or the code of the error.
 * Windows says each in the language of the user, so its words are not shown.
 */
const OWN_REASONS: Partial<Record<System, Partial<Record<string, string>>>> = {
  darwin: {
    EPERM: "macOS does not allow it. Allow the terminal in System Settings, " +
      "Privacy & Security, Files and Folders",
  },
  windows: {
    EPERM: "permission is denied, or another program uses it",
    EACCES: "permission is denied, or another program uses it",
    "1": "it is a folder, or the driver of its disk cannot do this",
    "53": "the computer with this folder does not answer",
    "112": "the disk is full",
    "123": "Windows does not allow such a name",
    "206": "the path is too long",
    "225": "the virus scanner refuses it",
    "362": "OneDrive has the file and does not run",
  },
};

const NOT_ALLOWED = "the program was started without permission for it";

/** What to say for errors of the system, by their codes. */
const REASONS: Partial<Record<string, string>> = {
  EACCES: "permission is denied",
  EBUSY: "another program uses it. Close that program",
  EDQUOT: "the disk quota is used up",
  EEXIST: "something of that name is in the way",
  EIO: "the disk reports an error",
  EILSEQ: "the disk does not take this name",
  EISDIR: "it is a folder",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long for the disk",
  ENOENT: "there is no such file",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is no folder",
  EPERM: "permission is denied",
  EROFS: "the disk is read-only",
};
