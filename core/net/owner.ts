/**
 * The session that connections carry, one after the other, as
 * {@linkcode ReconnectingConnection} needs it.
 *
 * @module
 */
import type { ChatError } from "../../protocol.ts";
import type { Connection } from "./connection.ts";

/** The session that a {@linkcode ReconnectingConnection} carries. */
export interface Owner {
  /**
   * Registers on a new connection, and resumes what an earlier one has left.
   * Other requests wait until this is done; it makes its own on `connection`.
   *
   * @throws {ChatError} If the server refuses to register us.
   * @throws {ConnectionError} If the connection ends before.
   */
  resume(connection: Connection): Promise<void>;
  /** All requests are sent again; to another server than before, if `to` names it. */
  resumed(to?: string): void;
  /** The connection is lost, and the owner is to be reconnected. */
  lost(why: Error): void;
  /** The server refuses to reconnect us, and that may last; once for each code. */
  refused?(why: ChatError): void;
  /** Messages wait for longer than a moment; `why` has the time. */
  slowed?(why: ChatError): void;
}
