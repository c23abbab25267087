/** What is used of npm's `ws`, which comes without types: its client, in tests. */
import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";

/** The client's end of a WebSocket. */
export class WebSocket extends EventEmitter {
  /** Connects, and offers `protocols`. */
  constructor(
    address: string,
    protocols?: readonly string[],
    options?: {
      /** Certificates to trust, as PEM. */
      readonly ca?: string;
      /** Whether to offer to compress messages. */
      readonly perMessageDeflate?: boolean;
    },
  );
  /** The subprotocol that the server has chosen. */
  readonly protocol: string;
  /** The extensions that the server has accepted. */
  readonly extensions: string;
  /** Sends a message, or a fragment; text if it is a string. */
  send(data: Uint8Array | string, options?: { fin?: boolean }): void;
  /** Asks for a pong with the same data. */
  ping(data: string): void;
  /** Says the last word, after what was sent; the server's is waited for. */
  close(code?: number, reason?: string): void;
  /** Ends it at once. */
  terminate(): void;
  on(
    event: "message",
    listener: (data: Buffer, isBinary: boolean) => void,
  ): this;
  on(event: "close", listener: (code: number, reason: Buffer) => void): this;
  on(event: "error", listener: (error: Error) => void): this;
}
