/**
 * TLS around a TCP connection.
 *
 * The server does not use `Deno.listenTls` (Deno 2.9.6). That computes a handshake
 * before the server can ask whose it is. What it accepts cannot be closed while the
 * peer stalls the handshake, or takes nothing any more: each hostile peer would hold
 * a socket without limit. The server uses no server of node:net either. That accepts
 * all that come at once, whatever waits, and none any more once it was out of file
 * descriptors. Here the server owns the TCP connection, and node:tls encrypts: see
 * tls_engine.ts.
 *
 * The TLS handshake begins when a connection is first read or written. A client
 * with a slow handshake does not delay other connections.
 *
 * This module is loaded by servers that were told `--tls`.
 *
 * @module
 */
import process from "node:process";
import { createSecureContext, type SecureContext } from "node:tls";
import { networkOf } from "../../core/net/ip_address.ts";
import type { PortListener } from "../../platform/listen.ts";
import { ChatError } from "../../protocol.ts";
import { RecordPace } from "../../tls/records.ts";
import type { AcceptedConn, TlsLimits, TlsListener } from "./acceptor.ts";
import { TLS_HANDSHAKE } from "./connection.ts";
import { TlsEngine } from "./tls_engine.ts";

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
 * A wire with TLS around what goes over a TCP connection. It reads when it is read:
 * what its reader has no room for stays with the sender.
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
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #smallReads = 0; // in a row
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
  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isPlain) {
      return await this.#conn.read(buffer) === null ? null : 0;
    }
    const opened = this.#opened ?? await this.#open();
    for (;;) {
      const count = opened.engine.take(buffer);
      if (count > 0) return count;
      if (opened.engine.isEnded) return null;
      await this.#receiveMore(opened);
    }
  }

  /** Writes all of `bytes`, and says how many that are. */
  write(bytes: Uint8Array): Promise<number> {
    if (this.#isPlain) return this.#conn.write(bytes);
    if (this.#opened) return this.#opened.engine.write(bytes);
    return this.#open().then(({ engine }) => engine.write(bytes));
  }

  /** Ends our direction; the peer can still send. */
  async closeWrite(): Promise<void> {
    if (this.#opened) await this.#opened.engine.end();
    else await this.#conn.closeWrite();
  }

  /** Ends both directions at once. Throws if called twice. */
  close(): void {
    this.#isClosed = true;
    this.#conn.close();
    // Later: node:tls may not have started yet.
    setImmediate(() => this.#opened?.engine.destroy());
  }

  #open(): Promise<Opened> {
    return this.#opening ??= this.#begin();
  }

  /** Checks what comes first, and completes the handshake if it is TLS. */
  async #begin(): Promise<Opened> {
    const first = await this.#readMore();
    if (first && first[0] !== TLS_HANDSHAKE) {
      this.#isPlain = true;
      throw new ChatError(103, "Cannot read head: this port is for TLS alone");
    }
    const { hostname } = this.remoteAddr;
    await this.#turn(networkOf(hostname));
    if (this.#isClosed) throw new Deno.errors.BadResource("closed");
    const opened = {
      engine: new TlsEngine(this.#conn, this.#context),
      pace: new RecordPace(this.#limits?.meter(hostname)),
    };
    this.#opened = opened;
    await new Promise<void>((resolve) => process.nextTick(resolve)); // node:tls starts
    this.#receive(opened, first);
    while (!opened.engine.isSecure && !opened.engine.isEnded) {
      await this.#receiveMore(opened);
    }
    this.#buffer = new Uint8Array(FIRST_BUFFER_BYTES); // a handshake is longer
    return opened;
  }

  /** Waits as the pace of the records asks, and takes what comes next. */
  async #receiveMore(opened: Opened): Promise<void> {
    const rest = opened.pace.rest();
    if (rest) await rest;
    this.#receive(opened, await this.#readMore());
  }

  /** Waits until the server has time for the handshake. */
  async #turn(network: string): Promise<void> {
    const turn = this.#limits?.turn(network, () => this.#isClosed);
    if (turn) this.onTurn?.(turn);
    await turn;
  }

  #receive({ engine, pace }: Opened, bytes: Uint8Array | null): void {
    if (bytes) pace.came(bytes);
    pace.gave(engine.receive(bytes));
    pace.isSecure = engine.isSecure;
  }

  /** Reads what comes next: valid until the next call; null at the end. */
  async #readMore(): Promise<Uint8Array | null> {
    const count = await this.#conn.read(this.#buffer);
    if (count === null) return null;
    const bytes = this.#buffer.subarray(0, count);
    this.#resize(count);
    return bytes;
  }

  /** Makes the next buffer fit: while a connection idles, it holds one. */
  #resize(count: number): void {
    const size = this.#buffer.length;
    this.#smallReads = count < size / SMALL_READ ? this.#smallReads + 1 : 0;
    if (count === size && size < LARGEST_BUFFER_BYTES) {
      this.#buffer = new Uint8Array(Math.min(4 * size, LARGEST_BUFFER_BYTES));
    } else if (this.#smallReads >= SMALL_READS && size > FIRST_BUFFER_BYTES) {
      this.#buffer = new Uint8Array(FIRST_BUFFER_BYTES);
      this.#smallReads = 0;
    }
  }
}

/** What a connection has once its first bytes came. */
interface Opened {
  readonly engine: TlsEngine;
  readonly pace: RecordPace;
}

/** An idle connection holds a buffer of this size. */
const FIRST_BUFFER_BYTES = 512;

/** One record of TLS, with its head and its seal, fits. */
const LARGEST_BUFFER_BYTES = 17 * 1024;

/** A read of less than this part of the buffer is small. */
const SMALL_READ = 8;

/** After so many small reads in a row, the buffer is small again. */
const SMALL_READS = 16;
