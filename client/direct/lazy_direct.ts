/**
 * Loads direct sessions when one is wanted: most sessions have none, and start
 * faster without the code.
 *
 * @module
 */
import type { Frame } from "../../protocol.ts";
import type { Direct, DirectOwner, DirectSettings } from "./direct.ts";

export class LazyDirect {
  /** Whether users can call us. */
  listening: boolean;
  /** Undefined until it is loaded. */
  opened: Direct | undefined;
  readonly #owner: DirectOwner;
  readonly #settings: DirectSettings;
  #opening: Promise<Direct> | undefined;

  constructor(owner: DirectOwner, settings: DirectSettings) {
    this.#owner = owner;
    this.#settings = settings;
    this.listening = settings.listens ?? true;
  }

  /** Handles a frame of another user, in order. */
  receive({ verb, args, headers }: Frame): void {
    const frame = { verb, args, headers, body: new Uint8Array() };
    if (this.opened) this.opened.receive(frame);
    else this.open().then((direct) => direct.receive(frame));
  }

  /** Loads it, once. */
  open(): Promise<Direct> {
    return this.#opening ??= import("./direct.ts").then(({ Direct }) =>
      this.opened = new Direct(this.#owner, this.#settings)
    );
  }

  /** Ends all sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    const direct = await this.#opening;
    await direct?.[Symbol.asyncDispose]();
  }
}
