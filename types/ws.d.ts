/** What is used of npm's `ws`, which comes without types. */
import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";

/** One end of a WebSocket. */
export class WebSocket extends EventEmitter {
  /** Whether its reader has asked it to wait. */
  readonly isPaused: boolean;
  /** Calls `done` when the system has taken all of it. */
  send(data: Uint8Array, done: (error?: Error) => void): void;
  /** Answers a ping; calls `done` when the system has taken all of it. */
  pong(data: Uint8Array, mask: false, done: (error?: Error) => void): void;
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
    maxFragments: number;
    maxBufferedChunks: number;
    autoPong: boolean;
    maxPendingAutoPongs: number;
  });
  handleUpgrade(
    request: {
      readonly method: string;
      readonly url: string;
      readonly headers: Readonly<Record<string, string | undefined>>;
    },
    socket: Duplex,
    head: Buffer,
    done: (socket: WebSocket) => void,
  ): void;
}
