/**
 * What the user reads when the server refuses to register: why, and what to type
 * instead.
 *
 * @module
 */
import type { ChatError } from "../../protocol.ts";
import { addressText, type Endpoint } from "../trust/address.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { errorText } from "../../core/net/connection_error.ts";
import { EXIT, Failure } from "../view/failure.ts";

/** A refusal as the end of the program. */
export function refused(
  error: ChatError,
  goal: Endpoint & { readonly name: string },
  { tls }: { readonly tls: unknown },
): Failure {
  const free = sanitize(`${error.headers["suggestion"] ?? ""}`);
  const server = addressText(goal) + (tls ? " --tls" : "");
  const advice = free !== ""
    ? `Try: client.ts ${free} ${server}`
    : error.code === 100
    ? `Names have 1 to 32 letters and digits. Try: client.ts alice ${server}`
    : ADVICE[error.code] ?? "Try again later, or ask the operator.";
  const retry = error.headers["retry-after"];
  return new Failure(
    EXIT.refused,
    `Cannot register as "${goal.name}": ${errorText(error)}`,
    { advice: retry ? tryAgainIn(Number(retry)) : advice, cause: error },
  );
}

/** The next step, where no user can be asked for a password. */
const ADVICE: Partial<Record<number, string>> = {
  103: "Add --tls, if this is the server's port for TLS.",
  110: "--login signs in to your account; --signup creates one.",
  111: "Write the account's password into the file of --password-file FILE.",
  113: "--login signs in, with the password in --password-file FILE.",
};

function tryAgainIn(seconds: number): string {
  if (!(seconds > 60)) return `Try again in ${seconds} s.`;
  return `Try again in ${Math.ceil(seconds / 60)} minutes.`;
}
