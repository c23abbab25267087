/**
 * One transfer of files instead of a chat: `--send` and `--receive`.
 *
 * Progress goes to standard error. The paths of received files go to standard
 * output, one a line, for the next program.
 *
 * @module
 */
import { type Files, isTold } from "../files/files.ts";
import type { Transfer } from "../files/transfer.ts";
import type { Session } from "./session.ts";

/** One transfer of files, after which the program ends. */
export type TransferTask =
  | {
    readonly kind: "send";
    readonly user: string;
    /** Files and folders. */
    readonly paths: readonly string[];
  }
  | {
    readonly kind: "receive";
    /** The only sender; undefined for any. */
    readonly user: string | undefined;
  };

/**
 * Sends, or waits for an offer and receives.
 *
 * @returns Whether everything arrived. If not, the user was told why.
 */
export async function runTransfer(
  session: Session,
  task: TransferTask,
): Promise<boolean> {
  const direct = await session.direct.open();
  if (task.kind === "send") {
    const sent = await direct.send(task.user, task.paths);
    try {
      await sent?.ended;
      return sent !== undefined;
    } catch (error) {
      if (!isTold(error)) throw error;
      return false;
    }
  }
  const from = task.user === undefined ? "" : ` from ${task.user}`;
  session.note(`Waiting for files${from}`);
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
