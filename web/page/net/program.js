// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The line to the program that has opened the page with `client.ts --gui`: what
 * is said on it is in core/page_talk.ts. It is not opened again once it ends.
 *
 * That program has served this very page, so what it says is not doubted here;
 * only what it passes on from others is cleaned where it is shown.
 *
 * @module
 */
import { sendInPieces } from "./connection.js";

/** @import { FromPage, ToPage } from "../../../core/page_talk.ts" */

/** See the top of the file. */
export class Program {
  #socket;
  #heard;
  #decoder = new TextDecoder();
  #unfinished = ""; // line

  /**
   * @param {string} name Whom we are.
   * @param {object} owner
   * @param {(message: ToPage) => void} owner.heard
   * @param {() => void} owner.ended
   */
  constructor(name, { heard, ended }) {
    const url = new URL("/files", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("name", name);
    this.#heard = heard;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = ended;
  }

  /** Whether it hears us. */
  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Tells it something, unless it is gone. @param {FromPage} message */
  tell(message) {
    if (!this.isOpen) return;
    const line = `${JSON.stringify(message)}\n`;
    sendInPieces(this.#socket, encoder.encode(line));
  }

  /** Ends it. Idempotent. */
  close() {
    this.#socket.close();
  }

  /** @param {ArrayBuffer | string} data */
  #take(data) {
    const text = typeof data === "string"
      ? data
      : this.#decoder.decode(data, { stream: true });
    const lines = (this.#unfinished + text).split("\n");
    this.#unfinished = lines.pop() ?? "";
    for (const line of lines) this.#heard(JSON.parse(line));
  }
}

const encoder = new TextEncoder();
