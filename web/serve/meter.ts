/**
 * What counts the clients of the page's port, together with all else that comes
 * from their addresses. The server has one; `client.ts --gui`, which listens on
 * its own computer alone, has none.
 *
 * @module
 */
import type { FrameMeter } from "./frames.ts";

/** See the top of the file. A host is an IP address, as node:net tells it. */
export interface Meter {
  /** Counts a connection. @returns Whether it may be served. */
  countConnection(host: string): boolean;
  /** Takes a connection back: the server counts WebSockets itself. */
  uncountConnection(host: string): void;
  /** Resolves when a TLS handshake may begin, or its client `isGone`. */
  handshake(host: string, isGone: () => boolean): Promise<void>;
  /** The same for an answer; undefined if it may be made now. */
  turn(host: string, isGone: () => boolean): Promise<void> | undefined;
  /** Counts a request. @returns Milliseconds until it may be answered. */
  countRequest(host: string): number;
  /** What the frames of a new WebSocket count for. */
  frames(host: string): FrameMeter;
}
