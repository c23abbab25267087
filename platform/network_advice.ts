/**
 * What a fault of the network means on a system, and what its user can do: by the
 * code of the error and the system. Each advice has at most two lines.
 *
 * Windows asks its user when a program first listens, and blocks meanwhile. macOS
 * asks when a program first connects to the local network, and until the user
 * allows it, the program is told that there is no way.
 *
 * @module
 */
import { isLoopback } from "../core/net/ip_address.ts";
import { type Interface, isReachable } from "./addresses.ts";
import type { System } from "./system.ts";

/** Why connecting failed, and what to check. */
export type Trouble = readonly [why: string, advice: string];

/**
 * Why connecting failed with this code, of {@linkcode errorCode}; undefined for a
 * code that says nothing about the network.
 */
export function connectTrouble(
  code: string,
  system: System,
): Trouble | undefined {
  if (code === "EHOSTUNREACH" && system === "darwin") return NOT_ALLOWED_LOCAL;
  if (/^(EACCES|EPERM)$/.test(code)) return FORBIDDEN;
  const why = NO_WAY.get(code);
  return why === undefined ? TROUBLES.get(code) : [why, SAME_NETWORK];
}

/**
 * Whether another attempt may succeed soon: the system of one of the two computers
 * may ask its user whether to allow the connection.
 */
export function mayBeAllowed(code: string, system: System): boolean {
  return code === "ETIMEDOUT" || // Windows gives up after 21 seconds
    (code === "EHOSTUNREACH" && system === "darwin") ||
    (code === "EACCES" && system === "windows");
}

const NOT_ALLOWED_LOCAL: Trouble = [
  "macOS has no route to that address, or does not allow it",
  "Allow your terminal in System Settings > Privacy & Security > Local Network. " +
  "Then check the address.",
];

const FORBIDDEN: Trouble = [
  "this computer forbids connections to that address",
  "Check whether a firewall or a security program on this computer blocks Deno.",
];

/** What to check if an error says nothing else. */
export const SAME_NETWORK =
  "Check the address, and that both computers are on the same network.";

/** Why, for a host name that has no address. */
export const UNKNOWN_HOST = "unknown host";

const UNKNOWN: Trouble = [
  UNKNOWN_HOST,
  "Check the spelling, or use the address that the server printed.",
];

const TROUBLES: ReadonlyMap<string, Trouble> = new Map([
  ["ECONNREFUSED", [
    "connection refused",
    "Check that the server is running, and that this is its port. " +
    "It prints the command to connect when it starts.",
  ]],
  ["ETIMEDOUT", [
    "no answer",
    "Check the address. A firewall on the server's computer may block the port, " +
    "or the WLAN may separate its devices.",
  ]],
  ["ENOTFOUND", UNKNOWN],
  ["EAI_AGAIN", UNKNOWN],
]);

/** Codes that mean that no packet gets there. */
const NO_WAY: ReadonlyMap<string, string> = new Map([
  ["EADDRNOTAVAIL", "this computer is in no network with such addresses"],
  ["EAFNOSUPPORT", "this computer is in no network with such addresses"],
  ["EHOSTDOWN", "no computer answers at that address"],
  ["EHOSTUNREACH", "no computer answers at that address"],
  ["ENETDOWN", "the network is down"],
  ["ENETUNREACH", "this computer has no network that leads there"],
]);

/**
 * Why a program cannot listen, and what to do; undefined for other codes. `host` and
 * `port` are the options that choose another address and another port.
 */
export function listenTrouble(
  code: string,
  { system, host, port }: { system: System; host: string; port: string },
): string | undefined {
  switch (code) {
    case "EADDRINUSE":
      return "the port is in use, perhaps by a server that still runs. " +
        `Stop that, or choose another with ${port}`;
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
      return "this computer does not have that address. " +
        `Choose another with ${host}`;
    case "EACCES":
      return system === "windows"
        ? "Windows or another program reserves this port. " +
          `Choose another with ${port}. To list what Windows reserves: ` +
          "netsh int ipv4 show excludedportrange protocol=tcp"
        : "the system does not allow this port. " +
          `Choose one above 1023 with ${port}`;
  }
  return undefined;
}

/** What {@linkcode listenHint} needs to know. */
export interface Listening {
  /** The address to listen on. */
  readonly hostname: string;
  readonly system: System;
  /** The interfaces of this computer. */
  interfaces(): readonly Interface[];
  /** The release of the system's kernel. */
  release(): string;
}

/** What the operator of a server should know about this system; or nothing. */
export function listenHint(
  { hostname, system, interfaces, release }: Listening,
): string | undefined {
  if (isLoopback(hostname)) return undefined;
  const all = interfaces();
  if (system === "windows") {
    return all.length > 0
      ? ALLOW_ON_WINDOWS
      : `${NOT_TOLD}\n\n${ALLOW_ON_WINDOWS}`;
  }
  if (all.length === 0) return NOT_TOLD;
  // In WSL, all interfaces are Windows' own virtual ones, unless they are mirrored.
  const isNested = system === "linux" &&
    !all.some((one) => isReachable(one, system)) &&
    /microsoft/i.test(release());
  return isNested ? IN_WSL : undefined;
}

const NOT_TOLD =
  "The addresses of this computer are not known: the system does not tell them, or\n" +
  "--allow-sys=networkInterfaces is missing.";

const ALLOW_ON_WINDOWS =
  "If Windows asks, allow access on private and public networks. Without that,\n" +
  "other computers cannot connect.";

const IN_WSL =
  "This is WSL: without mirrored networking, other computers cannot connect. The\n" +
  "section WSL of docs/server.md shows two ways.";

/** What a user can do who waits for a direct connection. */
export function waitingHint(system: System): string {
  return WAITING[system] ?? "A firewall may block the connection.";
}

const WAITING: Partial<Record<System, string>> = {
  windows: "If Windows asks, allow access on private and public networks.",
  darwin: "If macOS asks, allow the local network and incoming connections.",
};
