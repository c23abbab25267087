/**
 * What keeps a server from starting, and is not its own fault: an address that
 * is taken, a file that cannot be used.
 *
 * @module
 */

/** The server cannot start; the message is for its operator. */
export class StartError extends Error {
  /** The class, for logs. */
  override readonly name: string = "StartError";
  /** The exit code of the server. */
  readonly exitCode: number = 2;
}
