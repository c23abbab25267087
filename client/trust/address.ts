/**
 * Server addresses: how users write them, and how to connect to one.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { EVERYWHERE, EVERYWHERE_6 } from "../../platform/system.ts";
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

/**
 * Reads `host`, `host:port`, `[v6]:port` or a bare v6 address. The addresses that mean
 * all of a server, `0.0.0.0` and `::`, are this computer: Windows connects to neither.
 */
export function parseAddress(word: string): Address | undefined {
  const [, bracketed, host = word, portText] =
    /^(?:\[([^\]]+)\]|([^:]*))(?::([^:]*))?$/.exec(word) ?? [];
  const written = bracketed ?? host;
  const hostname = written === EVERYWHERE
    ? "127.0.0.1"
    : written === EVERYWHERE_6
    ? "::1"
    : written;
  if (!/^[A-Za-z0-9._:%-]+$/.test(hostname)) return undefined;
  if (portText === undefined) return { hostname, port: undefined };
  const port = parsePort(portText);
  return port === undefined ? undefined : { hostname, port };
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

/** Connects to a server. May throw any error. */
export type Connect<T> = (
  server: Endpoint & { readonly signal: AbortSignal },
) => Promise<T>;

/**
 * Connects without TLS. If the host has several addresses, Deno 2.9.6 tries the next
 * one after 250 ms, IPv6 and IPv4 in turn, and takes the first that connects (RFC
 * 8305): a server may listen on IPv4 only, and of its addresses some lead nowhere.
 */
export async function connectTcp(
  server: Parameters<Connect<Deno.TcpConn>>[0],
): Promise<Deno.TcpConn> {
  const conn = await Deno.connect(server);
  tune(conn);
  return conn;
}

/**
 * Makes `conn` send at once what is written, and notice when the other side lost
 * power. macOS refuses both when the other side has closed the connection already:
 * what it sent before, such as that the server is full, can still be read.
 */
export function tune(
  conn: Pick<Deno.TcpConn, "setNoDelay" | "setKeepAlive">,
): void {
  try {
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
  } catch {
    // Reading tells the end.
  }
}

/**
 * Connects in time.
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
  try {
    return await abortable(connect({ hostname, port, signal: both }), both);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure) throw error;
    const cause = deadline.aborted ? deadline.reason : error;
    const { whyUnreachable } = await import("./unreachable.ts");
    const withinMs = CONNECT_TIMEOUT_MS;
    const [why, advice] = whyUnreachable(cause, { hostname, withinMs });
    throw new Failure(
      EXIT.unreachable,
      `Cannot connect to ${hostname} port ${port}: ${why}`,
      { advice, passing: true, cause },
    );
  }
}
