/**
 * Who the server has to be, before it is told anything.
 *
 * A server that a known authority vouches for just works. Any other one shows a
 * certificate that nobody knows: a person is asked about it, once, and it is
 * remembered. From then on the server has to have that certificate, or one that
 * was renewed with the same key. Whoever comes with another one is refused,
 * since that is what somebody in the middle would come with.
 *
 * What is compared is the certificate of the very connection that is used,
 * after the handshake has shown that the other side has its key, and before a
 * byte of ours is sent. A connection that comes after a lost one is held
 * against what was accepted before, and nobody is asked.
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
import { type ByteStream, NotVouched, shown, vouched } from "./tls.ts";

/** Where a person is asked. */
export type Questioner = Pick<Terminal, "ask" | "print">;

/** What a {@linkcode Trust} is made of. */
export interface TrustOptions {
  /** The certificate's SHA-256 that the command line asks for. */
  readonly fingerprint: string | undefined;
  /** The PEM file of authorities that the command line names. */
  readonly caFile: string | undefined;
  /** What was accepted before. */
  readonly known: KnownServers;
  /** Where to ask; undefined if nobody sits there. */
  readonly terminal: Questioner | undefined;
}

/** Nobody vouches for a certificate, and nobody was asked about it. */
export class Unknown extends Failure {
  /** Whose it is, as {@linkcode serverText} has it. */
  readonly server: string;
  /** What it is. */
  readonly identity: Identity;

  /** Says how to go on without a terminal. */
  constructor(server: string, identity: Identity) {
    super(
      EXIT.protocol,
      `Cannot trust ${server}: its certificate is not known here, and no known authority vouches for it`,
      {
        advice: "If the server prints the same fingerprint when it starts, " +
          `add --fingerprint ${withColons(identity.fingerprint)}`,
      },
    );
    this.server = server;
    this.identity = identity;
  }
}

/** See the top of the file. */
export class Trust {
  readonly #options: TrustOptions;
  #accepted: Identity | undefined; // for as long as the program runs
  #isVouched = false;

  /** Nothing was accepted yet. */
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
   * @throws {Failure} If that does not work, or the server is not who it has to
   * be.
   */
  async dial(server: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const name = serverText(server);
    this.#accepted ??= this.#options.caFile === undefined && !this.#isVouched
      ? this.#options.known.find(name)
      : undefined;
    if (!this.#accepted) {
      const stream = await this.#dialVouched(server, signal);
      if (stream) return stream;
      const { stream: probe, certificate } = await dial(
        server,
        signal,
        shown(server.hostname),
      );
      probe.close(); // the server does not wait for somebody who reads
      await this.#ask(new Unknown(name, identityOf(certificate)));
    }
    return await this.#dialAccepted(server, signal);
  }

  /** Nothing if nobody vouches for the server, and it may be asked about. */
  async #dialVouched(
    server: Endpoint,
    signal: AbortSignal,
  ): Promise<ByteStream | undefined> {
    const { caFile } = this.#options;
    const authorities = caFile === undefined ? [] : [readAuthorities(caFile)];
    try {
      const connect = vouched(server.hostname, authorities);
      const stream = await dial(server, signal, connect);
      this.#isVouched = true;
      return stream;
    } catch (error) {
      if (!(error instanceof NotVouched)) throw error;
      if (caFile === undefined && !this.#isVouched) return undefined;
      throw notVouched(serverText(server), error);
    }
  }

  /** Connects to a server whose certificate was accepted, and holds it to it. */
  async #dialAccepted(
    server: Endpoint,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const { stream, certificate } = await dial(
      server,
      signal,
      shown(server.hostname),
    );
    // Set by the caller.
    const accepted = this.#accepted!;
    const found = identityOf(certificate);
    if (
      found.fingerprint !== accepted.fingerprint &&
      !isRenewed(accepted, found, certificate)
    ) {
      stream.close();
      throw this.#changed(serverText(server), found);
    }
    this.#remember(serverText(server), found);
    return stream;
  }

  /** Takes the server for who it has to be from now on. */
  accept(identity: Identity): void {
    this.#accepted = identity;
  }

  /** @throws {Failure} Unless somebody says yes. */
  async #ask(unknown: Unknown): Promise<void> {
    const { terminal } = this.#options;
    if (!terminal) throw unknown;
    if (await isAccepted(unknown, terminal)) {
      return this.accept(unknown.identity);
    }
    const message = "Not connected: the certificate was not accepted";
    throw new Failure(EXIT.protocol, message);
  }

  /** Remembers what was accepted, if that is news. */
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
    const which = given
      ? "is not that of --fingerprint"
      : "is not the one that was accepted before";
    return new Failure(
      EXIT.protocol,
      `Cannot trust ${name}: its certificate ${which}`,
      {
        advice: "Somebody may sit between and pretend to be the server, or " +
          "whoever runs it has made a new certificate. Nothing was sent. Ask " +
          "for the fingerprint that the server prints when it starts; only " +
          `if it is this one, go on with --fingerprint ${fingerprint}`,
      },
    );
  }
}

/** Asks a person about a certificate that nobody knows. */
export async function isAccepted(
  { server, identity }: Unknown,
  terminal: Questioner,
): Promise<boolean> {
  terminal.print(
    `* The certificate of ${server} is not known here, and nobody vouches for it.\n` +
      "* Its SHA-256 fingerprint, which the server prints when it starts:\n\n" +
      `  ${withColons(identity.fingerprint)}\n\n`,
  );
  for (;;) {
    const answer = await terminal.ask("Is it the same (yes, no)? ");
    if (answer === undefined || /^no?$/i.test(answer.trim())) return false;
    if (/^y(es)?$/i.test(answer.trim())) return true;
  }
}

/** What is remembered of a certificate. */
export function identityOf(certificate: X509Certificate): Identity {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return { fingerprint: sha256(certificate.raw), key: sha256(key) };
}

/**
 * Whether `certificate` has the key of the accepted one and was signed with it,
 * so that it comes from whoever has the key. That the key is the same would not
 * be enough: see tls.ts for certificates whose key is not checked.
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

/** A fingerprint as it is shown everywhere: `C3:1C:…`. */
function withColons(fingerprint: string): string {
  return fingerprint.toUpperCase().replace(/..(?!$)/g, "$&:");
}

/** @throws {Failure} If there are none in the file. */
function readAuthorities(path: string): string {
  const what = `Cannot use --ca ${path}`;
  try {
    const text = Deno.readTextFileSync(path);
    if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  } catch (cause) {
    const why = systemReason(cause);
    throw new Failure(EXIT.usage, `${what}: ${why}`, { cause });
  }
  throw new Failure(EXIT.usage, `${what}: there is no certificate in it (PEM)`);
}

function notVouched(name: string, cause: NotVouched): Failure {
  const advice = "Somebody may sit between and pretend to be the server. " +
    "Nothing was sent. Ask whoever runs it.";
  const message = `Cannot trust ${name}: ${cause.message}`;
  return new Failure(EXIT.protocol, message, { advice, cause });
}
