/** Tools for the tests of TLS: certificates, and servers that have one. */
import { createPublicKey } from "node:crypto";
import { generate } from "selfsigned";
import {
  type Certificate,
  certificateFor,
} from "../../../server/certificate.ts";
import type {
  AcceptedConn,
  TlsListener,
} from "../../../server/net/acceptor.ts";
import { withTls } from "../../../server/net/tls.ts";
import { RawClient } from "./raw_client.ts";
import {
  listenHere,
  startTestServer,
  type TestOptions,
  type TestServer,
} from "./test_server.ts";

/** A certificate that a server makes, unlike all others. */
export function newCertificate(): Promise<Certificate> {
  return certificateFor({ db: ":memory:" });
}

/** A server with TLS beside TCP, and its certificate. */
export type TlsTestServer = TestServer & {
  readonly tlsPort: number;
  readonly certificate: Pick<Certificate, "cert" | "key">;
};

/** What {@linkcode startTlsServer} may be told. */
export interface TlsServerOptions extends TestOptions {
  /** Where to listen for TLS; default: on any free port. */
  readonly tlsPort?: number;
  /** Default: one like no other. */
  readonly certificate?: Pick<Certificate, "cert" | "key">;
}

/** Starts a server with TLS beside TCP. */
export async function startTlsServer(
  { certificate: given, tlsPort = 0, ...options }: TlsServerOptions = {},
): Promise<TlsTestServer> {
  const certificate = given ?? await newCertificate();
  const tls = withTls(listenHere(tlsPort), certificate);
  const server = startTestServer({ ...options, tls });
  return { ...server, tlsPort: server.tlsPort!, certificate };
}

/** Registers over TLS; see {@linkcode RawClient.enter}. */
export async function enterTls(
  server: TlsTestServer,
  name: string,
  ...rooms: string[]
): Promise<RawClient> {
  const client = await RawClient.connectTls(
    server.tlsPort,
    server.certificate.cert,
  );
  return await client.comeIn(name, ...rooms);
}

/** An authority, and a certificate that it has signed. */
export interface Signed {
  /** The authority's certificate. */
  readonly authority: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * A certificate for `name`, a host or an address, signed by an authority; with
 * a new key, or with `key`.
 */
export async function signedCertificate(
  name: string,
  key?: string,
): Promise<Signed> {
  const options = { keyType: "ec", algorithm: "sha256" } as const;
  const authority = await generate([{ name: "commonName", value: "test CA" }], {
    ...options,
    extensions: [{ name: "basicConstraints", cA: true, critical: true }],
  });
  const altName = /^[\d.]+$/.test(name)
    ? { type: 7, ip: name } as const
    : { type: 2, value: name } as const;
  const signed = await generate([{ name: "commonName", value: "test" }], {
    ...options,
    extensions: [{ name: "subjectAltName", altNames: [altName] }],
    ca: { key: authority.private, cert: authority.cert },
    ...(key === undefined ? {} : { keyPair: keyPairOf(key) }),
  });
  return {
    authority: authority.cert,
    cert: signed.cert,
    key: signed.private,
  };
}

function keyPairOf(privateKey: string) {
  const key = createPublicKey(privateKey);
  const publicKey = key.export({ type: "spki", format: "pem" }).toString();
  return { privateKey, publicKey };
}

/**
 * An attacker in the middle: a client that connects gets the attacker's
 * certificate, and its bytes are passed on to the server that it meant.
 */
export class Interceptor implements AsyncDisposable {
  /** The port of the attacker. */
  readonly port: number;
  /** The attacker's certificate. */
  readonly certificate: Certificate;
  /** How many bytes of clients the attacker could read. */
  heard = 0;
  /** How many connections there were. */
  connections = 0;
  readonly #first = Promise.withResolvers<void>();
  readonly #listener: TlsListener;
  readonly #server: TlsTestServer;
  readonly #done: Promise<void>;
  readonly #open = new Set<() => void>();

  private constructor(server: TlsTestServer, certificate: Certificate) {
    this.#server = server;
    this.certificate = certificate;
    this.#listener = withTls(listenHere(), certificate);
    this.port = this.#listener.port;
    this.#done = this.#acceptAll();
  }

  /** Listens in place of `server`. */
  static async before(server: TlsTestServer): Promise<Interceptor> {
    return new Interceptor(server, await newCertificate());
  }

  /** Resolves with the first connection. */
  get connected(): Promise<void> {
    return this.#first.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const close of this.#open) close();
    await this.#done;
  }

  async #acceptAll(): Promise<void> {
    const links: Promise<void>[] = [];
    for (;;) {
      const conn = await this.#listener.accept().catch(() => undefined);
      if (!conn) break; // closed
      this.connections++;
      this.#first.resolve();
      links.push(this.#pass(conn));
    }
    await Promise.all(links);
  }

  /** Passes on what both sides send, until one of them ends. */
  async #pass(client: AcceptedConn): Promise<void> {
    const { tlsPort: port, certificate: { cert } } = this.#server;
    const to = { hostname: "127.0.0.1", port, caCerts: [cert] };
    const server = await Deno.connectTls(to);
    let isClosed = false;
    const close = () => {
      if (isClosed) return;
      isClosed = true;
      client.close();
      server.close();
    };
    this.#open.add(close);
    const up = relay(client, server, (count) => this.heard += count);
    const down = relay(server, client, () => {});
    await Promise.race([up, down]);
    close();
    await Promise.all([up, down]);
    this.#open.delete(close);
  }
}

/** Resolves when one of them ends, however that is. */
async function relay(
  from: Pick<Deno.Conn, "read">,
  to: Pick<Deno.Conn, "write">,
  count: (bytes: number) => void,
): Promise<void> {
  const buffer = new Uint8Array(16_384);
  try {
    for (let got; (got = await from.read(buffer)) !== null;) {
      count(got);
      for (let at = 0; at < got;) {
        at += await to.write(buffer.subarray(at, got));
      }
    }
  } catch {
    // A side is gone, or we have closed both.
  }
}
