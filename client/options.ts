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
import { roomNamed } from "../core/commands.ts";
import type { TransferTask } from "./chat/file_pipe.ts";
import { type Address, parseAddress } from "./trust/address.ts";
import { readFingerprint } from "./trust/known_servers.ts";

/** The port for TLS unless told otherwise. */
export const DEFAULT_TLS_PORT: number = DEFAULT_PORT + 1;

/** The server unless told otherwise. */
export const DEFAULT_HOST = "127.0.0.1";

/** Above the options, in `--help`. */
export const USAGE = `Usage: deno run -A client.ts [NAME] [SERVER] [OPTIONS]

Chat as NAME on SERVER: a host, host:port or [IPv6]:port. On a terminal, the
client asks for what is missing. The lines of a pipe or file are sent as they
are.`;

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
      ...["room", "login", "signup", "password-file"],
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
    : optionsOf(parsed.values, parsed.rest);
}

/** What `values` and the other arguments mean. */
function optionsOf(
  values: Values<typeof OPTIONS>,
  [name, server, ...paths]: readonly string[],
) {
  if (name !== undefined && /[\r\n]/.test(name)) {
    throw new UsageError("Cannot use a name of several lines");
  }
  const way: Way = values.login ? "login" : values.signup ? "signup" : "guest";
  const tls = values.tls
    ? { fingerprint: values.fingerprint, caFile: values.ca }
    : undefined;
  return {
    name,
    ...readServer(server, values.port),
    tls,
    room: values.room,
    way,
    passwordFile: values["password-file"],
    listens: !values["no-listen"],
    directHost: values["direct-host"],
    downloads: values.downloads,
    share: values.share,
    transfer: transferOf(values, paths),
    color: values.color,
    plain: values.plain,
    gui: values.gui,
  };
}

function readServer(server: string | undefined, port: number | undefined) {
  const address: Partial<Address> | undefined = server === undefined
    ? {}
    : parseAddress(server);
  if (!address) {
    throw new UsageError(
      `Cannot use server "${server}": it must be a host, host:port or [IPv6]:port`,
    );
  }
  if (port && address.port && port !== address.port) {
    throw new UsageError(
      `Cannot use both port ${port} and port ${address.port}: leave one of them out`,
    );
  }
  return { hostname: address.hostname, port: port ?? address.port };
}

function transferOf(
  { send, receive, from }: Values<typeof OPTIONS>,
  paths: readonly string[],
): TransferTask | undefined {
  const [path] = paths;
  if (send === undefined && path !== undefined) {
    throw unexpected(
      path,
      /^\d+$/.test(path) ? `Write --port ${path}.` : undefined,
    );
  }
  if (receive) return { kind: "receive", user: from };
  if (send === undefined) return undefined;
  if (path !== undefined) return { kind: "send", user: send, paths };
  throw new UsageError(
    "Cannot use --send without files. " +
      "Example: deno run -A client.ts alice SERVER --send bob notes.pdf",
  );
}
