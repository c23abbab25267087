/**
 * HISTORY of a user: what the user who asks and that one have sent to each other.
 *
 * A name can have had other owners. So both must have accounts, and only what was
 * sent since both exist is theirs.
 *
 * @module
 */
import { ChatError } from "../../../protocol.ts";
import type { HistoryOf } from "../../journal/journal.ts";
import type { Account, Accounts } from "../../accounts/accounts.ts";
import type { Lazy } from "../../../core/lazy.ts";

/** What two users have sent to each other. */
export interface Talk {
  /** The other user's name, as its owner writes it. */
  readonly name: string;
  /** Whose messages. */
  readonly of: HistoryOf;
  /** Only those after this id. */
  readonly since: number;
}

/**
 * What `asker` and the user of that name have sent to each other.
 *
 * @throws {ChatError} 122 if the asker is a guest, 121 if the other user has no
 * account.
 */
export function talkWith(
  { account }: { readonly account: Account | undefined },
  { accounts }: { readonly accounts: Lazy<Accounts> },
  name: string,
): Talk {
  if (!account) {
    const why = "you are a guest; only accounts can read older ones";
    throw new ChatError(122, `Cannot show private messages: ${why}`);
  }
  const other = accounts.loaded?.named(name); // loaded with the asker's account
  if (!other) {
    const why = `${name} has no account`;
    throw new ChatError(121, `Cannot show private messages: ${why}`);
  }
  return {
    name: other.name,
    of: [account.name, other.name],
    since: Math.max(account.since, other.since),
  };
}
