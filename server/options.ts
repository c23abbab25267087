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
import { IN_MEMORY } from "./database.ts";
import { parseDuration } from "./duration.ts";
import type { Keep } from "./embedded.ts";
import { MAX_HISTORY } from "./requests.ts";

/** Every IPv4 address of this computer. */
export const EVERYWHERE = "0.0.0.0";

/** How many messages of a room a newcomer is shown. */
export const DEFAULT_HISTORY = 20;

/** The port the page is served on. */
const DEFAULT_WEB_PORT = 8080;

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
  --history NUMBER  Messages of a room that a newcomer is shown (default ${DEFAULT_HISTORY})
  --max-body BYTES  Longest message (default ${MAX_BODY_BYTES})
  --db PATH         File for messages and accounts (default ${DEFAULT_DB});
                    ${IN_MEMORY} keeps them in memory, until the server ends
  --keep TIME       How long messages are kept in it: 12h, 30d, or forever
                    (default ${DEFAULT_KEEP_FOR})
  --keep-messages NUMBER
                    How many are kept in it, the newest (default ${DEFAULT_KEEP.messages})
  --require-login   Let in accounts only, no guests
  --lockout TIME    How long three wrong passwords lock an account: 90s, 15m,
                    2h, or forever, until you unblock it (default ${DEFAULT_LOCKOUT})
  --web             Serve a page to chat in a browser, on port ${DEFAULT_WEB_PORT}
  --web-port NUMBER Serve it on another port; 0 takes a free one
  --help, -h        Show this
  --version         Show the version`;

/** What the command line says; every option has its value. */
export interface Options {
  /** Address to listen on. */
  readonly hostname: string;
  /** Port to listen on; 0 takes a free one. */
  readonly port: number;
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
  /** Port to serve the page on; undefined to serve none. */
  readonly webPort: number | undefined;
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
      "history",
      "max-body",
      "db",
      "keep",
      "keep-messages",
      "lockout",
      "web-port",
    ],
    boolean: ["require-login", "web", "help", "version"],
    alias: { h: "help" },
    unknown: (arg) => void unknown.push(arg),
  });
  if (unknown.length > 0) {
    return `Cannot use "${unknown[0]}": no such option; see --help`;
  }
  const numbers = {
    port: 65_535,
    history: MAX_HISTORY,
    "max-body": ABSURD_BODY_BYTES,
    "keep-messages": MAX_KEEP_MESSAGES,
    "web-port": 65_535,
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
  return {
    help: given["help"] === true,
    version: given["version"] === true,
    hostname: String(given["host"] ?? EVERYWHERE),
    port: Number(given["port"] ?? DEFAULT_PORT),
    history: Number(given["history"] ?? DEFAULT_HISTORY),
    maxBodyBytes: Number(given["max-body"] ?? MAX_BODY_BYTES),
    webPort: given["web"] || given["web-port"] !== undefined
      ? Number(given["web-port"] ?? DEFAULT_WEB_PORT)
      : undefined,
    requireLogin: given["require-login"] === true,
    lockoutMs: milliseconds(given["lockout"] ?? DEFAULT_LOCKOUT),
    db: String(given["db"] ?? DEFAULT_DB),
    keep: {
      forMs: milliseconds(given["keep"] ?? DEFAULT_KEEP_FOR),
      messages: Number(given["keep-messages"] ?? DEFAULT_KEEP.messages),
    },
  };
}

/** A time that was found to be one. */
function milliseconds(time: unknown): number {
  return parseDuration(String(time))!;
}
