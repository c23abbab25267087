/**
 * The questions about what the command line leaves open: a name, a server, a
 * port.
 *
 * @module
 */
import { DEFAULT_PORT, isUserName } from "../protocol.ts";
import { UsageError } from "../terminal/options.ts";
import { DEFAULT_HOST, DEFAULT_TLS_PORT, type Options } from "./options.ts";
import { EXIT, Failure } from "./view/failure.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type Endpoint, parseAddress, parsePort } from "./trust/address.ts";

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
      "Cannot ask for a name: the input is not a terminal. Write client.ts NAME SERVER",
    );
  }
  const name = options.name ?? await askName(terminal, "");
  const { hostname, port, tls } = options;
  const normalPort = tls ? DEFAULT_TLS_PORT : DEFAULT_PORT;
  if (hostname !== undefined || !asks) {
    return {
      name,
      hostname: hostname ?? DEFAULT_HOST,
      port: port ?? normalPort,
      named,
    };
  }
  const server = await askServer(terminal);
  const known = port ?? server.port;
  return {
    name,
    hostname: server.hostname,
    port: known ?? await askPort(terminal, normalPort),
    named,
  };
}

/** Asks until the answer is a legal name. */
export async function askName(
  terminal: Terminal,
  suggestion: string,
): Promise<string> {
  const hint = suggestion === "" ? "" : ` [${suggestion}]`;
  return await ask(terminal, `Name${hint}: `, (answer) => {
    const name = answer === "" ? suggestion : answer;
    if (isUserName(name)) return name;
    return new Error(
      /^[A-Za-z0-9]{1,32}$/.test(name)
        ? `"${name}" is reserved; take another name`
        : "A name has 1 to 32 letters (A-Z, a-z) and digits",
    );
  });
}

async function askServer(
  terminal: Terminal,
): Promise<{ hostname: string; port: number | undefined }> {
  return await ask(
    terminal,
    `Server [${DEFAULT_HOST}]: `,
    (answer) =>
      parseAddress(answer === "" ? DEFAULT_HOST : answer) ??
        new Error("A server is a name or number, such as 127.0.0.1"),
  );
}

async function askPort(terminal: Terminal, normal: number): Promise<number> {
  return await ask(
    terminal,
    `Port [${normal}]: `,
    (answer) =>
      (answer === "" ? normal : parsePort(answer)) ??
        new Error("A port is a number from 1 to 65535"),
  );
}

/** Asks until `read` makes something of the answer other than an error. */
async function ask<T>(
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
