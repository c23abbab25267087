/** `client.ts --gui --tls`: whom the program behind the page trusts. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { X509Certificate } from "node:crypto";
import { KnownServers } from "../../client/trust/known_servers.ts";
import { pageFiles } from "../../client/gui/page_session.ts";
import { TypedServers } from "../../client/gui/typed_servers.ts";
import { serveLocally } from "../../client/gui/local.ts";
import { hasChromium, launchBrowser, Person } from "../tools/browser.ts";
import { within } from "../tools/net/within.ts";
import { openAddress, openPageSocket } from "../tools/page_player.ts";
import { tempFolder } from "../tools/temp.ts";
import {
  Interceptor,
  startTlsServer,
  type TlsTestServer,
} from "../tools/net/tls_tools.ts";

const CLIENT = fileURLToPath(new URL("../../client.ts", import.meta.url));

const FIRST = "REGISTER alice\n\n";

/** Somebody at a terminal who gives these answers. */
function terminalOf(...answers: readonly string[]) {
  const left = [...answers];
  const told = Promise.withResolvers<void>();
  const questions: string[] = [];
  return {
    kind: "plain" as const,
    columns: Infinity,
    questions,
    /** Resolves when the person is told to go on. */
    told: told.promise,
    print(text: string) {
      if (text.includes("join again")) told.resolve();
    },
    ask(question: string) {
      questions.push(question);
      return Promise.resolve(left.shift());
    },
  };
}

/** The program behind a page, without its process. */
function openProgram(
  { folder, terminal, fingerprint }: {
    folder: string;
    terminal?: ReturnType<typeof terminalOf>;
    fingerprint?: string;
  },
) {
  const complaints: string[] = [];
  const servers = new TypedServers({
    tls: { fingerprint, caFile: undefined },
    known: new KnownServers(`${folder}/known_servers`),
    terminal,
    complain: (line) => complaints.push(line),
  });
  const page = serveLocally({
    settings: { tls: true },
    dial: (asked, signal) => servers.dial(asked, signal),
    files: pageFiles({}),
  });
  return {
    address: page.address,
    complaints,
    [Symbol.asyncDispose]: () => page[Symbol.asyncDispose](),
  };
}

/** A page that the test plays. */
interface Opened extends Disposable {
  /** Registers; gives the answer, or the reason why the program has closed. */
  enter(port: number, more?: string): Promise<string>;
}

/** A page that has used its address, without a browser. */
async function openPage(address: string): Promise<Opened> {
  const entry = await openAddress({ address });
  const sockets: WebSocket[] = [];
  return {
    async enter(port, more = "") {
      const path = `/ws?server=127.0.0.1&port=${port}${more}`;
      const socket = openPageSocket({ address }, path, entry);
      sockets.push(socket);
      const { promise, resolve } = Promise.withResolvers<string>();
      socket.onopen = () => socket.send(FIRST);
      socket.onmessage = ({ data }) => {
        const text = new TextDecoder().decode(data);
        if (text !== entry.proof) resolve(text.replace(entry.proof, ""));
      };
      socket.onclose = () => resolve("closed");
      return await within(promise, () => "an answer");
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.close();
    },
  };
}

function fingerprintOf({ certificate }: TlsTestServer): string {
  return new X509Certificate(certificate.cert).fingerprint256;
}

Deno.test("a page reaches a server with TLS whose fingerprint was given", async () => {
  using folder = tempFolder();
  await using server = await startTlsServer();
  const fingerprint = fingerprintOf(server).replaceAll(":", "").toLowerCase();
  const at = { folder: folder.path, fingerprint };
  await using program = openProgram(at);
  using page = await openPage(program.address);

  const answer = await page.enter(server.tlsPort);

  assertMatch(answer, /^REGISTERED alice\n/);
  await server.logged("alice");
});

Deno.test("without a terminal a new certificate is refused, and the program says how to go on", async () => {
  using folder = tempFolder();
  await using server = await startTlsServer();
  await using program = openProgram({ folder: folder.path });
  using page = await openPage(program.address);

  const [answer] = [
    await page.enter(server.tlsPort),
    await page.enter(server.tlsPort),
  ];

  assertStringIncludes(
    answer,
    `Cannot trust 127.0.0.1:${server.tlsPort}: unknown ` +
      "certificate, not signed by a trusted authority. ",
  );
  assertStringIncludes(answer, `--fingerprint ${fingerprintOf(server)}`);
  assertEquals(program.complaints.length, 2); // once, though it was tried twice
  assertStringIncludes(
    program.complaints[1] ?? "",
    `--fingerprint ${fingerprintOf(server)}`,
  );
});

Deno.test("a new certificate is asked about on the terminal, and remembered", async () => {
  using folder = tempFolder();
  const terminal = terminalOf("no", "what?", "yes");
  await using server = await startTlsServer();
  const at = { folder: folder.path, terminal };
  await using program = openProgram(at);
  using page = await openPage(program.address);

  const refused = await page.enter(server.tlsPort);
  const asked = await page.enter(server.tlsPort);
  await within(terminal.told, () => "the terminal");
  const answer = await page.enter(server.tlsPort);
  await using later = openProgram({ folder: folder.path });
  using laterPage = await openPage(later.address);
  const known = await laterPage.enter(server.tlsPort);

  assertMatch(
    refused,
    /^The server's certificate is unknown\. Answer on/,
  );
  assertEquals(asked, refused);
  assertEquals(terminal.questions.length, 3);
  assertMatch(answer, /^REGISTERED alice\n/);
  assertMatch(known, /^(REGISTERED|ERROR 104)/);
});

Deno.test("an attacker in the middle gets nothing of what the page sends", async () => {
  using folder = tempFolder();
  await using server = await startTlsServer();
  await using middle = await Interceptor.before(server);
  const fingerprint = fingerprintOf(server).replaceAll(":", "").toLowerCase();
  const at = { folder: folder.path, fingerprint };
  await using program = openProgram(at);
  using page = await openPage(program.address);

  const answer = await page.enter(middle.port);

  assertStringIncludes(
    answer,
    `Cannot trust 127.0.0.1:${middle.port}: its certificate is not that ` +
      "of --fingerprint",
  );
  assertEquals(middle.heard, 0);
});

Deno.test("a page of --gui --tls is told what is no server, and who speaks no TLS", async () => {
  using folder = tempFolder();
  await using server = await startTlsServer();
  await using program = openProgram({ folder: folder.path });
  using page = await openPage(program.address);

  const wrongPort = await page.enter(server.port);
  const noPort = await page.enter(0);

  assertMatch(wrongPort, /^Cannot use TLS with the server/);
  assertMatch(noPort, /^A server is a name or number/);
});

Deno.test({
  name: "client.ts --gui --tls: people chat over TLS, in a browser",
  ignore: !hasChromium,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    using folder = tempFolder();
    await using server = await startTlsServer();
    const client = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--cached-only", CLIENT, "alice"],
        ...[`127.0.0.1:${server.tlsPort}`, "--gui", "--tls"],
        ...["--fingerprint", fingerprintOf(server)],
      ],
      env: { PATH: "/nowhere", XDG_CONFIG_HOME: folder.path },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const output = client.stdout.pipeThrough(new TextDecoderStream());
    const browser = await launchBrowser();
    try {
      let said = "";
      for await (const text of output.values({ preventCancel: true })) {
        said += text;
        if (/key=[0-9a-f]{32}\n/.test(said)) break;
      }
      const [address = ""] = /http:\S+/.exec(said) ?? [];
      await using alice = await Person.open(browser, address);
      await alice.page.getByText("Encrypted (TLS)").waitFor();
      await alice.comeIn("alice");
      await alice.say("hello");
      await alice.allSent();

      assertEquals(await alice.messages(), ["You: hello"]);
      assertEquals(alice.complaints, []);
      await server.logged("alice");
    } finally {
      await browser.close();
      client.kill("SIGINT");
      await output.cancel();
      await client.status;
    }
  },
});

Deno.test("a page goes on at a server of which it was told, with that certificate alone", async () => {
  using folder = tempFolder();
  await using home = await startTlsServer();
  await using other = await startTlsServer();
  const print = (server: TlsTestServer) =>
    fingerprintOf(server).replaceAll(":", "").toLowerCase();
  const fingerprint = print(home);
  const terminal = terminalOf();
  await using program = openProgram({
    ...{ folder: folder.path, fingerprint, terminal },
  });
  using page = await openPage(program.address);
  const known = () => Deno.readTextFileSync(`${folder.path}/known_servers`);
  assertMatch(await page.enter(home.tlsPort), /^REGISTERED /);
  const before = known();

  const place = `&other=127.0.0.1:${other.tlsPort}`;
  const enter = (told: string) => page.enter(home.tlsPort, place + told);
  const answers = {
    right: await enter(`&told=${print(other)}`),
    wrong: await enter(`&told=${print(home)}`),
    none: await enter(""),
    odd: await enter("&told=x"),
  };

  assertMatch(answers.right, /^REGISTERED /);
  for (const answer of [answers.wrong, answers.none, answers.odd]) {
    assertMatch(
      answer,
      /^Cannot trust 127\.0\.0\.1:\d+: its certificate is not/,
    );
  }
  const odd = await page.enter(home.tlsPort, "&other=a%20b:1");
  assertMatch(odd, /^A server is a name or number/);
  assertEquals(known(), before);
});
