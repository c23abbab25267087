/**
 * The user name and the server: the questions about what the command line leaves
 * open, and what the user reads when the server refuses the name.
 *
 * @module
 */
import { type ChatError, DEFAULT_PORT } from "../protocol.ts";
import { adviceOn, errorText } from "../core/net/connection_error.ts";
import { sanitize } from "../core/text/sanitize.ts";
import { UsageError } from "../terminal/options.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { askUntil } from "./chat/access.ts";
import {
  DEFAULT_HOST,
  DEFAULT_TLS_PORT,
  nameFault,
  type Options,
} from "./options.ts";
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
}

/** Asks for what the command line leaves open. */
export async function askGoal(
  options: Options,
  asks: boolean,
  terminal: Terminal,
): Promise<Goal> {
  if (options.name === undefined && !asks) {
    const { commandFor } = await import("../platform/program.ts");
    throw new UsageError(
      "Cannot ask for a name: the input is not a terminal. Run: " +
        `${commandFor("client")} NAME SERVER`,
    );
  }
  const name = options.name ?? await askName(terminal, "");
  const normalPort = options.tls ? DEFAULT_TLS_PORT : DEFAULT_PORT;
  let { hostname = DEFAULT_HOST, port } = options;
  if (options.hostname === undefined && asks) {
    const server = await askUntil(
      terminal,
      "Server",
      DEFAULT_HOST,
      (answer) =>
        parseAddress(answer) ??
          new Error("A server is a name or number, such as 127.0.0.1"),
    );
    hostname = server.hostname;
    port ??= server.port ?? await askUntil(
      terminal,
      "Port",
      `${normalPort}`,
      (answer) =>
        parsePort(answer) ?? new Error("A port is a number from 1 to 65535"),
    );
  }
  return { name, hostname, port: port ?? normalPort };
}

/** Asks until the answer is a legal name. */
export async function askName(
  terminal: Terminal,
  suggestion: string,
): Promise<string> {
  return await askUntil(terminal, "Name", suggestion, (name) => {
    const fault = nameFault(name);
    return fault === undefined
      ? name
      : new Error(`Cannot use the name ${fault}`);
  });
}

/** Why the server does not register us, and what to type instead. */
export async function refused(
  error: ChatError,
  goal: Goal,
  options: Options,
): Promise<Failure> {
  const free = sanitize(`${error.headers["suggestion"] ?? ""}`);
  const command = await commandWith(free || "alice", goal, options);
  const example = `Try: ${command}`;
  let advice = ADVICE[error.code] ?? "Try again later, or ask the operator.";
  if (error.code === 100) {
    advice = `Names have 1 to 32 letters and digits. ${example}`;
  }
  if (free !== "") advice = example;
  if (error.code === 112) advice = ""; // the error says it
  else if (error.headers["retry-after"] !== undefined) {
    advice = adviceOn(error) || advice;
  }
  return new Failure(EXIT.refused, errorText(error), { advice, cause: error });
}

/** What was typed to start the client, with another name. */
async function commandWith(
  name: string,
  goal: Goal,
  { others }: Options,
): Promise<string> {
  const hasPort = others.some((word) => /^--port(=|$)/.test(word));
  const server = hasPort ? goal.hostname : addressText(goal);
  const words = [name, server, ...others];
  const { commandFor, shellWord } = await import("../platform/program.ts");
  const typed = words.map((word) => shellWord(word)).join(" ");
  return `${commandFor("client")} ${typed}`;
}

/** The next step, where no user can be asked for a password. */
const ADVICE: Partial<Record<number, string>> = {
  103: "Add --tls, if this is the server's port for TLS.",
  110: "Add --login to sign in to your account, or --signup to create one.",
  111: "Put the account's password into a file and add --password-file FILE.",
  123: "Add --code CODE and --password-file FILE.",
  113: "Add --login and --password-file FILE to sign in.",
  121:
    "Add --signup to create the account, or leave out --login to join as a guest.",
};
