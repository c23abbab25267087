/**
 * One transfer of files instead of a chat: `--send` and `--receive`.
 *
 * What goes on is told on standard error; where files are that were received,
 * on standard output, a line each, for whatever program comes next.
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
 * @returns Whether all of it arrived. If not, it was told why.
 */
export async function runTransfer(
  session: Session,
  transfer: Task,
): Promise<boolean> {
  const direct = await session.direct.open();
  if (transfer.kind === "receive") {
    session.note(`Waits for files${of(transfer)}`);
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
 * Where everything is of the first transfer that is whole; nothing, if all that
 * were accepted have failed. There may be several: a sender who was killed calls
 * again before we know.
 */
function firstReceived(files: Files): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<
    readonly string[]
  >();
  let running = 0;
  const follow = ({ ended }: Transfer) => {
    running++;
    files.accepted.then(follow);
    ended.then(resolve, (error) => {
      running--;
      if (!isTold(error)) reject(error);
      else if (running === 0) resolve([]);
    });
  };
  files.accepted.then(follow);
  return promise;
}

/** That it failed was told, as an error in the chat is. */
function toldFalse(error: unknown): false {
  if (isTold(error)) return false;
  throw error;
}

function of({ user }: { readonly user: string | undefined }): string {
  return user === undefined ? "" : ` of ${user}`;
}
