/**
 * What the command line says, and the questions about what it leaves open.
 *
 * @module
 */
import { type Args, parseArgs } from "@std/cli/parse-args";
import { isIP } from "node:net";
import {
  DEFAULT_PORT,
  DEFAULT_ROOM,
  isUserName,
  lookAlike,
} from "../protocol.ts";
import type { Way } from "../core/sign_in.ts";
import { parseAddress, parsePort } from "./trust/address.ts";
import { EXIT, Failure } from "./terminal/failure.ts";
import { readFingerprint } from "./trust/known_servers.ts";
import { roomNamed } from "../core/commands.ts";
import type { Terminal } from "./terminal/terminal.ts";

/** The port for TLS unless told otherwise. */
export const DEFAULT_TLS_PORT: number = DEFAULT_PORT + 1;

/** What `--help` shows. */
export const USAGE = `Usage: client.ts [NAME] [SERVER] [OPTIONS]

Chat as NAME on SERVER: a host, host:port or [IPv6]:port. On a terminal, what is
missing is asked for. Lines of a pipe or file are sent one by one.

  --port PORT     Port of the server (default ${DEFAULT_PORT})
  --tls           Encrypt; the port is then ${DEFAULT_TLS_PORT} unless told otherwise
  --fingerprint SHA256
                  The certificate that the server has to have: for scripts,
                  and when it has changed
  --ca FILE       Authorities that may vouch for it, beside the known ones (PEM)
  --room ROOM     Room to enter (default ${DEFAULT_ROOM})
  --login         Log in; the password is asked for
  --signup        Make an account for NAME; /signup in the chat does so too
  --password-file FILE
                  Where the password is, on one line, for nobody else to read
  --no-listen     Nobody can call you directly; /listen on allows it
  --direct-host ADDRESS
                  Address of this computer for direct sessions (default all)
  --downloads FOLDER
                  Where received files go (default: the system's downloads)
  --share FOLDER  Anybody on the server may get files of this folder
  --send USER FILE ...
                  Send files or folders to USER, who is asked, and end
  --receive       Receive one transfer, without asking anybody, and end
  --from USER     With --receive: from USER alone
  --color WHEN    auto, always or never (default auto; NO_COLOR is kept)
  --plain         One line for each message, no drawing: for screen readers
                  and programs; lines are read as if a person typed them
  --gui           Chat on a page in your browser; what is missing is asked there
  --help, -h      Show this
  --version       Show the version`;

/** What the command line says. */
export interface Options {
  /** Whom to be. */
  readonly name: string | undefined;
  /** Where the server is. */
  readonly hostname: string | undefined;
  /** On which port. */
  readonly port: number | undefined;
  /** How to encrypt, if at all. */
  readonly tls: TlsOptions | undefined;
  /** Which room to enter, with `#`. */
  readonly room: string | undefined;
  /** How to come in. */
  readonly way: Way;
  /** Where the password is, if it is not to be asked for. */
  readonly passwordFile: string | undefined;
  /** Whether one can be called directly, at first. */
  readonly listens: boolean;
  /** The only address for direct connections; undefined for all. */
  readonly directHost: string | undefined;
  /** Where received files go; undefined for the system's own folder. */
  readonly downloads: string | undefined;
  /** The folder that others may get files from. */
  readonly share: string | undefined;
  /** What to do instead of chatting. */
  readonly transfer: Transfer | undefined;
  /** Whether to colour. */
  readonly color: "auto" | "always" | "never";
  /** Whether to draw nothing. */
  readonly plain: boolean;
  /** Whether to chat in the browser. */
  readonly gui: boolean;
}

/** Who the server has to be. */
export interface TlsOptions {
  /** The SHA-256 of its certificate, in hexadecimal, lower case. */
  readonly fingerprint: string | undefined;
  /** The PEM file of authorities that may vouch for it. */
  readonly caFile: string | undefined;
}

/** One transfer of files, after which the program ends. */
export type Transfer =
  | {
    readonly kind: "send";
    /** To whom. */
    readonly user: string;
    /** Files and folders. */
    readonly paths: readonly string[];
  }
  | {
    readonly kind: "receive";
    /** From whom; undefined for anybody. */
    readonly user: string | undefined;
  };

/** Whether a transfer takes what `name` sends, without a question. */
export function takesFrom(
  transfer: Transfer | undefined,
  name: string,
): boolean {
  if (transfer?.kind !== "receive") return false;
  const { user } = transfer;
  return user === undefined || lookAlike(user) === lookAlike(name);
}

/** Whom to be, and where. */
export interface Goal {
  /** The user name. Changes while others turn out to be taken. */
  name: string;
  /** A host name or an address. */
  readonly hostname: string;
  /** The server's port. */
  readonly port: number;
  /** Whether the name was asked for, and so can be asked for again. */
  readonly named: boolean;
}

/**
 * Reads the command line.
 *
 * @throws {Failure} If it cannot be understood.
 */
export function readOptions(
  args: readonly string[],
): Options | "help" | "version" {
  const values = parseValues(args);
  if (values["help"]) return "help";
  if (values["version"]) return "version";
  const [name, server, ...others] = values._.map(String);
  const transfer = readTransfer(values, others);
  if (name !== undefined && /[\r\n]/.test(name)) {
    throw usage("Cannot use a name of several lines");
  }
  if (others.length > 0 && transfer?.kind !== "send") {
    throw usage(`Cannot use "${others[0]}": what is it?`);
  }
  if (values["gui"] === true) checkForPage(values);
  const { hostname, port } = readServer(server, values["port"]);
  return {
    name,
    hostname,
    port,
    tls: readTls(values),
    room: readRoom(values["room"]),
    way: readWay(values["login"] === true, values["signup"] === true),
    passwordFile: readPath(values, "password-file"),
    downloads: readPath(values, "downloads"),
    share: readPath(values, "share"),
    transfer,
    listens: values["listen"] !== false,
    directHost: readHost(values["direct-host"]),
    color: readColor(values["color"]),
    plain: values["plain"] === true,
    gui: values["gui"] === true,
  };
}

/** @throws {Failure} If something is asked for that the page cannot do. */
function checkForPage(values: Values): void {
  const given = TERMINAL_ONLY.find((name) =>
    values[name] !== undefined && values[name] !== false
  );
  if (given === undefined) return;
  throw usage(`Cannot use --gui with --${given}: that is for terminals so far`);
}

/** Which options there are, and what was said of them. */
function parseValues(args: readonly string[]): Args {
  return parseArgs(args, {
    string: [
      ...["_", "port", "room", "color", "password-file", "direct-host"],
      ...["fingerprint", "ca"],
      ...TEXTS,
    ],
    boolean: [
      ...["tls", "plain", "gui", "receive", "login", "signup", "listen"],
      ...["help", "version"],
    ],
    negatable: ["listen"],
    default: { listen: true },
    alias: { h: "help" },
    unknown: (arg, key) => {
      if (key !== undefined) {
        throw usage(
          `Cannot use "${arg.replace(/=.*/s, "")}": no such option`,
        );
      }
    },
  });
}

/** Asks for whatever the command line does not say. */
export async function askGoal(
  options: Options,
  asks: boolean,
  terminal: Terminal,
): Promise<Goal> {
  const named = options.name === undefined;
  if (named && !asks) {
    throw usage("Cannot ask for a name: the input is no terminal");
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

/** Asks for a name until it is a legal one. */
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

function readServer(
  server: string | undefined,
  port: unknown,
): { hostname: string | undefined; port: number | undefined } {
  const address = server === undefined ? undefined : parseAddress(server);
  if (server !== undefined && !address) {
    throw usage(`Cannot use server "${server}": it is host or host:port`);
  }
  const separate = port === undefined ? undefined : parsePort(String(port));
  if (port !== undefined && separate === undefined) {
    throw usage(`Cannot use port "${port}": it is a number from 1 to 65535`);
  }
  if (separate && address?.port && separate !== address.port) {
    throw usage(`Cannot use both port ${separate} and port ${address.port}`);
  }
  return { hostname: address?.hostname, port: separate ?? address?.port };
}

function readTls(values: Args): TlsOptions | undefined {
  const { fingerprint, ca } = values;
  if (values["tls"] !== true) {
    const lonely = ["fingerprint", "ca"].find((name) =>
      values[name] !== undefined
    );
    if (lonely) throw usage(`Cannot use --${lonely} without --tls`);
    return undefined;
  }
  if (ca === "") throw usage("Cannot use --ca without a file");
  if (fingerprint !== undefined && ca !== undefined) {
    throw usage("Cannot use both --fingerprint and --ca");
  }
  const read = readFingerprint(String(fingerprint ?? ""));
  if (fingerprint !== undefined && read === undefined) {
    throw usage(
      `Cannot use fingerprint "${fingerprint}": it has 64 hexadecimal digits`,
    );
  }
  return { fingerprint: read, caFile: ca === undefined ? ca : String(ca) };
}

function readRoom(word: unknown): string | undefined {
  if (word === undefined) return undefined;
  const room = word === "" ? undefined : roomNamed(String(word));
  if (room) return room;
  throw usage(
    `Cannot use room "${word}": it has 1 to 32 letters, digits, _ and -`,
  );
}

function readWay(login: boolean, signup: boolean): Way {
  if (login && signup) throw usage("Cannot both --login and --signup");
  return login ? "login" : signup ? "signup" : "guest";
}

function readPath(values: Values, option: string): string | undefined {
  const word = values[option];
  if (word === "") throw usage(`Cannot use --${option} without a path`);
  return word === undefined ? undefined : String(word);
}

function readHost(word: unknown): string | undefined {
  if (word === undefined) return undefined;
  const host = String(word);
  if (isIP(host) > 0) return host;
  throw usage(`Cannot use --direct-host "${host}": it is no address`);
}

function readTransfer(
  values: Values,
  paths: readonly string[],
): Transfer | undefined {
  const [to, from] = [readUser(values, "send"), readUser(values, "from")];
  const receives = values["receive"] === true;
  if (to && receives) throw usage("Cannot both --send and --receive");
  if (from && !receives) throw usage("Cannot use --from without --receive");
  if (receives) return { kind: "receive", user: from };
  if (!to) return undefined;
  if (paths.length > 0) return { kind: "send", user: to, paths };
  throw usage(
    "Cannot send nothing: as in client.ts alice SERVER --send bob notes.pdf",
  );
}

function readUser(values: Values, option: string): string | undefined {
  const word = values[option];
  if (word === undefined) return undefined;
  const user = String(word);
  if (isUserName(user)) return user;
  throw usage(`Cannot use --${option} "${user}": it is no name of a user`);
}

function readColor(word: unknown = "auto"): Options["color"] {
  const color = COLORS.find((one) => one === word);
  if (color) return color;
  throw usage(`Cannot use color "${word}": it is auto, always or never`);
}

function usage(message: string): Failure {
  return new Failure(EXIT.usage, `${message} (--help shows how to call it)`);
}

/** What the command line has, by option. */
type Values = Readonly<Record<string, unknown>>;

/** Options about files that have a value. */
const TEXTS = ["downloads", "share", "send", "from"];

/** Options that mean nothing on the page. */
const TERMINAL_ONLY = [
  ...["room", "login", "signup", "password-file"],
  ...["send", "receive", "from", "color", "plain"],
];

const COLORS = ["auto", "always", "never"] as const;
const DEFAULT_HOST = "127.0.0.1";
