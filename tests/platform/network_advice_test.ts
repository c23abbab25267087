/** What is said of faults of the network, on three systems. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  connectTrouble,
  listenHint,
  listenTrouble,
  mayBeAllowed,
  waitingHint,
} from "../../platform/network_advice.ts";
import type { System } from "../../platform/system.ts";

const SYSTEMS = ["linux", "windows", "darwin"] as const;

/** What a terminal of 80 columns shows in two lines. */
const TWO_LINES = 160;

const CONNECTING: readonly [
  code: string,
  systems: readonly System[],
  why: RegExp,
  advice: RegExp,
][] = [
  ["ECONNREFUSED", SYSTEMS, /^connection refused$/, /server is running/],
  ["ETIMEDOUT", SYSTEMS, /^no answer$/, /firewall .*server's.*WLAN/],
  ["ENOTFOUND", SYSTEMS, /^unknown host$/, /spelling/],
  ["EAI_AGAIN", SYSTEMS, /^unknown host$/, /spelling/],
  ["EHOSTUNREACH", ["darwin"], /does not allow/, /Local Network/],
  ["EHOSTUNREACH", ["linux", "windows"], /no computer/, /same network/],
  ["EHOSTDOWN", SYSTEMS, /no computer/, /same network/],
  ["ENETUNREACH", SYSTEMS, /no network that leads/, /same network/],
  ["ENETDOWN", SYSTEMS, /network is down/, /same network/],
  ["EADDRNOTAVAIL", SYSTEMS, /in no network/, /same network/],
  ["EAFNOSUPPORT", SYSTEMS, /in no network/, /same network/],
  ["EACCES", SYSTEMS, /forbids/, /security program on this computer/],
  ["EPERM", SYSTEMS, /forbids/, /security program on this computer/],
];

for (const [code, systems, why, advice] of CONNECTING) {
  for (const system of systems) {
    Deno.test(`${code} on ${system} says why there is no connection, and what to do`, () => {
      const trouble = connectTrouble(code, system);

      assertMatch(trouble?.[0] ?? "", why);
      assertMatch(trouble?.[1] ?? "", advice);
      assert((trouble?.[1].length ?? 0) <= TWO_LINES);
    });
  }
}

for (const code of ["", "EIO", "toString"]) {
  Deno.test(`the code "${code}" says nothing about the network`, () => {
    for (const system of SYSTEMS) {
      const options = { system, host: "--host", port: "--port" };

      assertEquals(connectTrouble(code, system), undefined);
      assertEquals(listenTrouble(code, options), undefined);
    }
  });
}

Deno.test("which errors may end when a user answers a question of a system", () => {
  const codes = ["EACCES", "EHOSTUNREACH", "ECONNREFUSED", "ETIMEDOUT", ""];
  const allowed = SYSTEMS.map((system) =>
    codes.filter((code) => mayBeAllowed(code, system))
  );

  assertEquals(allowed, [
    ["ETIMEDOUT"],
    ["EACCES", "ETIMEDOUT"],
    ["EHOSTUNREACH", "ETIMEDOUT"],
  ]);
});

const LISTENING: readonly [
  code: string,
  systems: readonly System[],
  told: RegExp,
][] = [
  ["EADDRINUSE", SYSTEMS, /in use.*--web-port/],
  ["EADDRNOTAVAIL", SYSTEMS, /does not have that address.*--host/],
  ["EAFNOSUPPORT", SYSTEMS, /does not have that address.*--host/],
  ["EACCES", ["windows"], /reserves.*--web-port.*excludedportrange/],
  ["EACCES", ["linux", "darwin"], /above 1023 with --web-port/],
];

for (const [code, systems, told] of LISTENING) {
  for (const system of systems) {
    Deno.test(`${code} on ${system} says why a port cannot be used`, () => {
      const options = { system, host: "--host", port: "--web-port" };

      const text = listenTrouble(code, options) ?? "";

      assertMatch(text, told);
      assert(text.length <= TWO_LINES);
    });
  }
}

const WSL = "6.6.87.2-microsoft-standard-WSL2";
const NAT = ["eth0", "00:15:5d:ab:cd:ef", "172.22.5.6"] as const;
const LAN = ["eth1", "a4:34:d9:10:22:33", "192.168.1.5"] as const;

for (
  const [what, system, hostname, release, [name, mac, address], hint] of [
    ["Windows", "windows", "0.0.0.0", "10.0.26100", LAN, /If Windows asks/],
    ["Windows", "windows", "::", "10.0.26100", LAN, /If Windows asks/],
    ["Windows", "windows", "127.0.0.1", "10.0.26100", LAN, undefined],
    ["Windows", "windows", "localhost", "10.0.26100", LAN, undefined],
    ["Windows", "windows", "192.168.1.5", "10.0", LAN, /If Windows asks/],
    ["WSL", "linux", "0.0.0.0", WSL, NAT, /docs\/server\.md/],
    ["WSL", "linux", "127.0.0.1", WSL, NAT, undefined],
    ["WSL, mirrored", "linux", "0.0.0.0", WSL, LAN, undefined],
    ["WSL 1", "linux", "0.0.0.0", "4.4.0-19041-Microsoft", LAN, undefined],
    ["Hyper-V", "linux", "0.0.0.0", "6.12.41+deb13-amd64", NAT, undefined],
    ["Linux", "linux", "0.0.0.0", "6.12.41+deb13-amd64", LAN, undefined],
    ["macOS", "darwin", "0.0.0.0", "25.0.0", LAN, undefined],
  ] as const
) {
  Deno.test(`a server on ${hostname} of ${what} ${hint ? "tells its operator what to allow" : "needs no hint"}`, () => {
    const interfaces = () => [
      { family: "IPv4", name: "lo", address: "127.0.0.1", mac: "" } as const,
      { family: "IPv4", name, mac, address } as const,
    ];

    const text = listenHint({
      ...{ system, hostname, interfaces, release: () => release },
    });

    if (hint) assertMatch(text ?? "", hint);
    else assertEquals(text, undefined);
  });
}

for (const system of ["android", "linux", "windows"] as const) {
  Deno.test(`where the system tells no addresses, the operator is told so: ${system}`, () => {
    const hint = listenHint({
      ...{ system, hostname: "0.0.0.0" },
      ...{ interfaces: () => [], release: () => "6.1" },
    });

    assertMatch(hint ?? "", /are not known/);
    assertEquals(/If Windows asks/.test(hint ?? ""), system === "windows");
  });
}

Deno.test("on Linux with an address that others reach, the release is not asked", () => {
  const [name, mac, address] = LAN;

  const hint = listenHint({
    system: "linux",
    hostname: "0.0.0.0",
    interfaces: () => [{ family: "IPv4", name, mac, address }],
    release: () => {
      throw new Error("Asked");
    },
  });

  assertEquals(hint, undefined);
});

Deno.test("a user who waits is told what the own system may ask", () => {
  assertMatch(waitingHint("windows"), /If Windows asks/);
  assertMatch(waitingHint("darwin"), /If macOS asks/);
  assertMatch(waitingHint("linux"), /firewall/);
  assertMatch(waitingHint("freebsd"), /firewall/);
});
