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
 * @module
 */
import { createHash, type X509Certificate } from "node:crypto";
import { dial, type Endpoint } from "./address.ts";
import { EXIT, Failure } from "../view/failure.ts";
import { systemReason } from "../view/system_error.ts";
import {
  type Identity,
  type KnownServers,
  serverText,
} from "./known_servers.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import type { ByteStream } from "../../core/net/stream.ts";
import { shown, signed, UntrustedCertificate } from "./tls.ts";

/** Where the user is asked. */
export type Questioner = Pick<Terminal, "ask" | "print">;

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
  readonly #options: TrustOptions;
  #accepted: Identity | undefined; // for as long as the program runs
  #isSigned = false;

  constructor(options: TrustOptions) {
    const { fingerprint } = options;
    this.#options = options;
    if (fingerprint !== undefined) {
      this.#accepted = { fingerprint, key: undefined };
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
    if (mayAsk()) this.#accepted ??= known.find(name);
    if (this.#accepted) return await this.#dialAccepted(server, signal);
    try {
      const authorities = caFile === undefined ? [] : [readAuthorities(caFile)];
      const connect = signed(server.hostname, authorities);
      const stream = await dial(server, signal, connect);
      this.#isSigned = true;
      return stream;
    } catch (error) {
      if (!(error instanceof UntrustedCertificate)) throw error;
      if (!mayAsk()) throw untrusted(name, error);
    }
    const found = await dial(server, signal, shown(server.hostname));
    found.stream.close(); // the server need not wait while the user reads
    const unknown = new UnknownCertificate(name, identityOf(found.certificate));
    const { terminal } = this.#options;
    if (!terminal) throw unknown;
    if (!await isAccepted(unknown, terminal)) throw notAccepted();
    this.accept(unknown.identity);
    return await this.#dialAccepted(server, signal);
  }

  /** Connects, and refuses any certificate but the accepted one. */
  async #dialAccepted(
    server: Endpoint,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const name = serverText(server);
    const accepted = this.#accepted!; // set by the caller
    const connect = shown(server.hostname);
    const { stream, certificate } = await dial(server, signal, connect);
    const found = identityOf(certificate);
    const isSame = found.fingerprint === accepted.fingerprint;
    if (!isSame && !isRenewed(accepted, found, certificate)) {
      stream.close();
      throw this.#changed(name, found);
    }
    this.#remember(name, found);
    return stream;
  }

  /** From now on the server must have this certificate. */
  accept(identity: Identity): void {
    this.#accepted = identity;
  }

  /** Stores the accepted certificate, unless it is stored already. */
  #remember(name: string, found: Identity): void {
    this.#accepted = found;
    const { known, terminal } = this.#options;
    const old = known.find(name);
    if (old?.fingerprint === found.fingerprint && old.key === found.key) return;
    if (known.remember(name, found)) return;
    const where = known.path ?? "no folder for settings";
    terminal?.print(`! Cannot remember the certificate: ${where}\n`);
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
  terminal.print(
    `* The certificate of ${server} is unknown, and not signed by a trusted authority.\n` +
      "* Its SHA-256 fingerprint (the server prints it when it starts):\n\n" +
      `  ${withColons(identity.fingerprint)}\n\n`,
  );
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
 * The same key alone is not enough: tls.ts tells of certificates whose key is not
 * checked.
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

function notAccepted(): Failure {
  const message = "Not connected: the certificate was not accepted";
  return new Failure(EXIT.protocol, message);
}

function untrusted(name: string, cause: UntrustedCertificate): Failure {
  const advice = "This may be an attack. Nothing was sent. Ask the operator.";
  const message = `Cannot trust ${name}: ${cause.message}`;
  return new Failure(EXIT.protocol, message, { advice, cause });
}
