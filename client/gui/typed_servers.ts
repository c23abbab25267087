/**
 * Connects to servers as the user typed them into the page: `client.ts --gui`.
 *
 * With TLS each of them needs the certificate that it had before, or one signed
 * by a trusted authority: see trust.ts. About any other the user is asked on the
 * terminal, if there is one. The page cannot wait for that answer, since it
 * takes an idle connection for a lost one; it is told to join again later.
 *
 * @module
 */
import {
  connectTcp,
  dial,
  type Endpoint,
  parseAddress,
  parsePort,
} from "../trust/address.ts";
import { sanitize } from "../../core/text/sanitize.ts";
import { EXIT, Failure } from "../view/failure.ts";
import {
  type KnownServers,
  readFingerprint,
  serverText,
} from "../trust/known_servers.ts";
import type { Asked } from "./local.ts";
import type { ByteStream } from "../../core/net/stream.ts";
import {
  isAccepted,
  type Questioner,
  Trust,
  type TrustOptions,
  UnknownCertificate,
} from "../trust/trust.ts";

/** What {@linkcode TypedServers} needs. */
export interface TypedServersOptions {
  /** Which certificates a server may have; undefined without TLS. */
  readonly tls: Pick<TrustOptions, "fingerprint" | "caFile"> | undefined;
  /** Which certificates were accepted before. */
  readonly known: KnownServers;
  /** Where to ask; undefined if the input is not a terminal. */
  readonly terminal: Questioner | undefined;
  /** Prints what the page has no room for: why a server is not trusted. */
  readonly complain: (line: string) => void;
}

/** See the top of the file. */
export class TypedServers {
  readonly #options: TypedServersOptions;
  readonly #trusts = new Map<string, Trust>();
  readonly #complaints = new Set<string>(); // a page tries again and again
  #isAsking = false;

  constructor(options: TypedServersOptions) {
    this.#options = options;
  }

  /**
   * Connects to a server, or to another one of which it has told: about that one
   * nobody is asked.
   *
   * @throws {Failure} With a message for the user who typed it.
   */
  async dial(
    { host, port, other, told }: Asked,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    const endpoint = endpointOf(host, port);
    const otherEndpoint = other === undefined
      ? undefined
      : endpointOf(other, "");
    const { tls, known, terminal } = this.#options;
    if (!tls) return await dial(otherEndpoint ?? endpoint, signal, connectTcp);
    const name = serverText(endpoint);
    const trust = this.#trusts.get(name) ??
      new Trust({ ...tls, known, terminal: undefined });
    this.#trusts.set(name, trust);
    try {
      if (!otherEndpoint) return await trust.dial(endpoint, signal);
      const fingerprint = readFingerprint(told ?? "");
      return await trust.dialTold(otherEndpoint, fingerprint, signal);
    } catch (error) {
      if (error instanceof UnknownCertificate && terminal) {
        this.#ask(trust, error, terminal);
        throw new Failure(EXIT.protocol, ANSWER_FIRST, { cause: error });
      }
      if (error instanceof Failure) this.#complain(error);
      throw error;
    }
  }

  /** Asks whether the server is trusted, one question at a time. */
  async #ask(
    trust: Trust,
    found: UnknownCertificate,
    terminal: Questioner,
  ): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const accepted = await isAccepted(found, terminal);
    this.#isAsking = false;
    if (!accepted) return;
    trust.accepted = found.identity;
    terminal.print("* Now join again on the page.\n");
  }

  /** Says on the terminal why a server is not trusted, once. */
  #complain({ message, advice, exitCode }: Failure): void {
    if (exitCode !== EXIT.protocol || this.#complaints.has(message)) return;
    this.#complaints.add(message);
    this.#options.complain(sanitize(message));
    if (advice !== "") this.#options.complain(sanitize(advice));
  }
}

/** @throws {Failure} If that is not a server. */
function endpointOf(server: string, port: string): Endpoint {
  const address = parseAddress(server);
  const number = address?.port ?? parsePort(port);
  if (address && number !== undefined) {
    return { hostname: address.hostname, port: number };
  }
  const message = "A server is a name or number, such as 127.0.0.1, " +
    "and a port a number from 1 to 65535";
  throw new Failure(EXIT.usage, message);
}

const ANSWER_FIRST =
  "The server's certificate is unknown. Answer on the terminal that " +
  "opened this page, then join again";
