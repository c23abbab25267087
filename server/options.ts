/**
 * The server's command line: which options there are, and what they mean.
 *
 * @module
 */
import { type Args, parseArgs } from "@std/cli/parse-args";
import {
  ABSURD_BODY_BYTES,
  DEFAULT_PORT,
  MAX_BODY_BYTES,
} from "../protocol.ts";
import { MAX_HISTORY } from "./backbone.ts";
import { parseDuration } from "./duration.ts";
import type { Keep } from "./embedded.ts";
import { EVERYWHERE } from "./listening.ts";

/** The port for TLS unless told otherwise. */
export const DEFAULT_TLS_PORT: number = DEFAULT_PORT + 1;

/** How many messages of a room a newcomer is shown. */
export const DEFAULT_HISTORY = 20;

/** How long wrong passwords lock an account. */
const DEFAULT_LOCKOUT = "15m";

/** The same, in milliseconds. */
export const DEFAULT_LOCKOUT_MS: number = parseDuration(DEFAULT_LOCKOUT)!; // it is one

/** More messages than that are no sensible limit. */
const MAX_KEEP_MESSAGES = 99_999_999;

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
  /** Only to show the usage. */
  readonly help: boolean;
  /** Only to show the version. */
  readonly version: boolean;
}

/** The options of the command line, or what is wrong with it. */
export function readOptions(args: string[]): Options | string {
  const unknown: string[] = [];
  const given = parseArgs(args, {
    string: [
      "port",
      "host",
      "tls-port",
      "cert",
      "key",
      "history",
      "max-body",
      "db",
      "keep",
      "keep-messages",
      "lockout",
    ],
    boolean: ["tls", "no-plain", "require-login", "help", "version"],
    alias: { h: "help" },
    unknown: (arg) => void unknown.push(arg),
  });
  if (unknown.length > 0) {
    return `Cannot use "${unknown[0]}": no such option; see --help`;
  }
  const numbers = {
    port: 65_535,
    "tls-port": 65_535,
    history: MAX_HISTORY,
    "max-body": ABSURD_BODY_BYTES,
    "keep-messages": MAX_KEEP_MESSAGES,
  };
  for (const [name, most] of Object.entries(numbers)) {
    const value = given[name];
    if (value === undefined) continue;
    if (!/^\d{1,8}$/.test(String(value)) || Number(value) > most) {
      return `Cannot use --${name} "${value}": it must be a number from 0 to ${most}`;
    }
  }
  const times = { lockout: DEFAULT_LOCKOUT, keep: DEFAULT_KEEP_FOR };
  for (const [name, normal] of Object.entries(times)) {
    const value = String(given[name] ?? normal);
    if (parseDuration(value) === undefined) {
      return `Cannot use --${name} "${value}": it must be a time such as 90s, 15m, 2h or 30d, or forever`;
    }
  }
  if (given["host"] === "") return "Cannot use --host without an address";
  if (given["db"] === "") return "Cannot use --db without a path";
  const tls = readTls(given);
  if (typeof tls === "string") return tls;
  return {
    help: given["help"] === true,
    version: given["version"] === true,
    hostname: String(given["host"] ?? EVERYWHERE),
    port: Number(given["port"] ?? DEFAULT_PORT),
    tls,
    plain: given["no-plain"] !== true,
    history: Number(given["history"] ?? DEFAULT_HISTORY),
    maxBodyBytes: Number(given["max-body"] ?? MAX_BODY_BYTES),
    requireLogin: given["require-login"] === true,
    lockoutMs: milliseconds(given["lockout"] ?? DEFAULT_LOCKOUT),
    db: String(given["db"] ?? DEFAULT_DB),
    keep: {
      forMs: milliseconds(given["keep"] ?? DEFAULT_KEEP_FOR),
      messages: Number(given["keep-messages"] ?? DEFAULT_KEEP.messages),
    },
  };
}

/** How TLS is to be served, if at all, or what is wrong with that. */
function readTls(given: Args): TlsOptions | string | undefined {
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
  return {
    port: Number(given["tls-port"] ?? DEFAULT_TLS_PORT),
    files: cert === undefined
      ? undefined
      : { cert: String(cert), key: String(key) },
  };
}

/** A time that was found to be one. */
function milliseconds(time: unknown): number {
  return parseDuration(String(time))!;
}
