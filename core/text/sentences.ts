/**
 * Sentences that both clients show.
 *
 * @module
 */
import type { NickChange, RoleChange } from "../frames.ts";

/** What is wrong with the room name that was typed. */
export function invalidRoom(typed: string): string {
  return `Invalid room name "${typed}": ` +
    "use 1 to 32 of the letters A-Z and a-z, digits, _ and -";
}

/** The rule for names of users. */
export const NAME_RULE = "Names have 1 to 32 letters (A-Z, a-z) and digits.";

/** The answer to a user who sends files to the own name. */
export const SENT_TO_SELF = "Cannot send to yourself";

/** After why the connection was lost. */
export const RECONNECTING = "Reconnecting. What you type is sent after that.";

/** After a reconnect to another server of the chat, at `host:port`. */
export function connectedAgain(to: string): string {
  return `Connected again, to ${to}`;
}

/** A message waits for a limit of the server; `reason` says which. */
export function slowedText(reason: string, time: string): string {
  return `${reason}. Trying again in ${time}.`;
}

/** After a reconnect to a server that counts messages anew. */
export const RESTARTED =
  "The server has restarted with another history; messages above may be gone there";

/** After a reconnect to a server that has deleted what was sent meanwhile. */
export const MISSED_DELETED =
  "Some messages that were sent while you were away are no longer stored";

/**
 * A notice of the operator, or of a moderator, whom the server names; and when it
 * was sent if that is known.
 */
export function operatorNotice(text: string, at?: Date): string {
  const time = at ? ` (${at.toTimeString().slice(0, 5)})` : "";
  const [, who = "The operator", said = text] =
    /^(The moderator [A-Za-z0-9]{1,32}): ([^]*)$/.exec(text) ?? [];
  return `${who} says${time}: ${said}`;
}

/** To a moderator. */
export const YOU_MODERATE =
  "You are a moderator; /help all shows your commands";

/** A user, or we ourselves, are a moderator now, or none any more. */
export function roleText({ name, isModerator, isMe }: RoleChange): string {
  if (isMe && isModerator) return YOU_MODERATE;
  const is = isMe ? "You are" : `${name} is`;
  return `${is} ${isModerator ? "a moderator now" : "no moderator any more"}`;
}

/** A user is shown under another name; `label` is how the user is shown now. */
export function nickText(
  { name, nick }: Pick<NickChange, "name" | "nick">,
  label: string,
): string {
  return nick === undefined
    ? `${name} has no display name any more`
    : `${name} is shown as ${label} now`;
}

/** The hint for a line to the display name of a user. */
export function nickHint(label: string, name: string): string {
  return `Nothing was sent: a display name is no receiver. ` +
    `For ${label}, type @${name}: TEXT`;
}

/** After a reconnect to a server that has forgotten the account of `name`. */
export function accountLost(name: string): string {
  return `${name} has no account here; /signup creates one`;
}

/** The answer to a user who wants an account for `name`, and has it already. */
export function alreadyAccount(name: string): string {
  return `${name} is an account already; /password changes its password`;
}

/** The answer to a guest who wants to change or delete an account. */
export function noOwnAccount(name: string): string {
  return `${name} has no account; /signup creates one`;
}

/** After another password. */
export function passwordChanged(name: string): string {
  return `The password of ${name} is changed. Other devices must sign in again.`;
}

/** After the own account was deleted. */
export function accountDeleted(name: string): string {
  return `The account ${name} is deleted, and the name is free`;
}

/** To a user whose name waits for a code. */
export function needsCode(name: string): string {
  return `${name} waits for a code of the operator. If it is yours, type the ` +
    "code, and a new password; if not, choose another name.";
}

/** To a guest whose name has the account `owner`. */
export function hasAccount(owner: string): string {
  return `${owner} has an account. ` +
    "If it is yours, sign in; if not, choose another name.";
}

/** To a user who signs in as `name`. */
export function noAccount(name: string): string {
  return `${name} has no account. ` +
    "Choose Sign up to create it, or Guest to join without one.";
}

/** After a sign-up. */
export function accountCreated(name: string): string {
  return `Registered. You now have the account ${name}. ` +
    "Signing in needs your password.";
}

/** To a user who joins the first room. */
export const COURSE_WORDS =
  "LIST shows who is here, LEAVE leaves the room, LOGOUT quits.";

/** To the sender of a private message to an account that is away. */
export function awayText(name: string): string {
  return `${name} is away, and gets the message at the next sign-in`;
}

/** Above private messages that came while the user was away. */
export const CAME_WHILE_AWAY = "While you were away:";

/** `users` as a text: the first of them by name, and how many more. */
export function namesText(users: readonly string[]): string {
  const more = users.length - MAX_NAMED;
  const named = users.slice(0, MAX_NAMED).join(", ");
  return more > 0 ? `${named} and ${more} more` : named;
}

/** How many users of a crowd a text names. */
const MAX_NAMED = 5;

/** Why a message cannot be sent; undefined if it is not over the limit. */
export function tooLongText(
  text: string,
  maxBodyBytes: number,
): string | undefined {
  const { length } = new TextEncoder().encode(text);
  if (length <= maxBodyBytes) return undefined;
  return `Cannot send ${length.toLocaleString("en")} bytes: the limit is ` +
    `${maxBodyBytes.toLocaleString("en")}. Send it in parts`;
}
