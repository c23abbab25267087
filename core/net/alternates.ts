/**
 * The other servers of a chat, as a server tells its clients of them: where a client
 * goes on when its server is gone. "Other servers" in docs/protocol.md has the form.
 *
 *     Alternate: 192.168.1.6 tcp=9898 tls=9899 sha256=c31c…155c https=8080
 *
 * This is data of a server, so each part is checked. A client goes only where it goes
 * in the same way as to the server that told it: a client with TLS never moves to a
 * port without it, and the other way round what was told without TLS proves nothing
 * about a certificate.
 *
 * @module
 */
import type { Frame } from "../../protocol.ts";

/** How clients connect: without and with TLS, and pages in the same two ways. */
export type Way = "tcp" | "tls" | "http" | "https";

/** Where a client connects. */
export interface Place {
  /** A host name or an address, without brackets. */
  readonly hostname: string;
  /** From 1 to 65535. */
  readonly port: number;
  /** `host:port`, or `[IPv6]:port`. */
  readonly text: string;
  /** SHA-256 of its certificate, in hexadecimal, lower case, if it was told. */
  readonly sha256?: string | undefined;
}

/** The server that the user chose. */
export interface Home {
  /** Where it is. */
  readonly place: Place;
  /** How the client connects to it, and so to all others. */
  readonly way: Way;
}

/** Another server of the chat. */
export interface Alternate {
  /** A host name or an address, without brackets, in lower case. */
  readonly hostname: string;
  /** Its port for each way in which clients can connect. */
  readonly ports: Readonly<Partial<Record<Way, number>>>;
  /** SHA-256 of its certificate, in hexadecimal, lower case; for the port `tls`. */
  readonly sha256?: string | undefined;
}

/** Another server, as a server knows it. */
export interface OtherServer extends Alternate {
  /** More hosts by which browsers reach its page; clients are not told of them. */
  readonly names?: readonly string[] | undefined;
}

/** A server tells of so many others, and a client takes no more of them. */
export const MAX_ALTERNATES = 8;

/** Longest text of one: the longest host name, and every way. */
export const MAX_ALTERNATE_LENGTH = 400;

/** The others that a REGISTERED or a NOTICE tells of; what is malformed is left out. */
export function alternatesIn({ headers }: Pick<Frame, "headers">): Alternate[] {
  return headers.filter(([name]) => name === "alternate")
    .slice(0, MAX_ALTERNATES)
    .map(([, text]) => readAlternate(text))
    .filter((one) => one !== undefined);
}

/** Reads one of them; undefined if it is malformed. */
export function readAlternate(text: string): Alternate | undefined {
  if (text.length > MAX_ALTERNATE_LENGTH) return undefined;
  const [host = "", ...words] = text.split(" ");
  const hostname = hostnameOf(host);
  const ports: Partial<Record<Way, number>> = {};
  let sha256: string | undefined;
  for (const word of words) {
    const [, name = "", value = ""] = /^([a-z0-9]+)=(\S+)$/.exec(word) ?? [];
    if (name === "") return undefined;
    if (name === "sha256") {
      if (sha256 !== undefined || !SHA_256.test(value)) return undefined;
      sha256 = value.toLowerCase();
    } else if (isWay(name)) {
      const port = portOf(value);
      if (port === undefined || ports[name] !== undefined) return undefined;
      ports[name] = port;
    } // or a way that is newer than this client
  }
  return hostname === undefined ? undefined : { hostname, ports, sha256 };
}

/** As {@linkcode readAlternate} reads it. */
export function alternateText({ hostname, ports, sha256 }: Alternate): string {
  return [
    inBrackets(hostname),
    ...WAYS.filter((way) => ports[way] !== undefined)
      .map((way) => `${way}=${ports[way]}`),
    ...(sha256 === undefined ? [] : [`sha256=${sha256}`]),
  ].join(" ");
}

/**
 * Where a client that connects in this way finds the others. A server on another
 * computer cannot send it to its own computer, where other programs listen.
 *
 * @param teller The host of the server that has told of them.
 */
export function placesOf(
  alternates: readonly Alternate[],
  { way, teller }: { readonly way: Way; readonly teller: string },
): Place[] {
  return alternates.flatMap(({ hostname, ports, sha256 }) => {
    const port = ports[way];
    const isOwn = isThisComputer(hostname) && !isThisComputer(teller);
    if (port === undefined || isOwn) return [];
    const text = `${inBrackets(hostname)}:${port}`;
    return [{ hostname, port, text, sha256 }];
  });
}

/** A host as URLs have it. */
export function inBrackets(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function isThisComputer(hostname: string): boolean {
  return /^(127\..*|::1|(.*\.)?localhost)$/i.test(hostname);
}

/**
 * A host as it is dialled: an address of one computer, or a name of RFC 1123
 * (section 2.1), whose last label is no number: or systems would take it for an
 * address. Undefined for anything else.
 */
function hostnameOf(host: string): string | undefined {
  const [, v6] = /^\[([\da-f:.]+)\]$/i.exec(host) ?? [];
  if (v6 !== undefined) {
    if (!URL.canParse(`http://[${v6}]`)) return undefined;
    const hostname = new URL(`http://[${v6}]`).hostname.slice(1, -1);
    // A mapped IPv4 address is written as one; a link-local one needs a zone.
    return /^(::$|::ffff:|fe[89ab]|ff)/.test(hostname) ? undefined : hostname;
  }
  const hostname = host.toLowerCase();
  if (V4.test(hostname)) {
    const first = Number.parseInt(hostname);
    return first === 0 || first >= 224 ? undefined : hostname; // none, or several
  }
  const isName = hostname.length <= 253 &&
    hostname.split(".").every((label) => LABEL.test(label)) &&
    !/(^|\.)(\d+|0x[\da-f]*)$/.test(hostname);
  return isName ? hostname : undefined;
}

const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const V4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);
const LABEL = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;
const SHA_256 = /^[\da-f]{64}$/i;

function portOf(digits: string): number | undefined {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

const WAYS: readonly Way[] = ["tcp", "tls", "http", "https"];

function isWay(name: string): name is Way {
  return (WAYS as readonly string[]).includes(name); // the cast: a wider type
}
