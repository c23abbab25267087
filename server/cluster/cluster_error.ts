/**
 * Why a server of a cluster cannot go on.
 *
 * @module
 */
import { StartError } from "../journal/start_error.ts";

/**
 * The server must stop, or cannot start: it would show its users another chat than
 * the others. The message is for its operator, who must act before it is started
 * again: so it has an exit code of its own.
 */
export class ClusterError extends StartError {
  /** The class, for logs. */
  override readonly name = "ClusterError";
  /** See {@linkcode StartError}. */
  override readonly exitCode = 3;
}
