/**
 * Messages between the servers of a cluster, as core NATS carries them: at most
 * once, in the order of each sender, and to all who subscribe at that moment.
 *
 * @module
 */

/** What arrives on a subject. */
export interface BusMessage {
  readonly subject: string;
  /** Borrowed until the callback returns. */
  readonly bytes: Uint8Array;
  /** Where an answer goes, if the sender waits for one. */
  readonly reply: string | undefined;
  /** A header of NATS; undefined if there is none. */
  header(name: string): string | undefined;
}

/** What can be said and heard; {@linkcode Nats} is one. */
export interface Bus {
  /**
   * Sends to all who subscribe; without a connection, to no server at all. The
   * bytes are copied. `reply` is where answers go.
   */
  publish(subject: string, bytes: Uint8Array, reply?: string): void;
  /**
   * Calls `on` for each message, until it is disposed. In a subject, `*` is one
   * word, and `>` at the end one or more. What `on` throws is logged.
   */
  subscribe(subject: string, on: (message: BusMessage) => void): Disposable;
  /**
   * Sends, and resolves with the first answer: `undefined` if no server
   * subscribes, or none answers in time.
   */
  request(
    subject: string,
    bytes: Uint8Array,
    withinMs: number,
  ): Promise<Uint8Array | undefined>;
}
