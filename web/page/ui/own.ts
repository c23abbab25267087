/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The dialog about the own account: it creates one, changes its password, or
 * deletes it.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import { inWords } from "../../../core/net/connection_error.ts";
import {
  accountCreated,
  accountDeleted,
  passwordChanged,
} from "../../../core/text/sentences.ts";
import type { Chat } from "../model/chat.ts";
import type { OwnDeed } from "../model/watcher.ts";
import { byId } from "./dom.ts";
import { checkTyped } from "./form.ts";
import { toast } from "./news.ts";

/** What the dialog shows for a deed. */
interface Texts {
  readonly title: string;
  readonly lead: string;
  readonly submit: string;
  /** What is shown once it is done. */
  done(name: string): string;
}

const TEXTS: Readonly<Record<OwnDeed, Texts>> = {
  create: {
    title: "Create an account",
    lead: "Then your name needs your password, and private messages are " +
      "stored for you while you are away.",
    submit: "Create account",
    done: accountCreated,
  },
  change: {
    title: "Change the password",
    lead: "Your other devices must then sign in again.",
    submit: "Change password",
    done: passwordChanged,
  },
  remove: {
    title: "Delete the account",
    lead: "Private messages to you are deleted, and any user can take your " +
      "name. What you sent to rooms stays.",
    submit: "Delete account",
    done: accountDeleted,
  },
};

/** See the top of the file. */
export class OwnDialog {
  readonly #chat: Chat;
  readonly #dialog = byId("own-dialog", HTMLDialogElement);
  readonly #present = byId("own-present", HTMLInputElement);
  readonly #password = byId("own-password", HTMLInputElement);
  readonly #repeat = byId("own-repeat", HTMLInputElement);
  readonly #confirm = byId("own-confirm", HTMLInputElement);
  readonly #submit = byId("own-submit", HTMLButtonElement);
  readonly #error = byId("own-error");
  #deed: OwnDeed = "create";

  /** Listens until `signal` aborts. */
  constructor(chat: Chat, signal: AbortSignal) {
    this.#chat = chat;
    const on = (id: string, type: string, run: (event: Event) => void) =>
      byId(id).addEventListener(type, run, { signal });
    on("own-form", "submit", (event) => {
      event.preventDefault();
      this.#go();
    });
    on("own-cancel", "click", () => this.#dialog.close());
    on("own-dialog", "close", () => this.#clear());
    signal.addEventListener("abort", () => this.#dialog.close());
  }

  /** Shows the dialog. */
  open(deed: OwnDeed): void {
    const { title, lead, submit } = TEXTS[deed];
    this.#deed = deed;
    byId("own-title").textContent = title;
    byId("own-lead").textContent = lead;
    this.#submit.textContent = submit;
    byId("own-name", HTMLInputElement).value = this.#chat.me;
    const isNew = deed !== "remove";
    byId("own-present-field").hidden = deed === "create";
    byId("own-new-fields").hidden = !isNew;
    byId("own-confirm-field").hidden = isNew;
    byId("own-password-label").textContent = deed === "change"
      ? "New password"
      : "Password";
    this.#error.hidden = true;
    this.#dialog.showModal();
    (deed === "create" ? this.#password : this.#present).focus();
  }

  async #go(): Promise<void> {
    const chat = this.#chat;
    const { me } = chat;
    this.#submit.disabled = true;
    this.#error.hidden = true;
    try {
      await this.#do();
      this.#dialog.close();
      toast(TEXTS[this.#deed].done(me));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#error.textContent = sanitize(inWords(error));
      this.#error.hidden = false;
    } finally {
      this.#submit.disabled = false;
    }
  }

  async #do(): Promise<void> {
    const chat = this.#chat;
    const from = this.#present.value;
    if (this.#deed === "remove") {
      if (this.#confirm.value.trim().toLowerCase() !== chat.me.toLowerCase()) {
        throw new Error("Type your name to confirm that");
      }
      return await chat.unregister(from);
    }
    await checkTyped(chat.me, this.#password, this.#repeat);
    const to = this.#password.value;
    if (this.#deed === "create") await chat.signUp(to);
    else await chat.changePassword(from, to);
  }

  /** No password stays in the page. */
  #clear(): void {
    for (
      const input of [
        this.#present,
        this.#password,
        this.#repeat,
        this.#confirm,
      ]
    ) input.value = "";
  }
}
