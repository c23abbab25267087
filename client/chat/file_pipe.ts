/**
 * One transfer of files instead of a chat: `--send` and `--receive`.
 *
 * Progress goes to standard error. The paths of received files go to standard
 * output, one a line, for the next program.
 *
 * @module
 */
import type { Transfer } from "../files/transfer.ts";
import { type Files, isTold } from "../files/files.ts";
import type { Session } from "./session.ts";
import type { Transfer as Task } from "./transfer.ts";

/**
 * Sends, or waits for an offer and receives.
 *
 * @returns Whether everything arrived. If not, the user was told why.
 */
export async function runTransfer(
  session: Session,
  transfer: Task,
): Promise<boolean> {
  const direct = await session.direct.open();
  if (transfer.kind === "receive") {
    session.note(`Waiting for files${from(transfer)}`);
  }
  if (transfer.kind === "send") {
    const sent = await direct.send(transfer.user, transfer.paths);
    return await sent?.ended.then(() => true, toldFalse) ?? false;
  }
  const paths = await firstReceived(direct.files);
  for (const path of paths) console.log(path);
  return paths.length > 0;
}

/**
 * The paths of the first transfer that is complete; none, if all accepted
 * transfers failed. There may be several: a sender that was killed calls again
 * before this side knows.
 */
function firstReceived(files: Files): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<
    readonly string[]
  >();
  let running = 0;
  const follow = ({ ended }: Transfer) => {
    running++;
    files.transfers.accepted.then(follow);
    ended.then(resolve, (error) => {
      running--;
      if (!isTold(error)) reject(error);
      else if (running === 0) resolve([]);
    });
  };
  files.transfers.accepted.then(follow);
  return promise;
}

/** The failure was shown, as an error in the chat is. */
function toldFalse(error: unknown): false {
  if (isTold(error)) return false;
  throw error;
}

function from({ user }: { readonly user: string | undefined }): string {
  return user === undefined ? "" : ` from ${user}`;
}
