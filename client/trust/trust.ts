/**
 * Checks the server's certificate before anything is sent.
 *
 * A certificate that a trusted authority signed is accepted. For any other one
 * the client asks the user once, and remembers it (trust on first use). From then
 * on the server must show that certificate, or one that was renewed with the same
 * key. Any other certificate is refused: an attacker who intercepts the connection
 * would show one.
 *
 * The check is made on the connection that is then used: after the handshake has
 * proved that the server has the key, and before the client sends a byte. A
 * reconnect is held to the certificate that was accepted before, without a
 * question.
 *
 * A connection with a signed certificate is Deno's own. Any other one needs
 * node:tls, which accepts any certificate and shows it. Its verdict on authorities
 * is not used: in Deno 2.9.6 it accepts a chain of version 1 certificates that only
 * names the authority, and does not check that the peer has the key of such a
 * certificate. So certificates of version 1 are refused.
 *
 * @module
 */
import { abortable } from "@std/async/abortable";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { isIP } from "node:net";
import { connect as connectNode, type TLSSocket } from "node:tls";
import { type Connect, connectTcp, dial, type Endpoint } from "./address.ts";
import { duplexOf } from "./tcp_duplex.ts";
import { EXIT, Failure, systemReason } from "../view/failure.ts";
import { tell } from "../view/view.ts";
import {
  type Identity,
  type KnownServers,
  serverText,
} from "./known_servers.ts";
import { printError } from "../../terminal/errors.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { type ByteStream, chunkReader } from "../../core/net/stream.ts";

/** Where the user is asked. */
export type Questioner = Pick<Terminal, "kind" | "columns" | "ask" | "print">;

/** Settings of {@linkcode Trust}. */
export interface TrustOptions {
  /** SHA-256 of the only certificate to accept, from the command line. */
  readonly fingerprint: string | undefined;
  /** PEM file of the only authorities to trust, from the command line. */
  readonly caFile: string | undefined;
  /** The certificates accepted before. */
  readonly known: KnownServers;
  /** Undefined if there is no user to ask. */
  readonly terminal: Questioner | undefined;
}

/** A certificate that no trusted authority signed, and no user accepted. */
export class UnknownCertificate extends Failure {
  /** As {@linkcode serverText} writes it. */
  readonly server: string;
  readonly identity: Identity;

  constructor(server: string, identity: Identity) {
    super(
      EXIT.protocol,
      `Cannot trust ${server}: unknown certificate, not signed by a trusted authority`,
      {
        advice: "If the server prints the same fingerprint when it starts, " +
          `add --fingerprint ${withColons(identity.fingerprint)}`,
      },
    );
    this.server = server;
    this.identity = identity;
  }
}

/** The trust in one server, for as long as the program runs. */
export class Trust {
  /** The certificate that the server must have from now on. */
  accepted: Identity | undefined;
  readonly #options: TrustOptions;
  #isSigned = false;
  #wasTold = false;

  constructor(options: TrustOptions) {
    const { fingerprint } = options;
    this.#options = options;
    if (fingerprint !== undefined) {
      this.accepted = { fingerprint, key: undefined };
    }
  }

  /**
   * Connects to `server` with TLS.
   *
   * @throws {Failure} If it cannot connect, or the certificate is not accepted.
   */
  async dial(server: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const name = serverText(server);
    const { caFile, known } = this.#options;
    const mayAsk = () => caFile === undefined && !this.#isSigned;
    if (mayAsk()) this.accepted ??= known.find(name);
    if (this.accepted) return await this.#dialAccepted(server, signal);
    try {
      const stream = await this.#dialSigned(server, signal);
      this.#isSigned = true;
      return stream;
    } catch (error) {
      if (!(error instanceof UntrustedCertificate)) throw error;
      if (!mayAsk()) throw untrusted(name, error);
    }
    const found = await dial(server, signal, shown);
    found.stream.close(); // the server need not wait while the user reads
    const unknown = new UnknownCertificate(name, identityOf(found.certificate));
    const { terminal } = this.#options;
    if (!terminal) throw unknown;
    if (known.fault !== "") tell(terminal, "error", known.fault);
    if (!await isAccepted(unknown, terminal)) {
      const message = "Not connected: the certificate was not accepted";
      throw new Failure(EXIT.protocol, message);
    }
    this.accepted = unknown.identity;
    return await this.#dialAccepted(server, signal);
  }

  /**
   * Connects to another server, of which the trusted one has told over TLS. It needs
   * the certificate that was told, or the accepted one, or a signed one if the trusted
   * server has that. Nobody is asked, and nothing is remembered: what one server says
   * of another holds as long as this program runs.
   *
   * @param told SHA-256 of its certificate; undefined if that was not told.
   * @throws {Failure} If it cannot connect, or the certificate is another.
   */
  async dialTold(
    server: Endpoint,
    told: string | undefined,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    if (!this.#isSigned || told !== undefined) {
      const { stream, certificate } = await dial(server, signal, shown);
      const { fingerprint } = identityOf(certificate);
      const isAccepted = fingerprint === this.accepted?.fingerprint;
      if (fingerprint === told || isAccepted) return stream;
      stream.close();
    }
    if (this.#isSigned) return await this.#dialSigned(server, signal);
    const message = `Cannot trust ${serverText(server)}: its certificate is ` +
      "not the one of which the server before has told";
    throw new Failure(EXIT.protocol, message);
  }

  /** Connects, and refuses any certificate that no trusted authority signed. */
  async #dialSigned(
    server: Endpoint,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const { caFile } = this.#options;
    const authorities = caFile === undefined ? [] : [readAuthorities(caFile)];
    return await dial(server, signal, signed(authorities));
  }

  /** Connects, and refuses any certificate but the accepted one. */
  async #dialAccepted(
    server: Endpoint,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const name = serverText(server);
    const accepted = this.accepted!; // set by the caller
    const { stream, certificate } = await dial(server, signal, shown);
    const found = identityOf(certificate);
    const isSame = found.fingerprint === accepted.fingerprint;
    if (!isSame && !isRenewed(accepted, found, certificate)) {
      stream.close();
      throw this.#changed(name, found);
    }
    await this.#remember(name, found);
    return stream;
  }

  /** Stores the accepted certificate, unless it is stored already. */
  async #remember(name: string, found: Identity): Promise<void> {
    this.accepted = found;
    const { known, terminal } = this.#options;
    const old = known.find(name);
    if (old?.fingerprint === found.fingerprint && old.key === found.key) return;
    const why = known.remember(name, found);
    if (why === "" || this.#wasTold) return;
    this.#wasTold = true; // there is a next attempt at each connection
    const text = `Cannot remember the certificate: ${why}`;
    if (terminal) tell(terminal, "error", text);
    else await printError(text);
  }

  #changed(name: string, found: Identity): Failure {
    const fingerprint = withColons(found.fingerprint);
    const given = this.#options.fingerprint !== undefined;
    const which = given ? "is not that of --fingerprint" : "changed";
    return new Failure(
      EXIT.protocol,
      `Cannot trust ${name}: its certificate ${which}`,
      {
        advice:
          "This may be an attack. Nothing was sent. Ask the operator for " +
          "the new fingerprint. If it is this one, connect with " +
          `--fingerprint ${fingerprint}`,
      },
    );
  }
}

/** Asks the user whether to accept a certificate. */
export async function isAccepted(
  { server, identity }: UnknownCertificate,
  terminal: Questioner,
): Promise<boolean> {
  for (
    const text of [
      `The certificate of ${server} is unknown, and not signed by a trusted authority.`,
      "Its SHA-256 fingerprint (the server prints it when it starts):",
    ]
  ) tell(terminal, "note", text);
  terminal.print(`\n  ${withColons(identity.fingerprint)}\n\n`);
  for (;;) {
    const answer = await terminal.ask(
      "Does the server show this fingerprint? (yes/no) ",
    );
    if (answer === undefined || /^no?$/i.test(answer.trim())) return false;
    if (/^y(es)?$/i.test(answer.trim())) return true;
  }
}

/** What is stored of a certificate. */
export function identityOf(certificate: X509Certificate): Identity {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return { fingerprint: sha256(certificate.raw), key: sha256(key) };
}

/**
 * Whether `certificate` has the key of the accepted one, and was signed with it.
 * The same key alone is not enough: the top of the file tells of certificates
 * whose key is not checked.
 */
function isRenewed(
  accepted: Identity,
  found: Identity,
  certificate: X509Certificate,
): boolean {
  return accepted.key !== undefined && accepted.key === found.key &&
    certificate.verify(certificate.publicKey);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A fingerprint as it is displayed: `C3:1C:…`. */
function withColons(fingerprint: string): string {
  return fingerprint.toUpperCase().replace(/..(?!$)/g, "$&:");
}

/** @throws {Failure} If the file has no certificate. */
function readAuthorities(path: string): string {
  const what = `Cannot use --ca ${path}`;
  try {
    const text = Deno.readTextFileSync(path);
    if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  } catch (cause) {
    const why = systemReason(cause);
    throw new Failure(EXIT.usage, `${what}: ${why}`, { cause });
  }
  throw new Failure(EXIT.usage, `${what}: it has no certificate (PEM)`);
}

function untrusted(name: string, cause: UntrustedCertificate): Failure {
  const advice = "This may be an attack. Nothing was sent. Ask the operator.";
  const message = `Cannot trust ${name}: ${cause.message}`;
  return new Failure(EXIT.protocol, message, { advice, cause });
}

/** No trusted authority signed the certificate, or it is of another server. */
class UntrustedCertificate extends Failure {}

/** A TLS connection; the server has proved that it has the certificate's key. */
interface Shown {
  readonly stream: ByteStream;
  readonly certificate: X509Certificate;
}

/**
 * Connects to a server whose certificate must be signed by an authority that this
 * computer trusts, or by one of `caCerts` (PEM).
 */
function signed(caCerts: string[]): Connect<ByteStream> {
  return async (server) => {
    const tcp = await connectTcp(server);
    const hostname = server.hostname.replace(/%.*$/, ""); // no certificate has a zone
    const conn = await Deno.startTls(tcp, { hostname, caCerts });
    try {
      await abortable(conn.handshake(), server.signal);
      return conn;
    } catch (error) {
      conn.close();
      throw explained(error);
    }
  };
}

/** With more text than this waiting, nothing is read. */
const AHEAD_BYTES = 64 * 1024;

/**
 * A TLSSocket that was full once loses the end, and is not kept from reading (Deno
 * 2.9.6): so it is never full, and what is below it waits. The type of node:tls does
 * not know of this option.
 */
const NEVER_FULL = { highWaterMark: Number.MAX_SAFE_INTEGER };

/** Connects whatever the certificate is, and sends nothing. */
async function shown(server: Parameters<Connect<Shown>>[0]): Promise<Shown> {
  const { hostname, signal } = server;
  let socket: TLSSocket | undefined = undefined;
  let wasRead = () => {};
  const room = async () => {
    while (socket && socket.readableLength > AHEAD_BYTES) {
      await new Promise<void>((resolve) => wasRead = resolve);
    }
  };
  socket = connectNode({
    socket: duplexOf(await connectTcp(server), room),
    servername: isIP(hostname) ? "" : hostname,
    rejectUnauthorized: false, // see the top of the file
    ...NEVER_FULL,
  });
  try {
    socket.on("error", () => {}); // later, reads and writes reject with it
    await once(socket, "secureConnect", { signal });
    const { raw } = socket.getPeerCertificate();
    const stream = streamOf(socket, () => wasRead());
    return { stream, certificate: readable(raw) };
  } catch (error) {
    socket.destroy();
    throw explained(error);
  }
}

/** @throws {Failure} If it is not of version 3: see the top of the file. */
function readable(der: Uint8Array): X509Certificate {
  if (VERSION_3.test(der.toHex())) return new X509Certificate(der);
  throw new Failure(
    EXIT.protocol,
    "Cannot trust the server: its certificate is not of version 3",
    {
      advice: "The operator needs another certificate. Without --cert and " +
        "--key the server makes one.",
    },
  );
}

/**
 * How a certificate of version 3 starts (DER, in hexadecimal): two sequences,
 * each with its length, and the field `[0] INTEGER 2`.
 */
const VERSION_3 = /^(30([0-7].|81..|82.{4}|83.{6})){2}a003020102/;

/** A connection of node:tls, with the interface of Deno's; tells when it was read. */
function streamOf(socket: TLSSocket, wasRead: () => void): ByteStream {
  const read = chunkReader(socket.iterator({ destroyOnReturn: false }));
  return {
    async read(buffer) {
      const count = await read(buffer);
      wasRead();
      return count;
    },
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
