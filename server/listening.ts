/**
 * How the server listens. This is loaded before it does, so it imports next to
 * nothing.
 *
 * @module
 */
import { DEFAULT_PORT } from "../protocol.ts";
import { StartError } from "./start_error.ts";

/** Every IPv4 address of this computer. */
export const EVERYWHERE = "0.0.0.0";

/** A burst of so many connections is accepted without a wait. */
const BACKLOG = 4_096;

/** Where to listen without TLS, if at all. */
export interface Plain {
  /** An address of this computer; default: every one that is IPv4. */
  readonly hostname?: string;
  /** 0 takes a free one. Default 9898. */
  readonly port?: number;
  /** Default: yes. */
  readonly plain?: boolean;
}

/** Where to listen. */
export interface Listening {
  /** Address to listen on. */
  readonly hostname: string;
  /** Port to listen on; 0 takes a free one. */
  readonly port: number;
  /** How the port is chosen on the command line. */
  readonly option: string;
}

/**
 * Listens for TCP without TLS, unless that is not wanted.
 *
 * @throws {StartError} If that is not possible, and why.
 */
export function listen(
  { hostname = EVERYWHERE, port = DEFAULT_PORT, plain = true }: Plain,
): Deno.TcpListener | undefined {
  if (!plain) return undefined;
  return listenTcp({ hostname, port, option: "--port" });
}

/**
 * Listens for TCP. From now on whoever connects waits to be accepted.
 *
 * @throws {StartError} If that is not possible, and why.
 */
export function listenTcp(
  { hostname, port, option }: Listening,
): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port, tcpBacklog: BACKLOG });
  } catch (error) {
    const what = `Cannot listen on ${hostname} port ${port}`;
    throw new StartError(`${what}: ${whyNot(error, option)}`);
  }
}

function whyNot(error: unknown, option: string): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return `another program does, perhaps a server you forgot; stop it, or choose another port with ${option}`;
  }
  return error instanceof Error ? error.message : String(error);
}
