/**
 * The page as it is served: its files and no others, the headers that protect
 * it, and who may open a WebSocket.
 */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { certificateFor } from "../../server/certificate.ts";
import { invitation } from "../../web/serve/invite.ts";
import { startWeb } from "../../web/serve/serve.ts";
import {
  RawClient,
  serveWebSockets,
  startTestServer,
  type TestServer,
  useWebSockets,
  within,
} from "../tools/net/raw_client.ts";
import { HERE, Process, SERVER } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";

useWebSockets();

/** What one path may weigh with all the others, as it is sent, in bytes. */
const MAX_PAGE_BYTES = 60_000;

/** The page of a server, without the server. */
async function withPage(
  test: (origin: string, port: number) => Promise<void>,
): Promise<void> {
  const server = startTestServer();
  const web = await serveWebSockets(server);
  try {
    await test(`http://127.0.0.1:${web.port}`, web.port);
  } finally {
    web[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  }
}

/** What a file of the page names: other files of it. */
function namedIn(text: string, url: URL): string[] {
  const found = text.matchAll(
    /(?:src|href)="([^"]+)"|\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm,
  );
  return Array.from(
    found,
    (groups) => new URL(groups.slice(1).find(Boolean)!, url).pathname,
  );
}

/** A request, byte for byte; gives what is answered until the end. */
async function ask(port: number, lines: readonly string[]): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = [...lines, `Host: 127.0.0.1:${port}`, "", ""].join("\r\n");
  await conn.write(new TextEncoder().encode(request));
  let text = "";
  for await (const chunk of conn.readable) {
    text += new TextDecoder().decode(chunk);
    if (text.startsWith("HTTP/1.1 101")) break; // which has no end
  }
  return text;
}

const UPGRADE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

Deno.test("the page names all of its files, and they are under 60 KB as they are sent", async () => {
  await withPage(async (origin) => {
    const seen = new Map<string, string>();
    const open = ["/"];
    let sent = 0;
    for (let path; (path = open.pop()) !== undefined;) {
      const url = new URL(path, origin);
      const response = await fetch(url, {
        headers: { "Accept-Encoding": "identity" },
      });
      assertEquals(response.status, 200, path);
      const text = await response.text();
      seen.set(path, response.headers.get("Content-Type") ?? "");
      const zipped = await fetch(url, { method: "HEAD" });
      assertEquals(zipped.headers.get("Content-Encoding"), "gzip");
      sent += Number(zipped.headers.get("Content-Length"));
      for (const name of namedIn(text, url)) {
        if (!seen.has(name) && !open.includes(name)) open.push(name);
      }
    }

    assert(seen.has("/protocol.ts") && seen.has("/ui/page.ts"));
    assert(seen.has("/ui/files.ts"), "what is loaded only with --gui");
    assertEquals(seen.get("/protocol.ts"), "text/javascript; charset=utf-8");
    assertEquals(seen.get("/style/style.css"), "text/css; charset=utf-8");
    assertEquals(seen.get("/icon.svg"), "image/svg+xml; charset=utf-8");
    assertLess(sent, MAX_PAGE_BYTES);
  });
});

Deno.test("the page preloads what its form waits for, and nothing else", async () => {
  await withPage(async (origin) => {
    const index = await (await fetch(origin)).text();
    const preloaded = Array.from(
      index.matchAll(/rel="modulepreload" href="([^"]+)"/g),
      ([, path]) => path,
    );
    const needed = new Set(["/ui/page.ts"]); // grows while it is walked
    for (const path of needed) {
      const url = new URL(path, origin);
      const text = await (await fetch(url)).text();
      for (const [, name] of text.matchAll(/\bfrom "([^"]+)"/g)) {
        needed.add(new URL(name!, url).pathname);
      }
    }

    assertEquals(preloaded.sort(), [...needed].slice(1).sort());
  });
});

Deno.test("a page that a browser shows by itself allows nothing inline and nothing foreign", async () => {
  await withPage(async (origin) => {
    for (const path of ["/", "/icon.svg", "/nothing"]) {
      const response = await fetch(origin + path);
      await response.body?.cancel();
      const { headers } = response;
      assertMatch(
        headers.get("Content-Security-Policy") ?? "",
        /^default-src 'none'; script-src 'self'; style-src 'self'; .*frame-ancestors 'none'/,
      );
      assertEquals(headers.get("Referrer-Policy"), "no-referrer");
      assertEquals(headers.get("X-Content-Type-Options"), "nosniff");
    }
  });
});

for (
  const path of [
    ...["/nothing", "/server.ts", "/web/page/ui/page.ts", "/../server.ts"],
    ...["/%2e%2e/server.ts", "/ws", "//ui/page.ts", "/ui/page.ts/"],
  ]
) {
  Deno.test(`GET ${path} is answered 404`, async () => {
    await withPage(async (_, port) => {
      const answer = await ask(port, [
        `GET ${path} HTTP/1.1`,
        "Connection: close",
      ]);

      assertMatch(answer, /^HTTP\/1\.1 404 /);
    });
  });
}

Deno.test("POST is answered 405, and HEAD without a body", async () => {
  await withPage(async (origin) => {
    const post = await fetch(origin, { method: "POST", body: "x" });
    const head = await fetch(origin, { method: "HEAD" });

    assertEquals(post.status, 405);
    assertEquals(post.headers.get("Allow"), "GET, HEAD");
    await post.body?.cancel();
    assertEquals(head.status, 200);
    assertEquals(await head.text(), "");
  });
});

Deno.test("a file that has not changed is not sent again", async () => {
  await withPage(async (origin) => {
    const first = await fetch(`${origin}/ui/page.ts`);
    await first.body?.cancel();
    const etag = first.headers.get("ETag") ?? "";
    const again = await fetch(`${origin}/ui/page.ts`, {
      headers: { "If-None-Match": etag },
    });

    assertMatch(etag, /^"[\w-]{43}"$/);
    assertEquals(again.status, 304);
    assertEquals(await again.text(), "");
  });
});

for (
  const [why, status, lines] of [
    ["nobody's page", 101, ["GET /ws HTTP/1.1"]],
    ["the page itself", 101, ["GET /ws HTTP/1.1", "Origin: http://HERE"]],
    ["the page behind TLS", 101, ["GET /ws HTTP/1.1", "Origin: https://HERE"]],
    ["another page", 403, ["GET /ws HTTP/1.1", "Origin: http://evil.example"]],
    ["another port", 403, ["GET /ws HTTP/1.1", "Origin: http://127.0.0.1:1"]],
    ["a page without origin", 403, ["GET /ws HTTP/1.1", "Origin: null"]],
    ["another path", 404, ["GET /nothing HTTP/1.1"]],
    [
      "a page that names itself in the path",
      404,
      ["GET //evil.example/ws HTTP/1.1", "Origin: http://evil.example"],
    ],
    [
      "a page that names itself in the address",
      404,
      ["GET http://evil.example/ws HTTP/1.1", "Origin: http://evil.example"],
    ],
  ] as const
) {
  Deno.test(`a WebSocket from ${why} is answered ${status}`, async () => {
    await withPage(async (_, port) => {
      const request = lines.map((line) =>
        line.replace("HERE", `127.0.0.1:${port}`)
      );

      const answer = await within(
        ask(port, [...request, ...UPGRADE]),
        () => "the answer",
      );

      assertMatch(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    });
  });
}

/** A WebSocket that was opened by the platform, and what it hears. */
async function openSocket(
  server: TestServer,
): Promise<{ socket: WebSocket } & Disposable> {
  const web = await serveWebSockets(server);
  const socket = new WebSocket(`ws://127.0.0.1:${web.port}/ws`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.onopen = resolve);
  return {
    socket,
    [Symbol.dispose]() {
      socket.close();
      web[Symbol.dispose]();
    },
  };
}

Deno.test("messages of text and of bytes, empty ones too, are one stream", async () => {
  await using server = startTestServer();
  using opened = await openSocket(server);
  const { socket } = opened;
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.onmessage = ({ data }) => resolve(new TextDecoder().decode(data));

  socket.send("REGIS");
  socket.send(new Uint8Array());
  socket.send(new TextEncoder().encode("TER alice\n"));
  socket.send("\n");

  assertMatch(await promise, /^REGISTERED alice\n/);
});

Deno.test("a message over 64 KiB ends its WebSocket, and nobody else's", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  using opened = await openSocket(server);
  const { socket } = opened;
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  socket.onclose = resolve;

  socket.send(new Uint8Array(65_537));

  await within(ended, () => "the end");
  assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("the log tells from where a WebSocket comes", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  assertMatch(alice.address, /^127\.0\.0\.1:\d+$/);
  await server.logged(`<${alice.address}> connected`);
});

Deno.test("with a certificate the page and its WebSockets are behind TLS", async () => {
  const { cert, key } = await certificateFor({ db: ":memory:" });
  await using server = startTestServer();
  using web = await startWeb({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert, key },
    welcome: (wire, { address }) => server.welcome(wire, address, "TLS"),
  });
  using client = Deno.createHttpClient({ caCerts: [cert] });

  const page = await fetch(`https://127.0.0.1:${web.port}/`, { client });
  using conn = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: web.port,
    caCerts: [cert],
  });
  const lines = ["GET /ws HTTP/1.1", "Host: x", ...UPGRADE, "", ""];
  await conn.write(new TextEncoder().encode(lines.join("\r\n")));
  const buffer = new Uint8Array(1_024);
  const count = await conn.read(buffer) ?? 0;

  assertMatch(await page.text(), /<title>Parley<\/title>/);
  assertMatch(
    new TextDecoder().decode(buffer.subarray(0, count)),
    /^HTTP\/1\.1 101 /,
  );
});

Deno.test("an invitation has every address, and a code for one that others reach", () => {
  const where = { port: 8080, secure: false };
  const addresses = ["127.0.0.1", "192.168.1.5", "fe80::1"];

  const plain = invitation({ ...where, addresses, draws: false });
  const drawn = invitation({ ...where, addresses, draws: true });
  const alone = invitation({
    ...where,
    addresses: ["127.0.0.1"],
    draws: true,
  });

  assertEquals(
    plain,
    "In a browser, on a phone for example:\n\n" +
      "  http://127.0.0.1:8080/\n  http://192.168.1.5:8080/\n" +
      "  http://[fe80::1]:8080/\n",
  );
  assertMatch(drawn, /█ ▄▄▄▄▄ █/);
  assertEquals(alone.includes("█"), false);
});

Deno.test("server.ts --web says where the page is, and serves it", async () => {
  await using server = new Process([...HERE, "--web-port", "0"]);
  const [, url = ""] = await server.out.until(/(http:\S+)/);

  const response = await fetch(url);

  assertMatch(await response.text(), /<title>Parley<\/title>/);
  assertEquals(await server.stop("SIGTERM"), 0);
});

Deno.test("server.ts --web with a port in use says so, and exits 2", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using server = new Process([
    ...HERE,
    "--web",
    "--web-port",
    `${other.addr.port}`,
  ]);

  assertEquals(await server.exitCode(), 2);
  assertMatch(server.err.text, /^Cannot listen on .* with --web-port\n$/m);
});

Deno.test("a bundle of server.ts serves the page from an empty folder", async () => {
  using folder = tempFolder();
  const script = `${folder.path}/server.js`;
  const bundle = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "-q", "-o", script, SERVER],
    cwd: new URL("../..", import.meta.url).pathname,
  }).output();
  assertEquals(bundle.code, 0, new TextDecoder().decode(bundle.stderr));
  await using server = new Process([...HERE, "--web-port", "0"], { script });
  const [, url = ""] = await server.out.until(/(http:\S+)/);

  const page = await (await fetch(url)).text();
  const protocol = await (await fetch(`${url}protocol.ts`)).text();

  assertMatch(page, /<title>Parley<\/title>/);
  assertMatch(protocol, /^export class FrameDecoder/m);
});
