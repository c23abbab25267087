/**
 * Why a password or a code is refused, in words.
 *
 * @module
 */
import { ChatError } from "../../protocol.ts";

/** The error for a client that needs a code, and has given none. */
export function codeRequired(name: string): ChatError {
  return new ChatError(
    123,
    `Cannot register as "${name}": its owner signs up with a code, which the operator gives`,
  );
}

/** The error for a code whose time is over. */
export function codeExpired(name: string): ChatError {
  return new ChatError(
    123,
    `Cannot sign up as "${name}": the code has expired; ask the operator for a new one`,
  );
}

/** The error for a code of an account that has a password. */
export function codeUsed(name: string): ChatError {
  return new ChatError(
    113,
    `Cannot sign up as "${name}": the code was used, and the account has a password; sign in`,
  );
}

/** The error for a proof of a password that the account does not have any more. */
export function passwordChanged(name: string): ChatError {
  return new ChatError(
    111,
    `Cannot sign in as "${name}": the password was changed a moment ago`,
  );
}
