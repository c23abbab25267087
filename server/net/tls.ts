/**
 * TLS around a TCP connection.
 *
 * The server does not use `Deno.listenTls` (Deno 2.9.6). That computes a handshake
 * before the server can ask whose it is. What it accepts cannot be closed while the
 * peer stalls the handshake, or takes nothing any more: each hostile peer would hold
 * a socket without limit. The server uses no server of node:net either. That accepts
 * all that come at once, whatever waits, and none any more once it was out of file
 * descriptors. Here the server owns the TCP connection, and node:tls encrypts: see
 * tls/engine.ts.
 *
 * The TLS handshake begins when a connection is first read or written. A client
 * with a slow handshake does not delay other connections.
 *
 * This module is loaded by servers that were told `--tls`.
 *
 * @module
 */
import { createSecureContext, type SecureContext } from "node:tls";
import { networkOf } from "../../core/net/ip_address.ts";
import type { PortListener } from "../../platform/listen.ts";
import { ChatError } from "../../protocol.ts";
import { FIRST_BUFFER_BYTES, TlsStream } from "../../tls/stream.ts";
import type { AcceptedConn, TlsLimits, TlsListener } from "./acceptor.ts";
import { TLS_HANDSHAKE } from "./connection.ts";

/** A certificate and its key. */
type Pem = { readonly cert: string; readonly key: string };

/** A listener that can be given another certificate. */
export interface RenewableListener extends TlsListener {
  /** Clients that connect from now on see this certificate. */
  renew(pem: Pem): void;
}

/**
 * Adds TLS to what `listener` accepts; from then on this closes the listener. Both
 * are in PEM: the chain, the server's own certificate first, and its key.
 */
export function withTls(
  listener: PortListener,
  { cert, key }: Pem,
): RenewableListener {
  let context = createSecureContext({ cert, key });
  let limits: TlsLimits | undefined;
  return {
    port: listener.addr.port,
    accept: async () => new TlsWire(await listener.accept(), context, limits),
    close: () => listener.close(),
    limit: (given) => limits = given,
    renew: ({ cert, key }) => context = createSecureContext({ cert, key }),
  };
}

/**
 * A wire with TLS around what goes over a TCP connection; see {@linkcode TlsStream}.
 *
 * A peer that does not speak TLS gets an answer without TLS, which it can read:
 * reading throws 103 once. From then on what is written goes out as it is, and what
 * comes is dropped.
 */
export class TlsWire implements AcceptedConn {
  /** Called with the wait for the turn of its handshake. */
  onTurn?: (turn: Promise<void>) => void;
  readonly #conn: Deno.TcpConn;
  readonly #context: SecureContext;
  readonly #limits: TlsLimits | undefined;
  #opening: Promise<TlsStream> | undefined;
  #stream: TlsStream | undefined;
  #isPlain = false;
  #isClosed = false;

  /** Takes over `conn`. */
  constructor(
    conn: Deno.TcpConn,
    context: SecureContext,
    limits?: TlsLimits,
  ) {
    this.#conn = conn;
    this.#context = context;
    this.#limits = limits;
  }

  /** Where the peer is. */
  get remoteAddr(): Deno.NetAddr {
    return this.#conn.remoteAddr;
  }

  /** Turns Nagle's algorithm off. */
  setNoDelay(): void {
    this.#conn.setNoDelay();
  }

  /**
   * Reads into `buffer`; says how many bytes, or null at the end. One read at a time.
   *
   * @throws {ChatError} 103 if the peer does not speak TLS, once.
   * @throws {Deno.errors.InvalidData} If its TLS cannot be understood.
   */
  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isPlain) {
      return this.#conn.read(buffer).then((count) => count === null ? null : 0);
    }
    if (this.#stream) return this.#stream.read(buffer);
    return this.#open().then((stream) => stream.read(buffer));
  }

  /** Writes all of `bytes`, and says how many that are. */
  write(bytes: Uint8Array): Promise<number> {
    if (this.#isPlain) return this.#conn.write(bytes);
    if (this.#stream) return this.#stream.write(bytes);
    return this.#open().then((stream) => stream.write(bytes));
  }

  /** Ends our direction; the peer can still send. */
  closeWrite(): Promise<void> {
    return (this.#stream ?? this.#conn).closeWrite();
  }

  /** Ends both directions at once. Throws if called twice. */
  close(): void {
    this.#isClosed = true;
    (this.#stream ?? this.#conn).close();
  }

  #open(): Promise<TlsStream> {
    return this.#opening ??= this.#begin();
  }

  /** Checks what comes first, and completes the handshake if it is TLS. */
  async #begin(): Promise<TlsStream> {
    const buffer = new Uint8Array(FIRST_BUFFER_BYTES);
    const count = await this.#conn.read(buffer);
    const first = count === null ? null : buffer.subarray(0, count);
    if (first && first[0] !== TLS_HANDSHAKE) {
      this.#isPlain = true;
      throw new ChatError(103, "Cannot read head: this port is for TLS alone");
    }
    const { hostname } = this.remoteAddr;
    await this.#turn(networkOf(hostname));
    if (this.#isClosed) throw new Deno.errors.BadResource("closed");
    this.#stream = new TlsStream(this.#conn, {
      context: this.#context,
      first,
      meter: this.#limits?.meter(hostname),
    });
    await this.#stream.open();
    return this.#stream;
  }

  /** Waits until the server has time for the handshake. */
  async #turn(network: string): Promise<void> {
    const turn = this.#limits?.turn(network, () => this.#isClosed);
    if (turn) this.onTurn?.(turn);
    await turn;
  }
}
