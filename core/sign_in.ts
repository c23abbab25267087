/**
 * Registering on a connection: as a guest, with a new account, or by signing in
 * to one.
 *
 * The password is forgotten as soon as the server has accepted it; what stays
 * is enough to sign in again while the program runs.
 *
 * @module
 */
import { ChatError, type Frame, header, type Headers } from "../protocol.ts";
import type { Requester } from "./net/connection.ts";
import { ConnectionError } from "./net/connection_error.ts";
import {
  deriveKeys,
  ITERATIONS,
  type Keys,
  Login,
  preparePassword,
  randomWord,
  ScramError,
  verifierOf,
} from "./scram.ts";

/** How to register. */
export type Way = "guest" | "signup" | "login";

/** Whether this runtime has what accounts need: browsers only with HTTPS. */
export const canUseAccounts: boolean = globalThis.crypto.subtle !== undefined &&
  "fromBase64" in Uint8Array;

/** The account that the name of a refused guest belongs to; else undefined. */
export function ownerOf(error: unknown): string | undefined {
  if (!(error instanceof ChatError) || error.code !== 110) return undefined;
  const owner = error.headers["account"];
  return owner === undefined ? undefined : `${owner}`;
}

/** See the top of the file. */
export class SignIn {
  /** How it registers next, until {@linkcode use} or a success changes it. */
  way: Way;
  /** The name of this program, for the list of the owner's devices. */
  client: string | undefined;
  /** The operator's code, with which the next sign-up takes an account over. */
  code: string | undefined;
  /** Whether we are registered with an account; a server may forget it. */
  owned = false;
  #password: string | undefined; // as it is hashed
  #keys: Keys | undefined; // what is left of it
  #next: Keys | undefined; // of a new password that is not known to be taken

  /** Without an account yet. */
  constructor(way: Way = "guest") {
    this.way = way;
  }

  /** Whether {@linkcode register} needs a password that it does not have. */
  get needsPassword(): boolean {
    return this.way !== "guest" && this.#password === undefined && !this.#keys;
  }

  /**
   * Registers in this way from now on.
   *
   * @param password As it was typed; without one, the password is forgotten.
   * @throws {ScramError} If the password cannot be used.
   */
  use(way: Way, password?: string): void {
    this.#password = password === undefined
      ? undefined
      : preparePassword(password);
    this.way = way;
  }

  /**
   * Registers, the first time and again: with a `Token` among the headers at
   * once, and by signing in if the server has forgotten the token.
   *
   * @returns The server's REGISTERED.
   * @throws {ChatError} If the server refuses.
   * @throws {ConnectionError} If the server does not know the account's
   * verifier, or asks for what would give the password away.
   */
  async register(
    server: Requester,
    name: string,
    headers: Headers = {},
  ): Promise<Frame> {
    const canResume = headers["Token"] && this.#password === undefined;
    if (this.way === "guest" || canResume) {
      try {
        const answer = await server.request("REGISTER", [name], headers);
        // Registered under another token: there is no account here.
        if (header(answer, "token") !== headers["Token"]) this.owned = false;
        return answer;
      } catch (error) {
        const loginRequired = error instanceof ChatError && error.code === 110;
        if (!loginRequired || !this.#keys) throw error;
      }
    }
    return this.way === "signup"
      ? await this.#signUp(server, name)
      : await this.#logIn(server, name, headers);
  }

  /**
   * Makes an account of the name under which we are registered.
   *
   * @throws {ScramError} If the password cannot be used.
   * @throws {ChatError} If the server refuses.
   */
  async signUp(
    server: Requester,
    name: string,
    password: string,
  ): Promise<void> {
    this.#password = preparePassword(password);
    await this.#signUp(server, name);
  }

  /**
   * Gives our account another password. The session goes on with another token.
   *
   * @throws {ScramError} If a password cannot be used.
   * @throws {ChatError} If the server refuses: 111 if `from` is wrong.
   * @throws {ConnectionError} As {@linkcode register}.
   */
  async changePassword(
    server: Requester,
    name: string,
    { from, to }: { readonly from: string; readonly to: string },
  ): Promise<void> {
    const keys = await deriveKeys(
      preparePassword(to),
      randomWord(),
      ITERATIONS,
    );
    const verifier = await verifierOf(keys);
    this.#next = keys;
    try {
      for (let isAgain = false;; isAgain = true) {
        try {
          await proveAgain(server, "PASSWORD", { name, from, verifier });
          break;
        } catch (error) {
          // The answer was lost, and we have signed in with it since.
          if (this.#keys === keys) break;
          // The challenge was that of a connection which was lost.
          const isLost = error instanceof ChatError && error.code === 105;
          if (!isLost || isAgain) throw error;
        }
      }
      this.#remember(keys);
    } finally {
      this.#next = undefined;
    }
  }

  /**
   * Deletes our account; the server ends the connection.
   *
   * @throws As {@linkcode changePassword}.
   */
  async unregister(
    server: Requester,
    name: string,
    password: string,
  ): Promise<void> {
    try {
      await proveAgain(server, "UNREGISTER", { name, from: password });
    } catch (error) {
      // The answer was lost, and we have registered as a guest since.
      const isGone = error instanceof ChatError && error.code === 105;
      if (!isGone || this.owned) throw error;
    }
    this.owned = false;
  }

  async #signUp(server: Requester, name: string): Promise<Frame> {
    const password = this.#password ?? "";
    const keys = await deriveKeys(password, randomWord(), ITERATIONS);
    const verifier = await verifierOf(keys);
    const before = this.#keys;
    this.#keys = keys; // the answer may get lost, and the account be there
    try {
      const headers = { Code: this.code, Client: this.client };
      const answer = await server.request("SIGNUP", [name], headers, verifier);
      this.#remember(keys);
      return answer;
    } catch (error) {
      this.#keys = before;
      throw error;
    }
  }

  async #logIn(
    server: Requester,
    name: string,
    headers: Headers,
  ): Promise<Frame> {
    const login = new Login(name);
    const { Token } = headers; // against locks that others have caused
    const Client = this.client;
    const { body } = await server.request(
      "LOGIN",
      [name],
      { Token, Client },
      login.first,
    );
    const challenge = decoder.decode(body);
    try {
      const keys = await this.#keysFor(login.readChallenge(challenge));
      const proof = await login.prove(challenge, keys);
      const answer = await server.request("PROVE", [name], headers, proof);
      login.check(decoder.decode(answer.body));
      this.#remember(keys);
      return answer;
    } catch (error) {
      throw distrusted(error);
    }
  }

  /** Keys that were made before, or are made from the password now. */
  async #keysFor(
    { salt, iterations }: Pick<Keys, "salt" | "iterations">,
  ): Promise<Keys> {
    const known = [this.#keys, this.#next].find((keys) =>
      keys?.salt === salt && keys.iterations === iterations
    );
    if (known) return known;
    if (this.#password === undefined) {
      throw new ScramError("Cannot sign in again: the account has changed");
    }
    return await deriveKeys(this.#password, salt, iterations);
  }

  #remember(keys: Keys): void {
    this.#keys = keys;
    this.owned = true;
    this.#password = undefined;
    this.code = undefined;
    this.way = "login";
  }
}

/** Makes a request that needs the password once more, over an open session. */
async function proveAgain(
  server: Requester,
  verb: "PASSWORD" | "UNREGISTER",
  { name, from, verifier }: {
    readonly name: string;
    readonly from: string;
    readonly verifier?: string;
  },
): Promise<void> {
  const password = preparePassword(from);
  const login = new Login(name);
  const { body } = await server.request("LOGIN", [name], {}, login.first);
  const challenge = decoder.decode(body);
  try {
    const { salt, iterations } = login.readChallenge(challenge);
    const keys = await deriveKeys(password, salt, iterations);
    const proof = await login.prove(challenge, keys);
    const lines = verifier === undefined ? [proof] : [proof, verifier];
    const answer = await server.request(verb, [name], {}, lines.join("\n"));
    login.check(decoder.decode(answer.body));
  } catch (error) {
    throw distrusted(error);
  }
}

/** What a server did wrong while we signed in, as the end of the connection. */
function distrusted(error: unknown): unknown {
  if (!(error instanceof ScramError)) return error;
  return new ConnectionError("protocol", error.message, {
    advice: "Do not type your password again before you know why: " +
      "another server may pretend to be the one that you know.",
  });
}

const decoder = new TextDecoder();
