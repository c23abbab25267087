/**
 * The way to direct sessions, which are loaded when somebody wants one: most
 * visits have none, and start faster without.
 *
 * @module
 */
import type { Frame } from "../../protocol.ts";
import type { Direct, DirectParts } from "./direct.ts";

/** What a {@linkcode LazyDirect} needs. */
export interface LazyDirectParts extends Omit<DirectParts, "listens"> {
  /** Whether we can be called, at first. Default true. */
  readonly listens?: boolean;
}

/** See the top of the file. */
export class LazyDirect {
  /** Whether we can be called. */
  listening: boolean;
  /** What was loaded, if anything was wanted. */
  opened: Direct | undefined;
  readonly #parts: LazyDirectParts;
  #opening: Promise<Direct> | undefined;

  /** Nothing is loaded yet. */
  constructor(parts: LazyDirectParts) {
    this.#parts = parts;
    this.listening = parts.listens ?? true;
  }

  /** Takes what the server passes on of others, in its order. */
  receive({ verb, args, headers }: Frame): void {
    const frame = { verb, args, headers, body: new Uint8Array() };
    if (this.opened) this.opened.receive(frame);
    else this.open().then((direct) => direct.receive(frame));
  }

  /** Everything about direct sessions. */
  open(): Promise<Direct> {
    return this.#opening ??= this.#load();
  }

  /** Ends all sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    const direct = await this.#opening;
    await direct?.[Symbol.asyncDispose]();
  }

  async #load(): Promise<Direct> {
    const { Direct } = await import("./direct.ts");
    const listens = () => this.listening;
    return this.opened = new Direct({ ...this.#parts, listens });
  }
}
