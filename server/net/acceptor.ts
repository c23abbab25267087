/**
 * Accepts connections of any number of listeners, and serves all alike.
 *
 *     listener → accept → Wire → Connection → serve
 *
 * While users chat, connections wait to be served, and the addresses take turns:
 * an address that connects without a pause does not hold up others. Connections are
 * accepted at once, or the system's queue would be full: a client whose first packet
 * is dropped tries again after a second, and then after three.
 *
 * A listener needs no more than `accept`: TCP and TLS end up in the same sessions.
 * A WebSocket, which no listener accepts, is given to {@linkcode Acceptor.welcome}.
 *
 * @module
 */
import { networkOf } from "../../core/net/ip_address.ts";
import { acceptAll } from "../../platform/accepting.ts";
import { type Clock, nextTurn, throttledLog } from "./clock.ts";
import { Connection, hostOf, type Transport, type Wire } from "./connection.ts";

/** Where peers connect; a `Deno.TcpListener` is one. */
export interface Listener {
  /** Waits for the next connection. */
  accept(): Promise<AcceptedConn>;
  /** Stops; a pending `accept` rejects. */
  close(): void;
}

/** What a {@linkcode Listener} accepts; a `Deno.TcpConn` is one. */
export interface AcceptedConn extends Wire {
  /** Where the peer is. */
  readonly remoteAddr: Deno.NetAddr;
  /** Turns Nagle's algorithm off. */
  setNoDelay(): void;
}

/** What an {@linkcode Acceptor} needs. */
export interface AcceptorOptions {
  /** Serves one connection, until it has ended. */
  serve(connection: Connection): Promise<void>;
  /**
   * Resolves when a connection of a network may be served; undefined if at once.
   */
  admit(network: string): Promise<void> | undefined;
  /** How many connections of one address may wait for that. */
  readonly maxWaitingPerAddress: number;
  /** How many connections may wait for that. */
  readonly maxWaiting: number;
  readonly clock: Clock;
  /** Unread bytes over which a connection ends; default: see outbox.ts. */
  readonly maxOutboxBytes?: number | undefined;
}

/** A listener for TLS; see server/net/tls.ts. */
export interface TlsListener extends Listener {
  /** Where it listens. */
  readonly port: number;
  /** Limits what it accepts from now on. */
  limit(limits: TlsLimits): void;
}

/** What TLS waits for. */
export interface TlsLimits {
  /** Resolves when a handshake for a network may begin, or its client `isGone`. */
  turn(network: string, isGone: () => boolean): Promise<void>;
  /**
   * What counts bytes of a new connection from `host` that are no text. It resolves
   * when more may be read; undefined if that is now.
   */
  meter(host: string): (bytes: number) => Promise<void> | undefined;
}

/** See the top of the file. */
export class Acceptor implements AsyncDisposable {
  readonly #options: AcceptorOptions;
  readonly #complain: (line: string) => void;
  readonly #listeners: Listener[] = [];
  readonly #accepting: Promise<void>[] = [];
  readonly #sessions = new Set<Promise<void>>();
  /** How many connections wait, by network. */
  readonly #waiting = new Map<string, number>();
  #allWaiting = 0;
  readonly #closing = new AbortController();

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#complain = throttledLog(console.error, options.clock.now);
  }

  /** Serves what `listener` accepts, until {@linkcode Acceptor.close}. */
  open(listener: Listener, transport: Transport = "TCP"): void {
    this.#listeners.push(listener);
    this.#accepting.push(acceptAll(listener, {
      signal: this.#closing.signal,
      serve: (conn) => this.#serve(conn, transport),
      complain: this.#complain,
      now: this.#options.clock.now,
      nextTurn,
    }));
  }

  /** Serves the client at the other end of `wire`, unless it is closing. */
  welcome(wire: Wire, from: Deno.NetAddr, transport: Transport = "TCP"): void {
    if (this.#closing.signal.aborted) return wire.close();
    const { maxOutboxBytes } = this.#options;
    const connection = new Connection(wire, {
      remote: addressOf(from),
      transport,
      now: this.#options.clock.now(),
      clock: this.#options.clock,
      ...(maxOutboxBytes === undefined ? {} : { maxOutboxBytes }),
    });
    const session: Promise<void> = this.#options.serve(connection)
      .catch((bug) => console.error("A session failed:", bug))
      .finally(() => this.#sessions.delete(session));
    this.#sessions.add(session);
  }

  /** Accepts no more connections; open ones go on. */
  close(): void {
    this.#closing.abort();
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  /** Accepts no more connections, and resolves when all have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await Promise.all(this.#accepting);
    await Promise.all(this.#sessions);
  }

  /** Serves a connection now, or when it is admitted. */
  #serve(conn: AcceptedConn, transport: Transport): void {
    const network = networkOf(hostOf(addressOf(conn.remoteAddr)));
    const waiting = this.#waiting.get(network) ?? 0;
    const { admit, maxWaiting, maxWaitingPerAddress } = this.#options;
    if (waiting >= maxWaitingPerAddress || this.#allWaiting >= maxWaiting) {
      return conn.close(); // it would be refused
    }
    const turn = admit(network);
    if (!turn) return this.welcome(conn, conn.remoteAddr, transport);
    this.#count(network, 1);
    turn.then(() => {
      this.#count(network, -1);
      this.welcome(conn, conn.remoteAddr, transport);
    });
  }

  #count(network: string, change: 1 | -1): void {
    const waiting = (this.#waiting.get(network) ?? 0) + change;
    this.#allWaiting += change;
    if (waiting > 0) this.#waiting.set(network, waiting);
    else this.#waiting.delete(network);
  }
}

/** An address as it is shown: IPv4 also on an IPv6 socket. */
function addressOf({ hostname, port }: Deno.NetAddr): string {
  const host = hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
