/**
 * Coming in with an account: which way, and the password for it.
 *
 * A password comes from a person, unseen, or from a file; never from the command
 * line, which others can read. It is forgotten as soon as the server has taken
 * it; what stays is enough to log in again, for as long as the program runs.
 *
 * @module
 */
import {
  ChatError,
  type Frame,
  header,
  type Headers,
  type RequestVerb,
} from "../protocol.ts";
import { sanitize } from "./text/sanitize.ts";
import { said } from "./connection.ts";
import { EXIT, Failure } from "../client/terminal/failure.ts";
import {
  type Bytes,
  deriveKeys,
  type Keys,
  Login,
  MAX_PASSWORD_BYTES,
  newKeys,
  preparePassword,
  ScramError,
  verifierOf,
} from "./scram.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** How to come in: `guest` asks for a password if the name has an account. */
export type Way = "guest" | "signup" | "login";

/** Whoever can be asked: a connection. */
export interface Asked {
  /** Asks, and waits for the answer. */
  request(
    verb: RequestVerb,
    args: readonly string[],
    headers?: Headers,
    body?: string,
  ): Promise<Frame>;
}

/** What an {@linkcode Access} is made of. */
export interface AccessOptions {
  /** How the command line says to come in. */
  readonly way: Way;
  /** Where the password is, if nobody is to be asked. */
  readonly passwordFile: string | undefined;
  /** Where to ask; undefined if nobody sits there. */
  readonly terminal: Terminal | undefined;
}

/** See the top of the file. */
export class Access {
  readonly #firstWay: Way;
  #way: Way;
  #password: string | undefined; // as it is hashed
  #keys: Keys | undefined; // what is left of it
  #owns = false;
  readonly #file: string | undefined;
  readonly #terminal: Terminal | undefined;

  /** Nothing was asked for yet. */
  constructor(options: AccessOptions) {
    this.#firstWay = options.way;
    this.#way = options.way;
    this.#file = options.passwordFile;
    this.#terminal = options.terminal;
  }

  /** Whether we are in with an account; a server may forget it. */
  get owns(): boolean {
    return this.#owns;
  }

  /** Whether there is somebody who can be asked. */
  get asks(): boolean {
    return this.#terminal !== undefined;
  }

  /**
   * Gets the password, if it is clear that one is needed: before connecting,
   * since the server does not wait for somebody who types.
   *
   * @returns Whether we can come in now; otherwise nobody typed a password.
   * @throws {Failure} If there is nobody to ask, or the file is unusable.
   */
  async prepare(name: string): Promise<boolean> {
    if (this.#way === "guest" || this.#password || this.#keys) return true;
    if (this.#file !== undefined) {
      this.#password = await passwordIn(this.#file);
      return true;
    }
    this.#password = this.#way === "signup"
      ? await this.#askNewPassword(name)
      : await this.#ask(`Password for ${name}: `);
    if (this.#password === undefined) this.#way = this.#firstWay;
    return this.#password !== undefined;
  }

  /**
   * Comes in, the first time and again: with a `Token` among the headers at
   * once, and by logging in if the server has forgotten that.
   *
   * @returns The server's REGISTERED.
   * @throws {ChatError} If the server does not let us in.
   * @throws {Failure} If the server does not know the account's verifier.
   */
  async comeIn(
    asked: Asked,
    name: string,
    headers: Headers = {},
  ): Promise<Frame> {
    if (this.#way === "guest" || headers["Token"] !== undefined) {
      try {
        const answer = await asked.request("REGISTER", [name], headers);
        // Let in without the token that proved us: there is no account here.
        if (header(answer, "token") !== headers["Token"]) this.#owns = false;
        return answer;
      } catch (error) {
        const loginRequired = error instanceof ChatError && error.code === 110;
        if (!loginRequired || !this.#keys) throw error;
      }
    }
    return this.#way === "signup"
      ? await this.#signUp(asked, name)
      : await this.#logIn(asked, name, headers);
  }

  /**
   * Finds a way around what kept us out: a password may be asked for, or asked
   * for again, or somebody signs up. That a guest needs a password is news
   * once; a server that says it again is not asked for ever.
   *
   * @returns Whether it makes sense to try again, with {@linkcode prepare}.
   * @throws {Failure} If a password is needed and nobody can be asked.
   */
  async overcome(error: ChatError): Promise<boolean> {
    this.#password = undefined;
    const terminal = this.#file === undefined ? this.#terminal : undefined;
    const isOwned = error.code === 110 &&
      error.headers["account"] !== undefined;
    if (isOwned && this.#way === "guest") {
      if (!this.#terminal && this.#file === undefined) {
        throw needsPassword(error);
      }
      this.#way = "login";
    } else if (!terminal || !CURABLE.has(error.code)) {
      return false;
    } else {
      terminal.print(`! ${sanitize(sentence(error))}\n`);
      this.#way = error.code === 110 ? await askWay(terminal) : "login";
    }
    return true;
  }

  /**
   * Makes the name under which we are in an account.
   *
   * @returns Whether it did: nobody may have typed a password.
   * @throws {ChatError} If the server does not do it.
   */
  async signUpHere(asked: Asked, name: string): Promise<boolean> {
    this.#password = await this.#askNewPassword(name);
    if (this.#password === undefined) return false;
    await this.#signUp(asked, name);
    return true;
  }

  async #signUp(asked: Asked, name: string): Promise<Frame> {
    const keys = await newKeys(this.#password!); // `prepare` was called
    const verifier = await verifierOf(keys);
    const before = this.#keys;
    this.#keys = keys; // the answer may get lost, and the account be there
    try {
      const answer = await asked.request("SIGNUP", [name], {}, verifier);
      this.#remember(keys);
      return answer;
    } catch (error) {
      this.#keys = before;
      throw error;
    }
  }

  async #logIn(asked: Asked, name: string, headers: Headers): Promise<Frame> {
    const login = new Login(name);
    const challenge = textOf(
      await asked.request("LOGIN", [name], {}, login.first),
    );
    try {
      const keys = await this.#keysFor(login.readChallenge(challenge));
      const proof = await login.prove(challenge, keys);
      const answer = await asked.request("PROVE", [name], headers, proof);
      login.check(textOf(answer));
      this.#remember(keys);
      return answer;
    } catch (error) {
      if (!(error instanceof ScramError)) throw error;
      throw new Failure(EXIT.protocol, error.message, {
        advice: "Do not type your password again before you know why: " +
          "somebody else's server may pretend to be the one you know.",
      });
    }
  }

  /** Keys that were made before, or are made from the password now. */
  async #keysFor(
    { salt, iterations }: Pick<Keys, "salt" | "iterations">,
  ): Promise<Keys> {
    const known = this.#keys;
    if (known?.salt === salt && known.iterations === iterations) return known;
    if (this.#password === undefined) {
      throw new ScramError("Cannot log in again: the account has changed");
    }
    return await deriveKeys(this.#password, salt, iterations);
  }

  #remember(keys: Keys): void {
    this.#keys = keys;
    this.#owns = true;
    this.#password = undefined;
    this.#way = "login";
  }

  /** The password that was typed twice; undefined if none was. */
  async #askNewPassword(name: string): Promise<string | undefined> {
    for (;;) {
      const password = await this.#ask(`New password for ${name}: `);
      if (password === undefined) return undefined;
      if (await this.#ask("The same again: ") === password) return password;
      this.#terminal?.print(
        "! The two are not the same; try again. " +
          "An empty line leaves it as it is.\n",
      );
    }
  }

  /** Asks until it is one that can be used; undefined if none is typed. */
  async #ask(question: string): Promise<string | undefined> {
    if (!this.#terminal) throw needsPassword();
    for (;;) {
      const typed = await this.#terminal.askSecret(question);
      if (typed === undefined || typed === "") return undefined;
      const password = preparedOr(typed);
      if (typeof password === "string") return password;
      this.#terminal.print(`! ${password.message}\n`);
    }
  }
}

/** What a person can do something about: 110, 111 and 113. */
const CURABLE = new Set<number>([110, 111, 113]);

/** Asks whether to sign up or to log in where there are no guests. */
async function askWay(terminal: Terminal): Promise<Way> {
  for (;;) {
    const answer = await terminal.ask("1 register, 2 log in: ");
    if (answer === undefined) {
      throw new Failure(EXIT.failed, "Nothing was entered");
    }
    if (answer.trim() === "1") return "signup";
    if (answer.trim() === "2") return "login";
    terminal.print("! Type 1 to make an account, 2 if you have one\n");
  }
}

/** An error as a line, with how many attempts are left. */
function sentence(error: ChatError): string {
  const left = error.headers["attempts-left"];
  if (left === undefined) return said(error);
  return `${said(error)}. Attempts left: ${left}`;
}

function needsPassword(cause?: ChatError): Failure {
  const why = cause ? `${said(cause)}. ` : "";
  return new Failure(
    cause ? EXIT.refused : EXIT.usage,
    `${why}Cannot ask for a password: the input is no terminal`,
    { advice: "--password-file FILE says where it is.", cause },
  );
}

function preparedOr(typed: string): string | ScramError {
  try {
    return preparePassword(typed);
  } catch (error) {
    if (error instanceof ScramError) return error;
    throw error;
  }
}

/** A password file holds one line; longer ones are none. */
const MAX_FILE_BYTES = 8_192;

/** @throws {Failure} If the file is unusable, or what is in it. */
async function passwordIn(path: string): Promise<string> {
  const text = await readPasswordFile(path);
  const password = preparedOr(text.replace(/\r?\n$/, ""));
  if (typeof password === "string") return password;
  throw new Failure(EXIT.usage, `${password.message} (in ${path})`);
}

async function readPasswordFile(path: string): Promise<string> {
  const what = `Cannot use the password file ${path}`;
  try {
    using file = await Deno.open(path);
    const fault = faultOf(await file.stat());
    if (fault) {
      const advice = fault === OTHERS_READ ? `chmod 600 ${path}` : "";
      throw new Failure(EXIT.usage, `${what}: ${fault}`, { advice });
    }
    const bytes = await readStart(file, MAX_FILE_BYTES + 1);
    if (bytes.length <= MAX_FILE_BYTES) return strictDecoder.decode(bytes);
    const limit = MAX_PASSWORD_BYTES.toLocaleString("en");
    throw new Failure(EXIT.usage, `${what}: it has over ${limit} bytes`);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(EXIT.usage, `${what}: ${whyUnread(error)}`, {
      cause: error,
    });
  }
}

/** Why a password is not safe there, or none can be; undefined if all is well. */
function faultOf(info: Deno.FileInfo): string | undefined {
  if (info.isDirectory) return "it is a folder";
  if (info.isCharDevice || info.isBlockDevice) return "it is a device";
  if (info.mode === null || (info.mode & 0o077) === 0) return undefined;
  return info.isFile ? OTHERS_READ : "it is a pipe that others can read";
}

const OTHERS_READ = "others can read it";

function whyUnread(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is none";
  if (error instanceof Deno.errors.NotCapable) return error.message;
  // Other bytes would all be read as U+FFFD: many files, one password.
  return error instanceof TypeError ? "it is not UTF-8" : "it cannot be read";
}

/** The first bytes of a file; of one without end too. */
async function readStart(file: Deno.FsFile, most: number): Promise<Bytes> {
  const buffer = new Uint8Array(most);
  let length = 0;
  while (length < most) {
    const count = await file.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true });
const decoder = new TextDecoder();

function textOf(frame: Frame): string {
  return decoder.decode(frame.body);
}
