// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The form by which one comes in. It remembers what was typed last, but for
 * passwords.
 *
 * @module
 */
import { preparePassword, ScramError } from "../../../core/scram.ts";
import { ChatError, DEFAULT_PORT, isUserName } from "../../../protocol.ts";
import { Account, canUseAccounts, ownerOf } from "../net/account.js";
import { inWords } from "../net/connection.js";
import { byId } from "./dom.js";
import { settings } from "../model/settings.js";
import { line } from "./text.js";

/** @import { Way } from "../net/account.js" */

/** @typedef {{ name: string, account: Account, url: URL }} Goal Whom to be, and where. */

const REMEMBERED = "parley";

/** A server's port for TLS is the next one. */
const NORMAL_PORT = settings.tls ? DEFAULT_PORT + 1 : DEFAULT_PORT;

/** See the top of the file. */
export class Form {
  #form = byId("entrance-form", HTMLFormElement);
  #name = byId("name", HTMLInputElement);
  #server = byId("server", HTMLInputElement);
  #port = byId("port", HTMLInputElement);
  #password = byId("password", HTMLInputElement);
  #repeat = byId("repeat", HTMLInputElement);
  #enter = byId("enter", HTMLButtonElement);
  #error = byId("entrance-error");
  #suggestion = byId("suggestion", HTMLButtonElement);
  #submit;

  /** @param {(goal: Goal) => void} submit */
  constructor(submit) {
    this.#submit = submit;
    const { name = "", server = "", port = "" } = remembered();
    this.#name.value = settings.name ?? name;
    this.#server.value = settings.server ?? (server || "127.0.0.1");
    this.#port.value = `${settings.port ?? (port || NORMAL_PORT)}`;
    byId("server-fields").hidden = !settings.local;
    byId("encrypted").hidden = !settings.tls;
    byId("no-accounts").hidden = canUseAccounts;
    for (const way of this.#ways()) {
      way.disabled = way.value !== "guest" && !canUseAccounts;
      way.addEventListener("change", () => this.#drawWay());
    }
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go();
    });
    this.#suggestion.addEventListener("click", () => {
      this.#name.value = this.#suggestion.dataset["name"] ?? "";
      this.#go();
    });
  }

  /** Shows it; with why, if something went wrong. @param {string} [error] */
  show(error) {
    byId("entrance").hidden = false;
    this.#busy(false);
    this.#explain(error);
    this.#name.focus();
  }

  /** Puts it away, with the passwords. */
  hide() {
    byId("entrance").hidden = true;
    this.#password.value = "";
    this.#repeat.value = "";
    this.#explain();
  }

  /** Says why one is not let in, and what to do about it. @param {Error} error */
  refuse(error) {
    this.show(inWords(error));
    const owner = ownerOf(error);
    if (owner !== undefined && canUseAccounts) {
      this.#way = "login";
      this.#explain(
        `${line(`${owner}`)} has an account. Is it yours? Then log in`,
      );
      this.#password.focus();
    }
    if (!(error instanceof ChatError)) return;
    const left = error.headers["attempts-left"];
    if (left !== undefined) {
      this.#explain(`Wrong password. Attempts left: ${left}`);
    }
    if (error.code === 111) this.#password.focus();
    if (error.code === 113) this.#way = "login";
    const free = `${error.headers["suggestion"] ?? ""}`;
    if (!isUserName(free)) return;
    this.#suggestion.hidden = false;
    this.#suggestion.dataset["name"] = free;
    this.#suggestion.textContent = `Come in as ${free}`;
  }

  #go() {
    const name = this.#name.value.trim();
    if (!isUserName(name)) {
      const isReserved = /^[A-Za-z0-9]{1,32}$/.test(name);
      this.#name.focus();
      return this.#explain(
        isReserved
          ? `"${name}" is reserved. Take another name`
          : "A name has 1 to 32 letters (A-Z, a-z) and digits",
      );
    }
    const way = this.#way;
    try {
      if (way === "signup") checkRepeated(this.#password, this.#repeat);
      const account = new Account(way, this.#password.value);
      const url = this.#url();
      this.#explain();
      this.#busy(true);
      remember({ name, server: this.#server.value, port: this.#port.value });
      this.#submit({ name, account, url });
    } catch (error) {
      if (!(error instanceof ScramError)) throw error;
      this.#password.focus();
      this.#explain(error.message);
    }
  }

  /** Where the WebSocket is. */
  #url() {
    const url = new URL("/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (settings.local) {
      url.searchParams.set("server", this.#server.value.trim());
      url.searchParams.set("port", this.#port.value.trim());
    }
    return url;
  }

  /** @returns {HTMLInputElement[]} */
  #ways() {
    return [...this.#form.querySelectorAll("input")].filter(({ type }) =>
      type === "radio"
    );
  }

  /** @returns {Way} */
  get #way() {
    const value = this.#ways().find(({ checked }) => checked)?.value;
    return value === "login" || value === "signup" ? value : "guest";
  }

  set #way(value) {
    for (const way of this.#ways()) way.checked = way.value === value;
    this.#drawWay();
  }

  #drawWay() {
    const way = this.#way;
    byId("password-field").hidden = way === "guest";
    byId("repeat-field").hidden = way !== "signup";
    this.#password.autocomplete = way === "signup"
      ? "new-password"
      : "current-password";
    this.#explain();
  }

  /** @param {boolean} busy */
  #busy(busy) {
    this.#enter.disabled = busy;
    this.#enter.textContent = busy ? "Coming in…" : "Come in";
  }

  /** @param {string} [text] */
  #explain(text = "") {
    this.#error.hidden = text === "";
    this.#error.textContent = line(text);
    this.#suggestion.hidden = true;
  }
}

/**
 * @param {HTMLInputElement} password
 * @param {HTMLInputElement} repeat
 * @throws {ScramError} If the password was not typed twice, or is none.
 */
export function checkRepeated(password, repeat) {
  preparePassword(password.value);
  if (password.value === repeat.value) return;
  throw new ScramError("The two passwords are not the same");
}

/** @returns {Record<string, string>} What was typed the last time. */
function remembered() {
  try {
    return Object(JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}"));
  } catch {
    return {}; // a browser may keep nothing, or others may have written it
  }
}

/** @param {Record<string, string>} values */
function remember(values) {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify(values));
  } catch {
    // A browser may keep nothing; then it is typed again.
  }
}
