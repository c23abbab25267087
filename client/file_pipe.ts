/**
 * One transfer of files instead of a chat: `--send` and `--receive`.
 *
 * What goes on is told on standard error; where files are that were received,
 * on standard output, a line each, for whatever program comes next.
 *
 * @module
 */
import { isTold } from "./files.ts";
import type { Transfer } from "./options.ts";
import type { Session } from "./session.ts";

/**
 * Sends, or waits for an offer and receives.
 *
 * @returns Whether all of it arrived. If not, it was told why.
 */
export async function runTransfer(
  session: Session,
  transfer: Transfer,
): Promise<boolean> {
  const direct = await session.direct.open();
  if (transfer.kind === "receive") {
    session.note(`Waits for files${of(transfer)}`);
  }
  const job = transfer.kind === "send"
    ? await direct.send(transfer.user, transfer.paths)
    : await direct.files.accepted;
  if (!job) return false;
  try {
    for (const path of await job.ended) console.log(path);
    return true;
  } catch (error) {
    if (isTold(error)) return false; // as an error in the chat is
    throw error;
  }
}

function of({ user }: { readonly user: string | undefined }): string {
  return user === undefined ? "" : ` of ${user}`;
}
