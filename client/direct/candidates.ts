/**
 * Candidates: the addresses of a direct connection. Which ones this client offers,
 * and which of the other side's offers it dials.
 *
 * The other side is not trusted: its offers could make us connect to any service.
 * So we dial only a few, numbers and no names, no port below 1024, nothing that
 * means several computers, and this computer only if the server sees the other
 * side there. Before its greeting we send nothing (see handshake.ts).
 *
 * @module
 */
import { BlockList, isIP } from "node:net";
import {
  type Interface,
  rankAddresses,
  systemInterfaces,
} from "../../platform/addresses.ts";
import { type Endpoint, endpointText, parseAddress } from "../trust/address.ts";

/** Limit of candidates that are offered, and dialled. */
export const MAX_CANDIDATES = 8;

/** Lower ports belong to services, and are not dialled. */
const LEAST_PORT = 1_024;

/** Reads a candidate as {@linkcode endpointText} writes it. */
function parseCandidate(text: string): Endpoint | undefined {
  const { hostname = "", port } = parseAddress(text) ?? {};
  const isNumber = isIP(hostname) !== 0 && !hostname.includes("%");
  return isNumber && port !== undefined ? { hostname, port } : undefined;
}

/**
 * The candidates to offer for a port: all addresses of this computer that others
 * can reach, the likely ones first, or `only` that one.
 */
export function ownCandidates(
  port: number,
  only?: string,
  interfaces: () => readonly Interface[] = systemInterfaces,
): Endpoint[] {
  if (only !== undefined) return [{ hostname: only, port }];
  const addresses = rankAddresses(interfaces())
    .map(({ address }) => address)
    .filter((address) => !isUnusable(address) && !isLocal(address));
  // If the system tells none, the server tells the other side our address.
  const told = addresses.length > 0 ? addresses : ["127.0.0.1"];
  return told.slice(0, MAX_CANDIDATES).map((hostname) => ({ hostname, port }));
}

/**
 * The candidates to dial: of the offered ones, and of the address where the server
 * sees the other side. See the top of the file.
 */
export function candidatesToDial(
  offered: readonly string[],
  seen: string | undefined,
): Endpoint[] {
  const seenAt = parseCandidate(seen ?? "")?.hostname;
  const [first, ...others] = offered.flatMap((one) =>
    parseCandidate(one) ?? []
  );
  if (!first) return [];
  const added = seenAt ? [{ hostname: seenAt, port: first.port }] : [];
  const isNear = seenAt !== undefined && isLocal(seenAt);
  const allowed = [first, ...added, ...others].filter(({ hostname, port }) =>
    port >= LEAST_PORT && !isUnusable(hostname) &&
    (isNear || !isLocal(hostname))
  );
  const byText = new Map(allowed.map((one) => [endpointText(one), one]));
  return [...byText.values()].slice(0, MAX_CANDIDATES + 1);
}

function isUnusable(address: string): boolean {
  if (isIP(address) === 4) return UNUSABLE.check(address, "ipv4");
  return UNUSABLE.check(address, "ipv6") || MAPPED.check(address, "ipv6");
}

function isLocal(address: string): boolean {
  return LOCAL.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** No computer, several computers, or one that needs an interface's name. */
const UNUSABLE = new BlockList();
UNUSABLE.addSubnet("0.0.0.0", 8, "ipv4");
UNUSABLE.addSubnet("224.0.0.0", 3, "ipv4");
UNUSABLE.addAddress("::", "ipv6");
UNUSABLE.addSubnet("ff00::", 8, "ipv6");
UNUSABLE.addSubnet("fe80::", 10, "ipv6");

/** IPv4-mapped. A list of its own: in UNUSABLE it would match all IPv4. */
const MAPPED = new BlockList();
MAPPED.addSubnet("::ffff:0:0", 96, "ipv6");

/** This computer. */
const LOCAL = new BlockList();
LOCAL.addSubnet("127.0.0.0", 8, "ipv4");
LOCAL.addAddress("::1", "ipv6");
