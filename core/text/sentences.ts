/**
 * Sentences that both clients show.
 *
 * @module
 */

/** The rule for names of users. */
export const NAME_RULE = "Names have 1 to 32 letters (A-Z, a-z) and digits.";

/** The answer to a user who sends files to the own name. */
export const SENT_TO_SELF = "Cannot send to yourself";

/** After why the connection was lost. */
export const RECONNECTING = "Reconnecting. What you type is sent after that.";

/** After a reconnect to a server that counts messages anew. */
export const RESTARTED =
  "The server has restarted: earlier messages are gone there";

/** A notice of the operator. */
export function operatorNotice(text: string): string {
  return `The operator says: ${text}`;
}

/** After a reconnect to a server that has forgotten the account of `name`. */
export function accountLost(name: string): string {
  return `${name} has no account here; /signup creates one`;
}

/** The answer to a user who wants an account for `name`, and has it already. */
export function alreadyAccount(name: string): string {
  return `${name} is an account already. Its password cannot be changed yet.`;
}

/** After a sign-up. */
export function accountCreated(name: string): string {
  return `${name} is your account now`;
}
