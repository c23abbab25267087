/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The form in which the user chooses a name and a server. It remembers what was
 * typed last, except for passwords.
 *
 * @module
 */
import { sanitize } from "../../../core/text/sanitize.ts";
import { inWords } from "../../../core/net/connection_error.ts";
import {
  canUseAccounts,
  ownerOf,
  SignIn,
  type Way,
} from "../../../core/sign_in.ts";
import {
  hasAccount,
  NAME_RULE,
  needsCode,
  noAccount,
} from "../../../core/text/sentences.ts";
import { ChatError, DEFAULT_PORT, isUserName } from "../../../protocol.ts";
import { settings } from "../model/settings.ts";
import type { Stored } from "../model/stored.ts";
import { byId } from "./dom.ts";
import { recall, remember } from "../model/storage.ts";

/** What the list of the owner's devices says of this one. */
const PROGRAM = "Parley in a browser";

/** The name to register, and the server. */
export interface Goal {
  readonly name: string;
  readonly signIn: SignIn;
  /** The address of the WebSocket. */
  readonly url: URL;
}

const REMEMBERED = "parley";

/** A server's port for TLS is the next one. */
const NORMAL_PORT = settings.tls ? DEFAULT_PORT + 1 : DEFAULT_PORT;

/** See the top of the file. */
export class Form {
  readonly #form = byId("entrance-form", HTMLFormElement);
  readonly #ways = [
    ...this.#form.querySelectorAll<HTMLInputElement>("[name=way]"),
  ];
  readonly #name = byId("name", HTMLInputElement);
  readonly #server = byId("server", HTMLInputElement);
  readonly #port = byId("port", HTMLInputElement);
  readonly #code = byId("code", HTMLInputElement);
  readonly #password = byId("password", HTMLInputElement);
  readonly #repeat = byId("repeat", HTMLInputElement);
  readonly #enter = byId("enter", HTMLButtonElement);
  readonly #error = byId("entrance-error");
  readonly #suggestion = byId("suggestion", HTMLButtonElement);
  readonly #submit: (goal: Goal) => void;

  constructor(submit: (goal: Goal) => void) {
    this.#submit = submit;
    const typed = Object(recall("localStorage", REMEMBERED));
    const { name, server, port } = { ...typed, ...settings };
    this.#name.value = `${name ?? ""}`;
    this.#server.value = `${server || "127.0.0.1"}`;
    this.#port.value = `${port || NORMAL_PORT}`;
    byId("server-fields").hidden = !settings.local;
    byId("encrypted").hidden = !settings.tls;
    byId("no-accounts").hidden = canUseAccounts;
    for (const way of this.#ways) {
      way.disabled = way.value !== "guest" && !canUseAccounts;
      way.addEventListener("change", () => this.#drawWay());
    }
    this.#name.addEventListener("input", () => this.#needsCode(false));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go();
    });
    this.#suggestion.addEventListener("click", () => {
      this.#name.value = this.#suggestion.dataset["name"] ?? "";
      this.#go();
    });
  }

  /** Shows the form, with an error if there is one. */
  show(error?: string): void {
    byId("entrance").hidden = false;
    this.#busy(false);
    this.#explain(error);
    this.#name.focus();
  }

  /** Goes on with the session of the last page in this tab, if there is one. */
  resume(stored: Stored | undefined): void {
    if (!stored?.session || this.#enter.disabled) return;
    const { name, url, owned } = stored;
    const signIn = new SignIn();
    signIn.client = PROGRAM;
    signIn.owned = owned;
    this.#name.value = name;
    this.#busy(true);
    this.#submit({ name, signIn, url: new URL(url) });
  }

  /** Puts it away, with the passwords. After a sign-up, the next step is to sign in. */
  hide(): void {
    if (this.#way === "signup") this.#way = "login";
    byId("entrance").hidden = true;
    this.#password.value = "";
    this.#repeat.value = "";
    this.#needsCode(false);
    this.#explain();
  }

  /** Shows the reason why the user waits. */
  tell(text: string): void {
    this.#explain(text);
  }

  /** Shows why the server refuses the user, and the next step. */
  refuse(error: Error): void {
    const isSignUp = error instanceof ChatError && error.code === 113;
    if (isSignUp) {
      this.#needsCode(false);
      this.#way = "login";
    }
    const isName = error instanceof ChatError && error.code === 104;
    this.show(inWords(error) + (isName ? " Choose another name." : ""));
    const owner = ownerOf(error);
    if (owner !== undefined && canUseAccounts) {
      this.#way = "login";
      this.#explain(hasAccount(owner));
      this.#password.focus();
    }
    if (!(error instanceof ChatError)) return;
    const left = error.headers["attempts-left"];
    const isOfCode = this.#way === "signup";
    if (left !== undefined) {
      const what = isOfCode ? "code" : "password";
      this.#explain(`Wrong ${what}. Attempts left: ${left}`);
    }
    if (error.code === 111) (isOfCode ? this.#code : this.#password).focus();
    if (error.code === 123) this.#askCode(error);
    if (error.code === 121) this.#explain(noAccount(this.#name.value.trim()));
    const free = `${error.headers["suggestion"] ?? ""}`;
    if (!isUserName(free)) return;
    this.#suggestion.hidden = false;
    this.#suggestion.dataset["name"] = free;
    this.#suggestion.textContent = `Join as ${free}`;
  }

  /** The name waits for a code: shows the field for it, and says why. */
  #askCode(error: ChatError): void {
    if (!canUseAccounts) return;
    const isAsked = this.#code.value !== ""; // then the error says more
    this.#way = "signup";
    this.#needsCode(true);
    this.#explain(
      isAsked ? inWords(error) : needsCode(this.#name.value.trim()),
    );
    this.#code.focus();
  }

  #needsCode(needs: boolean): void {
    byId("code-field").hidden = !needs;
    if (!needs) this.#code.value = "";
  }

  async #go(): Promise<void> {
    const name = this.#name.value.trim();
    if (!isUserName(name)) {
      const isReserved = /^[A-Za-z0-9]{1,32}$/.test(name);
      this.#name.focus();
      return this.#explain(
        isReserved ? `"${name}" is reserved. Choose another name.` : NAME_RULE,
      );
    }
    const way = this.#way;
    this.#explain();
    this.#busy(true);
    try {
      if (way === "signup") {
        await checkTyped(name, this.#password, this.#repeat);
      }
      const signIn = new SignIn();
      signIn.client = PROGRAM;
      signIn.use(way, way === "guest" ? undefined : this.#password.value);
      if (way === "signup") signIn.code = this.#code.value.trim() || undefined;
      const url = this.#url();
      const typed = { server: this.#server.value, port: this.#port.value };
      remember("localStorage", REMEMBERED, { name, ...typed });
      this.#submit({ name, signIn, url });
    } catch (error) {
      // The cast: nothing throws anything else.
      this.refuse(error as Error);
      this.#password.focus();
    }
  }

  /** The address of the WebSocket. */
  #url(): URL {
    const url = new URL("/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (settings.local) {
      url.searchParams.set("server", this.#server.value.trim());
      url.searchParams.set("port", this.#port.value.trim());
    }
    return url;
  }

  get #way(): Way {
    const value = this.#ways.find(({ checked }) => checked)?.value;
    return value === "login" || value === "signup" ? value : "guest";
  }

  set #way(value: Way) {
    for (const way of this.#ways) way.checked = way.value === value;
    this.#drawWay();
  }

  #drawWay(): void {
    const way = this.#way;
    if (way !== "signup") this.#needsCode(false);
    byId("password-field").hidden = way === "guest";
    byId("repeat-field").hidden = way !== "signup";
    this.#password.autocomplete = way === "signup"
      ? "new-password"
      : "current-password";
    this.#explain();
  }

  #busy(busy: boolean): void {
    this.#enter.disabled = busy;
    this.#enter.textContent = busy ? "Joining…" : "Join";
  }

  #explain(text = ""): void {
    this.#error.hidden = text === "";
    this.#error.textContent = sanitize(text);
    this.#suggestion.hidden = true;
  }
}

/** @throws {Error} If a new account cannot have the password, typed twice. */
export async function checkTyped(
  name: string,
  password: HTMLInputElement,
  repeat: HTMLInputElement,
): Promise<void> {
  const module = await import("../../../core/new_password.ts").catch(() => {
    throw new Error(NOT_LOADED);
  });
  module.checkRepeated(name, password.value, repeat.value);
}

/** A browser may not ask again for a script that did not come. */
const NOT_LOADED =
  "Cannot check the password: the server did not send the list. Reload the page";
