/**
 * One transfer of files instead of a chat, as `--send` and `--receive` ask for.
 *
 * @module
 */
import { lookAlike } from "../../protocol.ts";

/** One transfer of files, after which the program ends. */
export type Transfer =
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

/** Whether a transfer takes what `name` sends, without a question. */
export function takesFrom(
  transfer: Transfer | undefined,
  name: string,
): boolean {
  if (transfer?.kind !== "receive") return false;
  const { user } = transfer;
  return user === undefined || lookAlike(user) === lookAlike(name);
}
