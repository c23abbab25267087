/**
 * What counts the clients of the page's port, together with all else that comes
 * from their addresses. The server has one; `client.ts --gui`, which listens on
 * its own computer alone, has none.
 *
 * @module
 */
/** What frames of one WebSocket count for. */
export interface FrameMeter {
  /**
   * Counts bytes that are no part of a message: heads of frames, and pongs.
   *
   * @returns Milliseconds until more may be read.
   */
  count(bytes: number): number;
  /** Resolves when what was read may be taken apart; undefined if that is now. */
  begin(): Promise<void> | undefined;
  /** Notes that this is done after {@linkcode begin}. */
  end(): void;
  /** Resolves when all other connections had a turn. */
  nextTurn(): Promise<void>;
}

/** See the top of the file. A host is an IP address, as Deno tells it. */
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
  /** Resolves when all other connections had a turn. */
  nextTurn(): Promise<void>;
}
