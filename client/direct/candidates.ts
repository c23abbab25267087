/**
 * Addresses of direct connections: which ones we tell, and which of those that
 * we are told we dial.
 *
 * What the other side tells is a stranger's word, and would make us connect to
 * wherever it likes. So we dial a few, only numbers and no names, no port below
 * 1024 where services are, and nothing that means many computers or this one;
 * and say nothing to who does not greet us (see `handshake.ts`).
 *
 * @module
 */
import { BlockList, isIP } from "node:net";
import { parsePort } from "../trust/address.ts";

/** So many addresses are told, and dialled. */
export const MAX_CANDIDATES = 8;

/** Ports below are of services, and not dialled. */
const LEAST_PORT = 1_024;

/** Where somebody listens. */
export interface Candidate {
  /** An IPv4 or IPv6 address, without brackets. */
  readonly hostname: string;
  /** From 1024 on. */
  readonly port: number;
}

/** A candidate as it is told: `192.168.1.5:40123`, `[fd00::2]:40123`. */
export function candidateText({ hostname, port }: Candidate): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${host}:${port}`;
}

/** Reads what {@linkcode candidateText} writes. */
export function parseCandidate(text: string): Candidate | undefined {
  const [, v6, v4, digits = ""] =
    /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ??
      [];
  const hostname = v6 ?? v4 ?? "";
  const port = parsePort(digits);
  const legal = isIP(hostname) === (v6 ? 6 : 4) && !hostname.includes("%");
  return legal && port !== undefined ? { hostname, port } : undefined;
}

/**
 * Where others may find us on that port: on every address of this computer that
 * others can reach, or on `only` that one.
 */
export function ownCandidates(port: number, only?: string): Candidate[] {
  if (only !== undefined) return [{ hostname: only, port }];
  const addresses = systemAddresses()
    .filter((address) => !isNever(address) && !isLocal(address));
  const told = addresses.length > 0 ? addresses : ["127.0.0.1"];
  return told.slice(0, MAX_CANDIDATES).map((hostname) => ({ hostname, port }));
}

/** Every address of this computer, those of IPv4 first. */
function systemAddresses(): string[] {
  try {
    return Deno.networkInterfaces()
      .toSorted((a, b) => a.family.localeCompare(b.family))
      .map(({ address }) => address);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return []; // not for us to see: the server tells where it sees us
  }
}

/**
 * The candidates to dial of those that were offered, and the one that the server
 * sees. To this computer itself only if the server sees the other side there.
 */
export function candidatesToDial(
  offered: readonly string[],
  seen: string | undefined,
): Candidate[] {
  const seenAt = parseCandidate(seen ?? "")?.hostname;
  const [first, ...others] = offered.flatMap((text) =>
    parseCandidate(text) ?? []
  );
  if (!first) return [];
  const added = seenAt ? [{ hostname: seenAt, port: first.port }] : [];
  const isNear = seenAt !== undefined && isLocal(seenAt);
  const candidates = [first, ...added, ...others].filter(({ hostname, port }) =>
    port >= LEAST_PORT && !isNever(hostname) && (isNear || !isLocal(hostname))
  );
  const byText = new Map(
    candidates.map((candidate) => [candidateText(candidate), candidate]),
  );
  return [...byText.values()].slice(0, MAX_CANDIDATES + 1);
}

function isNever(address: string): boolean {
  if (isIP(address) === 4) return NEVER.check(address, "ipv4");
  return NEVER.check(address, "ipv6") || MAPPED.check(address, "ipv6");
}

function isLocal(address: string): boolean {
  return LOCAL.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** No computer, many computers, or one that needs an interface to be named. */
const NEVER = new BlockList();
NEVER.addSubnet("0.0.0.0", 8, "ipv4");
NEVER.addSubnet("224.0.0.0", 3, "ipv4");
NEVER.addAddress("::", "ipv6");
NEVER.addSubnet("ff00::", 8, "ipv6");
NEVER.addSubnet("fe80::", 10, "ipv6");

/** IPv4 in disguise. Apart from the others, or it would hold for IPv4 too. */
const MAPPED = new BlockList();
MAPPED.addSubnet("::ffff:0:0", 96, "ipv6");

/** This computer. */
const LOCAL = new BlockList();
LOCAL.addSubnet("127.0.0.0", 8, "ipv4");
LOCAL.addAddress("::1", "ipv6");
