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

/** Where to listen. */
export interface Place {
  /** An address of this computer; default: every one that is IPv4. */
  readonly hostname?: string;
  /** 0 takes a free one. Default 9898. */
  readonly port?: number;
}

/**
 * Listens for TCP. From now on whoever connects waits to be accepted.
 *
 * @throws {StartError} If that is not possible, and why.
 */
export function listen(
  { hostname = EVERYWHERE, port = DEFAULT_PORT }: Place,
): Deno.TcpListener {
  try {
    return Deno.listen({ hostname, port, tcpBacklog: BACKLOG });
  } catch (cause) {
    const what = `Cannot listen on ${hostname} port ${port}`;
    const why = cause instanceof Deno.errors.AddrInUse
      ? "another program does, perhaps a server you forgot; stop it, or choose another port with --port"
      : (cause as Error).message; // it throws no other
    throw new StartError(`${what}: ${why}`, { cause });
  }
}
