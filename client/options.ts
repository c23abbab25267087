/**
 * The client's command line. Its table of options is the only place that names
 * them: the parser, `--help` and the table in docs/client.md come from it.
 *
 * @module
 */
import { isIP } from "node:net";
import type { Way } from "../core/sign_in.ts";
import { DEFAULT_PORT, DEFAULT_ROOM, isUserName } from "../protocol.ts";
import {
  ABOUT,
  choice,
  count,
  flag,
  type OptionTable,
  parseOptions,
  text,
  unexpected,
  UsageError,
  value,
  type Values,
} from "../terminal/options.ts";
import { roomNamed } from "../core/command_client.ts";
import { sanitize } from "../core/text/sanitize.ts";
import type { TransferTask } from "./chat/file_pipe.ts";
import { type Address, parseAddress, parsePort } from "./trust/address.ts";
import { readFingerprint } from "./trust/known_servers.ts";

/** The port for TLS unless told otherwise. */
export const DEFAULT_TLS_PORT: number = DEFAULT_PORT + 1;

/** The server unless told otherwise. */
export const DEFAULT_HOST = "127.0.0.1";

/** Above the options, in `--help`; `command` starts the client. */
export function usage(command: string): string {
  return `Usage: ${command} [NAME] [SERVER [PORT]] [OPTIONS]

Chat as NAME on SERVER: a host, host:port or [IPv6]:port. On a terminal, the
client asks for what is missing. The lines of a pipe or file are sent as they
are.`;
}

/** Below the options, in `--help`. */
export function examples(command: string): string {
  return `Examples:
  ${command} alice 192.168.1.5
  ${command} bot 192.168.1.5 --room lab < results.txt`;
}

const USER_NAME = "a name of 1 to 32 letters and digits";

function readUserName(word: string): string | undefined {
  return isUserName(word) ? word : undefined;
}

/** Every option of the client. */
export const OPTIONS = {
  port: count([1, 65_535], undefined, "Port of the server", {
    group: "Server",
    otherwise: `${DEFAULT_PORT}, or ${DEFAULT_TLS_PORT} with \`--tls\``,
  }),
  tls: flag("Encrypt, and check the certificate of the server"),
  fingerprint: value(
    "SHA256",
    "64 hexadecimal digits",
    readFingerprint,
    "Accept only the certificate with this fingerprint: for scripts, and " +
      "after the certificate has changed",
    { requires: ["tls"], conflicts: ["ca"] },
  ),
  ca: text("FILE", undefined, "Trust the authorities in this PEM file too", {
    requires: ["tls"],
  }),
  room: value(
    "ROOM",
    "a name of 1 to 32 letters, digits, _ and -",
    roomNamed,
    "Room to join",
    { group: "Chat", otherwise: `\`${DEFAULT_ROOM}\`` },
  ),
  login: flag(
    "Sign in with the account of NAME; the client asks for the password",
    { conflicts: ["signup"] },
  ),
  signup: flag(
    "Create an account for NAME; in the chat, `/signup` does the same",
  ),
  code: text(
    "CODE",
    undefined,
    "Sign up with the code that the operator gave you for NAME",
    { conflicts: ["login"] },
  ),
  "password-file": text(
    "FILE",
    undefined,
    "Read the password from the one line of this file, which other users " +
      "must not be able to read",
  ),
  "no-listen": flag(
    "Refuse calls to a direct session; `/listen on` accepts them",
    { group: "Direct sessions and files" },
  ),
  "direct-host": value(
    "ADDRESS",
    "an IP address",
    (word) => isIP(word) > 0 ? word : undefined,
    "Address of this computer for direct sessions",
    { otherwise: "all" },
  ),
  downloads: text("FOLDER", undefined, "Folder for received files", {
    otherwise: "the system's folder for downloads",
  }),
  share: text(
    "FOLDER",
    undefined,
    "Let all users of the server get files of this folder",
  ),
  send: value(
    "USER FILE ...",
    USER_NAME,
    readUserName,
    "Send files or folders to USER if USER accepts, and quit",
    { conflicts: ["receive"] },
  ),
  receive: flag("Receive one transfer without a question, and quit"),
  from: value("USER", USER_NAME, readUserName, "Receive from this user only", {
    requires: ["receive"],
  }),
  color: choice(
    ["auto", "always", "never"],
    "Use colors; `auto` obeys `NO_COLOR` and `TERM=dumb`",
    { group: "Display" },
  ),
  plain: flag(
    "Print one line for each message and draw nothing: for screen readers " +
      "and programs; input lines mean what they mean on a terminal",
  ),
  gui: flag("Chat in the web browser, which also asks for what is missing", {
    conflicts: [
      ...["room", "login", "signup", "code", "password-file"],
      ...["send", "receive", "from", "color", "plain"],
    ],
  }),
  ...ABOUT,
} as const satisfies OptionTable;

/** What the command line says. */
export type Options = Readonly<ReturnType<typeof optionsOf>>;

/**
 * Reads the command line.
 *
 * @throws {UsageError} If it cannot be understood.
 */
export async function readOptions(
  args: readonly string[],
): Promise<Options | "help" | "version"> {
  const parsed = await parseOptions(OPTIONS, args);
  return typeof parsed === "string"
    ? parsed
    : optionsOf(parsed.values, parsed.rest, args);
}

/** What `values` and the other arguments mean. */
function optionsOf(
  values: Values<typeof OPTIONS>,
  words: readonly string[],
  args: readonly string[],
) {
  const { name, server, paths } = placesOf(words, values);
  const places = words.slice(0, words.length - paths.length);
  const fault = name === undefined ? undefined : nameFault(name);
  if (fault) throw new UsageError(`Cannot use the name ${fault}`);
  const signsUp = values.signup || values.code !== undefined;
  const way: Way = values.login ? "login" : signsUp ? "signup" : "guest";
  const tls = values.tls
    ? { fingerprint: values.fingerprint, caFile: values.ca }
    : undefined;
  return {
    ...values,
    name,
    ...server,
    /** The command line without name and server, to be suggested again. */
    others: args.filter((word) => {
      const at = places.indexOf(word);
      return at < 0 || places.splice(at, 1).length === 0;
    }),
    tls,
    way,
    transfer: transferOf(values, paths),
  };
}

/** Why no user can have a name, beginning with the name; undefined if one can. */
export function nameFault(name: string): string | undefined {
  if (isUserName(name)) return undefined;
  const why = /^[A-Za-z0-9]{1,32}$/.test(name)
    ? "it is reserved; choose another name"
    : "a name has 1 to 32 letters (A-Z, a-z) and digits. " +
      `Choose another name, such as ${legalName(name)}.`;
  return `"${sanitize(name)}": ${why}`;
}

/** A name that is allowed, made of one that is not. */
function legalName(name: string): string {
  const plain = name.normalize("NFKD").replace(/[^A-Za-z0-9]/g, "");
  const short = plain.slice(0, 32);
  return isUserName(short) ? short : "BobSmith";
}

/**
 * The words of NAME, SERVER and PORT, each of which may be left out, and paths of
 * files to send. An address alone, or before a name, is SERVER.
 */
function placesOf(
  words: readonly string[],
  { send, port }: Values<typeof OPTIONS>,
) {
  const sends = send !== undefined;
  const isPort = (word = "") => !sends && parsePort(word) !== undefined;
  const rest = [...words];
  const [first = "", second = ""] = rest;
  const isFirst = !sends && isServer(first) && !isServer(second);
  const isAlone = isFirst && (second === "" || isPort(second));
  if (isFirst && !isAlone) rest.splice(0, 2, second, first);
  const name = isAlone ? undefined : rest.shift();
  const server = isPort(rest[0]) ? undefined : rest.shift();
  const ports = isPort(rest[0]) ? [parsePort(rest.shift()!)] : [];
  const [extra] = rest;
  if (!sends && extra !== undefined) {
    const isName = !isFirst && !isServer(server ?? "");
    throw ports.length === 0
      ? notPlaced(extra, isName ? `${name}${server}` : undefined)
      : unexpected(extra);
  }
  return {
    name: name === PLACEHOLDER ? undefined : name,
    server: readServer(server, [port, ...ports]),
    paths: rest,
  };
}

/**
 * What the word after SERVER was meant as: a port, or the server, if the two
 * words before it are a name in two parts.
 */
function notPlaced(word: string, inOneWord: string | undefined): UsageError {
  if (isServer(word) && inOneWord && isUserName(inOneWord)) {
    return new UsageError(
      `Unexpected argument "${word}": a name is one word of letters and ` +
        `digits, as in ${inOneWord}. See --help.`,
    );
  }
  return /^\d/.test(word) && !isServer(word)
    ? wrongPort(word)
    : unexpected(word);
}

function wrongPort(word: string): UsageError {
  return new UsageError(
    `Cannot use port "${word}": it must be ${OPTIONS.port.must}`,
  );
}

/** The server's greeting has it, and may be pasted as it is. */
const PLACEHOLDER = "NAME";

/** Whether it is a server, and cannot be meant as the name of a user. */
function isServer(word: string): boolean {
  return word === "localhost" ||
    /[.:]/.test(word) && parseAddress(word) !== undefined;
}

function readServer(
  server: string | undefined,
  given: readonly (number | undefined)[],
) {
  const address: Partial<Address> | undefined = server === undefined
    ? {}
    : parseAddress(server);
  if (!address) {
    const [, port = ""] = /^[^:]+:([^:]+)$/.exec(server ?? "") ?? [];
    if (port !== "" && parsePort(port) === undefined) throw wrongPort(port);
    throw new UsageError(
      `Cannot use server "${server}": it must be a host, host:port or [IPv6]:port`,
    );
  }
  const ports = new Set([...given, address.port]);
  ports.delete(undefined);
  if (ports.size > 1) {
    const both = [...ports].map((port) => `port ${port}`).join(" and ");
    throw new UsageError(`Cannot use both ${both}: leave one of them out`);
  }
  const [port] = ports;
  return { hostname: address.hostname, port };
}

function transferOf(
  { send, receive, from }: Values<typeof OPTIONS>,
  paths: readonly string[],
): TransferTask | undefined {
  const [path] = paths;
  if (receive) return { kind: "receive", user: from };
  if (send === undefined) return undefined;
  if (path !== undefined) return { kind: "send", user: send, paths };
  throw new UsageError(
    "Cannot use --send without files. Example: --send bob notes.pdf",
  );
}
