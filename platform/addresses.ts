/**
 * The addresses of this computer, in the order in which others should try them.
 *
 * A computer has more addresses than others can reach: virtual machines, WSL,
 * containers and VPNs each bring an interface, and the system lists them in no
 * useful order. Which interface is real is told by its name, by the vendor part of
 * its hardware address, and by the address itself. Nothing is dropped that may be
 * of use: a guess that is wrong costs a place in the order and no more.
 *
 * @module
 */
import { isLinkLocal, isLoopback } from "../core/net/ip_address.ts";
import { EVERYWHERE_6, isEverywhere, SYSTEM, type System } from "./system.ts";

/** What is used of a `Deno.NetworkInterfaceInfo`. */
export type Interface =
  & Pick<Deno.NetworkInterfaceInfo, "family" | "name" | "address">
  & { readonly mac?: string; readonly scopeid?: number | null };

/**
 * The addresses at which clients reach a listener on `hostname`, as
 * {@linkcode rankAddresses} orders them. Link-local ones of IPv6 have a zone.
 */
export function addressesOf(
  hostname: string,
  interfaces: () => readonly Interface[] = systemInterfaces,
  system: System = SYSTEM,
): string[] {
  if (!isEverywhere(hostname)) return [hostname];
  const all = interfaces().filter(({ family }) =>
    family === "IPv4" || hostname === EVERYWHERE_6
  );
  const addresses = rankAddresses(all, system)
    .filter((one) => !isUselessLinkLocal(one, system))
    .map((one) => withZone(one, system));
  return addresses.length > 0 ? addresses : ["127.0.0.1"];
}

/**
 * The interfaces of this computer; none if they are not told, by Deno's permissions
 * or by a system such as Android.
 */
export function systemInterfaces(
  interfaces: () => readonly Interface[] = Deno.networkInterfaces,
): readonly Interface[] {
  try {
    return interfaces();
  } catch {
    return [];
  }
}

/**
 * Orders interfaces: this computer alone, networks, virtual machines, VPNs and
 * containers, then addresses that hold within one network only; IPv4 before IPv6.
 */
export function rankAddresses<T extends Interface>(
  interfaces: readonly T[],
  system: System = SYSTEM,
): T[] {
  return interfaces
    .map((one) => ({ one, rank: rankOf(one, system) }))
    .sort((a, b) => a.rank - b.rank || a.one.family.localeCompare(b.one.family))
    .map(({ one }) => one);
}

/** Whether other computers of a network probably reach this address. */
export function isReachable(one: Interface, system: System): boolean {
  return rankOf(one, system) === REACHABLE;
}

/** The rank of an address in a network that is not virtual. */
const REACHABLE = 1;

/** Lower is better. */
function rankOf(one: Interface, system: System): number {
  const { address } = one;
  if (isLoopback(address)) return 0;
  if (isLinkLocal(address)) return 5;
  if (address.startsWith("169.254.")) return 4; // no server gave it an address
  if (isVirtualByName(one, system) || SHARED.test(address)) return 3;
  return isVirtualByMac(one) ? 2 : REACHABLE;
}

/** Addresses of providers and of VPNs such as Tailscale: 100.64.0.0/10. */
const SHARED = /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;

/** Whether its name is one that a virtual machine, a container or a VPN gives. */
function isVirtualByName({ name }: Interface, system: System): boolean {
  const names = system === "windows"
    ? VIRTUAL_ON_WINDOWS
    : system === "darwin"
    ? VIRTUAL_ON_MACOS
    : VIRTUAL;
  return names.test(name) || VPN.test(name);
}

const VIRTUAL =
  /^(docker|podman|br-[\da-f]{12}$|veth|virbr|vnet|vmnet|vboxnet|lxc|lxd|incus|cni|flannel|cali|kube|waydroid|macvtap|tun|tap|wg|ppp|ipsec|zt|ham)/i;

/** `awdl`, `llw`: AirDrop; `bridge100` and up: virtual machines; `feth`: ZeroTier. */
const VIRTUAL_ON_MACOS =
  /^(awdl|llw|anpi|utun|ipsec|ppp|gif|stf|feth|tap|tun|vmenet|vmnet|vboxnet|vnic|bridge\d{3})/;

/**
 * Names on Windows that are the same in each language. Not `vEthernet` alone: with
 * an external switch of Hyper-V, that is the interface of the real network.
 */
const VIRTUAL_ON_WINDOWS =
  /^(vEthernet \((WSL|Default Switch|DockerNAT|nat)|VirtualBox |VMware |Npcap )/i;

const VPN =
  /tailscale|wireguard|zerotier|openvpn|wintun|nordlynx|proton|mullvad|anyconnect|fortinet|globalprotect|hamachi|\bwarp\b|cloudflarewarp|\bvpn\b/i;

/**
 * Whether the vendor part of its hardware address is one of virtual machines. Such
 * an interface may be the only one: that of the virtual machine that runs us.
 */
function isVirtualByMac({ mac = "" }: Interface): boolean {
  const start = mac.toLowerCase().replaceAll("-", ":");
  return VIRTUAL_MACS.some((prefix) => start.startsWith(prefix));
}

const VIRTUAL_MACS = [
  "00:15:5d", // Hyper-V, WSL
  "0a:00:27", // VirtualBox, on the host
  "00:50:56", // VMware
  "00:05:69", // VMware, older
  "00:1c:42", // Parallels
  "52:54:00", // QEMU
  "02:42:", // Docker
  "00:ff:", // TAP of OpenVPN, on Windows
  "00:05:9a", // Cisco AnyConnect
];

/** Whether it is the link-local address of an interface without other computers. */
function isUselessLinkLocal(one: Interface, system: System): boolean {
  return isLinkLocal(one.address) &&
    (/^lo\d*$/.test(one.name) || isVirtualByName(one, system));
}

/**
 * Its address; a link-local one of IPv6 with its zone: the name of the interface,
 * or on Windows, which knows no names there, its number.
 */
export function withZone(
  { address, name, scopeid }: Interface,
  system: System = SYSTEM,
): string {
  if (!isLinkLocal(address)) return address;
  return `${address}%${system === "windows" && scopeid ? scopeid : name}`;
}
