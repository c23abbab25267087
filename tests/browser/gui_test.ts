/** `client.ts --gui`: who may have the page, and that it reaches any server. */
import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fileURLToPath } from "node:url";
import { pageFiles } from "../../client/gui/page_session.ts";
import { readOptions } from "../../client/options.ts";
import { serveLocally } from "../../client/gui/local.ts";
import { TypedServers } from "../../client/gui/typed_servers.ts";
import { KnownServers } from "../../client/trust/known_servers.ts";
import { UsageError } from "../../terminal/options.ts";
import { hasChromium, launchBrowser, Person } from "../tools/browser.ts";
import { quietServer } from "../tools/client_tools.ts";
import { within } from "../tools/net/within.ts";
import {
  openAddress,
  openPageSocket,
  servePage,
} from "../tools/page_player.ts";
import { tempFolder } from "../tools/temp.ts";

const CLIENT = fileURLToPath(new URL("../../client.ts", import.meta.url));

/** What of an answer counts here. */
interface Answer {
  readonly status: number;
  readonly cookie: string;
  readonly location: string | null;
  readonly clears: string | null;
}

/** Asks for `url`, and follows nothing. */
async function status(
  url: URL,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, { headers, redirect: "manual" });
  await response.body?.cancel();
  const [cookie = ""] = response.headers.getSetCookie();
  return {
    status: response.status,
    cookie: cookie.replace(/;.*/, ""),
    location: response.headers.get("Location"),
    clears: response.headers.get("Clear-Site-Data"),
  };
}

Deno.test("the address is good once, and gives what stands for it", async () => {
  await using page = servePage();
  const address = new URL(page.address);

  const first = await status(address);
  const cookie = { Cookie: first.cookie };
  const known = await status(new URL("/", address), cookie);
  const script = await status(new URL("/ui/page.ts", address), cookie);
  const again = await status(address);
  const reopened = await status(address, cookie);

  assertEquals(first.status, 303);
  assertMatch(first.location ?? "", /^\/#[0-9a-f]{64}$/);
  assertEquals(first.clears, '"cache"');
  assertMatch(first.cookie, /^parley-\d+=[0-9a-f]{32}$/);
  assertEquals([known.status, script.status], [200, 200]);
  assertEquals([again.status, again.location], [403, null]);
  // The cookie may be known to others: it gives the page, and not its words.
  assertEquals([reopened.status, reopened.location], [303, "/"]);
  assertEquals(reopened.clears, null);
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
    await using page = servePage();

    const answer = await status(new URL(path, page.address), headers);

    assertEquals(answer.status, 403);
    assertEquals(answer.cookie, "");
  });
}

Deno.test("a name that leads to this computer gets no page of --gui", async () => {
  await using page = servePage();
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

for (
  const [what, path, change, expected] of [
    ["all", "/ws?server=127.0.0.1&port=9", {}, "open"],
    ["all", "/files?name=alice", {}, "open"],
    ["no cookie", "/ws?server=127.0.0.1&port=9", { cookie: "" }, "refused"],
    ["no cookie", "/files?name=alice", { cookie: "" }, "refused"],
    ["no word", "/ws?server=127.0.0.1&port=9", { word: "" }, "refused"],
    ["no word", "/files?name=alice", { word: "" }, "refused"],
    [
      "a wrong word",
      "/files?name=alice",
      { word: "00000000000000000000000000000000" },
      "refused",
    ],
  ] as const
) {
  Deno.test(`a WebSocket to ${path} of --gui with ${what} is ${expected}`, async () => {
    await using page = servePage();
    const entry = await openAddress(page);

    const socket = openPageSocket(page, path, { ...entry, ...change });
    const { promise, resolve } = Promise.withResolvers<string>();
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
    socket.onclose = () => close();
    const answer = await promise;
    socket.close();
    await closed;

    assertEquals(answer, expected);
  });
}

Deno.test("a server that does not hang up is left soon after its page has", async () => {
  const silent = silentWire();
  await using page = serveLocally({
    settings: {},
    dial: () => Promise.resolve(silent),
    files: pageFiles({}),
    lastWordsMs: 100,
  });
  const entry = await openAddress(page);
  const socket = openPageSocket(page, "/ws?server=x&port=1", entry);

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

/** The environment of a user before a screen. */
const DESKTOP = { DISPLAY: ":0", SSH_CONNECTION: "", WSL_DISTRO_NAME: "" };

/** `client.ts --gui`, where programs are found in `path`. */
function startClient(
  path: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--cached-only", CLIENT, "--gui", ...args],
    env: { PATH: path, ...DESKTOP, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

Deno.test("client.ts --gui has the system's browser open a file that leads to its address, and removes it", async () => {
  using folder = tempFolder();
  const { path } = folder;
  const downloads = `${path}/down loads`;
  const opener =
    `#!/bin/sh\necho "$1" > ${path}/opened\ncp "${downloads}"/* ${path}/copy\n` +
    `stat -c %a "${downloads}"/* > ${path}/mode\nkill -INT $PPID\n`;
  await Deno.writeTextFile(`${path}/xdg-open`, opener, { mode: 0o755 });

  const { code, stdout } = await startClient(
    `${path}:/usr/bin:/bin`,
    ["--downloads", downloads],
  ).output();

  const said = new TextDecoder().decode(stdout);
  const [, address = ""] = /^Open this address .*: (http:\S+)/.exec(said) ?? [];
  const opened = await Deno.readTextFile(`${path}/opened`);
  assertEquals(code, 130);
  assertMatch(address, /^http:\/\/127\.0\.0\.1:\d+\/\?key=[0-9a-f]{32}$/);
  assertMatch(opened, /^file:\/\/\S+\/down%20loads\/parley-\S+\.html\n$/);
  assertEquals(await Deno.readTextFile(`${path}/mode`), "600\n");
  const file = await Deno.readTextFile(`${path}/copy`);
  assertStringIncludes(file, `content="0; url=${address}"`);
  assertEquals([...Deno.readDirSync(downloads)], []);
});

/** The names of what is in a folder. */
function names(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name);
}

/** Resolves when something in the folder has changed so that it is `done`. */
async function changed(folder: string, done: () => boolean): Promise<void> {
  using watcher = Deno.watchFs(folder);
  if (done()) return;
  for await (const _event of watcher) if (done()) return;
}

Deno.test({
  name:
    "the file of client.ts --gui leads a browser to the page, and is gone then",
  ignore: !hasChromium,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    using folder = tempFolder();
    const { path } = folder;
    const opened = `${path}/opened`;
    const opener = `#!/bin/sh\necho "$1" > ${path}/o; mv ${path}/o ${opened}\n`;
    await Deno.writeTextFile(`${path}/xdg-open`, opener, { mode: 0o755 });
    const downloads = `${path}/downloads`;
    const client = startClient(
      `${path}:/usr/bin:/bin`,
      ["--downloads", downloads],
    );
    const browser = await launchBrowser();
    try {
      await changed(path, () => names(path).includes("opened"));
      const file = (await Deno.readTextFile(opened)).trim();
      await using alice = await Person.open(browser, file);
      await alice.page.getByRole("textbox", { name: "Server" }).waitFor();
      await changed(downloads, () => names(downloads).length === 0);

      assertMatch(alice.page.url(), /^http:\/\/127\.0\.0\.1:\d+\/(#|$)/);
      await alice.page.reload();
      await alice.page.getByRole("textbox", { name: "Server" }).waitFor();
    } finally {
      await browser.close();
      client.kill("SIGINT");
      await client.output();
    }
  },
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

/** What `client` prints until `last` is there; then it is interrupted. */
async function saidUntil(
  client: Deno.ChildProcess,
  last: string,
): Promise<string> {
  let said = "";
  let isAsked = false;
  for await (const text of client.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (isAsked || !said.includes(last)) continue;
    isAsked = true;
    client.kill("SIGINT");
  }
  assertEquals((await client.status).code, 130);
  return said;
}

Deno.test("client.ts --gui says what to open where there is no browser", async () => {
  using folder = tempFolder();
  const client = startClient("/nowhere", ["--downloads", folder.path]);

  const said = await saidUntil(client, "above.\n");

  assertMatch(said, /^Open this address in a browser, if none opens: http:/);
  assertStringIncludes(
    said,
    "\nCannot open a browser: there is no xdg-open. Open the address above.\n",
  );
  assertEquals(names(folder.path), []);
});

Deno.test("client.ts --gui says that the program that opens a browser has failed", async () => {
  using folder = tempFolder();
  const { path } = folder;
  const opener = "#!/bin/sh\nexit 4\n";
  await Deno.writeTextFile(`${path}/xdg-open`, opener, { mode: 0o755 });
  const client = startClient(path, ["--downloads", `${path}/downloads`]);

  const said = await saidUntil(client, "above.\n");

  assertStringIncludes(
    said,
    "\nCannot open a browser: xdg-open ended with 4. Open the address above.\n",
  );
  assertEquals(names(`${path}/downloads`), []);
});

Deno.test("client.ts --gui says that it cannot store the file for the browser", async () => {
  using folder = tempFolder();
  const file = `${folder.path}/file`;
  await Deno.writeTextFile(file, "");
  const client = startClient("/nowhere", ["--downloads", `${file}/down`]);

  const said = await saidUntil(client, "above.\n");

  assertStringIncludes(
    said,
    `\nCannot open a browser: nothing can be stored in ${file}/down: a part ` +
      "of the path is no folder. Open the address above.\n",
  );
});

Deno.test("Ctrl-C ends client.ts --gui while the browser that opens does not end", async () => {
  using folder = tempFolder();
  const { path } = folder;
  const opener = `#!/bin/sh\necho $$ > ${path}/pid\nkill -INT $PPID\n` +
    "exec sleep 600\n";
  await Deno.writeTextFile(`${path}/xdg-open`, opener, { mode: 0o755 });
  const client = startClient(
    `${path}:/usr/bin:/bin`,
    ["--downloads", `${path}/downloads`],
  );

  const { code } = await client.output();
  Deno.kill(Number(await Deno.readTextFile(`${path}/pid`)));

  assertEquals(code, 130);
  assertEquals(names(`${path}/downloads`), []);
});

Deno.test("client.ts --gui without a screen opens nothing", async () => {
  using folder = tempFolder();
  const opener = `#!/bin/sh\ntouch ${folder.path}/opened\n`;
  await Deno.writeTextFile(`${folder.path}/xdg-open`, opener, { mode: 0o755 });
  for (
    const [env, begins] of [
      [
        { DISPLAY: "", WAYLAND_DISPLAY: "" },
        "Open this address in a browser of this computer: http:",
      ],
      [
        { SSH_CONNECTION: "192.168.1.9 50311 192.168.1.5 22" },
        "Open this address in a browser: http:",
      ],
    ] as const
  ) {
    const client = startClient(
      `${folder.path}:/usr/bin:/bin`,
      ["--downloads", `${folder.path}/downloads`],
      env,
    );

    const said = await saidUntil(client, "Ctrl-C");

    assertEquals(said.startsWith(begins), true, said);
    assertEquals(names(folder.path), ["xdg-open"]);
  }
});

Deno.test({
  name: "a page of --gui asks for a server, and reaches it",
  ignore: !hasChromium,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using server = quietServer();
    const servers = new TypedServers({
      tls: undefined,
      known: new KnownServers(undefined),
      terminal: undefined,
      complain: () => {},
    });
    await using local = serveLocally({
      settings: {},
      dial: (asked, signal) => servers.dial(asked, signal),
      files: pageFiles({}),
    });
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
      assertMatch(
        await error.innerText(),
        /port 9: connection refused\. Check that the server is running, .*\.$/,
      );
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
