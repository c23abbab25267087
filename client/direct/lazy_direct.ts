/**
 * Loads direct sessions when one is wanted: most sessions have none, and start
 * faster without the code.
 *
 * @module
 */
import type { Frame } from "../../protocol.ts";
import type { Direct, DirectParts } from "./direct.ts";

export class LazyDirect {
  /** Whether users can call us. */
  listening: boolean;
  /** Undefined until it is loaded. */
  opened: Direct | undefined;
  readonly #parts: Omit<DirectParts, "listens">;
  #opening: Promise<Direct> | undefined;

  constructor(parts: Omit<DirectParts, "listens">, listening: boolean) {
    this.#parts = parts;
    this.listening = listening;
  }

  /** Handles a frame of another user, in order. */
  receive({ verb, args, headers }: Frame): void {
    const frame = { verb, args, headers, body: new Uint8Array() };
    if (this.opened) this.opened.receive(frame);
    else this.open().then((direct) => direct.receive(frame));
  }

  /** Loads it, once. */
  open(): Promise<Direct> {
    return this.#opening ??= import("./direct.ts").then(({ Direct }) => {
      const listens = () => this.listening;
      return this.opened = new Direct({ ...this.#parts, listens });
    });
  }

  /** Ends all sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    const direct = await this.#opening;
    await direct?.[Symbol.asyncDispose]();
  }
}
