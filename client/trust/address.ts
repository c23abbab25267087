/**
 * Server addresses: how users write them, and how to connect to one.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { lookup } from "node:dns/promises";
import { DEFAULT_PORT } from "../../protocol.ts";
import { EXIT, Failure } from "../view/failure.ts";

/** How long looking up and connecting may take, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** A server as the user wrote it. */
export interface Address {
  /** A host name or an address, without brackets. */
  readonly hostname: string;
  /** Undefined if it was left out. */
  readonly port: number | undefined;
}

/** Where a server listens. */
export interface Endpoint {
  /** A host name or an address, without brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** Whether traffic to it stays on this computer. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d+){3}|::1)$/i.test(hostname);
}

/** Reads `host`, `host:port`, `[v6]:port` or a bare v6 address. */
export function parseAddress(word: string): Address | undefined {
  const [, bracketed, bracketedPort] = /^\[([^\]]+)\](?::(.*))?$/.exec(word) ??
    [];
  if (bracketed) return checked(bracketed, bracketedPort);
  if (word.split(":").length > 2) return checked(word, undefined);
  const [hostname = "", port] = word.split(":");
  return checked(hostname, port);
}

/** Reads a port to connect to: 1 to 65535. */
export function parsePort(word: string): number | undefined {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** `host:port`, or `[IPv6]:port`. */
export function endpointText({ hostname, port }: Endpoint): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${host}:${port}`;
}

/** The shortest text that {@linkcode parseAddress} reads. */
export function addressText(server: Endpoint): string {
  const { hostname, port } = server;
  return port === DEFAULT_PORT ? hostname : endpointText(server);
}

/** Connects to one address of a host. May throw any error. */
export type Connect<T> = (
  address: Deno.ConnectOptions & { readonly signal: AbortSignal },
) => Promise<T>;

/** Connects without TLS. */
export async function connectTcp(
  address: Parameters<Connect<Deno.TcpConn>>[0],
): Promise<Deno.TcpConn> {
  const conn = await Deno.connect(address);
  conn.setNoDelay(true);
  conn.setKeepAlive(true); // notices when the other side lost power
  return conn;
}

/**
 * Tries every address of the host: "localhost" is often ::1 first, while the
 * server may listen on IPv4 only.
 *
 * @throws {Failure} With advice what to check; or the one that `connect` throws.
 */
export async function dial<T>(
  { hostname, port }: Endpoint,
  signal: AbortSignal,
  connect: Connect<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const both = AbortSignal.any([signal, deadline]);
  let failure: unknown = new Error("it has no address");
  try {
    const found = await abortable(lookup(hostname, { all: true }), both);
    for (const { address } of found) {
      try {
        return await connect({ hostname: address, port, signal: both });
      } catch (error) {
        failure = error;
        if (both.aborted || error instanceof Failure) break;
      }
    }
  } catch (error) {
    failure = error;
  }
  signal.throwIfAborted();
  if (failure instanceof Failure) throw failure;
  const cause = deadline.aborted ? deadline.reason : failure;
  const [why, advice] = whyUnreachable(cause);
  throw new Failure(
    EXIT.unreachable,
    `Cannot connect to ${hostname} port ${port}: ${why}`,
    { advice, passing: true, cause },
  );
}

/** Why connecting failed, and what to check. */
export function whyUnreachable(
  cause: unknown,
): [why: string, advice: string] {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  if (cause instanceof Deno.errors.ConnectionRefused) {
    return [
      "connection refused",
      "Check that the server is running, and that this is its port. " +
      "It prints the command to connect when it starts.",
    ];
  }
  if (cause instanceof DOMException && cause.name === "TimeoutError") {
    return [
      `no answer within ${CONNECT_TIMEOUT_MS / 1_000} seconds`,
      "Check the address, and whether a firewall blocks the port.",
    ];
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return [
      "unknown host",
      "Check the spelling, or use the address that the server printed.",
    ];
  }
  return [
    cause instanceof Error ? cause.message : String(cause),
    "Check the address, and that both computers are on the same network.",
  ];
}

function checked(
  hostname: string,
  port: string | undefined,
): Address | undefined {
  if (!/^[A-Za-z0-9._:%-]+$/.test(hostname)) return undefined;
  if (port === undefined) return { hostname, port: undefined };
  const number = parsePort(port);
  return number === undefined ? undefined : { hostname, port: number };
}
