/** A page whose own name leads to the server (DNS rebinding) gets nothing. */
import { assertEquals, assertMatch } from "@std/assert";
import { startWeb } from "../../web/serve/serve.ts";
import { ask, UPGRADE } from "../tools/net/ask_http.ts";
import { FOREIGN_HOST, launchBrowser, pageTest } from "../tools/browser.ts";
import { HERE, Process } from "../tools/server_process.ts";

for (
  const [what, path, ...lines] of [
    ["the page", "/"],
    ["a script", "/ui/page.ts"],
    ["nothing", "/nothing"],
    ["a WebSocket", "/ws", "Origin: http://evil.example:PORT", ...UPGRADE],
    ["a WebSocket of a program", "/ws", ...UPGRADE],
  ] as const
) {
  Deno.test(`a page whose name leads to this computer is refused ${what}`, async () => {
    using web = startWeb({
      hostname: "127.0.0.1",
      port: 0,
      welcome: (wire) => wire.close(),
    });
    const { port } = web;
    const request = [`GET ${path} HTTP/1.1`, "Connection: close", ...lines]
      .map((line) => line.replace("PORT", `${port}`));

    const answer = await ask(port, request, "evil.example");

    assertMatch(answer, /^HTTP\/1\.1 421 /);
    assertMatch(answer, /start it with --web-name evil\.example\n/);
    assertEquals(answer.includes("<title>"), false);
  });
}

Deno.test("a renewed certificate has its names from then on", async () => {
  const { generate } = await import("selfsigned");
  const named = async (value: string) => {
    const { cert, private: key } = await generate([
      { name: "commonName", value },
    ], { keyType: "ec", algorithm: "sha256" });
    return { cert, key };
  };
  const tls = await named("old.example");
  const hostname = "127.0.0.1";
  using web = startWeb({ hostname, port: 0, tls, welcome: () => {} });
  const statuses = async (cert: string) => {
    const caCerts = [cert];
    const found: string[] = [];
    for (const name of ["old.example", "new.example"]) {
      const tcp = await Deno.connect({ hostname, port: web.port });
      using conn = await Deno.startTls(tcp, {
        hostname,
        caCerts,
        unsafelyDisableHostnameVerification: true,
      });
      const request = `GET /nothing HTTP/1.1\r\nHost: ${name}\r\n` +
        "Connection: close\r\n\r\n";
      await conn.write(new TextEncoder().encode(request));
      found.push((await new Response(conn.readable).text()).slice(9, 12));
    }
    return found;
  };

  assertEquals(await statuses(tls.cert), ["404", "421"]);
  const renewed = await named("new.example");
  web.renew(renewed);
  assertEquals(await statuses(renewed.cert), ["421", "404"]);
});

Deno.test("server.ts --web-name serves the page by further names too", async () => {
  await using server = new Process([
    ...[...HERE, "--web-port", "0"],
    ...["--web-name", "Chat.Example", "--web-name", "bücher.example"],
  ]);
  const [, port = ""] = await server.out.until(/http:\S+:(\d+)\//);
  const request = ["GET /icon.svg HTTP/1.1", "Connection: close"];
  const statuses: string[] = [];

  for (
    const name of [
      ...["chat.example", "xn--bcher-kva.example", "localhost"],
      ...[Deno.hostname(), `${Deno.hostname()}.local`, "other.example"],
    ]
  ) statuses.push((await ask(Number(port), request, name)).slice(9, 12));

  assertEquals(statuses, ["200", "200", "200", "200", "200", "421"]);
});

pageTest(
  "a browser that is led here by another name gets no script and no chat",
  async () => {
    using web = startWeb({
      hostname: "127.0.0.1",
      port: 0,
      welcome: (wire) => wire.close(),
    });
    const browser = await launchBrowser();
    const page = await browser.newPage();
    await page.goto(`http://${FOREIGN_HOST}:${web.port}/`);

    const shown = await page.locator("body").innerText();
    const script = await page.evaluate(
      "fetch('/protocol.ts').then(({ status }) => status)",
    );
    const socket = await page.evaluate(`new Promise((resolve) => {
    const socket = new WebSocket("/ws");
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
  })`);
    await browser.close();

    assertMatch(
      shown,
      /^This server is not known as parley\.test\. Use its addr/,
    );
    assertEquals([script, socket], [421, "refused"]);
  },
);
