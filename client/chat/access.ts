/**
 * Signing in from a terminal: where the password comes from, and what to ask the
 * user when the server refuses.
 *
 * A password comes from a person, hidden, or from a file; never from the command
 * line, which others can read. core/sign_in.ts has the protocol.
 *
 * @module
 */
import { dirname } from "node:path";
import type { ChatError, ErrorCode } from "../../protocol.ts";
import {
  Connection,
  inTime,
  type Requester,
} from "../../core/net/connection.ts";
import { errorText } from "../../core/net/connection_error.ts";
import type { Stream } from "../../core/net/stream.ts";
import { hasAccount } from "../../core/text/sentences.ts";
import {
  Login,
  MAX_PASSWORD_BYTES,
  preparePassword,
  ScramError,
} from "../../core/scram.ts";
import { ownerOf, SignIn, type Way } from "../../core/sign_in.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import {
  EXIT,
  Failure,
  PASSWORD_FILE_ADVICE,
  systemReason,
} from "../view/failure.ts";
import { tell } from "../view/view.ts";

/** See the top of the file. */
export class Access {
  /** Registers with what was asked here. */
  readonly signIn: SignIn;
  #firstWay: Way;
  readonly #file: string | undefined;
  readonly #terminal: Terminal | undefined;
  #inFile: string | undefined; // the password; a pipe can be read only once
  #chosen = false; // at a question, how to register

  /**
   * Asks nothing yet.
   *
   * @param options.way How the command line says to register.
   * @param options.code The operator's code, for a sign-up.
   * @param options.passwordFile Where the password is, if no user is to be asked.
   * @param options.terminal Where to ask; undefined if there is none.
   */
  constructor({ way, code, passwordFile, terminal }: {
    readonly way: Way;
    readonly code?: string | undefined;
    readonly passwordFile: string | undefined;
    readonly terminal: Terminal | undefined;
  }) {
    this.#firstWay = way;
    this.signIn = new SignIn(way);
    this.signIn.client = "Parley in a terminal";
    this.signIn.code = code;
    this.#file = passwordFile;
    this.#terminal = terminal;
  }

  /** Whether there is a user to ask. */
  get asks(): boolean {
    return this.#terminal !== undefined;
  }

  /** Where to ask for what a password file would answer; undefined if there is one. */
  get #asker(): Terminal | undefined {
    return this.#file === undefined ? this.#terminal : undefined;
  }

  /**
   * The password of the password file; undefined if there is no such file. A
   * guest needs it too: the name may turn out to have an account.
   *
   * @throws {Failure} If the file or its password is unusable.
   */
  async readFile(): Promise<string | undefined> {
    if (this.#file === undefined) return undefined;
    return this.#inFile ??= await passwordIn(this.#file);
  }

  /** Asks how to register, if the command line leaves it open. */
  async choose(): Promise<void> {
    const terminal = this.#asker;
    const isOpen = this.#firstWay === "guest" || this.#chosen;
    if (!terminal || !isOpen) return;
    this.#chosen = true;
    this.#firstWay = await askWay(terminal, WAYS);
    this.signIn.use(this.#firstWay);
  }

  /** Whether {@linkcode prepare} is about to ask for the password of an account. */
  get asksForLogin(): boolean {
    const { needsPassword, way } = this.signIn;
    return needsPassword && way === "login" && this.#asker !== undefined;
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
    const isNew = signIn.way === "signup";
    const inFile = await this.readFile();
    if (inFile !== undefined && isNew) await this.#checkFile(name, inFile);
    const password = inFile ??
      (isNew
        ? await this.#askNewPassword(name)
        : await this.#ask(`Password for ${name}: `));
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
    const terminal = this.#asker;
    signIn.use(signIn.way); // forgets the password
    const isOfCode = error.code === CODE_REQUIRED ||
      (error.code === 111 && signIn.way === "signup");
    signIn.code = undefined;
    const owner = ownerOf(error);
    if (owner !== undefined && signIn.way === "guest") {
      if (!this.#terminal && this.#file === undefined) {
        throw needsPassword(error);
      }
      signIn.use("login");
      if (terminal) tell(terminal, "note", hasAccount(owner));
      return true;
    }
    const isCurable = CURABLE.has(error.code) ||
      (this.#chosen && error.code === NO_ACCOUNT);
    if (!terminal || !isCurable) return false;
    const left = error.headers["attempts-left"];
    const attempts = left === undefined ? "" : `. Attempts left: ${left}`;
    tell(terminal, "error", errorText(error) + attempts);
    if (isOfCode) return await this.#askCode(terminal);
    if (error.code === NO_ACCOUNT) await this.choose();
    else if (error.code !== 110) signIn.use("login");
    else signIn.use(await askWay(terminal, ACCOUNT_WAYS));
    return true;
  }

  /** Asks for the operator's code. @returns Whether one was typed. */
  async #askCode(terminal: Terminal): Promise<boolean> {
    const question = "Code of the operator (Enter: none): ";
    const code = (await terminal.ask(question))?.trim();
    if (!code) {
      this.signIn.use(this.#firstWay);
      return false;
    }
    this.signIn.use("signup");
    this.signIn.code = code;
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

  /**
   * Gives our account another password.
   *
   * @returns Whether it did; otherwise no password was typed.
   * @throws {ChatError} If the server refuses.
   */
  async changePasswordHere(server: Requester, name: string): Promise<boolean> {
    const from = await this.#ask(`Present password of ${name}: `);
    if (from === undefined) return false;
    const to = await this.#askNewPassword(name);
    if (to === undefined) return false;
    await this.signIn.changePassword(server, name, { from, to });
    return true;
  }

  /**
   * Deletes our account; the server then ends the connection.
   *
   * @returns Whether it did; otherwise it was not confirmed.
   * @throws {ChatError} If the server refuses.
   */
  async unregisterHere(server: Requester, name: string): Promise<boolean> {
    const password = await this.#ask(`Password of ${name}: `);
    if (password === undefined) return false;
    const confirmed = await this.#terminal?.ask(
      `This deletes the account ${name}. Type its name to confirm: `,
    );
    if (confirmed?.trim().toLowerCase() !== name.toLowerCase()) return false;
    await this.signIn.unregister(server, name, password);
    return true;
  }

  /** @throws {Failure} If a new account cannot have the password of the file. */
  async #checkFile(name: string, password: string): Promise<void> {
    const { checkNewPassword } = await import("../../core/new_password.ts");
    try {
      checkNewPassword(name, password);
    } catch (cause) {
      throw cause instanceof ScramError ? unusable(cause, this.#file) : cause;
    }
  }

  /** The password that was typed twice; undefined if none was. */
  async #askNewPassword(name: string): Promise<string | undefined> {
    const { checkNewPassword } = await import("../../core/new_password.ts");
    for (;;) {
      const password = await this.#ask(
        `New password for ${name}: `,
        (typed) => checkNewPassword(name, typed),
      );
      if (password === undefined) return undefined;
      if (await this.#ask("Repeat the password: ") === password) {
        return password;
      }
      if (this.#terminal) tell(this.#terminal, "error", DIFFERENT_PASSWORDS);
    }
  }

  /**
   * Asks until the password can be used; undefined if none is typed.
   *
   * @param check Throws a {@linkcode ScramError} if it cannot.
   */
  async #ask(
    question: string,
    check: (typed: string) => void = preparePassword,
  ): Promise<string | undefined> {
    if (!this.#terminal) throw needsPassword();
    for (;;) {
      const typed = await this.#terminal.askSecret(question);
      if (!typed) return undefined;
      try {
        check(typed);
        return preparePassword(typed);
      } catch (error) {
        if (!(error instanceof ScramError)) throw error;
        tell(this.#terminal, "error", error.message);
      }
    }
  }
}

/**
 * Asks the server whether an account can be signed in to, so that no user types a
 * password in vain.
 *
 * @throws {ChatError} 112 if the account is locked, 121 if there is none.
 * @throws {ConnectionError} If the server does not answer.
 */
export async function checkLogin(stream: Stream, name: string): Promise<void> {
  const connection = new Connection(stream);
  const reading = readAll(connection).catch(() => {}); // the request fails too
  try {
    const { first } = new Login(name);
    const asking = connection.request("LOGIN", [name], {}, first);
    await inTime("sign in", connection, asking);
  } finally {
    connection.close();
    await reading;
  }
}

async function readAll(connection: Connection): Promise<void> {
  for await (const batch of connection.batches()) Array.from(batch);
}

const DIFFERENT_PASSWORDS = "The two passwords are different. " +
  "Type both again; an empty line cancels.";

/** The refusals that a user can do something about. */
const CURABLE = new Set<number>([110, 111, 113, 123]);

const NO_ACCOUNT: ErrorCode = 121;
const CODE_REQUIRED: ErrorCode = 123;

/** Asks how to register; Enter alone registers a guest, if that is allowed. */
function askWay(terminal: Terminal, ways: typeof WAYS): Promise<Way> {
  const guest = ways["3"] === undefined ? "" : ", 3 Guest";
  return askUntil(
    terminal,
    `1 Sign up, 2 Sign in${guest}`,
    guest && "3",
    (answer) =>
      ways[answer] ??
        new Error(
          "Type 1 to create an account, or 2 to sign in" +
            (guest && ", or 3 to join without an account"),
        ),
  );
}

const ACCOUNT_WAYS: Partial<Record<string, Way>> = {
  "1": "signup",
  "2": "login",
};
const WAYS: typeof ACCOUNT_WAYS = { ...ACCOUNT_WAYS, "3": "guest" };

/**
 * Asks until `read` makes something of the answer other than an error. Enter
 * alone answers `normal`.
 *
 * @throws {Failure} If the input ends.
 */
export async function askUntil<T>(
  terminal: Terminal,
  question: string,
  normal: string,
  read: (answer: string) => T | Error,
): Promise<T> {
  const hint = normal === "" ? "" : ` [${normal}]`;
  for (;;) {
    const answer = await terminal.ask(`${question}${hint}: `);
    if (answer === undefined) {
      throw new Failure(EXIT.failed, "Nothing was entered");
    }
    const value = read(answer.trim() || normal);
    if (!(value instanceof Error)) return value;
    tell(terminal, "error", value.message);
  }
}

function needsPassword(cause?: ChatError): Failure {
  const why = cause ? `${errorText(cause)}. ` : "";
  return new Failure(
    cause ? EXIT.refused : EXIT.usage,
    `${why}Cannot ask for a password: the input is not a terminal`,
    { advice: PASSWORD_FILE_ADVICE, cause },
  );
}

/** A password file holds one line; in characters. */
const MAX_FILE_LENGTH = 8_192;

/** @throws {Failure} If the file or its password is unusable. */
async function passwordIn(path: string): Promise<string> {
  const { keepsModes, openToOthers } = await import("../../platform/modes.ts");
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
    if (openToOthers(info.mode)) {
      const hasModes = keepsModes(dirname(path));
      const advice = info.isFile ? howToClose(path, hasModes) : ""; // or a pipe
      throw cannot("other users can read it", { advice });
    }
    let text = "";
    const strict = new TextDecoderStream("utf-8", { fatal: true });
    for await (const part of file.readable.pipeThrough(strict)) {
      text += part;
      if (text.length <= MAX_FILE_LENGTH) continue;
      const limit = MAX_PASSWORD_BYTES.toLocaleString("en");
      throw cannot(`it has over ${limit} bytes`);
    }
    return preparePassword(text.replace(/\r?\n$/, ""));
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    if (cause instanceof ScramError) throw unusable(cause, path);
    // Other bytes would all be read as U+FFFD: many files, one password.
    const why = cause instanceof TypeError
      ? "it is not UTF-8"
      : systemReason(cause);
    throw cannot(why, { cause });
  }
}

/** What a user does about a file that others can read. */
function howToClose(path: string, hasModes: boolean): string {
  return hasModes
    ? `Run: chmod 600 ${path}`
    : "The disk has no permissions. Put the file into your home folder.";
}

/** The error about a password that is in the file at `path`. */
function unusable({ message }: ScramError, path = ""): Failure {
  return new Failure(EXIT.usage, `${message} (in ${path})`);
}
