/** `client.ts --gui`: who may have the page, and that it reaches any server. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { pageFiles } from "../../client/gui/page_session.ts";
import { readOptions } from "../../client/options.ts";
import { serveLocally } from "../../client/gui/local.ts";
import { UsageError } from "../../terminal/options.ts";
import { hasChromium, launchBrowser, Person } from "../tools/browser.ts";
import { quietServer } from "../tools/client_tools.ts";
import { SocketWithHeaders, within } from "../tools/net/raw_client.ts";
import { tempFolder } from "../tools/temp.ts";

const CLIENT = new URL("../../client.ts", import.meta.url).pathname;

/** The page of somebody who has said nothing yet. */
function openPage() {
  return serveLocally({
    settings: {},
    dial: (hostname, port) => Deno.connect({ hostname, port: Number(port) }),
    files: pageFiles({}),
  });
}

/** Asks for `url`, and follows nothing. */
async function status(
  url: URL,
  headers: Record<string, string> = {},
): Promise<{ status: number; cookie: string; location: string | null }> {
  const response = await fetch(url, { headers, redirect: "manual" });
  await response.body?.cancel();
  const [cookie = ""] = response.headers.getSetCookie();
  return {
    status: response.status,
    cookie: cookie.replace(/;.*/, ""),
    location: response.headers.get("Location"),
  };
}

Deno.test("the address is good once, and gives a cookie that stands for it", async () => {
  await using page = await openPage();
  const address = new URL(page.address);

  const first = await status(address);
  const cookie = { Cookie: first.cookie };
  const known = await status(new URL("/", address), cookie);
  const script = await status(new URL("/ui/page.ts", address), cookie);
  const again = await status(address);
  const reopened = await status(address, cookie);

  assertEquals([first.status, first.location], [303, "/"]);
  assertMatch(first.cookie, /^parley-\d+=[0-9a-f]{32}$/);
  assertEquals([known.status, script.status], [200, 200]);
  assertEquals(again.status, 403);
  assertEquals(reopened.status, 303);
});

for (
  const [why, path, headers] of [
    ["nothing", "/", {}],
    ["an empty key", "/?key=", {}],
    ["a wrong key", "/?key=00000000000000000000000000000000", {}],
    ["another key", `/?key=${"é".repeat(16)}`, {}],
    ["a wrong cookie", "/", { Cookie: "parley=1; parley-1=2" }],
    ["nothing, for a script", "/ui/page.ts", {}],
    ["nothing, for the protocol", "/protocol.ts", {}],
  ] as const
) {
  Deno.test(`a browser that has ${why} gets no page of --gui`, async () => {
    await using page = await openPage();

    const answer = await status(new URL(path, page.address), headers);

    assertEquals(answer.status, 403);
    assertEquals(answer.cookie, "");
  });
}

Deno.test("a name that leads to this computer gets no page of --gui", async () => {
  await using page = await openPage();
  const { port, search } = new URL(page.address);
  using conn = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(port),
  });

  await conn.write(new TextEncoder().encode(
    `GET /${search} HTTP/1.1\r\nHost: evil.example:${port}\r\n` +
      "Connection: close\r\n\r\n",
  ));
  const answer = await new Response(conn.readable).text();

  assertMatch(answer, /^HTTP\/1\.1 403 /);
});

Deno.test("a WebSocket to --gui without the cookie is refused", async () => {
  await using page = await openPage();
  const { host } = new URL(page.address);

  const socket = new WebSocket(`ws://${host}/ws?server=127.0.0.1&port=9`);
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.onopen = () => resolve("open");
  socket.onerror = () => resolve("refused");

  assertEquals(await promise, "refused");
});

Deno.test("a server that does not hang up is left soon after its page has", async () => {
  const silent = silentWire();
  await using page = await serveLocally({
    settings: {},
    dial: () => Promise.resolve(silent),
    files: pageFiles({}),
    lastWordsMs: 100,
  });
  const { cookie } = await status(new URL(page.address));
  const { host } = new URL(page.address);
  const socket = new SocketWithHeaders(`ws://${host}/ws?server=x&port=1`, {
    headers: { Cookie: cookie },
  });

  socket.onopen = () => {
    socket.send("LOGOUT\n\n");
    socket.close();
  };
  await within(silent.closed, () => "the end of the connection");

  assertEquals(silent.heard, "LOGOUT\n\n<end>");
});

/** A server that hears everything, says nothing, and does not hang up. */
function silentWire() {
  const { promise: closed, resolve } = Promise.withResolvers<null>();
  const wire = {
    heard: "",
    closed,
    read: () => closed,
    write: (bytes: Uint8Array) => {
      wire.heard += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
    closeWrite: () => {
      wire.heard += "<end>";
      return Promise.resolve();
    },
    close: () => resolve(null),
  };
  return wire;
}

/** `client.ts --gui`, where programs are found in `path`. */
function startClient(path: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--cached-only", CLIENT, "--gui"],
    env: { PATH: path },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

Deno.test("client.ts --gui opens its address in the system's browser", async () => {
  using folder = tempFolder();
  const { path } = folder;
  const opener = `#!/bin/sh\necho "$1" > ${path}/opened\nkill -INT $PPID\n`;
  await Deno.writeTextFile(`${path}/xdg-open`, opener, { mode: 0o755 });

  const { code, stdout } = await startClient(`${path}:/usr/bin:/bin`).output();

  const said = new TextDecoder().decode(stdout);
  const [, address = ""] = /^Open this address .*: (http:\S+)/.exec(said) ?? [];
  assertEquals(code, 130);
  assertMatch(address, /^http:\/\/127\.0\.0\.1:\d+\/\?key=[0-9a-f]{32}$/);
  assertEquals(await Deno.readTextFile(`${path}/opened`), `${address}\n`);
});

for (const args of [["--room", "lab"], ["--login"], ["--receive"]]) {
  Deno.test(`client.ts --gui refuses ${args[0]}, which it would not heed`, async () => {
    await assertRejects(
      () => readOptions(["alice", "127.0.0.1", "--gui", ...args]),
      UsageError,
      `Cannot use --gui with ${args[0]}: `,
    );
  });
}

Deno.test("client.ts --gui says what to open where there is no browser", async () => {
  const client = startClient("/nowhere");
  let said = "";
  for await (const text of client.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (said.includes("Ctrl-C")) client.kill("SIGINT");
  }

  assertEquals((await client.status).code, 130);
  assertMatch(said, /^Open this address in a browser, if none opens: http:/);
});

Deno.test({
  name: "a page of --gui asks for a server, and reaches it",
  ignore: !hasChromium,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using server = quietServer();
    await using local = await openPage();
    const browser = await launchBrowser();
    try {
      await using alice = await Person.open(browser, local.address);
      await alice.page.getByRole("textbox", { name: "Server" })
        .fill("127.0.0.1");
      const port = alice.page.getByRole("textbox", { name: "Port" });
      await port.fill("9");
      await alice.page.getByRole("textbox", { name: "Name" }).fill("alice");
      await alice.click("Join");
      const error = alice.page.getByRole("alert").first();
      await error.waitFor();
      assertMatch(await error.innerText(), /refused/i);
      await port.fill(`${server.port}`);
      await alice.comeIn("alice");
      await alice.say("hello");
      await alice.allSent();

      assertEquals(await alice.messages(), ["You: hello"]);
      assertEquals(new URL(alice.page.url()).search, "");
      await alice.click("Disconnect");
      await alice.page.reload();
      const kept = alice.page.getByRole("textbox", { name: "Port" });
      assertEquals(await kept.inputValue(), `${server.port}`);
    } finally {
      await browser.close();
    }
  },
});
