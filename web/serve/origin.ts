/**
 * Which requests come from a page that is served here.
 *
 * A page of another site could have its own name lead to this computer, and then
 * be of our origin (DNS rebinding). So a request must name an address, or one of
 * the names of this server.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import {
  inBrackets,
  type OtherServer,
  placesOf,
} from "../../core/net/alternates.ts";
import type { Reply } from "./answer.ts";
import type { AskedHeaders } from "./head.ts";

/**
 * Why a request does not come from a page served here.
 *
 * @param names As {@linkcode namesOf} gives them.
 * @param origins Of other pages that may ask, as {@linkcode originsOf} gives them.
 * @returns 421 if it does not name this server, 403 for a page of another
 * origin; undefined if the request passes.
 */
export function refusal(
  { host = "", origin }: Pick<AskedHeaders, "host" | "origin">,
  names: ReadonlySet<string>,
  origins: ReadonlySet<string> = NONE,
): Reply | undefined {
  // A browser sends neither a user nor a path here, but parsers take both.
  const here = /[/\\?#@]/.test(host) ? null : URL.parse(`http://${host}`);
  if (!here) return { status: 421, text: "The request names no server\n" };
  if (!isOurs(here.hostname, names)) {
    const name = here.hostname.replace(/\.$/, "");
    return { status: 421, text: notOurs(name) };
  }
  // Only browsers send Origin, and only in them a page can act for a user.
  if (origin === undefined) return undefined;
  const { protocol, host: from, origin: other } = URL.parse(origin) ?? {};
  // A proxy may add TLS, so the default port is that of the page.
  const isWeb = protocol === "http:" || protocol === "https:";
  const ours = isWeb ? URL.parse(`${protocol}//${host}`)?.host : undefined;
  if (ours !== undefined && from === ours) return undefined;
  if (isWeb && other !== undefined && origins.has(other)) return undefined;
  return {
    status: 403,
    text: `Cannot do this for a page of ${origin}: this is ${here.host}\n`,
  };
}

/** The origins of the pages of other servers of the chat. */
export function originsOf(
  others: readonly OtherServer[],
): ReadonlySet<string> {
  const origins = others.flatMap(({ hostname, names = [], ports }) =>
    (["http", "https"] as const).flatMap((scheme) => {
      const port = ports[scheme];
      if (port === undefined) return [];
      return [hostname, ...names].map((host) =>
        URL.parse(`${scheme}://${inBrackets(host)}:${port}`)?.origin
      );
    })
  );
  return new Set(origins.filter((origin) => origin !== undefined));
}

/**
 * Where a page can open the WebSockets of other servers, in its own way.
 *
 * @param here What the browser asks for: host, or `host:port`.
 * @returns As a Content-Security-Policy has them, which knows no address of IPv6.
 */
export function socketsOf(
  others: readonly OtherServer[],
  { secure, here }: { readonly secure: boolean; readonly here: string },
): string[] {
  const [way, scheme] = secure
    ? ["https", "wss"] as const
    : ["http", "ws"] as const;
  const teller = here.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return placesOf(others, { way, teller })
    .filter(({ hostname }) => !hostname.includes(":"))
    .map(({ text }) => `${scheme}://${text}`);
}

/** What {@linkcode namesOf} needs. */
export interface Naming {
  /** The names that the operator gives. */
  readonly names?: readonly string[];
  /** A certificate as PEM, which has names too. */
  readonly cert?: string | undefined;
}

/**
 * The names of this server besides addresses and `localhost`, as URLs have them.
 * `*.` stands for one label, as in certificates.
 */
export function namesOf({ names = [], cert }: Naming): ReadonlySet<string> {
  const all = [...names, ...(cert === undefined ? [] : certificateNames(cert))];
  return new Set(all.map(inUrl).filter((name) => name !== undefined));
}

/** A name as URLs have it; undefined if it is none. */
function inUrl(name: string): string | undefined {
  const [, star = "", rest] = /^(\*\.)?(.*)$/.exec(name) ?? [];
  const url = URL.parse(`http://${rest}`);
  return url ? star + url.hostname.replace(/\.$/, "") : undefined;
}

/** The DNS names of a certificate; its common name if it has none. */
function certificateNames(pem: string): string[] {
  const { subjectAltName = "", subject } = new X509Certificate(pem);
  const names = Array.from(
    subjectAltName.matchAll(/\bDNS:([^,\s]+)/g),
    ([, name = ""]) => name,
  );
  const [, common] = /^CN=(\S+)$/m.exec(subject) ?? [];
  return names.length > 0 || common === undefined ? names : [common];
}

/** Whether a host of a URL is an address, or a name of this server. */
function isOurs(hostname: string, names: ReadonlySet<string>): boolean {
  const name = hostname.replace(/\.$/, "");
  // Of the names in URLs, only addresses have nothing but digits and dots.
  if (/^\[|^[\d.]+$/.test(name)) return true;
  return name === "localhost" || names.has(name) ||
    names.has(name.replace(/^[^.]+/, "*"));
}

const NONE: ReadonlySet<string> = new Set();

function notOurs(name: string): string {
  return `This server is not known as ${name}. Use its address, or have its ` +
    `operator start it with --web-name ${name}\n`;
}
