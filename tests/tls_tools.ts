/** What the tests of TLS stand on: certificates, and servers that have one. */
import { generate } from "selfsigned";
import { type Certificate, certificateFor } from "../server/certificate.ts";
import { listenTls } from "../server/tls.ts";
import type { ServerOptions } from "../server.ts";
import { RawClient, startTestServer, type TestServer } from "./raw_client.ts";

/** A certificate that a server makes, unlike all others. */
export function newCertificate(): Promise<Certificate> {
  return certificateFor({ db: ":memory:" });
}

/** A server with TLS beside TCP, and its certificate. */
export type TlsTestServer = TestServer & {
  readonly tlsPort: number;
  readonly certificate: Certificate;
};

/** Starts a server with TLS beside TCP, under a certificate of its own. */
export async function startTlsServer(
  options: ServerOptions = {},
): Promise<TlsTestServer> {
  const certificate = await newCertificate();
  const tls = listenTls({ ...certificate, hostname: "127.0.0.1", port: 0 });
  const server = startTestServer({ ...options, tls });
  return { ...server, tlsPort: server.tlsPort!, certificate };
}

/** Comes in over TLS; see {@linkcode RawClient.enter}. */
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

/** A certificate for `name`, a host or an address, signed by an authority. */
export async function signedCertificate(name: string): Promise<Signed> {
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
  });
  return {
    authority: authority.cert,
    cert: signed.cert,
    key: signed.private,
  };
}
