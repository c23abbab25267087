/**
 * TLS connections of two kinds: to a server whose certificate a trusted authority
 * signed, and to any other, whose certificate is checked by trust.ts.
 *
 * The first kind is Deno's own. The second needs node:tls, which accepts any
 * certificate and shows it. Its verdict on authorities is not used: in Deno 2.9.6
 * it accepts a chain of version 1 certificates that only names the authority, and
 * does not check that the peer has the key of such a certificate. So certificates
 * of version 1 are refused.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect as connectNode, type TLSSocket } from "node:tls";
import { type Connect, connectTcp } from "./address.ts";
import { type ByteStream, chunkReader } from "../../core/net/stream.ts";
import { EXIT, Failure } from "../view/failure.ts";

/** No trusted authority signed the certificate, or it is of another server. */
export class UntrustedCertificate extends Failure {}

/** A TLS connection, and the certificate the server showed on it. */
export interface Shown {
  readonly stream: ByteStream;
  /** The server has proved that it has the key. */
  readonly certificate: X509Certificate;
}

/**
 * Connects to the server `name`, whose certificate must be signed by an authority
 * that this computer trusts, or by one of `authorities` (PEM).
 */
export function signed(
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

/** Connects to `name` whatever its certificate is, and sends nothing. */
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
      return { stream: streamOf(socket), certificate: readable(raw) };
    } catch (error) {
      socket.destroy();
      throw explained(error);
    }
  };
}

function handshake(socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("secureConnect", resolve);
  socket.on("error", reject); // a later error makes reads and writes reject
  return promise;
}

/** @throws {Failure} If it is not of version 3: see the top of the file. */
function readable(der: Uint8Array): X509Certificate {
  const version = VERSION_3.every((byte, i) => contentOf(der)[i] === byte);
  if (version) return new X509Certificate(der);
  throw new Failure(
    EXIT.protocol,
    "Cannot trust the server: its certificate is not of version 3",
    {
      advice: "The operator needs another certificate. Without --cert and " +
        "--key the server makes one.",
    },
  );
}

/** The content of the two sequences that a certificate starts with (DER). */
function contentOf(der: Uint8Array): Uint8Array {
  const header = (at: number) =>
    2 + (der[at + 1]! < 128 ? 0 : der[at + 1]! & 127);
  const outer = header(0);
  return der.subarray(outer + header(outer));
}

/** The first field of a certificate of version 3: `[0] INTEGER 2`. */
const VERSION_3 = [0xa0, 3, 2, 1, 2];

/** A connection of node:tls, with the interface of Deno's. */
function streamOf(socket: TLSSocket): ByteStream {
  return {
    // Asks for a chunk only when it is read: backpressure by TCP.
    read: chunkReader(socket.iterator({ destroyOnReturn: false })),
    async write(bytes) {
      await new Promise<void>((resolve, reject) => {
        socket.write(bytes, (error) => error ? reject(error) : resolve());
      });
      return bytes.length;
    },
    closeWrite: () => Promise.resolve(void socket.end()),
    close: () => void socket.destroy(),
  };
}

/** TLS errors as a {@linkcode Failure}; other errors as they are. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message } = error;
  const [, fault] = /^invalid peer certificate: (.*)/s.exec(message) ?? [];
  if (fault !== undefined) {
    const why = /^(UnknownIssuer|BadSignature)$/.test(fault)
      ? "its certificate is not signed by a trusted authority"
      : `its certificate is refused: ${fault}`;
    return new UntrustedCertificate(EXIT.protocol, why, { cause: error });
  }
  if (/InvalidContentType/.test(message)) {
    return new Failure(
      EXIT.protocol,
      "Cannot use TLS with the server: this port does not use TLS",
      {
        advice: "Leave out --tls, or use the TLS port that the server prints " +
          "when it starts.",
        cause: error,
      },
    );
  }
  return error;
}
