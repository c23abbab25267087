/**
 * The page as it is served: its files and no others, the headers that protect
 * it, and who may open a WebSocket.
 */
import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertThrows,
} from "@std/assert";
import { certificateFor } from "../../server/certificate.ts";
import { PATIENCE } from "../../web/serve/requests.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { ask, UPGRADE } from "../tools/net/ask_http.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import {
  lastingPort,
  serveWebSockets,
  startTestServer,
  type TestServer,
  useWebSockets,
} from "../tools/net/test_server.ts";
import { PATIENCE_MS, within } from "../tools/net/within.ts";

useWebSockets();

/**
 * Limit of the files that the page loads by itself, together, in bytes as they
 * are sent. Those for `--gui` count too.
 */
const MAX_PAGE_BYTES = 75_000; // 75 KB

/**
 * The same for files that it loads when its user does something, or its server tells
 * of others.
 */
const MAX_LATER_BYTES = 13_000;

/** The page of a server, without the server. */
async function withPage(
  test: (origin: string, port: number) => Promise<void>,
): Promise<void> {
  const server = startTestServer();
  const web = serveWebSockets(server);
  try {
    await test(`http://127.0.0.1:${web.port}`, web.port);
  } finally {
    web[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  }
}

/** The other files of the page that a file names. */
function namedIn(text: string, url: URL): string[] {
  const found = text.matchAll(
    /(?:src|href)="([^"]+)"|\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm,
  );
  return Array.from(
    found,
    (groups) => new URL(groups.slice(1).find(Boolean)!, url).pathname,
  );
}

/** The files among them that are loaded later, by a function. */
function laterIn(text: string, url: URL): string[] {
  const found = text.matchAll(/\bawait import\("([^"]+)"\)/g);
  return Array.from(found, ([, name]) => new URL(name!, url).pathname);
}

/**
 * Loads files of the page and those that they load by themselves, and adds these.
 *
 * @param types Gets the media type of each.
 * @returns The bytes that were sent, and the files that are loaded later.
 */
async function load(
  origin: string,
  paths: Set<string>,
  types: Map<string, string>,
): Promise<{ sent: number; later: Set<string> }> {
  const later = new Set<string>();
  let sent = 0;
  for (const path of paths) { // which grows
    const url = new URL(path, origin);
    const response = await fetch(url, {
      headers: { "Accept-Encoding": "identity" },
    });
    assertEquals(response.status, 200, path);
    const text = await response.text();
    types.set(path, response.headers.get("Content-Type") ?? "");
    const zipped = await fetch(url, { method: "HEAD" });
    assertEquals(zipped.headers.get("Content-Encoding"), "gzip");
    sent += Number(zipped.headers.get("Content-Length"));
    const asked = laterIn(text, url);
    for (const name of asked) later.add(name);
    for (const name of namedIn(text, url)) {
      if (!asked.includes(name) && !types.has(name)) paths.add(name);
    }
  }
  return { sent, later };
}

Deno.test("the page names all of its files, and they are at most 75 KB as they are sent", async () => {
  await withPage(async (origin) => {
    const types = new Map<string, string>();
    const page = await load(origin, new Set(["/"]), types);
    const atOnce = [...page.later].filter((path) => types.has(path));
    const later = await load(origin, page.later, types);

    assert(types.has("/protocol.ts") && types.has("/ui/page.ts"));
    assert(types.has("/ui/files.ts"), "what is loaded only with --gui");
    assertEquals(types.get("/protocol.ts"), "text/javascript; charset=utf-8");
    assertEquals(types.get("/style/style.css"), "text/css; charset=utf-8");
    assertEquals(types.get("/icon.svg"), "image/svg+xml; charset=utf-8");
    assertLess(page.sent, MAX_PAGE_BYTES);
    assertEquals(atOnce, []); // nothing that is for later is loaded at once, too
    assert(types.has("/core/common_passwords.ts"), "what is for a sign-up");
    assert(types.has("/core/net/route.ts"), "what is for other servers");
    assertLess(later.sent, MAX_LATER_BYTES);
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

for (
  const [what, status, line, instead] of [
    ["a key that is too short", 400, /(?<=^Sec-WebSocket-Key: ).*/, "dGhlIHM="],
    ["another version", 426, /^(Sec-WebSocket-Version): .*/, "$1: 8"],
    ["no version", 426, /^Sec-WebSocket-Version: .*/, "A: 1"],
    ["HEAD", 405, /^GET/, "HEAD"],
  ] as const
) {
  Deno.test(`a request for a WebSocket with ${what} is answered ${status}`, async () => {
    await withPage(async (_, port) => {
      const lines = ["GET /ws HTTP/1.1", ...UPGRADE]
        .map((each) => each.replace(line, instead));

      const answer = await within(ask(port, lines), () => "the answer");

      assertMatch(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      const told = /^Sec-WebSocket-Version: 13\r$/m.test(answer);
      assertEquals(told, status === 426);
    });
  });
}

/** A WebSocket that was opened by the platform, and what it hears. */
async function openSocket(
  server: TestServer,
): Promise<{ socket: WebSocket } & Disposable> {
  const web = serveWebSockets(server);
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
  using web = startWeb({
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
  const lines = ["GET /ws HTTP/1.1", "Host: localhost", ...UPGRADE, "", ""];
  await conn.write(new TextEncoder().encode(lines.join("\r\n")));
  const buffer = new Uint8Array(1_024);
  const count = await conn.read(buffer) ?? 0;

  assertMatch(await page.text(), /<title>Parley<\/title>/);
  assertMatch(
    new TextDecoder().decode(buffer.subarray(0, count)),
    /^HTTP\/1\.1 101 /,
  );
});

for (
  const [what, request, answer] of [
    [
      "a page",
      "GET / HTTP/1.1\r\nHost: HOST",
      /^HTTP\/1.1 307 .*\nLocation: https:\/\/HOST\/\r/ms,
    ],
    [
      "a path with a query",
      "GET /chat?x=1 HTTP/1.1\r\nHost: chat.example:8080",
      /^HTTP\/1.1 307 .*\nLocation: https:\/\/chat\.example:8080\/chat\?x=1\r/ms,
    ],
    [
      "a WebSocket",
      `GET /ws HTTP/1.1\r\nHost: HOST\r\n${UPGRADE.join("\r\n")}`,
      /^HTTP\/1.1 307 /,
    ],
    ["a host that is none", "GET / HTTP/1.1\r\nHost: a b", /^HTTP\/1.1 400 /],
    ["something else", "REGISTER alice\n", /^HTTP\/1.1 400 /],
  ] as const
) {
  Deno.test(`${what} at http:// on the port of https:// is answered ${answer.source.slice(11, 14)}`, async () => {
    const { cert, key } = await certificateFor({ db: ":memory:" });
    const hostname = "127.0.0.1";
    using web = startWeb({
      hostname,
      port: 0,
      tls: { cert, key },
      welcome: () => {},
    });
    using silent = await Deno.connect({ hostname, port: web.port });
    using conn = await Deno.connect({ hostname, port: web.port });
    const host = `${hostname}:${web.port}`;

    const answered = new Response(conn.readable).text();
    for (const byte of `${request.replace("HOST", host)}\r\n\r\n`) {
      await conn.write(new TextEncoder().encode(byte)) // the first one is alone
        .catch(() => {}); // it is answered already
    }
    const text = await answered;

    assertMatch(text.replaceAll(host, "HOST"), answer);
    web[Symbol.dispose]();
    assertEquals(await silent.read(new Uint8Array(1)), null);
  });
}

for (
  const begin of ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "\x16\x03\x01"]
) {
  Deno.test(`a client that sends ${JSON.stringify(begin)} to https:// and then nothing is disconnected`, async () => {
    const { cert, key } = await certificateFor({ db: ":memory:" });
    using web = startWeb({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      patience: { ...PATIENCE, firstMs: 50 },
      welcome: () => {},
    });
    const { port } = web;
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });

    await conn.write(new TextEncoder().encode(begin));

    const read = conn.read(new Uint8Array(1));
    assertEquals(await within(read, () => "it is open"), null);
  });
}

Deno.test("the page is served on a second address, until the end", async () => {
  const web = startWeb({
    ...{ hostname: "::1", alsoOn: "127.0.0.1", welcome: () => {} },
    port: lastingPort(), // a free one of the first may be taken on the second
  });
  const { port } = web;

  for (const host of ["[::1]", "127.0.0.1"]) {
    const response = await fetch(`http://${host}:${port}/`);
    assertMatch(await response.text(), /<title>Parley<\/title>/);
  }
  web[Symbol.dispose]();

  for (const hostname of ["::1", "127.0.0.1"]) {
    await refuses(hostname, port);
  }
});

/** Resolves when nobody accepts there: on Windows the system needs a moment for that. */
async function refuses(hostname: string, port: number): Promise<void> {
  const isOpen = () =>
    Deno.connect({ hostname, port }).then((conn) => {
      conn.close();
      return true;
    }, () => false);
  for (const until = Date.now() + PATIENCE_MS; await isOpen();) {
    assert(Date.now() < until, `${hostname} accepts`);
  }
}

Deno.test("the page is on no address if the second one cannot be used", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = other.addr;

  assertThrows(() =>
    startWeb({
      ...{ hostname: "::1", alsoOn: "127.0.0.1", port, welcome: () => {} },
    })
  );

  await refuses("::1", port);
});
