// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Coming in with a name: as a guest, into an account, or making one. The
 * password is forgotten as soon as the server has taken it; what stays is
 * enough to log in again while the page is open. As core/sign_in.ts.
 *
 * @module
 */
import {
  deriveKeys,
  Login,
  newKeys,
  preparePassword,
  ScramError,
  verifierOf,
} from "../../../core/scram.ts";
import { ChatError } from "../../../protocol.ts";
import { Lost } from "./connection.js";

/** @import { Keys } from "../../../core/scram.ts" */
/** @import { Headers, RequestVerb } from "../../../protocol.ts" */
/** @import { Answer } from "./connection.js" */

/** @typedef {"guest" | "login" | "signup"} Way */

/**
 * @typedef {object} Asked Whoever can be asked: a connection, or a line.
 * @property {(verb: RequestVerb, args: readonly string[], headers?: Headers, body?: string) => Promise<Answer>} request
 */

/** Whether this page can do what accounts need. */
export const canUseAccounts = globalThis.crypto.subtle !== undefined &&
  "fromBase64" in Uint8Array;

/** How we come in. */
export class Account {
  /** @type {Way} */
  #way;
  /** @type {string | undefined} */
  #password;
  /** @type {Keys | undefined} */
  #keys;

  /**
   * @param {Way} way
   * @param {string} password Of no meaning to guests.
   * @throws {ScramError} If the password cannot be used.
   */
  constructor(way, password) {
    this.#way = way;
    if (way !== "guest") this.#password = preparePassword(password);
  }

  /** Whether we are in with an account. */
  get owned() {
    return this.#keys !== undefined;
  }

  /**
   * Comes in, the first time and again: with a `Token` at once, and by logging
   * in if the server has forgotten that.
   *
   * @param {Asked} asked
   * @param {string} name
   * @param {Headers} [headers]
   * @returns {Promise<Answer>} The server's REGISTERED.
   */
  async comeIn(asked, name, headers = {}) {
    if (this.#way === "guest" || headers["Token"] !== undefined) {
      try {
        return await asked.request("REGISTER", [name], headers);
      } catch (error) {
        const required = error instanceof ChatError && error.code === 110;
        if (!required || !this.#keys) throw error;
      }
    }
    return this.#way === "signup"
      ? await this.#signUp(asked, name)
      : await this.#logIn(asked, name, headers);
  }

  /**
   * Makes the name under which we are in an account.
   *
   * @param {Asked} asked
   * @param {string} name
   * @param {string} password
   * @throws {ScramError} If the password cannot be used.
   */
  async own(asked, name, password) {
    this.#password = preparePassword(password);
    return await this.#signUp(asked, name);
  }

  /** @param {Asked} asked @param {string} name */
  async #signUp(asked, name) {
    const keys = await newKeys(this.#password ?? "");
    const verifier = await verifierOf(keys);
    const answer = await asked.request("SIGNUP", [name], {}, verifier);
    this.#remember(keys);
    return answer;
  }

  /** @param {Asked} asked @param {string} name @param {Headers} headers */
  async #logIn(asked, name, headers) {
    const login = new Login(name);
    const challenge = textOf(
      await asked.request("LOGIN", [name], {}, login.first),
    );
    try {
      const { salt, iterations } = login.readChallenge(challenge);
      const keys = await this.#keysFor(salt, iterations);
      const proof = await login.prove(challenge, keys);
      const answer = await asked.request("PROVE", [name], headers, proof);
      login.check(textOf(answer));
      this.#remember(keys);
      return answer;
    } catch (error) {
      if (!(error instanceof ScramError)) throw error;
      throw new Lost(error.message, false);
    }
  }

  /** @param {string} salt @param {number} iterations */
  async #keysFor(salt, iterations) {
    const known = this.#keys;
    if (known?.salt === salt && known.iterations === iterations) return known;
    if (this.#password === undefined) {
      throw new ScramError("Cannot log in again: the account has changed");
    }
    return await deriveKeys(this.#password, salt, iterations);
  }

  /** @param {Keys} keys */
  #remember(keys) {
    this.#keys = keys;
    this.#password = undefined;
    this.#way = "login";
  }
}

/** The account that a name belongs to, if that is why we are not let in. @param {unknown} error */
export function ownerOf(error) {
  if (!(error instanceof ChatError) || error.code !== 110) return undefined;
  return error.headers["account"];
}

/** @param {Answer} answer */
function textOf({ body }) {
  return new TextDecoder().decode(body);
}
