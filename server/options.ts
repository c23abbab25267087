/**
 * The server's command line. Its table of options is the only place that names
 * them: the parser, `--help` and the table in docs/server.md come from it.
 *
 * @module
 */
import {
  ABSURD_BODY_BYTES,
  DEFAULT_PORT,
  isUserName,
  MAX_BODY_BYTES,
} from "../protocol.ts";
import { EVERYWHERE } from "../platform/system.ts";
import {
  ABOUT,
  choice,
  count,
  duration,
  flag,
  type OptionTable,
  parseOptions,
  port,
  several,
  size,
  text,
  unexpected,
  value,
  type Values,
  writeSize,
} from "../terminal/options.ts";
import { MAX_HISTORY } from "./journal/journal.ts";
import {
  DEFAULT_HISTORY,
  DEFAULT_KEEP,
  DEFAULT_LOCKOUT_MS,
  DEFAULT_RATES,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  MAX_UNREAD_BYTES,
  MIN_KEEP_BYTES,
  NO_RATES,
} from "./limits/rates.ts";

/** In NATS, the chats of one name are one chat. */
const DEFAULT_CLUSTER = "parley";

/** The port for TLS unless told otherwise. */
export const DEFAULT_TLS_PORT: number = DEFAULT_PORT + 1;

/** Above the options, in `--help`; `command` starts the server. */
export function usage(command: string): string {
  return `Usage: ${command} [OPTIONS]`;
}

/** A higher number is no sensible limit. */
const MOST = 99_999_999;

const FROM_0 = [0, MOST] as const;
const FROM_1 = [1, MOST] as const;

/** A rate must let through what is allowed at once within a few seconds. */
const FROM_1024 = [1_024, MOST] as const;

/** Every option of the server. */
export const OPTIONS = {
  port: port(DEFAULT_PORT, "Port to listen on; 0 takes a free port", {
    group: "Network",
  }),
  host: text(
    "ADDRESS",
    EVERYWHERE,
    "Address to listen on: `0.0.0.0` is every IPv4 address of this computer, " +
      "`::` adds IPv6, `127.0.0.1` is this computer alone",
  ),
  web: flag("Serve the web client; with `--tls` over HTTPS"),
  "web-port": port(
    8080,
    "Port of the web client; implies `--web`; 0 takes a free port",
    { implies: "web" },
  ),
  "web-name": several(
    value(
      "NAME",
      "a host name without a port, such as chat.example.org",
      (word) => /^[^\s:/\\?#@[\]]+$/.test(word) ? word : undefined,
      "A name by which browsers reach the web client, besides the addresses " +
        "and the name of this computer and the names in `--cert`; can be " +
        "given several times; implies `--web`",
      { implies: "web" },
    ),
  ),
  tls: flag("Listen with TLS too", { group: "Encryption" }),
  "tls-port": port(DEFAULT_TLS_PORT, "Port for TLS; 0 takes a free port", {
    requires: ["tls"],
  }),
  "no-plain": flag("Listen with TLS only", { requires: ["tls"] }),
  cert: text("FILE", undefined, "PEM file with the certificate of the server", {
    otherwise: "made by the server, stored beside the database",
    requires: ["tls", "key"],
  }),
  key: text("FILE", undefined, "PEM file with its private key", {
    requires: ["tls", "cert"],
  }),
  db: text(
    "FILE",
    "parley.db",
    "File for messages and accounts; `:memory:` stores them until the server " +
      "stops",
    { group: "Storage" },
  ),
  keep: duration(
    DEFAULT_KEEP.forMs,
    "How long messages are stored: `12h`, `30d` or `forever`",
  ),
  "keep-messages": count(
    FROM_0,
    DEFAULT_KEEP.messages,
    "How many messages are stored; the oldest are deleted first",
  ),
  "keep-bytes": size(
    MIN_KEEP_BYTES,
    "Bytes of the stored messages and accounts: `500MB`, `2GB`, `2GiB` or " +
      "`unlimited`; the oldest messages are deleted first",
    {
      otherwise: `\`${writeSize(DEFAULT_KEEP.bytes)}\`; \`64MiB\` in memory`,
    },
  ),
  history: count(
    [0, MAX_HISTORY],
    DEFAULT_HISTORY,
    "Messages of a room that a user sees after joining",
  ),
  nats: text(
    "ADDRESS,…",
    undefined,
    "Share the chat with other servers, over NATS at these addresses: " +
      "`nats://[USER:PASSWORD@]HOST[:PORT]`, or `tls://`",
    { otherwise: "this server is alone", group: "Several servers" },
  ),
  "nats-creds": text("FILE", undefined, "Credentials for NATS, from `nsc`", {
    otherwise: "none, or those in `--nats`",
    requires: ["nats"],
  }),
  "nats-ca": text(
    "FILE",
    undefined,
    "PEM file with the certificate that signed those of NATS; implies TLS",
    { otherwise: "the authorities that Deno knows", requires: ["nats"] },
  ),
  cluster: text("NAME", DEFAULT_CLUSTER, "Name of the chat in NATS", {
    requires: ["nats"],
  }),
  "server-name": text(
    "NAME",
    undefined,
    "Name of this server, which no other server of the chat has",
    { otherwise: "the host name of this computer", requires: ["nats"] },
  ),
  "renew-log": flag(
    "Make the log in NATS anew, from this server's file: NATS has lost it",
    { requires: ["nats"] },
  ),
  "require-login": flag("Accept only users with an account; no guests", {
    group: "Accounts",
  }),
  moderator: several(
    value(
      "NAME",
      "a name of 1 to 32 letters and digits",
      (word) => isUserName(word) ? word : undefined,
      "A user whose account is that of a moderator, now or when it is created; " +
        "can be given several times",
    ),
  ),
  "all-by": choice(
    ["all", "moderators"],
    "Who can send to all users (`@ALL`)",
  ),
  lockout: duration(
    DEFAULT_LOCKOUT_MS,
    "How long three wrong passwords lock an account: `90s`, `2h`, or " +
      "`forever`, until the operator unlocks it",
  ),
  "max-body": count(
    [0, ABSURD_BODY_BYTES],
    MAX_BODY_BYTES,
    "Bytes of the longest message",
    { group: "Limits" },
  ),
  "max-connections": count(FROM_1, MAX_CONNECTIONS, "Connections at a time"),
  "max-connections-per-address": count(
    FROM_1,
    MAX_CONNECTIONS_PER_ADDRESS,
    "Connections at a time from one address",
  ),
  "max-unread": count(
    FROM_1024,
    MAX_UNREAD_BYTES,
    "Unread bytes at which a slow consumer is disconnected; a client that " +
      "reads steadily may have eight times as much",
  ),
  "messages-per-second": count(
    FROM_1,
    DEFAULT_RATES.messages,
    "Messages of one connection; a burst of 20 seconds' worth is allowed",
  ),
  "bytes-per-second": count(
    FROM_1024,
    DEFAULT_RATES.bytes,
    "Bytes from one connection, with the same burst",
  ),
  "joins-per-second": count(
    FROM_1,
    DEFAULT_RATES.joins,
    "Rooms joined and left, with the same burst",
  ),
  "requests-per-second": count(
    FROM_1,
    DEFAULT_RATES.requests,
    "Other requests, with the same burst; a list counts as ten",
  ),
  "connects-per-second": count(
    FROM_1,
    DEFAULT_RATES.connects,
    "New connections from one address, with the same burst",
  ),
  "no-limits": flag(
    "Lift all rates and the limits of one address: for measurements",
  ),
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
  if (argument !== undefined) {
    const isPort = OPTIONS.port.read(argument) !== undefined;
    const isHost = /[.:]/.test(argument);
    const hint = isPort
      ? `Use --port ${argument}.`
      : isHost
      ? `Use --host ${argument}.`
      : undefined;
    throw unexpected(argument, hint);
  }
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
    webNames: values["web-name"],
    db: values.db,
    keep: {
      forMs: values.keep,
      messages: values["keep-messages"],
      bytes: values["keep-bytes"],
    },
    nats: values.nats === undefined ? undefined : {
      servers: values.nats.split(",").filter((address) => address !== ""),
      credentials: values["nats-creds"],
      ca: values["nats-ca"],
      cluster: values.cluster,
      server: values["server-name"],
      renew: values["renew-log"],
    },
    history: values.history,
    requireLogin: values["require-login"],
    moderators: values.moderator,
    allBy: values["all-by"],
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
