/**
 * What owners do with their accounts while they are registered: PASSWORD and
 * UNREGISTER. Both need a proof of the password, for which LOGIN has asked on this
 * very connection. Loaded with the first of these commands.
 *
 * @module
 */
import { ChatError, encode, type Frame } from "../../protocol.ts";
import type { Account, Accounts, PendingLogin } from "../accounts/accounts.ts";
import { parseVerifier } from "../accounts/scram.ts";
import { hostOf } from "../net/connection.ts";
import { registered as registeredAnswer } from "./enter.ts";
import { deleteAccount, expelOwner, passwordGone } from "./expel.ts";
import { addressOf } from "./register.ts";
import type { Registered } from "./sender.ts";
import { bodyText, logFailure } from "./sign_in.ts";
import type { Context } from "./session.ts";

/** A request, and the accounts that it is about. */
interface Asked {
  readonly accounts: Accounts;
  readonly frame: Frame;
}

/** Each LOGIN of a registered user that waits for its proof. */
const logins = new WeakMap<Registered, PendingLogin>();

/**
 * LOGIN of a registered user: asks for a proof of the own password.
 *
 * @throws {ChatError} 105 if the user is a guest, or the account is another one.
 */
export function challengeOwner(
  registered: Registered,
  context: Context,
  { accounts, frame }: Asked,
): Uint8Array {
  const [name = ""] = frame.args;
  const { account, resumable: resumed } = registered;
  if (name.toLowerCase() !== account?.name.toLowerCase()) {
    const { name: own } = registered.user;
    throw new ChatError(
      105,
      `Cannot sign in: you are ${own} already; send LOGOUT, and connect again`,
    );
  }
  const address = addressOf(registered, context, { name, account, resumed });
  const login = accounts.begin(name, address, bodyText(frame));
  logins.set(registered, login);
  return encode("CHALLENGE", [name], {}, login.challenge.message);
}

/**
 * PASSWORD: another password. All other connections of the account end, and all its
 * tokens; this session goes on with a new one.
 */
export async function changePassword(
  registered: Registered,
  context: Context,
  { accounts, frame }: Asked,
): Promise<Uint8Array> {
  const [proof = "", verifier = "", ...rest] = bodyText(frame).split("\n");
  if (rest.length > 0) {
    throw new ChatError(
      105,
      "Cannot read the body: it is a proof, a line feed and a verifier",
    );
  }
  parseVerifier(verifier);
  const asked = { accounts, frame, proof };
  const { account, signature, before } = await proved(
    registered,
    context,
    asked,
  );
  await accounts.credentials.change(account, { before, verifier });
  const { connection, remote, user } = registered;
  const { count, storing } = expelOwner(context, account, {
    why: passwordGone(account.name, false),
    but: registered,
  });
  // No token holds any more; what could not be stored was in the same change.
  await storing;
  const { journal, now, resumables } = context;
  const fresh = await resumables.renew(registered.resumable, {
    ...{ name: user.name, since: journal.lastId },
    secure: connection.transport === "TLS",
  });
  fresh.host = hostOf(remote);
  registered.resumable = fresh;
  if (connection.ending !== undefined) resumables.lose(fresh, now());
  const ended = count === 0 ? "" : `, which ended ${count} others`;
  context.log(
    `${user.name} changed the password from <${remote}>${ended}`,
    remote,
  );
  return registeredAnswer(registered, context, signature);
}

/** UNREGISTER: deletes the account; all its connections end. */
export async function unregister(
  registered: Registered,
  context: Context,
  { accounts, frame }: Asked,
): Promise<undefined> {
  const asked = { accounts, frame, proof: bodyText(frame) };
  const { account, signature } = await proved(registered, context, asked);
  const { storing } = await deleteAccount(context, account, {
    why: `its owner deleted the account "${account.name}"`,
    but: registered,
  });
  const { connection, remote, resumable } = registered;
  const ending = context.resumables.end(resumable); // the name is free
  context.log(
    `${account.name} deleted the own account from <${remote}>`,
    remote,
  );
  await Promise.all([storing, ending]).finally(() => {
    if (connection.ending !== undefined) return; // it was lost meanwhile
    connection.outbox.answer(encode("BYE", [], {}, signature));
    connection.end("deleted the account");
  });
}

/**
 * Checks the proof that a request brings.
 *
 * @throws {ChatError} 105 if there was no LOGIN; as {@linkcode Accounts.prove}.
 */
async function proved(
  registered: Registered,
  context: Context,
  { accounts, frame, proof }: Asked & { proof: string },
): Promise<{ account: Account; signature: string; before: string }> {
  const login = logins.get(registered);
  logins.delete(registered); // a challenge is good for one answer
  if (!login) throw new ChatError(105, "Cannot prove anything before LOGIN");
  if (login.name !== frame.args[0]) {
    throw new ChatError(105, `Cannot prove: the LOGIN was of ${login.name}`);
  }
  const done = await accounts.prove(login, proof)
    .catch(logFailure(context, login.name, registered.remote));
  return { ...done, before: login.verifier };
}
