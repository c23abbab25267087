/**
 * Listening on all addresses of a computer, where one socket does not do that.
 *
 * On Windows, `::` takes connections of IPv6 alone: it needs a second socket for
 * IPv4. On Windows and on macOS, another program may have the same port on one of
 * the addresses, such as 127.0.0.1, and gets what is sent there, without an error
 * for either: we connect to ourselves to notice that.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { EVERYWHERE, EVERYWHERE_6, SYSTEM, type System } from "./system.ts";

/**
 * How long a connection to ourselves may take, in milliseconds. It takes less than
 * one, unless something holds the whole program up.
 */
const ARRIVES_WITHIN_MS = 5_000;

/** Ports to try if the system chooses one that is free for IPv6 alone. */
const PORTS_TO_TRY = 8;

/** What accepts connections to a port; a `Deno.TcpListener` is one. */
export type PortListener = Pick<
  Deno.TcpListener,
  "accept" | "addr" | "close"
>;

/** Where to listen, as `Deno.listen` has it. */
export interface Place {
  readonly hostname: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly tcpBacklog?: number;
}

/** What the system does; tests give their own. */
export interface ListenParts {
  readonly system?: System;
  /** Default: `Deno.listen`. */
  readonly listen?: (place: Place) => PortListener;
  /** Default: `Deno.connect`. */
  readonly connect?: (
    to: { hostname: string; port: number; signal: AbortSignal },
  ) => Promise<Pick<Deno.TcpConn, "localAddr" | "close">>;
  /** Default: five seconds. */
  readonly arrivesWithinMs?: number;
}

/**
 * Listens on all addresses, as `hostname` says, and makes sure that connections to
 * this computer itself arrive here.
 *
 * @throws {Deno.errors.AddrInUse} If another program has the port, also on one
 * address.
 */
export async function listenAlone(
  place: Place,
  parts: ListenParts = {},
): Promise<PortListener> {
  const { listen = Deno.listen } = parts;
  const isBoth = place.hostname === EVERYWHERE_6;
  const listeners = isBoth ? listenEverywhere(place, parts) : [listen(place)];
  const port = new JoinedListener(listeners);
  try {
    await port.checkArrival("127.0.0.1", parts);
    if (isBoth) await port.checkArrival("::1", parts);
    return port;
  } catch (error) {
    port.close();
    throw error;
  }
}

/**
 * Listens on one port of all addresses, of IPv6 and of IPv4: one listener, or two
 * where the one for IPv6 does not take IPv4 too.
 */
export function listenEverywhere(
  { port, ...options }: Omit<Place, "hostname">,
  { system = SYSTEM, listen = Deno.listen }: ListenParts = {},
): PortListener[] {
  for (let left = PORTS_TO_TRY;; left--) {
    const six = listen({ ...options, hostname: EVERYWHERE_6, port });
    try {
      const { port } = six.addr;
      return [six, listen({ ...options, hostname: EVERYWHERE, port })];
    } catch (error) {
      if (system !== "windows") return [six]; // it takes IPv4 too
      six.close();
      if (port !== 0 || left <= 1) throw error;
    }
  }
}

/** Several listeners as one, for one reader at a time. */
class JoinedListener implements PortListener {
  /** Where the first one listens. */
  readonly addr: Deno.NetAddr;
  readonly #listeners: readonly PortListener[];
  readonly #accepting = new Set<PortListener>();
  /** What came before it was asked for. */
  readonly #early: Promise<Deno.TcpConn>[] = [];
  #reader: ((next: Promise<Deno.TcpConn>) => void) | undefined;

  /** Of at least one. */
  constructor(listeners: readonly PortListener[]) {
    this.#listeners = listeners;
    this.addr = listeners[0]!.addr; // there is one
  }

  /** The next connection of any of them. Rejects as they do. */
  accept(): Promise<Deno.TcpConn> {
    const next = this.#early.shift();
    if (next) return next;
    const { promise, resolve } = Promise.withResolvers<Deno.TcpConn>();
    this.#reader = resolve;
    for (const listener of this.#listeners) {
      if (this.#accepting.has(listener)) continue;
      this.#accepting.add(listener);
      const accepted = listener.accept();
      accepted.catch(() => {}).then(() => {
        this.#accepting.delete(listener);
        this.#give(accepted);
      });
    }
    return promise;
  }

  /** Closes all listeners, and connections that came and were not asked for. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
    for (const early of this.#early.splice(0)) {
      early.then((conn) => conn.close(), () => {});
    }
  }

  /**
   * Connects to `hostname`, an address of this computer, and waits for that here.
   * An address to which nothing can connect is no other program's.
   *
   * @throws {Deno.errors.AddrInUse} If it does not arrive.
   */
  async checkArrival(
    hostname: string,
    { connect = Deno.connect, arrivesWithinMs = ARRIVES_WITHIN_MS }:
      ListenParts,
  ): Promise<void> {
    const signal = AbortSignal.timeout(arrivesWithinMs);
    const { port } = this.addr;
    const probe = await connect({ hostname, port, signal }).catch(() => {});
    if (!probe) return;
    const others: Promise<Deno.TcpConn>[] = [];
    try {
      for (;;) {
        const accepted = this.accept();
        const conn = await abortable(accepted, signal).catch(() => {});
        if (!conn) throw taken(hostname, port);
        if (isSame(conn.remoteAddr, probe.localAddr)) return conn.close();
        others.push(accepted);
      }
    } finally {
      probe.close();
      this.#early.unshift(...others);
    }
  }

  #give(accepted: Promise<Deno.TcpConn>): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) return reader(accepted);
    accepted.catch(() => {}); // its reader will see
    this.#early.push(accepted);
  }
}

/** Whether they are one address; IPv4 may be written as IPv6. */
function isSame(a: Deno.NetAddr, b: Deno.NetAddr): boolean {
  const hosts = [a, b].map(({ hostname }) => hostname.replace("::ffff:", ""));
  return a.port === b.port && hosts[0] === hosts[1];
}

function taken(hostname: string, port: number): Error {
  const message = `Another program has port ${port} of ${hostname}`;
  const code = "EADDRINUSE";
  return Object.assign(new Deno.errors.AddrInUse(message), { code });
}
