/** Addresses and networks: what is one, however it is written. */
import { assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import {
  isLinkLocal,
  isLoopback,
  networkOf,
  networkText,
  parseNetwork,
} from "../../../core/net/ip_address.ts";

const NETWORKS: readonly [host: string, network: string][] = [
  ["10.0.0.1", "10.0.0.1"],
  ["[::ffff:10.0.0.1]", "10.0.0.1"],
  ["[::FFFF:0a00:0001]", "10.0.0.1"],
  ["[0:0:0:0:0:ffff:10.0.0.1]", "10.0.0.1"],
  ["[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["[2001:db8::]", "2001:db8::/64"],
  ["[::1]", "::1"],
  ["[fe80::1]", "fe80::1"],
  ["[fe80::1%eth0]", "fe80::1"],
  ["[febf::1:2]", "febf::1:2"],
  ["[fec0::1:2]", "fec0::/64"],
  ["somewhere", "somewhere"],
  ["[a:b", "[a:b"],
];

for (const [host, network] of NETWORKS) {
  Deno.test(`the network of ${host} is ${network}`, () => {
    assertEquals(networkOf(host), network);
    assertEquals(networkOf(network), network);
  });
}

Deno.test("a network that is written is read as the same one", () => {
  const network = fc.oneof(
    fc.record({ family: fc.constant(4 as const), length: fc.nat(32) }),
    fc.record({ family: fc.constant(6 as const), length: fc.nat(128) }),
  ).chain(({ family, length }) => {
    const width = BigInt(family === 4 ? 32 : 128);
    const rest = width - BigInt(length);
    return fc.bigInt(0n, (1n << width) - 1n)
      .map((bits) => ({ family, length, bits: (bits >> rest) << rest }))
      // Written in IPv6, these are of IPv4.
      .filter(({ bits }) => family === 4 || bits >> 32n !== 0xffffn);
  });

  fc.assert(fc.property(network, (one) => {
    assertEquals(parseNetwork(networkText(one)), one);
  }));
});

Deno.test("two addresses of IPv6 are one network if their first 64 bits are the same", () => {
  const half = fc.bigInt(0x2000n << 48n, 0x3fffn << 48n);
  const rest = fc.bigInt(0n, (1n << 64n) - 1n);
  const text = (bits: bigint) => networkText({ family: 6, bits, length: 128 });
  const host = (bits: bigint) => `[${text(bits).replace("/128", "")}]`;

  fc.assert(fc.property(half, rest, rest, (front, one, other) => {
    const network = networkOf(host((front << 64n) + one));
    assertEquals(networkOf(host((front << 64n) + other)), network);
    assertNotEquals(networkOf(host(((front + 1n) << 64n) + one)), network);
  }));
});

const KINDS: readonly [
  host: string,
  kind: "loopback" | "link-local" | undefined,
][] = [
  ["localhost", "loopback"],
  ["LOCALHOST", "loopback"],
  ["127.0.0.1", "loopback"],
  ["127.255.0.1", "loopback"],
  ["::1", "loopback"],
  ["localhost.example.com", undefined],
  ["127.0.0.1.example.com", undefined],
  ["126.0.0.1", undefined],
  ["::11", undefined],
  ["fe7f::1", undefined],
  ["fe80::1", "link-local"],
  ["FE80::1%eth0", "link-local"],
  ["febf:1::1", "link-local"],
  ["fec0::1", undefined],
  ["fe8::1", undefined],
  ["fe80.example.com", undefined],
];

for (const [host, kind] of KINDS) {
  Deno.test(`${host} is ${kind ?? "neither loopback nor link-local"}`, () => {
    assertEquals(isLoopback(host), kind === "loopback");
    assertEquals(isLinkLocal(host), kind === "link-local");
  });
}
