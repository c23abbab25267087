/**
 * What is said to somebody who is not let in: why, and what to type instead.
 *
 * @module
 */
import type { ChatError } from "../../protocol.ts";
import { addressText, type Endpoint } from "../trust/address.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { errorText } from "../../core/net/connection_error.ts";
import { EXIT, Failure } from "../view/failure.ts";

/** Why the server does not let us in, as the end of the program. */
export function refused(
  error: ChatError,
  goal: Endpoint & { readonly name: string },
  { tls }: { readonly tls: unknown },
): Failure {
  const free = sanitize(`${error.headers["suggestion"] ?? ""}`);
  const server = addressText(goal.hostname, goal.port) + (tls ? " --tls" : "");
  const advice = free !== ""
    ? `Try: client.ts ${free} ${server}`
    : error.code === 100
    ? `Names have 1 to 32 letters and digits. Try: client.ts alice ${server}`
    : ADVICE[error.code] ?? "Try again later, or ask whoever runs the server.";
  const retry = error.headers["retry-after"];
  return new Failure(
    EXIT.refused,
    `Cannot enter as "${goal.name}": ${errorText(error)}`,
    { advice: retry ? tryAgainIn(Number(retry)) : advice, cause: error },
  );
}

/** What to do about who we are, where nobody is asked for a password. */
const ADVICE: Partial<Record<number, string>> = {
  103: "Add --tls, if this is the server's port for TLS.",
  110: "--login uses your account, --signup makes one.",
  111: "Put the account's password into the file of --password-file FILE.",
  113: "--login uses the account, if its password is in --password-file FILE.",
};

function tryAgainIn(seconds: number): string {
  if (!(seconds > 60)) return `Try again in ${seconds} s.`;
  return `Try again in ${Math.ceil(seconds / 60)} minutes.`;
}
