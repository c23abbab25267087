/**
 * The user name and the server: the questions about what the command line leaves
 * open, and what the user reads when the server refuses the name.
 *
 * @module
 */
import { type ChatError, DEFAULT_PORT, isUserName } from "../protocol.ts";
import { errorText } from "../core/net/connection_error.ts";
import { sanitize } from "../core/text/sanitize.ts";
import { UsageError } from "../terminal/options.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { askUntil } from "./chat/access.ts";
import { DEFAULT_HOST, DEFAULT_TLS_PORT, type Options } from "./options.ts";
import {
  addressText,
  type Endpoint,
  parseAddress,
  parsePort,
} from "./trust/address.ts";
import { EXIT, Failure } from "./view/failure.ts";

/** The user name and the server to connect to. */
export interface Goal extends Endpoint {
  /** Changes while the server refuses a name that is in use. */
  name: string;
  /** Whether the user typed the name at a question, and can be asked again. */
  readonly named: boolean;
}

/** Asks for what the command line leaves open. */
export async function askGoal(
  options: Options,
  asks: boolean,
  terminal: Terminal,
): Promise<Goal> {
  const named = options.name === undefined;
  if (named && !asks) {
    throw new UsageError(
      "Cannot ask for a name: the input is not a terminal. Run: deno run -A client.ts NAME SERVER",
    );
  }
  const name = options.name ?? await askName(terminal, "");
  const normalPort = options.tls ? DEFAULT_TLS_PORT : DEFAULT_PORT;
  let { hostname, port } = options;
  if (hostname === undefined && asks) {
    const server = await askServer(terminal);
    hostname = server.hostname;
    port ??= server.port ?? await askPort(terminal, normalPort);
  }
  hostname ??= DEFAULT_HOST;
  return { name, hostname, port: port ?? normalPort, named };
}

/** Asks until the answer is a legal name. */
export async function askName(
  terminal: Terminal,
  suggestion: string,
): Promise<string> {
  const hint = suggestion === "" ? "" : ` [${suggestion}]`;
  return await askUntil(terminal, `Name${hint}: `, (answer) => {
    const name = answer === "" ? suggestion : answer;
    if (isUserName(name)) return name;
    return new Error(
      /^[A-Za-z0-9]{1,32}$/.test(name)
        ? `"${name}" is reserved; take another name`
        : "A name has 1 to 32 letters (A-Z, a-z) and digits",
    );
  });
}

async function askServer(terminal: Terminal) {
  return await askUntil(
    terminal,
    `Server [${DEFAULT_HOST}]: `,
    (answer) =>
      parseAddress(answer === "" ? DEFAULT_HOST : answer) ??
        new Error("A server is a name or number, such as 127.0.0.1"),
  );
}

async function askPort(terminal: Terminal, normal: number): Promise<number> {
  return await askUntil(
    terminal,
    `Port [${normal}]: `,
    (answer) =>
      (answer === "" ? normal : parsePort(answer)) ??
        new Error("A port is a number from 1 to 65535"),
  );
}

/** Why the server does not register us, and what to type instead. */
export function refused(
  error: ChatError,
  goal: Goal,
  { tls }: Options,
): Failure {
  const server = addressText(goal) + (tls ? " --tls" : "");
  const free = sanitize(`${error.headers["suggestion"] ?? ""}`);
  const example = `Try: deno run -A client.ts ${free || "alice"} ${server}`;
  const retry = Number(error.headers["retry-after"]);
  let advice = ADVICE[error.code] ?? "Try again later, or ask the operator.";
  if (error.code === 100) {
    advice = `Names have 1 to 32 letters and digits. ${example}`;
  }
  if (free !== "") advice = example;
  if (error.code === 112) advice = ""; // the error says it
  else if (retry > 60) {
    advice = `Try again in ${Math.ceil(retry / 60)} minutes.`;
  } else if (retry > 0) advice = `Try again in ${retry} s.`;
  return new Failure(EXIT.refused, errorText(error), { advice, cause: error });
}

/** The next step, where no user can be asked for a password. */
const ADVICE: Partial<Record<number, string>> = {
  103: "Add --tls, if this is the server's port for TLS.",
  110: "Add --login to sign in to your account, or --signup to create one.",
  111: "Put the account's password into a file and add --password-file FILE.",
  113: "Add --login and --password-file FILE to sign in.",
};
