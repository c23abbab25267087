/**
 * What a client surely had when it was not in a room any more, or ended: one that was
 * away then gets nothing more of it.
 *
 * @module
 */
import { type Frame, header } from "../../../protocol.ts";
import type { Span } from "./model.ts";

/** See the top of the file. */
export class Ends {
  #told: number | undefined; // on this connection: up to which id it has all
  #had = 0; // the same, at least
  #ended: Span[] = []; // since it has told that

  /** It has another connection. */
  dialled(): void {
    this.#told = undefined;
  }

  /** It sends something: one that comes back tells what it has. */
  sends(bytes: Uint8Array): void {
    const [, after] = AFTER.exec(decoder.decode(bytes.subarray(0, 300))) ?? [];
    if (after !== undefined) this.#tell(Number(after));
  }

  /** It gets something, and has all that came before: messages come in order. */
  takes(frame: Frame): void {
    if (frame.verb !== "FORWARD" && frame.verb !== "SENT") return;
    this.#had = Math.max(this.#had, Number(header(frame, "id") ?? 0));
  }

  /** The last of the spans has ended, while the client was registered or was not. */
  closed(span: Span, isRegistered: boolean): void {
    if (!isRegistered && this.#told !== undefined) span.upTo = this.#told;
    else this.#ended.push(span);
  }

  /** It has ended. */
  over(): void {
    this.#tell(this.#had);
  }

  #tell(upTo: number): void {
    this.#told = upTo;
    this.#had = Math.max(this.#had, upTo);
    for (const span of this.#ended.splice(0)) span.upTo = upTo;
  }
}

/** What a client sends that comes back. */
const AFTER = /^(?:REGISTER|LOGIN) [^]*?\nAfter: (\d+)\n/;

const decoder = new TextDecoder();
