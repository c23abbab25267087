/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The dialog in which the user sets a display name.
 *
 * @module
 */
import { inWords } from "../../../core/net/connection_error.ts";
import { sanitize } from "../../../core/text/sanitize.ts";
import type { Chat } from "../model/chat.ts";
import { byId } from "./dom.ts";

/** See the top of the file. */
export class NickDialog {
  readonly #chat: Chat;
  readonly #dialog = byId("nick-dialog", HTMLDialogElement);
  readonly #typed = byId("nick-text", HTMLInputElement);
  readonly #submit = byId("nick-submit", HTMLButtonElement);
  readonly #error = byId("nick-error");

  /** Listens until `signal` aborts. */
  constructor(chat: Chat, signal: AbortSignal) {
    this.#chat = chat;
    const close = () => this.#dialog.close();
    byId("nick-cancel").addEventListener("click", close, { signal });
    byId("nick-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take();
    }, { signal });
  }

  /** Shows the dialog. */
  open(): void {
    this.#typed.value = this.#chat.nicks.own ?? "";
    this.#error.hidden = true;
    this.#dialog.showModal();
  }

  async #take(): Promise<void> {
    const { nicks, server, watcher } = this.#chat;
    this.#submit.disabled = true;
    try {
      await nicks.take(server, this.#typed.value.trim());
      this.#dialog.close();
      watcher.changed();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#error.textContent = sanitize(inWords(error));
      this.#error.hidden = false;
    } finally {
      this.#submit.disabled = false;
    }
  }
}
