/**
 * TLS connections of two kinds: to a server that a known authority vouches for,
 * and to any other, whose certificate somebody has to look at.
 *
 * The first kind is Deno's own. For the second only node:tls tells what the
 * certificate is, and it goes on with one that nobody vouches for. What it says
 * about authorities is not used: Deno 2.9.6 takes there for vouched what is
 * not, namely a chain with certificates of version 1 that just names the
 * authority. And it does not check that the peer has the key of such a
 * certificate, so these are refused.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect as connectNode, type TLSSocket } from "node:tls";
import { type Connect, connectTcp } from "./address.ts";
import type { Stream } from "../../core/net/connection.ts";
import { EXIT, Failure } from "../view/failure.ts";

/** A connection whose directions end apart. */
export interface ByteStream extends Stream {
  /** Ends what is written; what comes can still be read. */
  closeWrite(): Promise<void>;
}

/** Nobody vouches for a certificate, or it is not of this server. */
export class NotVouched extends Failure {}

/** A TLS connection, and the certificate that was shown on it. */
export interface Shown {
  /** What is said on it. */
  readonly stream: ByteStream;
  /** What the server has proved to have the key of. */
  readonly certificate: X509Certificate;
}

/**
 * Connects to the server `name` that an authority vouches for: one this
 * computer knows, or one of `authorities`, as PEM.
 */
export function vouched(
  name: string,
  authorities: readonly string[],
): Connect<ByteStream> {
  return async (address) => {
    const tcp = await connectTcp(address);
    const conn = await Deno.startTls(tcp, {
      hostname: name,
      caCerts: [...authorities],
    });
    try {
      await abortable(conn.handshake(), address.signal);
      return conn;
    } catch (error) {
      conn.close();
      throw explained(error);
    }
  };
}

/** Connects to `name` whatever its certificate is. Nothing is sent yet. */
export function shown(name: string): Connect<Shown> {
  return async ({ hostname, port, signal }) => {
    const socket = connectNode({
      host: hostname ?? name,
      port,
      servername: isIP(name) ? "" : name,
      rejectUnauthorized: false, // see the top of the file
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    try {
      await abortable(handshake(socket), signal);
      const { raw } = socket.getPeerCertificate();
      return { stream: new NodeStream(socket), certificate: readable(raw) };
    } catch (error) {
      socket.destroy();
      throw explained(error);
    }
  };
}

function handshake(socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("secureConnect", resolve);
  socket.on("error", reject); // a later one is told to whoever reads or writes
  return promise;
}

/** @throws {Failure} If it is no certificate of version 3. */
function readable(der: Uint8Array): X509Certificate {
  const version = VERSION_3.every((byte, i) => contentOf(der)[i] === byte);
  if (version) return new X509Certificate(der);
  throw new Failure(
    EXIT.protocol,
    "Cannot trust the server: its certificate is not of version 3",
    {
      advice: "Whoever runs the server needs another one; " +
        "without --cert and --key it makes one itself.",
    },
  );
}

/** What is inside the two sequences that a certificate begins with (DER). */
function contentOf(der: Uint8Array): Uint8Array {
  const header = (at: number) =>
    2 + (der[at + 1]! < 128 ? 0 : der[at + 1]! & 127);
  const outer = header(0);
  return der.subarray(outer + header(outer));
}

/** The first field of a certificate of version 3: `[0] INTEGER 2`. */
const VERSION_3 = [0xa0, 3, 2, 1, 2];

/** A connection of node:tls, read and written as ours are. */
class NodeStream implements ByteStream {
  readonly #socket: TLSSocket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(); // of what came, still to be read

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    // What is not read yet is not asked for either: TCP slows the server down.
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done) return null;
      this.#rest = value;
    }
    const part = this.#rest.subarray(0, buffer.length);
    this.#rest = this.#rest.subarray(part.length);
    buffer.set(part);
    return part.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    this.#socket.end();
    return Promise.resolve();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** What went wrong with TLS in our terms; other errors as they are. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message } = error;
  const [, fault] = /^invalid peer certificate: (.*)/s.exec(message) ?? [];
  if (fault !== undefined) {
    const why = /^(UnknownIssuer|BadSignature)$/.test(fault)
      ? "no known authority vouches for its certificate"
      : `its certificate is refused: ${fault}`;
    return new NotVouched(EXIT.protocol, why, { cause: error });
  }
  if (/InvalidContentType/.test(message)) {
    return new Failure(
      EXIT.protocol,
      "Cannot talk TLS with the server: it does not speak it on this port",
      {
        advice: "Leave out --tls, or use the port that the server prints " +
          "for TLS when it starts.",
        cause: error,
      },
    );
  }
  return error;
}
