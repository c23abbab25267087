/** What is used of npm's `ws`, which comes without types. */
import type { IncomingMessage } from "node:http";
import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** One end of a WebSocket. */
export class WebSocket {
  on(event: "message", listener: (data: Buffer) => void): this;
  on(event: "close", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  /** Reads no more; what is at hand is still given. */
  pause(): void;
  resume(): void;
  /** Calls `done` when the system has taken all of it. */
  send(data: Uint8Array, done: (error?: Error) => void): void;
  /** Says the last word, after what was sent; the peer's is waited for. */
  close(code?: number, reason?: string): void;
  /** Ends it at once. */
  terminate(): void;
}

/** What turns requests into WebSockets. */
export class WebSocketServer {
  constructor(options: {
    noServer: true;
    clientTracking: boolean;
    perMessageDeflate: boolean;
    maxPayload: number;
  });
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    done: (socket: WebSocket) => void,
  ): void;
}
