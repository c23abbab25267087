/**
 * The server's command line. Its table of options is the only place that names
 * them: the parser, `--help` and the table in docs/server.md come from it.
 *
 * @module
 */
import {
  ABSURD_BODY_BYTES,
  DEFAULT_PORT,
  MAX_BODY_BYTES,
} from "../protocol.ts";
import {
  ABOUT,
  bytes,
  count,
  duration,
  file,
  flag,
  type OptionTable,
  parseOptions,
  port,
  text,
  unexpected,
  type Values,
} from "../terminal/options.ts";
import {
  DEFAULT_HISTORY,
  DEFAULT_KEEP,
  DEFAULT_LOCKOUT_MS,
} from "./defaults.ts";
import { MAX_HISTORY } from "./journal/journal.ts";
import {
  DEFAULT_RATES,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  MAX_UNREAD_BYTES,
  NO_RATES,
} from "./limits/rates.ts";

/** Every IPv4 address of this computer. */
export const EVERYWHERE = "0.0.0.0";

/** The port for TLS unless told otherwise. */
export const DEFAULT_TLS_PORT: number = DEFAULT_PORT + 1;

/** Above the options, in `--help`. */
export const USAGE = "Usage: deno run -A server.ts [OPTIONS]";

/** A higher number is no sensible limit. */
const MOST = 99_999_999;

/** A rate must let through what is allowed at once within a few seconds. */
const LEAST_BYTES_PER_SECOND = 1_024;

/** Every option of the server. */
export const OPTIONS = {
  port: {
    group: "Network",
    kind: port(),
    default: DEFAULT_PORT,
    help: "Port to listen on; 0 takes a free port",
  },
  host: {
    kind: text,
    placeholder: "ADDRESS",
    default: EVERYWHERE,
    help: "Address to listen on: `0.0.0.0` is every IPv4 address of this " +
      "computer, `::` adds IPv6, `127.0.0.1` is this computer alone",
  },
  web: {
    kind: flag,
    help: "Serve the web client; with `--tls` over HTTPS",
  },
  "web-port": {
    kind: port(),
    default: 8080,
    implies: "web",
    help: "Port of the web client; implies `--web`; 0 takes a free port",
  },
  tls: {
    group: "Encryption",
    kind: flag,
    help: "Listen with TLS too",
  },
  "tls-port": {
    kind: port(),
    default: DEFAULT_TLS_PORT,
    requires: ["tls"],
    help: "Port for TLS; 0 takes a free port",
  },
  "no-plain": {
    kind: flag,
    requires: ["tls"],
    help: "Listen with TLS only",
  },
  cert: {
    kind: file,
    otherwise: "made by the server, stored beside the database",
    requires: ["tls", "key"],
    help: "PEM file with the certificate of the server",
  },
  key: {
    kind: file,
    requires: ["tls", "cert"],
    help: "PEM file with the private key of the certificate",
  },
  db: {
    group: "Storage",
    kind: file,
    default: "parley.db",
    help: "File for messages and accounts; `:memory:` stores them until the " +
      "server stops",
  },
  keep: {
    kind: duration,
    default: DEFAULT_KEEP.forMs,
    help: "How long messages are stored: `12h`, `30d` or `forever`",
  },
  "keep-messages": {
    kind: count(0, MOST),
    default: DEFAULT_KEEP.messages,
    help: "How many messages are stored; the oldest are deleted first",
  },
  history: {
    kind: count(0, MAX_HISTORY),
    default: DEFAULT_HISTORY,
    help: "Messages of a room that a user sees after joining",
  },
  "require-login": {
    group: "Accounts",
    kind: flag,
    help: "Accept only users with an account; no guests",
  },
  lockout: {
    kind: duration,
    default: DEFAULT_LOCKOUT_MS,
    help: "How long three wrong passwords lock an account: `90s`, `2h`, or " +
      "`forever`, until the operator unlocks it",
  },
  "max-body": {
    group: "Limits",
    kind: bytes(0, ABSURD_BODY_BYTES),
    default: MAX_BODY_BYTES,
    help: "Limit of one message",
  },
  "max-connections": {
    kind: count(1, MOST),
    default: MAX_CONNECTIONS,
    help: "Limit of connections at a time",
  },
  "max-connections-per-address": {
    kind: count(1, MOST),
    default: MAX_CONNECTIONS_PER_ADDRESS,
    help: "Limit of connections at a time from one address",
  },
  "max-unread": {
    kind: bytes(1_024, MOST),
    default: MAX_UNREAD_BYTES,
    help: "Unread bytes at which a slow consumer is disconnected; a client " +
      "that reads steadily may have eight times as much",
  },
  "messages-per-second": {
    kind: count(1, MOST),
    default: DEFAULT_RATES.messages,
    help: "Rate of messages of one connection; a burst of 20 seconds' worth " +
      "is allowed",
  },
  "bytes-per-second": {
    kind: count(LEAST_BYTES_PER_SECOND, MOST),
    default: DEFAULT_RATES.bytes,
    help: "Rate of bytes from one connection, with the same burst",
  },
  "joins-per-second": {
    kind: count(1, MOST),
    default: DEFAULT_RATES.joins,
    help: "Rate of joining and leaving rooms, with the same burst",
  },
  "requests-per-second": {
    kind: count(1, MOST),
    default: DEFAULT_RATES.requests,
    help: "Rate of other requests, with the same burst; a list counts as ten",
  },
  "connects-per-second": {
    kind: count(1, MOST),
    default: DEFAULT_RATES.connects,
    help: "Rate of new connections from one address, with the same burst",
  },
  "no-limits": {
    kind: flag,
    help: "Lift all rates and the limits of one address: for measurements",
  },
  ...ABOUT,
} as const satisfies OptionTable;

/** What the command line says; every option has its value. */
export type Options = Readonly<ReturnType<typeof optionsOf>>;

/**
 * The options of a command line.
 *
 * @throws {UsageError} If it cannot be understood.
 */
export async function readOptions(
  args: readonly string[],
): Promise<Options | "help" | "version"> {
  const parsed = await parseOptions(OPTIONS, args);
  if (typeof parsed === "string") return parsed;
  const [argument] = parsed.rest;
  if (argument !== undefined) throw unexpected(argument);
  return optionsOf(parsed.values);
}

/** The settings of the server that `values` mean. */
function optionsOf(values: Values<typeof OPTIONS>) {
  const { cert, key, "no-limits": noLimits } = values;
  const files = cert !== undefined && key !== undefined
    ? { cert, key }
    : undefined;
  return {
    hostname: values.host,
    port: values.port,
    tls: values.tls ? { port: values["tls-port"], files } : undefined,
    plain: !values["no-plain"],
    webPort: values.web ? values["web-port"] : undefined,
    db: values.db,
    keep: { forMs: values.keep, messages: values["keep-messages"] },
    history: values.history,
    requireLogin: values["require-login"],
    lockoutMs: values.lockout,
    maxBodyBytes: values["max-body"],
    maxConnections: values["max-connections"],
    maxConnectionsPerAddress: noLimits
      ? Infinity
      : values["max-connections-per-address"],
    maxUnreadBytes: values["max-unread"],
    rates: noLimits ? NO_RATES : {
      messages: values["messages-per-second"],
      bytes: values["bytes-per-second"],
      joins: values["joins-per-second"],
      requests: values["requests-per-second"],
      connects: values["connects-per-second"],
    },
  };
}
