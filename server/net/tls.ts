/**
 * TLS around a TCP connection.
 *
 * Not `Deno.listenTls`: what it accepts cannot be closed while the peer stalls
 * the handshake, or takes nothing any more (Deno 2.9.6), so that each hostile
 * peer would hold a socket for as long as it likes. Nor a server of node:net,
 * which accepts no connection any more once it was out of file descriptors. Here the
 * TCP connection stays ours, and node:tls does the talking over it.
 *
 * The TLS handshake begins when a connection is first read or written. A client
 * with a slow handshake does not delay other connections.
 *
 * This module is loaded by servers that were told `--tls`.
 *
 * @module
 */
import { Duplex } from "node:stream";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { chunkReader, type Stream, writeAll } from "../../core/net/stream.ts";
import { ChatError } from "../../protocol.ts";
import { TLS_HANDSHAKE } from "./connection.ts";
import type { AcceptedConn, TlsListener } from "./acceptor.ts";

/** A certificate and its private key, both in PEM. */
export interface TlsIdentity {
  /** The chain, the server's own first. */
  readonly cert: string;
  readonly key: string;
}

/** Adds TLS to what `listener` accepts; from then on this closes the listener. */
export function withTls(
  listener: Deno.TcpListener,
  { cert, key }: TlsIdentity,
): TlsListener {
  const context = createSecureContext({ cert, key });
  return {
    port: listener.addr.port,
    accept: async () => new TlsWire(await listener.accept(), context),
    close: () => listener.close(),
  };
}

/**
 * A wire with TLS around what goes over a TCP connection.
 *
 * A peer that does not speak TLS is answered without, or it would not know what
 * to make of the answer: reading throws 103 once, and from then on what is
 * written goes out as it is, and what comes is dropped.
 */
export class TlsWire implements AcceptedConn {
  readonly #conn: Deno.TcpConn;
  readonly #context: SecureContext;
  #opening: Promise<Opened> | undefined;
  #socket: TLSSocket | undefined;
  #isPlain = false;

  /** Takes over `conn`. */
  constructor(conn: Deno.TcpConn, context: SecureContext) {
    this.#conn = conn;
    this.#context = context;
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
   * Reads into `buffer`; says how many bytes, or null at the end.
   *
   * @throws {ChatError} 103 if the peer does not speak TLS, once.
   * @throws {Deno.errors.InvalidData} If its TLS cannot be understood.
   */
  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isPlain) {
      return await this.#conn.read(buffer) === null ? null : 0;
    }
    const { read } = await this.#open();
    return await read(buffer);
  }

  /** Writes all of `bytes`, and says how many that are. */
  async write(bytes: Uint8Array): Promise<number> {
    if (this.#isPlain) return await this.#conn.write(bytes);
    const { socket } = await this.#open();
    await new Promise<void>((resolve, reject) => {
      socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
    return bytes.length;
  }

  /** Ends our direction; the peer can still send. */
  async closeWrite(): Promise<void> {
    const socket = this.#socket;
    if (!socket) return await this.#conn.closeWrite();
    if (socket.destroyed) return; // then `end` would not call back
    await new Promise<void>((resolve) => {
      socket.once("close", resolve);
      socket.end(resolve);
    });
  }

  /** Ends both directions at once. Throws if called twice. */
  close(): void {
    this.#conn.close();
    setImmediate(() => this.#socket?.destroy()); // it may not have started yet
  }

  #open(): Promise<Opened> {
    return this.#opening ??= this.#begin();
  }

  /** Looks at what comes first, and begins to talk if it is TLS. */
  async #begin(): Promise<Opened> {
    const first = new Uint8Array(READ_BYTES);
    const count = await this.#conn.read(first);
    if (count !== null && first[0] !== TLS_HANDSHAKE) {
      this.#isPlain = true;
      throw new ChatError(103, "Cannot read head: this port is for TLS alone");
    }
    const begun = count === null ? null : first.subarray(0, count);
    const socket = new TLSSocket(streamOf(this.#conn, begun), {
      isServer: true,
      secureContext: this.#context,
    });
    socket.on("error", () => {}); // the read or the write rejects
    this.#socket = socket;
    return { socket, read: chunkReader(chunksOf(socket)) };
  }
}

/** What there is once something came. */
interface Opened {
  readonly socket: TLSSocket;
  readonly read: Stream["read"];
}

/** @throws {Deno.errors.InvalidData} */
async function* chunksOf(socket: TLSSocket): AsyncGenerator<Uint8Array> {
  try {
    // Otherwise the end of theirs would be the end of ours.
    yield* socket.iterator({ destroyOnReturn: false });
  } catch (cause) {
    if (!isTlsError(cause)) throw cause;
    throw new Deno.errors.InvalidData("Cannot read TLS", { cause });
  }
}

/** Whether TLS is what went wrong, rather than the connection below. */
function isTlsError(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    String(error.code).startsWith("ERR_SSL");
}

/** A connection as node:tls wants it, of which `begun` was read before. */
function streamOf(conn: Deno.TcpConn, begun: Uint8Array | null): Duplex {
  const buffer = new Uint8Array(READ_BYTES);
  let isBegun = false;
  return new Duplex({
    read() {
      if (!isBegun) {
        isBegun = true;
        // Later: what is broken must not end it before it has started.
        setImmediate(() => this.push(begun));
        return;
      }
      conn.read(buffer).then(
        (count) => this.push(count === null ? null : buffer.slice(0, count)),
        (error) => this.destroy(error),
      );
    },
    write(bytes: Uint8Array, _encoding, done) {
      writeAll(conn, bytes).then(() => done(), done);
    },
    final(done) {
      conn.closeWrite().then(() => done(), done);
    },
  });
}

/** What one read may hold: one record of TLS, and a bit. */
const READ_BYTES = 17 * 1024;
