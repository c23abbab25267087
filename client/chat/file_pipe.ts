/**
 * One transfer of files instead of a chat: `--send` and `--receive`.
 *
 * Progress goes to standard error. The paths of received files go to standard
 * output, one a line, for the next program.
 *
 * @module
 */
import type { Output } from "../../terminal/output.ts";
import { isTold } from "../files/files.ts";
import type { PeerFiles } from "../files/peer_files.ts";
import type { Outcome } from "../files/transfer.ts";
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
 * Sends, or waits for an offer and receives, with the paths to `results`.
 *
 * @returns Whether everything arrived. If not, the user was told why.
 */
export async function runTransfer(
  session: Session,
  task: TransferTask,
  results: Output,
): Promise<boolean> {
  const direct = await session.direct.open();
  if (task.kind === "send") {
    const sent = await direct.send(task.user, task.paths);
    try {
      return (await sent?.ended)?.missing.count === 0;
    } catch (error) {
      if (!isTold(error)) throw error;
      return false;
    }
  }
  const from = task.user === undefined ? "" : ` from ${task.user}`;
  session.note(`Waiting for files${from}`);
  const received = await firstReceived(direct.taken);
  for (const path of received?.paths ?? []) results.write(`${path}\n`);
  if (!received) session.showError("Nothing was received");
  return received?.missing.count === 0;
}

/**
 * The first transfer that is done; undefined if there was none in the sessions
 * that were accepted, and all of them have ended or their offers failed. There may
 * be several: a sender that was killed calls again before this side knows.
 */
async function firstReceived(
  sessions: ReadableStream<PeerFiles>,
): Promise<Outcome | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<
    Outcome | undefined
  >();
  let running = 0;
  const follow = async (session: PeerFiles) => {
    running++;
    try {
      const transfer = await session.offered;
      const outcome = await transfer?.ended;
      if (outcome) return resolve(outcome);
    } catch (error) {
      if (!isTold(error)) return reject(error);
    }
    if (--running === 0) resolve(undefined);
  };
  const reader = sessions.getReader();
  const reading = (async () => {
    for (let next; !(next = await reader.read()).done;) follow(next.value);
  })();
  try {
    return await promise;
  } finally {
    reader.cancel();
    await reading;
  }
}
