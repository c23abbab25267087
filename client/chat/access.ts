/**
 * Signing in from a terminal: where the password comes from, and what to ask the
 * user when the server refuses.
 *
 * A password comes from a person, hidden, or from a file; never from the command
 * line, which others can read. core/sign_in.ts has the protocol.
 *
 * @module
 */
import type { ChatError } from "../../protocol.ts";
import type { Requester } from "../../core/net/connection.ts";
import { errorText } from "../../core/net/connection_error.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { hasAccount } from "../../core/text/sentences.ts";
import {
  type Bytes,
  MAX_PASSWORD_BYTES,
  preparePassword,
  ScramError,
} from "../../core/scram.ts";
import { ownerOf, SignIn, type Way } from "../../core/sign_in.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { EXIT, Failure, systemReason } from "../view/failure.ts";

/** See the top of the file. */
export class Access {
  /** Registers with what was asked here. */
  readonly signIn: SignIn;
  readonly #firstWay: Way;
  readonly #file: string | undefined;
  readonly #terminal: Terminal | undefined;

  /**
   * Asks nothing yet.
   *
   * @param options.way How the command line says to register.
   * @param options.passwordFile Where the password is, if no user is to be asked.
   * @param options.terminal Where to ask; undefined if there is none.
   */
  constructor({ way, passwordFile, terminal }: {
    readonly way: Way;
    readonly passwordFile: string | undefined;
    readonly terminal: Terminal | undefined;
  }) {
    this.#firstWay = way;
    this.signIn = new SignIn(way);
    this.#file = passwordFile;
    this.#terminal = terminal;
  }

  /** Whether there is a user to ask. */
  get asks(): boolean {
    return this.#terminal !== undefined;
  }

  /**
   * Gets the password, if it is clear that one is needed: before connecting,
   * since the server does not wait for a user who types.
   *
   * @returns Whether we can register now; otherwise no password was typed.
   * @throws {Failure} If there is no user to ask, or the file is unusable.
   */
  async prepare(name: string): Promise<boolean> {
    const { signIn } = this;
    if (!signIn.needsPassword) return true;
    if (this.#file !== undefined) {
      signIn.use(signIn.way, await passwordIn(this.#file));
      return true;
    }
    const password = signIn.way === "signup"
      ? await this.#askNewPassword(name)
      : await this.#ask(`Password for ${name}: `);
    if (password === undefined) signIn.use(this.#firstWay);
    else signIn.use(signIn.way, password);
    return password !== undefined;
  }

  /**
   * Finds a way around a refusal: asks for a password, or for another one, or
   * how to sign in. A guest that needs a password is told so once; a server that
   * repeats it is not asked for ever.
   *
   * @returns Whether to try again, with {@linkcode prepare}.
   * @throws {Failure} If a password is needed and there is no user to ask.
   */
  async overcome(error: ChatError): Promise<boolean> {
    const { signIn } = this;
    signIn.use(signIn.way); // forgets the password
    const owner = ownerOf(error);
    if (owner !== undefined && signIn.way === "guest") {
      if (!this.#terminal && this.#file === undefined) {
        throw needsPassword(error);
      }
      signIn.use("login");
      if (this.#file === undefined) {
        this.#terminal?.print(`* ${sanitize(hasAccount(owner))}\n`);
      }
      return true;
    }
    const terminal = this.#file === undefined ? this.#terminal : undefined;
    if (!terminal || !CURABLE.has(error.code)) return false;
    const left = error.headers["attempts-left"];
    const attempts = left === undefined ? "" : `. Attempts left: ${left}`;
    terminal.print(`! ${sanitize(errorText(error) + attempts)}\n`);
    signIn.use(error.code === 110 ? await askWay(terminal) : "login");
    return true;
  }

  /**
   * Makes an account of the name under which we are registered.
   *
   * @returns Whether it did; otherwise no password was typed.
   * @throws {ChatError} If the server refuses.
   */
  async signUpHere(server: Requester, name: string): Promise<boolean> {
    const password = await this.#askNewPassword(name);
    if (password === undefined) return false;
    await this.signIn.signUp(server, name, password);
    return true;
  }

  /** The password that was typed twice; undefined if none was. */
  async #askNewPassword(name: string): Promise<string | undefined> {
    for (;;) {
      const password = await this.#ask(`New password for ${name}: `);
      if (password === undefined) return undefined;
      if (await this.#ask("Repeat the password: ") === password) {
        return password;
      }
      this.#terminal?.print(
        "! The two passwords are different. Type both again; " +
          "an empty line cancels.\n",
      );
    }
  }

  /** Asks until the password can be used; undefined if none is typed. */
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

/** The refusals that a user can do something about. */
const CURABLE = new Set<number>([110, 111, 113]);

/** Asks how to register where guests are not allowed. */
function askWay(terminal: Terminal): Promise<Way> {
  return askUntil(
    terminal,
    "1 Sign up, 2 Sign in: ",
    (answer) =>
      WAYS[answer] ??
        new Error("Type 1 to create an account, or 2 to sign in"),
  );
}

const WAYS: Partial<Record<string, Way>> = { "1": "signup", "2": "login" };

/**
 * Asks until `read` makes something of the answer other than an error.
 *
 * @throws {Failure} If the input ends.
 */
export async function askUntil<T>(
  terminal: Terminal,
  question: string,
  read: (answer: string) => T | Error,
): Promise<T> {
  for (;;) {
    const answer = await terminal.ask(question);
    if (answer === undefined) {
      throw new Failure(EXIT.failed, "Nothing was entered");
    }
    const value = read(answer.trim());
    if (!(value instanceof Error)) return value;
    terminal.print(`! ${value.message}\n`);
  }
}

function needsPassword(cause?: ChatError): Failure {
  const why = cause ? `${errorText(cause)}. ` : "";
  return new Failure(
    cause ? EXIT.refused : EXIT.usage,
    `${why}Cannot ask for a password: the input is not a terminal`,
    { advice: "Put it into a file and add --password-file FILE.", cause },
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

/** A password file holds one line; in bytes. */
const MAX_FILE_BYTES = 8_192;

/** @throws {Failure} If the file or its password is unusable. */
async function passwordIn(path: string): Promise<string> {
  const text = await readPasswordFile(path);
  const password = preparedOr(text.replace(/\r?\n$/, ""));
  if (typeof password === "string") return password;
  throw new Failure(EXIT.usage, `${password.message} (in ${path})`);
}

async function readPasswordFile(path: string): Promise<string> {
  const cannot = (why: string, options = {}) =>
    new Failure(
      EXIT.usage,
      `Cannot use the password file ${path}: ${why}`,
      options,
    );
  try {
    using file = await Deno.open(path);
    const info = await file.stat();
    if (info.isDirectory) throw cannot("it is a folder");
    if (info.isCharDevice || info.isBlockDevice) {
      throw cannot("it is a device");
    }
    if (info.mode !== null && (info.mode & 0o077) !== 0) {
      const advice = info.isFile ? `Run: chmod 600 ${path}` : ""; // or a pipe
      throw cannot("other users can read it", { advice });
    }
    const bytes = await readStart(file, MAX_FILE_BYTES + 1);
    if (bytes.length <= MAX_FILE_BYTES) return strictDecoder.decode(bytes);
    const limit = MAX_PASSWORD_BYTES.toLocaleString("en");
    throw cannot(`it has over ${limit} bytes`);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    // Other bytes would all be read as U+FFFD: many files, one password.
    const why = cause instanceof TypeError
      ? "it is not UTF-8"
      : systemReason(cause);
    throw cannot(why, { cause });
  }
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
