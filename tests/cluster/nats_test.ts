/** The connection to NATS: what is refused, and in which words. */
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  connectNats,
  isOlder,
  loginOf,
  MAX_PAYLOAD_BYTES,
} from "../../server/cluster/nats.ts";
import { StartError } from "../../server/journal/start_error.ts";
import { lastingPort, listenHere } from "../tools/net/test_server.ts";
import { signedCertificate } from "../tools/net/tls_tools.ts";
import { NatsServers, needsNats } from "./nats_servers.ts";

const GOOD = {
  server_id: "x",
  version: "2.15.1",
  proto: 1,
  headers: true,
  max_payload: MAX_PAYLOAD_BYTES,
  jetstream: true,
};

/**
 * Answers as a server of NATS does that tells `info` of itself; `conns` gets all
 * connections.
 */
function listen(
  info: Record<string, unknown>,
  port = 0,
  conns: Deno.TcpConn[] = [],
): { readonly port: number } & AsyncDisposable {
  const listener = listenHere(port);
  const serve = async (conn: Deno.TcpConn) => {
    using _ = conn;
    const write = (text: string) => conn.write(new TextEncoder().encode(text));
    await write(`INFO ${JSON.stringify(info)}\r\n`);
    for await (const bytes of conn.readable) {
      const text = new TextDecoder().decode(bytes);
      for (const _ of text.matchAll(/^PING/gm)) await write("PONG\r\n");
    }
  };
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      conns.push(conn);
      serving.push(serve(conn).catch(() => {})); // the client is gone
    }
  })();
  return {
    port: listener.addr.port,
    /** After the clients have left. */
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(serving);
    },
  };
}

/** What an operator is told who connects to `servers`. */
async function refusal(
  servers: readonly string[],
  options: { ca?: string; credentials?: string } = {},
): Promise<string> {
  const log = () => {};
  const error = await assertRejects(
    () => connectNats({ servers, name: "test", log, ...options }),
    StartError,
  );
  return error.message;
}

const INSUFFICIENT: readonly [string, Record<string, unknown>][] = [
  ["can lose messages", { version: "2.14.9" }],
  ["can lose messages", { version: "2.9.10" }],
  ["can lose messages", { version: "2.15.1-beta.1" }],
  ["without JetStream", { jetstream: undefined }],
  ["max_payload is 65536", { max_payload: 65_536 }],
  ["max_payload is 524287", { max_payload: MAX_PAYLOAD_BYTES - 1 }],
];

for (const [words, lacks] of INSUFFICIENT) {
  Deno.test(`a NATS with ${JSON.stringify(lacks)} is refused`, async () => {
    await using server = listen({ ...GOOD, ...lacks });
    const { port } = server;

    assertStringIncludes(await refusal([`127.0.0.1:${port}`]), words);
  });
}

Deno.test("a NATS that has all is used, and one that is not there is waited for", async () => {
  const port = lastingPort();
  const waits = Promise.withResolvers<string>();
  const connecting = connectNats({
    servers: [`127.0.0.1:${port}`],
    name: "test",
    log: waits.resolve,
  });
  assertStringIncludes(await waits.promise, `Waiting for NATS at 127.0.0.1`);
  const stop = new AbortController();
  const aborted = connectNats({
    servers: [`127.0.0.1:${port}`],
    name: "test",
    log: () => stop.abort(),
    signal: stop.signal,
  });
  await assertRejects(() => aborted, DOMException);
  await using _again = listen(GOOD, port);
  await using nats = await connecting;
  assertEquals(nats.version, GOOD.version);
});

/** Connects to a NATS that changes, and ends the connection; gives what follows. */
async function reconnected(change: Record<string, unknown>): Promise<string> {
  const conns: Deno.TcpConn[] = [];
  const info = { ...GOOD };
  await using listener = listen(info, 0, conns);
  const back = Promise.withResolvers<string>();
  await using nats = await connectNats({
    servers: [`127.0.0.1:${listener.port}`],
    name: "test",
    log: (line) => line.includes("is back") && back.resolve(line),
  });
  Object.assign(info, change);
  conns.at(-1)!.close(); // those before it were to ask alone
  return `${await Promise.race([back.promise, nats.failed])}`;
}

Deno.test("a NATS that has lost JetStream is used on, and an older one is not", async () => {
  assertStringIncludes(await reconnected({ jetstream: undefined }), "is back");
  assertStringIncludes(await reconnected({ version: "2.14.9" }), "can lose");
});

Deno.test("addresses have a user and a port, or not, and others are refused", () => {
  const plain = { isSecure: false };
  assertEquals(loginOf("a"), { ...plain, server: "a:4222" });
  assertEquals(loginOf("a:80"), { ...plain, server: "a:80" });
  assertEquals(loginOf("nats://a.b:1"), { ...plain, server: "a.b:1" });
  assertEquals(loginOf("tls://[::1]:1/"), {
    isSecure: true,
    server: "[::1]:1",
  });
  assertEquals(loginOf("nats://u:p%40@h"), {
    ...plain,
    ...{ server: "h:4222", user: "u", pass: "p@" },
  });
  for (
    const address of ["", "http://a", "nats://", "nats://a:x", "a/b", "a?b"]
  ) {
    assertThrows(() => loginOf(address), StartError, "nats://HOST:PORT");
  }
  const error = assertThrows(() => loginOf("ws://u:secret@a"), StartError);
  assertEquals(error.message.includes("secret"), false);
});

Deno.test("an address whose password is not percent-encoded is refused with what to do, and without the password", () => {
  for (const secret of ["se/cret", "x@se?cret", "se%cret"]) {
    const address = `nats://u:${secret}@a:1`;
    const { message } = assertThrows(() => loginOf(address), StartError);
    assertStringIncludes(message, "percent-encode the characters /?#@:,% of");
    assertEquals(message.includes("cret"), false);
  }
});

Deno.test("versions are compared by their numbers", () => {
  for (const old of ["2.15.0", "2.9.10", "1.99.99", "2.15.1-rc.1", "", "x"]) {
    assertEquals(isOlder(old, "2.15.1"), true, old);
  }
  for (
    const good of ["2.15.1", "2.15.2", "2.16.0-preview", "3.0.0", "10.0.0"]
  ) {
    assertEquals(isOlder(good, "2.15.1"), false, good);
  }
});

Deno.test(needsNats({
  name: "wrong users, and certificates that are not trusted, are refused",
  async fn() {
    const folder = Deno.makeTempDirSync({ prefix: "parley-test-" });
    await using scope = new AsyncDisposableStack();
    scope.defer(() => Deno.removeSync(folder, { recursive: true }));
    const { authority, cert, key } = await signedCertificate("localhost");
    const ca = `${folder}/ca.pem`;
    for (const [name, pem] of Object.entries({ ca: authority, cert, key })) {
      Deno.writeTextFileSync(`${folder}/${name}.pem`, pem);
    }
    const nats = scope.use(
      new NatsServers(() => `
        authorization { user: u, password: "p@" }
        tls { cert_file: "${folder}/cert.pem", key_file: "${folder}/key.pem" }
      `),
    );
    nats.run(0);
    const byNumber = nats.addresses[0]!;
    const address = byNumber.replace("127.0.0.1", "localhost");
    const login = address.replace("//", "//u:p%40@");

    const log = () => {};
    await using connected = await connectNats({
      ...{ servers: [login], name: "test", log, ca },
    });
    assertEquals(isOlder(connected.version, "2.15.1"), false);
    assertStringIncludes(await refusal([login]), "--nats-ca");
    assertStringIncludes(await refusal([address], { ca }), "refuses the user");
    const wrong = address.replace("//", "//u:x@");
    assertStringIncludes(await refusal([wrong], { ca }), "refuses the user");
    const both = await refusal([login, wrong], { ca });
    assertStringIncludes(both, "different users");
    assertStringIncludes(await refusal([byNumber], { ca }), "by host names");
    const none = await refusal([login], { ca: `${folder}/none` });
    assertStringIncludes(none, "--nats-ca: there is no such file");
  },
}));
