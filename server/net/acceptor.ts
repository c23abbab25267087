/**
 * Accepts connections of any number of listeners, and serves all alike.
 *
 *     listener → accept → Wire → Connection → serve
 *
 * A listener needs no more than `accept`: TCP and TLS end up in the same sessions.
 * A WebSocket, which no listener accepts, is given to {@linkcode Acceptor.welcome}.
 *
 * @module
 */
import { type Clock, throttledLog } from "./clock.ts";
import { Connection, type Transport, type Wire } from "./connection.ts";

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
  /** Resolves when the next connection may be accepted; undefined if at once. */
  admit(): Promise<void> | undefined;
  readonly clock: Clock;
  /** Unread bytes over which a connection ends; default: see outbox.ts. */
  readonly maxOutboxBytes?: number | undefined;
}

/** A listener for TLS; see server/net/tls.ts. */
export interface TlsListener extends Listener {
  /** Where it listens. */
  readonly port: number;
}

/** See the top of the file. */
export class Acceptor implements AsyncDisposable {
  readonly #options: AcceptorOptions;
  readonly #complain: (line: string) => void;
  readonly #listeners: Listener[] = [];
  readonly #accepting: Promise<void>[] = [];
  readonly #sessions = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#complain = throttledLog(console.error, options.clock.now);
  }

  /** Serves what `listener` accepts, until {@linkcode Acceptor.close}. */
  open(listener: Listener, transport: Transport = "TCP"): void {
    this.#listeners.push(listener);
    this.#accepting.push(this.#acceptAll(listener, transport));
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

  async #acceptAll(listener: Listener, transport: Transport): Promise<void> {
    const { signal } = this.#closing;
    for await (const conn of accepted(listener, this.#complain, signal)) {
      if (signal.aborted || !sendsAtOnce(conn)) {
        conn.close();
        continue;
      }
      this.welcome(conn, conn.remoteAddr, transport);
      await this.#options.admit();
    }
  }
}

/** Turns Nagle's algorithm off: the outbox joins what is small. */
function sendsAtOnce(conn: AcceptedConn): boolean {
  try {
    conn.setNoDelay();
    return true;
  } catch {
    return false; // it was reset before: some systems refuse then
  }
}

const ACCEPT_RETRY_MS = 1_000;

/** Accepts until `signal` aborts; goes on after it was out of descriptors. */
async function* accepted(
  listener: Listener,
  complain: (line: string) => void,
  signal: AbortSignal,
): AsyncGenerator<AcceptedConn, void, void> {
  while (!signal.aborted) {
    try {
      yield await listener.accept();
    } catch (error) {
      if (signal.aborted) return; // the listener was closed
      if (isGoneBefore(error)) continue;
      // The cast: `accept` throws nothing else.
      complain(`Cannot accept a connection: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
    }
  }
}

/** Whether the client was gone before: then the next one need not wait. */
function isGoneBefore(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset;
}

/** An address as it is shown: IPv4 also on an IPv6 socket. */
function addressOf({ hostname, port }: Deno.NetAddr): string {
  const host = hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
