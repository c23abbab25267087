/** Which addresses of a computer come first: interfaces as three systems list them. */
import { assertEquals } from "@std/assert";
import {
  addressesOf,
  type Interface,
  rankAddresses,
  systemInterfaces,
  withZone,
} from "../../platform/addresses.ts";
import type { System } from "../../platform/system.ts";

/** An interface: its name, its hardware address, and an address of it. */
type Row = [name: string, mac: string, address: string];

function interfacesOf(rows: readonly Row[]): Interface[] {
  return rows.map(([name, mac, address], index) => ({
    name,
    mac,
    address,
    family: address.includes(":") ? "IPv6" : "IPv4",
    scopeid: address.includes(":") ? index + 1 : null,
  }));
}

const LISTS: readonly {
  readonly what: string;
  readonly system: System;
  readonly rows: readonly Row[];
  readonly ranked: readonly string[];
}[] = [
  {
    what: "Linux with Docker, libvirt and a VPN",
    system: "linux",
    rows: [
      ["lo", "00:00:00:00:00:00", "127.0.0.1"],
      ["docker0", "02:42:5e:0a:11:7c", "172.17.0.1"],
      ["br-3f1c09aa1b2c", "02:42:d8:11:20:31", "172.18.0.1"],
      ["virbr0", "52:54:00:6a:11:9d", "192.168.122.1"],
      ["tun0", "00:00:00:00:00:00", "10.8.0.6"],
      ["wg0", "00:00:00:00:00:00", "10.7.0.2"],
      ["tailscale0", "00:00:00:00:00:00", "100.96.198.122"],
      ["wlp2s0", "a4:34:d9:10:22:33", "192.168.1.5"],
      ["lo", "00:00:00:00:00:00", "::1"],
      ["wlp2s0", "a4:34:d9:10:22:33", "fd00::2"],
      ["docker0", "02:42:5e:0a:11:7c", "fe80::42:5eff:fe0a:117c"],
      ["wlp2s0", "a4:34:d9:10:22:33", "fe80::2"],
    ],
    ranked: [
      ...["127.0.0.1", "::1", "192.168.1.5", "fd00::2"],
      ...["172.17.0.1", "172.18.0.1", "192.168.122.1"],
      ...["10.8.0.6", "10.7.0.2", "100.96.198.122", "fe80::2%wlp2s0"],
    ],
  },
  {
    what: "Linux with a bridge of its own",
    system: "linux",
    rows: [
      ["vboxnet0", "0a:00:27:00:00:00", "192.168.56.1"],
      ["br0", "3c:97:0e:01:02:03", "192.168.1.5"],
      ["br-lan", "3c:97:0e:01:02:03", "192.168.2.5"],
      ["eno1", "3c:97:0e:01:02:03", "169.254.7.7"],
    ],
    ranked: ["192.168.1.5", "192.168.2.5", "192.168.56.1", "169.254.7.7"],
  },
  {
    what: "Linux in a virtual machine, with Docker",
    system: "linux",
    rows: [
      ["docker0", "02:42:5e:0a:11:7c", "172.17.0.1"],
      ["eth0", "52:54:00:12:34:56", "10.0.2.15"],
      ["eth0", "52:54:00:12:34:56", "fe80::5054:ff:fe12:3456"],
    ],
    ranked: ["10.0.2.15", "172.17.0.1", "fe80::5054:ff:fe12:3456%eth0"],
  },
  {
    what: "Windows with WSL, VirtualBox, VMware and a VPN",
    system: "windows",
    rows: [
      ["vEthernet (WSL (Hyper-V firewall))", "00:15:5d:ac:10:01", "fe80::9"],
      ["vEthernet (WSL (Hyper-V firewall))", "00:15:5d:ac:10:01", "172.22.0.1"],
      ["vEthernet (Standardswitch)", "00:15:5d:01:02:03", "172.30.96.1"],
      ["Ethernet 3", "0a:00:27:00:00:0f", "192.168.56.1"],
      ["VMware Network Adapter VMnet8", "00:50:56:c0:00:08", "192.168.80.1"],
      ["Tailscale", "", "100.96.198.122"],
      ["Ethernet 4", "00:ff:3c:01:02:03", "10.8.0.6"],
      ["LAN-Verbindung* 2", "a6:34:d9:10:22:33", "169.254.20.1"],
      ["WLAN", "a4:34:d9:10:22:33", "2001:db8::5"],
      ["WLAN", "a4:34:d9:10:22:33", "fe80::5"],
      ["WLAN", "a4:34:d9:10:22:33", "192.168.1.5"],
      ["Ethernet", "A4-34-D9-10-22-34", "10.1.2.3"],
      ["Loopback Pseudo-Interface 1", "", "::1"],
      ["Loopback Pseudo-Interface 1", "", "127.0.0.1"],
    ],
    ranked: [
      ...["127.0.0.1", "::1", "192.168.1.5", "10.1.2.3", "2001:db8::5"],
      ...["172.30.96.1", "192.168.56.1", "10.8.0.6"], // told by the MAC alone
      ...["172.22.0.1", "192.168.80.1", "100.96.198.122"],
      ...["169.254.20.1", "fe80::5%10"],
    ],
  },
  {
    what: "Windows with an external switch of Hyper-V",
    system: "windows",
    rows: [
      ["vEthernet (Default Switch)", "00:15:5d:01:02:03", "172.30.96.1"],
      ["vEthernet (External)", "a4:34:d9:10:22:34", "192.168.1.5"],
      ["Local Area Connection", "a4:34:d9:10:22:35", "192.168.3.5"],
    ],
    ranked: ["192.168.1.5", "192.168.3.5", "172.30.96.1"],
  },
  {
    what: "macOS with a virtual machine and a VPN",
    system: "darwin",
    rows: [
      ["lo0", "00:00:00:00:00:00", "127.0.0.1"],
      ["lo0", "00:00:00:00:00:00", "::1"],
      ["lo0", "00:00:00:00:00:00", "fe80::1"],
      ["utun3", "00:00:00:00:00:00", "10.8.0.6"],
      ["utun0", "00:00:00:00:00:00", "fe80::7"],
      ["awdl0", "be:01:02:03:04:05", "fe80::8"],
      ["llw0", "be:01:02:03:04:05", "fe80::8"],
      ["bridge100", "be:01:02:03:04:64", "192.168.64.1"],
      ["bridge0", "be:01:02:03:04:66", "169.254.9.9"],
      ["en0", "f0:18:98:01:02:03", "fe80::c"],
      ["en0", "f0:18:98:01:02:03", "192.168.1.5"],
      ["en7", "f0:18:98:01:02:04", "10.1.2.3"],
    ],
    ranked: [
      ...["127.0.0.1", "::1", "192.168.1.5", "10.1.2.3"],
      ...["10.8.0.6", "192.168.64.1", "169.254.9.9", "fe80::c%en0"],
    ],
  },
];

for (const { what, system, rows, ranked } of LISTS) {
  Deno.test(`${what}: the addresses that others reach come first`, () => {
    const listed = addressesOf("::", () => interfacesOf(rows), system);

    assertEquals(listed, ranked);
  });
}

for (
  const [address, isDemoted] of [
    ["100.63.255.255", false],
    ["100.64.0.1", true],
    ["100.127.255.254", true],
    ["100.128.0.1", false],
    ["169.253.1.1", false],
    ["169.254.1.1", true],
  ] as const
) {
  Deno.test(`${address} comes ${isDemoted ? "after" : "before"} an address of IPv6`, () => {
    const interfaces = interfacesOf([
      ["eth0", "", "fd00::2"],
      ["eth0", "", address],
    ]);

    const [first] = rankAddresses(interfaces, "linux");

    assertEquals(first?.address, isDemoted ? "fd00::2" : address);
  });
}

Deno.test("a zone is a name, on Windows the number of the interface", () => {
  const [one] = interfacesOf([["WLAN 2", "", "fe80::5"]]);

  assertEquals(withZone(one!, "windows"), "fe80::5%1");
  assertEquals(withZone(one!, "linux"), "fe80::5%WLAN 2");
  assertEquals(withZone({ ...one!, address: "fd00::5" }, "windows"), "fd00::5");
});

const INTERFACES = interfacesOf([
  ["eth0", "", "fe80::fc:ff:fe00:1"],
  ["lo", "", "127.0.0.1"],
  ["eth0", "", "192.0.2.2"],
  ["lo", "", "::1"],
  ["eth0", "", "fd00::2"],
  ["wlan0", "", "fe80::2"],
]);

for (
  const [host, ...addresses] of [
    ["0.0.0.0", "127.0.0.1", "192.0.2.2"],
    [
      ...["::", "127.0.0.1", "::1", "192.0.2.2", "fd00::2"],
      ...["fe80::fc:ff:fe00:1%eth0", "fe80::2%wlan0"],
    ],
    ["fd00::2", "fd00::2"],
    ["fe80::2%wlan0", "fe80::2%wlan0"],
    ["lab1", "lab1"],
  ]
) {
  Deno.test(`--host ${host} prints ${addresses.length} addresses, link-local ones last`, () => {
    assertEquals(addressesOf(host!, () => INTERFACES, "linux"), addresses);
  });
}

Deno.test("a system that tells no addresses, such as Android, has that of itself", () => {
  const refuse = () => {
    throw new Deno.errors.PermissionDenied("Permission denied (os error 13)");
  };
  const none = () => systemInterfaces(refuse);

  assertEquals(none(), []);
  assertEquals(addressesOf("0.0.0.0", none, "android"), ["127.0.0.1"]);
  assertEquals(addressesOf("192.0.2.2", none, "android"), ["192.0.2.2"]);
});
