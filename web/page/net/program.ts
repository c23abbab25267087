/// <reference lib="dom" />
/**
 * The WebSocket to the program that has opened the page (`client.ts --gui`);
 * core/page_talk.ts has its messages. It is not opened again once it ends.
 *
 * That program has served this page, so its messages are trusted here; what it
 * passes on from other users is sanitized where it is shown.
 *
 * @module
 */
import type { FromPage, ToPage } from "../../../core/page_talk.ts";
import { sendInPieces } from "./socket.ts";

/** Gets what the program sends. */
export interface ProgramOwner {
  heard(message: ToPage): void;
  ended(): void;
}

/** See the top of the file. */
export class Program {
  readonly #socket: WebSocket;
  readonly #owner: ProgramOwner;
  readonly #decoder = new TextDecoder();
  #unfinished = ""; // line

  /** Connects as the user `name`. */
  constructor(name: string, owner: ProgramOwner) {
    const url = new URL("/files", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("name", name);
    this.#owner = owner;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = () => owner.ended();
  }

  /** Whether messages reach the program. */
  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Sends a message, unless the program is gone. */
  tell(message: FromPage): void {
    if (!this.isOpen) return;
    const line = `${JSON.stringify(message)}\n`;
    sendInPieces(this.#socket, encoder.encode(line));
  }

  /** Ends it. Idempotent. */
  close(): void {
    this.#socket.close();
  }

  #take(data: ArrayBuffer | string): void {
    const text = typeof data === "string"
      ? data
      : this.#decoder.decode(data, { stream: true });
    const lines = (this.#unfinished + text).split("\n");
    this.#unfinished = lines.pop() ?? "";
    for (const line of lines) this.#owner.heard(JSON.parse(line));
  }
}

const encoder = new TextEncoder();
