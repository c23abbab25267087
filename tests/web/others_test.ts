/** The page and other servers of the chat: where it may connect, and whose pages may. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { OtherServer } from "../../core/net/alternates.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { ask, UPGRADE } from "../tools/net/ask_http.ts";
import { newCertificate } from "../tools/net/tls_tools.ts";

/** The web client of a server that knows of others. */
function openWeb(
  others: OtherServer[],
  tls?: Parameters<typeof startWeb>[0]["tls"],
) {
  return startWeb({
    hostname: "127.0.0.1",
    port: 0,
    others: () => others,
    welcome: (wire) => wire.close(),
    ...(tls ? { tls } : {}),
  });
}

const B: OtherServer = {
  hostname: "lab2",
  ports: { tcp: 9898, http: 8080, https: 8443 },
  names: ["10.0.0.2", "LAB2.example", "fd00::2", "no name", "*.example"],
};

/** The part of the policy that says where a page may connect, and the page's tag. */
async function policyOf(port: number, path = "/", more: string[] = []) {
  const answer = await ask(port, [
    `GET ${path} HTTP/1.1`,
    "Connection: close",
    ...more,
  ]);
  const [, connect = ""] = /connect-src ([^;]*);/.exec(answer) ?? [];
  const [, tag = ""] = /^ETag: (.*)\r$/m.exec(answer) ?? [];
  return { status: answer.slice(9, 12), connect, tag };
}

Deno.test("a page may connect to the others that its server knows when it is loaded", async () => {
  const others: OtherServer[] = [];
  using web = openWeb(others);

  const alone = await policyOf(web.port);
  others.push(B, { hostname: "10.0.0.3", ports: { http: 80 } });
  const both = await policyOf(web.port);

  assertEquals(alone.connect, "'self'");
  assertEquals(both.connect, "'self' ws://lab2:8080 ws://10.0.0.3:80");
  const nowhere = await policyOf(web.port, "/nothing");
  assertEquals([nowhere.status, nowhere.connect], ["404", "'self'"]);
});

Deno.test("a page that a browser has gets the policy of now (RFC 9111, 4.3.4)", async () => {
  const others: OtherServer[] = [];
  using web = openWeb(others);
  const { tag } = await policyOf(web.port);

  others.push(B);
  const again = await policyOf(web.port, "/", [`If-None-Match: ${tag}`]);

  assertEquals(again.status, "304");
  assertEquals(again.connect, "'self' ws://lab2:8080");
});

Deno.test("a page over HTTPS connects over HTTPS alone, and no page to what a policy cannot name", async () => {
  const others: OtherServer[] = [
    B,
    { hostname: "lab3", ports: { http: 8080 } },
    { hostname: "fd00::4", ports: { http: 8080, https: 8443 } },
  ];
  using web = openWeb(others);
  const certificate = await newCertificate();
  using secure = openWeb(others, certificate);

  assertEquals(
    (await policyOf(web.port)).connect,
    "'self' ws://lab2:8080 ws://lab3:8080",
  );
  using client = Deno.createHttpClient({ caCerts: [certificate.cert] });
  const page = await fetch(`https://127.0.0.1:${secure.port}/`, { client });
  await page.body?.cancel();
  assertStringIncludes(
    page.headers.get("Content-Security-Policy") ?? "",
    "; connect-src 'self' wss://lab2:8443; ",
  );
});

for (
  const [origin, passes] of [
    ["http://lab2:8080", true],
    ["https://lab2:8443", true],
    ["http://LAB2:8080", true],
    ["http://10.0.0.2:8080", true],
    ["http://lab2.example:8080", true],
    ["https://lab2.example:8443", true],
    ["http://[fd00::2]:8080", true],
    ["https://lab2:8080", false],
    ["http://lab2:8443", false],
    ["http://lab2", false],
    ["http://lab2:9898", false],
    ["http://lab3:8080", false],
    ["http://evil.lab2:8080", false],
    ["http://lab2.evil.example:8080", false],
    ["http://a.example:8080", false],
    ["ftp://lab2:8080", false],
    ["null", false],
  ] as const
) {
  Deno.test(`a page of ${origin} may ${passes ? "" : "not "}open a WebSocket, and load nothing`, async () => {
    using web = openWeb([B]);
    const from = `Origin: ${origin}`;

    const opened = await ask(web.port, ["GET /ws HTTP/1.1", from, ...UPGRADE]);
    const close = "Connection: close";
    const file = await ask(web.port, ["GET / HTTP/1.1", from, close]);

    assertStringIncludes(opened, passes ? "HTTP/1.1 101 " : "HTTP/1.1 403 ");
    assertStringIncludes(file, "HTTP/1.1 403 ");
  });
}
