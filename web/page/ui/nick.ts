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

/** Makes the dialog work; `on` adds a listener that ends with the chat. */
export function listenToNick(
  chat: Chat,
  on: (
    element: HTMLElement,
    type: "click" | "submit",
    act: (event: Event) => void,
  ) => void,
): void {
  const dialog = byId("nick-dialog", HTMLDialogElement);
  const typed = byId("nick-text", HTMLInputElement);
  const submit = byId("nick-submit", HTMLButtonElement);
  const problem = byId("nick-error");
  on(byId("nick"), "click", () => {
    typed.value = chat.nicks.own ?? "";
    problem.hidden = true;
    dialog.showModal();
  });
  on(byId("nick-cancel"), "click", () => dialog.close());
  on(byId("nick-form"), "submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await chat.nicks.take(chat.server, typed.value.trim());
      dialog.close();
      chat.watcher.changed();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      problem.textContent = sanitize(inWords(error));
      problem.hidden = false;
    } finally {
      submit.disabled = false;
    }
  });
}
