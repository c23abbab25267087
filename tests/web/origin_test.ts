/** The pages and names that a page's server answers: no page of another site. */
import { assertEquals } from "@std/assert";
import { namesOf, refusal } from "../../web/serve/origin.ts";
import { certificateFor } from "../../server/certificate.ts";

const NAMES = namesOf({
  names: ["Lab1", "lab1.local", "chat.example.org.", "bücher.example"],
});

/** What is answered to a page of an origin that asks for a host; 0: it passes. */
const CASES: readonly (readonly [
  number,
  Parameters<typeof refusal>[0],
])[] = [
  // Addresses, also in the odd forms that URLs allow.
  [0, { host: "127.0.0.1:8080" }],
  [0, { host: "192.168.1.5" }],
  [0, { host: "127.0.0.1.:8080" }],
  [0, { host: "0x7f.1:8080" }],
  [0, { host: "2130706433" }],
  [0, { host: "[::1]:8080" }],
  [0, { host: "[FD00::2]" }],
  [0, { host: "[::ffff:127.0.0.1]:1" }],
  [421, { host: "::1" }],
  [421, { host: "[::1" }],
  [421, { host: "[fe80::1%eth0]:8080" }],
  [421, { host: "127.0.0.256" }],
  [421, { host: "127.0.0.1.nip.example:8080" }],
  [421, { host: "7f000001.rebind.example" }],
  // Names.
  [0, { host: "localhost:8080" }],
  [0, { host: "LOCALHOST" }],
  [0, { host: "localhost.:8080" }],
  [421, { host: "localhost..:8080" }],
  [421, { host: "evil.localhost" }],
  [421, { host: "localhost.evil.example" }],
  [0, { host: "lab1:8080" }],
  [0, { host: "LAB1.local.:8080" }],
  [421, { host: "lab1.evil.example" }],
  [421, { host: "notlab1" }],
  [0, { host: "chat.example.org" }],
  [421, { host: "evil.chat.example.org" }],
  [421, { host: "example.org" }],
  [0, { host: "xn--bcher-kva.example" }],
  [0, { host: "bücher.example" }],
  [421, { host: "xn--bcher-kvb.example" }],
  [421, { host: "evil.example" }],
  // What is no name.
  [421, {}],
  [421, { host: "" }],
  [421, { host: ":8080" }],
  [421, { host: "127.0.0.1, evil.example" }],
  [421, { host: "127.0.0.1,evil.example" }],
  [421, { host: "evil.example@127.0.0.1" }],
  [421, { host: "127.0.0.1/evil.example" }],
  [421, { host: "127.0.0.1\\evil.example" }],
  [421, { host: "127.0.0.1?evil" }],
  [421, { host: "127.0.0.1#evil" }],
  [421, { host: "127.0.0.1:http" }],
  // Origins: the same place, whatever the way to it.
  [0, { host: "127.0.0.1:8080", origin: "http://127.0.0.1:8080" }],
  [0, { host: "127.0.0.1:8080", origin: "https://127.0.0.1:8080" }],
  [0, { host: "0x7f.1:8080", origin: "http://127.0.0.1:8080" }],
  [0, { host: "Lab1:8080", origin: "http://lab1:8080" }],
  [0, { host: "[::1]:8080", origin: "http://[::1]:8080" }],
  [0, { host: "lab1:80", origin: "http://lab1" }],
  [0, { host: "lab1:443", origin: "https://lab1" }],
  [0, { host: "lab1", origin: "https://lab1:443" }],
  [403, { host: "lab1:443", origin: "http://lab1" }],
  [403, { host: "lab1:80", origin: "https://lab1" }],
  [403, { host: "127.0.0.1:8080", origin: "http://127.0.0.1:8081" }],
  [403, { host: "127.0.0.1:8080", origin: "http://127.0.0.1" }],
  [403, { host: "127.0.0.1:8080", origin: "http://localhost:8080" }],
  [403, { host: "lab1.", origin: "http://lab1" }],
  [403, { host: "127.0.0.1:8080", origin: "http://evil.example" }],
  [403, { host: "127.0.0.1:80", origin: "http://127.0.0.1:80@evil.example" }],
  [403, { host: "127.0.0.1:8080", origin: "null" }],
  [403, { host: "127.0.0.1:8080", origin: "" }],
  [403, { host: "127.0.0.1:8080", origin: "ftp://127.0.0.1:8080" }],
  [403, { host: "127.0.0.1:8080", origin: "file://" }],
  [403, { host: "127.0.0.1", origin: "chrome-extension://127.0.0.1" }],
  // Rebinding: host and origin agree with each other, and not with us.
  [421, { host: "evil.example:8080", origin: "http://evil.example:8080" }],
];

for (const [status, headers] of CASES) {
  Deno.test(`a request with ${JSON.stringify(headers)} is answered ${status || "as asked"}`, () => {
    assertEquals(refusal(headers, NAMES)?.status ?? 0, status);
  });
}

Deno.test("a server that is asked by another name says which option allows it", () => {
  const refused = refusal({ host: "Chat.Example.:8080" }, new Set());

  assertEquals(
    refused?.text,
    "This server is not known as chat.example. Use its address, or have its " +
      "operator start it with --web-name chat.example\n",
  );
});

/** A certificate for a name as its own, and for more names. */
async function certificate(
  own: string,
  names: readonly string[],
): Promise<string> {
  const { generate } = await import("selfsigned");
  const altNames = names.map((value) => ({ type: 2 as const, value }));
  const { cert } = await generate([{ name: "commonName", value: own }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames }],
  });
  return cert;
}

for (
  const [own, names, ...expected] of [
    ["x", ["Chat.example", "*.lab.example"], "chat.example", "*.lab.example"],
    ["x", ["xn--bcher-kva.example"], "xn--bcher-kva.example"],
    ["chat.example", [], "chat.example"],
    ["A Name That Is None", []],
  ] as const
) {
  Deno.test(`a certificate of "${own}" for ${names.length} names gives ${expected.length} names`, async () => {
    const cert = await certificate(own, names);

    assertEquals([...namesOf({ cert })], expected);
  });
}

Deno.test("*. in a certificate stands for one label, and nothing else", () => {
  const names = namesOf({ names: ["*.lab.example"] });
  const passes = (host: string) => refusal({ host }, names) === undefined;

  assertEquals(passes("a.lab.example:8080"), true);
  for (const host of ["lab.example", "a.b.lab.example", "alab.example"]) {
    assertEquals(passes(host), false, host);
  }
});

Deno.test("the certificate that the server makes has the names of this computer", async () => {
  const { cert } = await certificateFor({ db: ":memory:" });

  const names = namesOf({ cert });

  assertEquals(names.has(Deno.hostname().toLowerCase()), true);
});
