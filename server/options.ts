/**
 * The server's command line: which options there are, and what they mean.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import {
  ABSURD_BODY_BYTES,
  DEFAULT_PORT,
  MAX_BODY_BYTES,
} from "../protocol.ts";
import { MAX_HISTORY } from "./journal/journal.ts";
import { parseDuration } from "./duration.ts";
import type { Keep } from "./journal/sqlite_journal.ts";
import {
  DEFAULT_RATES,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_ADDRESS,
  MAX_UNREAD_BYTES,
  NO_RATES,
  type Rates,
} from "./limits/rates.ts";

/** Every IPv4 address of this computer. */
export const EVERYWHERE = "0.0.0.0";

/** The port for TLS unless told otherwise. */
export const DEFAULT_TLS_PORT: number = DEFAULT_PORT + 1;

/** How many messages of a room a newcomer is shown. */
export const DEFAULT_HISTORY = 20;

/** The port the page is served on. */
const DEFAULT_WEB_PORT = 8080;

/** How long wrong passwords lock an account. */
const DEFAULT_LOCKOUT = "15m";

/** The same, in milliseconds. */
export const DEFAULT_LOCKOUT_MS: number = parseDuration(DEFAULT_LOCKOUT)!; // it is one

/** Where messages and accounts are kept. */
const DEFAULT_DB = "parley.db";

/** How long messages are kept. */
const DEFAULT_KEEP_FOR = "30d";

/** How much is kept. */
export const DEFAULT_KEEP: Keep = {
  forMs: parseDuration(DEFAULT_KEEP_FOR)!, // it is one
  messages: 1_000_000,
};

/** What `--help` says. */
export const USAGE = `Usage: deno run -A server.ts [OPTIONS]

  --port NUMBER     Port to listen on; 0 takes a free one (default ${DEFAULT_PORT})
  --host ADDRESS    Address to listen on (default ${EVERYWHERE}, every IPv4 address;
                    :: adds IPv6)
  --tls             Listen with TLS too
  --tls-port NUMBER Port for TLS; 0 takes a free one (default ${DEFAULT_TLS_PORT})
  --no-plain        Listen with TLS alone
  --cert FILE, --key FILE
                    Certificate and private key (PEM); without them the server
                    makes its own, and keeps it beside the file of --db
  --history NUMBER  Messages of a room that a newcomer is shown (default ${DEFAULT_HISTORY})
  --max-body BYTES  Longest message (default ${MAX_BODY_BYTES})
  --db PATH         File for messages and accounts (default ${DEFAULT_DB});
                    :memory: keeps them in memory, until the server ends
  --keep TIME       How long messages are kept in it: 12h, 30d, or forever
                    (default ${DEFAULT_KEEP_FOR})
  --keep-messages NUMBER
                    How many are kept in it, the newest (default ${DEFAULT_KEEP.messages})
  --require-login   Let in accounts only, no guests
  --lockout TIME    How long three wrong passwords lock an account: 90s, 15m,
                    2h, or forever, until you unblock it (default ${DEFAULT_LOCKOUT})
  --max-connections NUMBER
                    Connections at a time (default ${MAX_CONNECTIONS})
  --max-connections-per-address NUMBER
                    Those of one address (default ${MAX_CONNECTIONS_PER_ADDRESS})
  --max-unread BYTES
                    What may be unread by a peer that hardly takes anything
                    (default ${MAX_UNREAD_BYTES})
  --messages-per-second NUMBER
                    Messages of one connection in the long run, twenty seconds'
                    worth at once (default ${DEFAULT_RATES.messages})
  --bytes-per-second NUMBER
                    Bytes that it sends, likewise (default ${DEFAULT_RATES.bytes})
  --joins-per-second NUMBER
                    Rooms that it enters and leaves, likewise (default ${DEFAULT_RATES.joins})
  --requests-per-second NUMBER
                    Other requests, likewise (default ${DEFAULT_RATES.requests})
  --connects-per-second NUMBER
                    New connections of one address, likewise (default ${DEFAULT_RATES.connects})
  --no-limits       No rates, and no limit for one address: for measurements
  --web             Serve a page to chat in a browser, on port ${DEFAULT_WEB_PORT};
                    with --tls over HTTPS
  --web-port NUMBER Serve it on another port; 0 takes a free one
  --help, -h        Show this
  --version         Show the version`;

/** How to serve TLS. */
export interface TlsOptions {
  /** Port to listen on; 0 takes a free one. */
  readonly port: number;
  /** The operator's own certificate and key, as paths; default: ours. */
  readonly files: { readonly cert: string; readonly key: string } | undefined;
}

/** What the command line says; every option has its value. */
export interface Options {
  /** Address to listen on. */
  readonly hostname: string;
  /** Port to listen on; 0 takes a free one. */
  readonly port: number;
  /** How to serve TLS, if it is served. */
  readonly tls: TlsOptions | undefined;
  /** Whether to serve TCP without TLS. */
  readonly plain: boolean;
  /** How many messages HISTORY gives if it is not asked for a number. */
  readonly history: number;
  /** Longest body, in bytes. */
  readonly maxBodyBytes: number;
  /** The database file, or `:memory:`. */
  readonly db: string;
  /** How much of what is said it keeps. */
  readonly keep: Keep;
  /** Whether guests are kept out. */
  readonly requireLogin: boolean;
  /** How long wrong passwords lock an account, in milliseconds. */
  readonly lockoutMs: number;
  /** How fast people may go. */
  readonly rates: Rates;
  /** Most connections at a time. */
  readonly maxConnections: number;
  /** The same of one address. */
  readonly maxConnectionsPerAddress: number;
  /** What may be unread by a peer that hardly takes anything, in bytes. */
  readonly maxUnreadBytes: number;
  /** Port to serve the page on; undefined to serve none. */
  readonly webPort: number | undefined;
  /** Only to show the usage. */
  readonly help: boolean;
  /** Only to show the version. */
  readonly version: boolean;
}

/** An option that is a number, and what it may be. */
interface NumberOption {
  readonly normal: number;
  readonly least?: number;
  readonly most: number;
}

/** More a second, or at a time, is no sensible limit. */
const MOST = 99_999_999;

/** A rate must let through what is allowed at once within a few seconds. */
const LEAST_BYTES_PER_SECOND = 1_024;

const NUMBERS = {
  port: { normal: DEFAULT_PORT, most: 65_535 },
  history: { normal: DEFAULT_HISTORY, most: MAX_HISTORY },
  "tls-port": { normal: DEFAULT_TLS_PORT, most: 65_535 },
  "web-port": { normal: DEFAULT_WEB_PORT, most: 65_535 },
  "max-body": { normal: MAX_BODY_BYTES, most: ABSURD_BODY_BYTES },
  "keep-messages": { normal: DEFAULT_KEEP.messages, most: MOST },
  "max-connections": { normal: MAX_CONNECTIONS, least: 1, most: MOST },
  "max-connections-per-address": {
    normal: MAX_CONNECTIONS_PER_ADDRESS,
    least: 1,
    most: MOST,
  },
  "max-unread": { normal: MAX_UNREAD_BYTES, least: 1_024, most: MOST },
  "messages-per-second": {
    normal: DEFAULT_RATES.messages,
    least: 1,
    most: MOST,
  },
  "bytes-per-second": {
    normal: DEFAULT_RATES.bytes,
    least: LEAST_BYTES_PER_SECOND,
    most: MOST,
  },
  "joins-per-second": { normal: DEFAULT_RATES.joins, least: 1, most: MOST },
  "requests-per-second": {
    normal: DEFAULT_RATES.requests,
    least: 1,
    most: MOST,
  },
  "connects-per-second": {
    normal: DEFAULT_RATES.connects,
    least: 1,
    most: MOST,
  },
} as const satisfies Record<string, NumberOption>;

const TIMES = { lockout: DEFAULT_LOCKOUT, keep: DEFAULT_KEEP_FOR } as const;

/** The options that have a value. */
const WITH_VALUE = [
  ...["host", "db", "cert", "key"],
  ...[...Object.keys(NUMBERS), ...Object.keys(TIMES)],
];

/** The options of the command line, or what is wrong with it. */
export function readOptions(args: string[]): Options | string {
  const unknown: string[] = [];
  const given = parseArgs(withNegatives(args), {
    string: WITH_VALUE,
    boolean: [
      ...["tls", "no-plain", "web", "require-login", "no-limits"],
      ...["help", "version"],
    ],
    alias: { h: "help" },
    unknown: (arg) => void unknown.push(arg),
  });
  if (unknown.length > 0) {
    return `Cannot use "${unknown[0]}": no such option; see --help`;
  }
  return whatIsWrong(given) ?? whatIsWrongWithTls(given) ?? optionsOf(given);
}

/** What the command line has, by option. */
type Given = Readonly<Record<string, unknown>>;

/** What the options mean, with which nothing is wrong. */
function optionsOf(given: Given): Options {
  const { cert, key } = given;
  const files = cert === undefined
    ? undefined
    : { cert: String(cert), key: String(key) };
  const isSet = (name: string) => given[name] === true;
  return {
    help: isSet("help"),
    version: isSet("version"),
    hostname: String(given["host"] ?? EVERYWHERE),
    port: numberOf(given, "port"),
    tls: isSet("tls")
      ? { port: numberOf(given, "tls-port"), files }
      : undefined,
    plain: !isSet("no-plain"),
    history: numberOf(given, "history"),
    maxBodyBytes: numberOf(given, "max-body"),
    webPort: isSet("web") || given["web-port"] !== undefined
      ? numberOf(given, "web-port")
      : undefined,
    requireLogin: isSet("require-login"),
    lockoutMs: timeOf(given, "lockout"),
    db: String(given["db"] ?? DEFAULT_DB),
    keep: {
      forMs: timeOf(given, "keep"),
      messages: numberOf(given, "keep-messages"),
    },
    maxConnections: numberOf(given, "max-connections"),
    maxConnectionsPerAddress: isSet("no-limits")
      ? Infinity
      : numberOf(given, "max-connections-per-address"),
    maxUnreadBytes: numberOf(given, "max-unread"),
    rates: isSet("no-limits") ? NO_RATES : ratesOf(given),
  };
}

function ratesOf(given: Given): Rates {
  return {
    messages: numberOf(given, "messages-per-second"),
    bytes: numberOf(given, "bytes-per-second"),
    joins: numberOf(given, "joins-per-second"),
    requests: numberOf(given, "requests-per-second"),
    connects: numberOf(given, "connects-per-second"),
  };
}

function numberOf(given: Given, name: keyof typeof NUMBERS): number {
  return Number(given[name] ?? NUMBERS[name].normal);
}

/** In milliseconds. */
function timeOf(given: Given, name: keyof typeof TIMES): number {
  return parseDuration(String(given[name] ?? TIMES[name]))!; // looked at before
}

/** What somebody has to write in another way, if there is anything. */
function whatIsWrong(given: Given): string | undefined {
  for (const [name, { least = 0, most }] of numberOptions()) {
    const value = given[name];
    if (value === undefined) continue;
    const number = /^\d{1,8}$/.test(String(value)) ? Number(value) : NaN;
    if (!(number >= least && number <= most)) {
      return `Cannot use --${name} "${value}": it must be a number from ${least} to ${most}`;
    }
  }
  for (const [name, normal] of Object.entries(TIMES)) {
    const value = String(given[name] ?? normal);
    if (parseDuration(value) === undefined) {
      return `Cannot use --${name} "${value}": it must be a time such as 90s, 15m, 2h or 30d, or forever`;
    }
  }
  if (given["host"] === "") return "Cannot use --host without an address";
  if (given["db"] === "") return "Cannot use --db without a path";
  return undefined;
}

/** The same of the options for TLS. */
function whatIsWrongWithTls(given: Given): string | undefined {
  const { cert, key } = given;
  if (given["tls"] !== true) {
    const lonely = ["tls-port", "no-plain", "cert", "key"]
      .find((name) => given[name] !== undefined && given[name] !== false);
    return lonely && `Cannot use --${lonely} without --tls`;
  }
  if (cert === "" || key === "") {
    return "Cannot use --cert or --key without a file";
  }
  if ((cert === undefined) !== (key === undefined)) {
    return "Cannot use --cert without --key, or --key without --cert";
  }
  return undefined;
}

function numberOptions(): [string, NumberOption][] {
  return Object.entries(NUMBERS);
}

/** Ties a value like `-5m` to its option, or it would be taken for one. */
function withNegatives(args: readonly string[]): string[] {
  const tied: string[] = [];
  for (const arg of args) {
    const [, option = ""] = /^--(.+)$/.exec(tied.at(-1) ?? "") ?? [];
    const isValue = /^-\d/.test(arg) && WITH_VALUE.includes(option);
    if (isValue) tied.push(`${tied.pop()}=${arg}`);
    else tied.push(arg);
  }
  return tied;
}
