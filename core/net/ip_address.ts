/**
 * Addresses of IPv4 and IPv6, as limits, locks, bans and mutes see them.
 *
 * An IPv4 address that is written as one of IPv6 (`::ffff:10.0.0.1`) is one of
 * IPv4. The zone of a link-local address (`%eth0`) does not count: a server does
 * not learn in which zone a client is.
 *
 * @module
 */

/** Addresses whose first bits are the same; perhaps only one. */
export interface Network {
  /** Of IPv4, or of IPv6. */
  readonly family: 4 | 6;
  /** Its first address, as a number. */
  readonly bits: bigint;
  /** How many bits are the same: at most 32, or in IPv6 at most 128. */
  readonly length: number;
}

/** How many bits of an IPv6 address are those of its network. */
const NETWORK_BITS = 64;

/** Whether traffic to `hostname`, a name or an address, stays on this computer. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d+){3}|::1)$/i.test(hostname);
}

/**
 * Whether an address of IPv6 holds within one network only, and needs a zone, as
 * those of `fe80::/10` do.
 */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab][\da-f]:/i.test(address);
}

/**
 * The part of an address that a computer cannot choose at will, as a text that
 * is the same for each address of it. In IPv6 that is the network of 64 bits. All
 * link-local addresses share theirs, so each of them counts whole.
 *
 * @param host An address without a port, in brackets or not. What is none is
 * returned as it is.
 */
export function networkOf(host: string): string {
  if (!host.includes(":")) return host; // most are of IPv4
  const network = parseNetwork(host);
  return network ? networkText(network) : host;
}

/**
 * Reads one address, with or without brackets, a zone and a port.
 *
 * @returns A network of this address alone; undefined if it is none.
 */
export function parseAddress(word: string): Network | undefined {
  const bare = word.replace(/^\[(.*)\](:\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1")
    .replace(/^([\da-f:]+)%[\w.~-]+$/i, "$1");
  return bare.includes(":") ? parseV6(bare) : parseV4(bare);
}

/**
 * Reads an address, or a prefix such as `192.168.1.0/24`. An IPv6 address without
 * a length stands for what {@linkcode networkOf} gives.
 *
 * @returns The network, whose further bits are 0; undefined if it is none.
 */
export function parseNetwork(word: string): Network | undefined {
  const [, text = "", count] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(word) ?? [];
  const address = parseAddress(text);
  if (!address) return undefined;
  const { family, bits, length: width } = address;
  const isMapped = family === 4 && /:.*:/.test(text);
  const length = count === undefined
    ? normalLength(family, bits)
    : Number(count) - (isMapped ? 96 : 0);
  if (length < 0 || length > width) return undefined;
  const rest = BigInt(width - length);
  return { family, bits: (bits >> rest) << rest, length };
}

/**
 * A network as `10.0.0.1`, `192.168.1.0/24` or `2001:db8:1:2::/64`, which
 * {@linkcode parseNetwork} reads again.
 */
export function networkText({ family, bits, length }: Network): string {
  const address = family === 4 ? textV4(bits) : textV6(bits);
  const isPlain = length === (family === 4 ? 32 : 128) &&
    length === normalLength(family, bits);
  return isPlain ? address : `${address}/${length}`;
}

/** Whether each address of `part` is one of `network`. */
export function covers(network: Network, part: Network): boolean {
  const rest = BigInt((network.family === 4 ? 32 : 128) - network.length);
  return part.family === network.family && part.length >= network.length &&
    part.bits >> rest === network.bits >> rest;
}

function parseV6(text: string): Network | undefined {
  if (!/^[\da-f:.]+$/i.test(text)) return undefined;
  // URL writes an address in its one normal form.
  const form = URL.parse(`http://[${text}]`)?.hostname.slice(1, -1);
  if (form === undefined) return undefined;
  const [front = [], back] = form.split("::")
    .map((half) => half === "" ? [] : half.split(":"));
  const gap = back ? Array(8 - front.length - back.length).fill("0") : [];
  const bits = [...front, ...gap, ...back ?? []]
    .reduce((all, group) => all << 16n | BigInt(`0x${group}`), 0n);
  if (bits >> 32n !== 0xffffn) return { family: 6, bits, length: 128 };
  return { family: 4, bits: bits & 0xffffffffn, length: 32 };
}

function parseV4(text: string): Network | undefined {
  const bytes = text.split(".");
  const legal = bytes.length === 4 &&
    bytes.every((byte) =>
      /^(0|[1-9]\d{0,2})$/.test(byte) && Number(byte) < 256
    );
  if (!legal) return undefined;
  const bits = bytes.reduce((all, byte) => all << 8n | BigInt(byte), 0n);
  return { family: 4, bits, length: 32 };
}

/** Of an address without a length. */
function normalLength(family: 4 | 6, bits: bigint): number {
  if (family === 4) return 32;
  const isAlone = bits === 1n || bits >> 118n === 0x3fan; // ::1, fe80::/10
  return isAlone ? 128 : NETWORK_BITS;
}

function textV4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => bits >> shift & 0xffn).join(".");
}

function textV6(bits: bigint): string {
  const groups = bits.toString(16).padStart(32, "0").replace(
    /....(?!$)/g,
    "$&:",
  );
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}
