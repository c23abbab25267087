/** server.ts as people run it: a process with options, a greeting and an end. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp } from "../tools/account_tools.ts";
import { RawClient, within } from "../tools/net/raw_client.ts";
import { HERE, Process, RUN, SERVER } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";

const decoder = new TextDecoder();

/** Runs server.ts to its end. */
async function run(
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const output = await within(
    new Deno.Command(Deno.execPath(), {
      args: [...RUN, ...args],
      env: { NO_COLOR: "1" },
    }).output(),
    () => `the end of server.ts ${args}`,
  );
  return {
    code: output.code,
    out: decoder.decode(output.stdout),
    err: decoder.decode(output.stderr),
  };
}

Deno.test("server.ts greets with what people have to type", async () => {
  await using server = new Process(HERE);

  const port = await server.port();
  await server.out.until(/Stored[^]*\n\n/);

  assertEquals(
    server.out.text.replace(/parley [\d.]+/, "parley V"),
    `parley V\nListening on port ${port}. To connect, run:\n\n` +
      `  deno run -A client.ts NAME 127.0.0.1 --port ${port}\n\n` +
      "Stored in memory; lost when the server stops.\n\n",
  );
});

Deno.test("server.ts greets with a line for each address of the machine", async () => {
  await using server = new Process(["--port", "0", "--db", ":memory:"]);

  const port = await server.port();
  await server.out.until(/client\.ts[^]*\n\n/);

  const addresses = Deno.networkInterfaces()
    .filter(({ family }) => family === "IPv4").map(({ address }) => address);
  assert(addresses.length > 0);
  for (const address of addresses) {
    const line = `  deno run -A client.ts NAME ${address} --port ${port}\n`;
    assert(server.out.text.includes(line), server.out.text);
  }
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`server.ts says goodbye and exits 0 on ${signal}`, async () => {
    await using server = new Process(HERE);
    const port = await server.port();
    using alice = await RawClient.enter(port, "alice", "#room1");
    using _silent = await RawClient.connect(port);
    await server.out.until(
      /alice joined room \[room1\] from <127\.0\.0\.1:\d+>\n/,
    );

    const [code, rest] = await Promise.all([
      server.stop(signal),
      alice.rest(),
    ]);

    assertEquals(code, 0);
    assertEquals(rest, "NOTICE closing\nRetry-after: 5\n\n");
  });
}

Deno.test({
  name:
    "server.ts takes its leave also if the end of its terminal is told twice",
  ignore: Deno.build.os === "windows", // which has no such signal
  async fn() {
    await using server = new Process(HERE);
    using alice = await RawClient.enter(await server.port(), "alice");

    const once = server.stop("SIGHUP");
    await server.out.until(/^Shutting down$/m);
    const twice = server.stop("SIGHUP");
    const ends = await Promise.all([once, twice]);

    assertEquals(ends, [0, 0]);
    assertEquals(await alice.rest(), "NOTICE closing\nRetry-after: 5\n\n");
  },
});

Deno.test("server.ts logs with the time who comes and goes", async () => {
  await using server = new Process(HERE);
  const port = await server.port();

  {
    using alice = await RawClient.enter(port, "alice", "#room1");
    await alice.ask("LEAVE #room1\n\n");
    await alice.send("LOGOUT\n\n");
    await alice.rest();
  }
  await server.out.until(/disconnected/);

  const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d `;
  const from = String.raw`<127\.0\.0\.1:\d+>`;
  for (
    const line of [
      `${from} connected`,
      String.raw`alice joined room \[room1\] from ${from}`,
      String.raw`alice left room \[room1\]`,
      `${from} alice disconnected: logged out`,
    ]
  ) {
    assertMatch(server.out.text, new RegExp(`^${time}${line}$`, "m"));
  }
});

Deno.test({
  name: "server.ts goes on when it is out of file descriptors",
  ignore: Deno.build.os === "windows", // which has no ulimit
  fn: async () => {
    await using server = new Process(HERE, { files: 64 });
    const port = await server.port();

    const crowd = await Promise.all(
      Array.from({ length: 100 }, () => RawClient.connect(port)),
    );
    await server.err.until(/Cannot accept a connection/);
    for (const client of crowd) client.close();
    using alice = await RawClient.enter(port, "alice");

    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  },
});

Deno.test("server.ts takes --history and --max-body", async () => {
  await using server = new Process([...HERE, "--history", "1", "--max-body=7"]);
  using alice = await RawClient.enter(await server.port(), "alice", "#r");

  await alice.say("#r", "1234567");
  await alice.say("#r", "12345678");
  await alice.say("#r", "x");
  const answers = await alice.frames(3);
  await alice.send("HISTORY #r\n\n");

  assertMatch(answers[1]!, /^ERROR 106 Too large\n[^]*^Limit: 7\n/m);
  assertMatch(await alice.frame(), /\nId: 2\n/);
  assertEquals(await alice.frame(), "HISTORY #r\nCount: 1\n\n");
});

Deno.test("server.ts takes --require-login and --lockout", async () => {
  const options = ["--require-login", "--lockout", "2h"];
  await using server = new Process([...HERE, ...options]);
  const port = await server.port();
  (await signedUp(port, "alice")).close();
  using eve = await RawClient.connect(port);

  assertMatch(await eve.ask("REGISTER eve\n\n"), /^ERROR 110 /);
  for (const _try of [1, 2]) {
    using _login = await logIn(port, "alice", { password: "wrong" });
  }
  using third = await logIn(port, "alice", { password: "wrong" });
  assertMatch(third.answer, /^ERROR 112 Locked out\n[^]*in 120 minutes/);
});

Deno.test("server.ts greets with --tls, the fingerprint, and where its key is", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const options = ["--port", "0", "--host", "127.0.0.1", "--db", db];
  await using server = new Process([...options, "--tls", "--tls-port", "0"]);

  const port = await server.port();
  await server.out.until(/Messages[^]*\n\n/);

  assertMatch(
    server.out.text.replace(/parley [\d.]+/, "parley V"),
    new RegExp(
      `^parley V\nListening on port ${port}, and on port (\\d+) with TLS\\. ` +
        "To connect, run:\n\n" +
        "  deno run -A client\\.ts NAME 127\\.0\\.0\\.1 --tls --port \\1\n\n" +
        "Without --tls, others on the network can read the traffic\\.\n" +
        "Certificate fingerprint \\(compare with the client\\):\n\n" +
        "  ([0-9A-F]{2}:){31}[0-9A-F]{2}\n\n" +
        `The certificate was created now and is stored in ${db}-tls\\.pem\n` +
        `Messages and accounts are stored in ${db}\n\n$`,
    ),
  );
});

Deno.test("server.ts --no-plain listens with TLS alone", async () => {
  const options = ["--tls", "--tls-port", "0", "--no-plain"];
  await using server = new Process([...HERE, ...options]);

  await server.out.until(
    /^parley [\d.]+\nListening on port \d+ with TLS\. To/,
  );
  using alice = await RawClient.connect(await server.port());

  assertMatch(
    await alice.ask("REGISTER alice\n\n"),
    /^ERROR 103 .*\nReason: .*TLS alone/,
  );
});

Deno.test("server.ts goes on over TLS when it was out of file descriptors", async () => {
  const options = ["--tls", "--tls-port", "0", "--no-plain"];
  await using server = new Process([...HERE, ...options], { files: 64 });
  const port = await server.port();

  const crowd = await Promise.all(
    Array.from({ length: 100 }, () => RawClient.connect(port)),
  );
  await server.err.until(/Cannot accept a connection/);
  for (const client of crowd) client.close();
  using alice = await RawClient.connect(port);

  assertMatch(await alice.ask("REGISTER alice\n\n"), /^ERROR 103 /);
});

Deno.test("server.ts takes limits, and keeps with --no-limits those that protect it", async () => {
  const options = ["--max-connections", "3", "--connects-per-second", "1"];
  const one = ["--max-connections-per-address", "2"];
  await using limited = new Process([...HERE, ...options, ...one]);
  await using unlimited = new Process([
    ...[...HERE, ...options, ...one],
    "--no-limits",
  ]);
  using crowd = new DisposableStack();
  const enter = async (port: number, name: string) => {
    const client = crowd.use(await RawClient.connect(port));
    await client.send(`REGISTER ${name}\n\n`);
    const [line = ""] = (await client.frame()).split("\n");
    return line;
  };
  const names = ["a", "b", "c", "d"];

  const answers: string[][] = [];
  for (const server of [limited, unlimited]) {
    const port = await server.port();
    const answered: string[] = [];
    for (const name of names) answered.push(await enter(port, name));
    answers.push(answered);
  }

  const full = "ERROR 114 Server full";
  assertEquals(answers, [
    ["REGISTERED a", "REGISTERED b", full, full],
    ["REGISTERED a", "REGISTERED b", "REGISTERED c", full],
  ]);
});

Deno.test("server.ts says in one line that the port is in use, and exits 2", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;

  const { code, out, err } = await run(
    "--host",
    "127.0.0.1",
    "--port",
    `${port}`,
  );

  assertEquals([code, out], [2, ""]);
  assertMatch(
    err,
    new RegExp(`^Cannot listen on 127\\.0\\.0\\.1 port ${port}: .*--port.*\n$`),
  );
});

const MISTAKES: readonly [why: string, ...args: string[]][] = [
  ["an unknown option", "--prot", "1"],
  ["an unknown short option", "-p", "1"],
  ["an argument", "9898"],
  ["an argument with a negative one behind it", "lockout", "-5"],
  ["no port", "--port"],
  ["an empty port", "--port="],
  ["a port that is no number", "--port", "abc"],
  ["a negative port", "--port", "-1"],
  ["a port with a fraction", "--port", "1.5"],
  ["a port over 65535", "--port", "65536"],
  ["an empty host", "--host="],
  ["a host that is none", "--port", "0", "--host", "999.1.1.1"],
  ["a history that is no number", "--history", "many"],
  ["a body limit over 16 MiB", "--max-body", "16777217"],
  ["a certificate without a key", "--tls", "--cert", SERVER],
  ["a key without a certificate", "--tls", "--key", SERVER],
  ["an empty path of a key", "--tls", "--cert", SERVER, "--key="],
  ["a certificate that is none", "--tls", "--cert", SERVER, "--key", SERVER],
  ["no such certificate", "--tls", "--cert", "/no/such", "--key", SERVER],
  ["a port for TLS without --tls", "--tls-port", "9899"],
  ["a certificate without --tls", "--cert", SERVER, "--key", SERVER],
  ["nothing to listen on", "--no-plain"],
  ["a port for TLS that is no number", "--tls", "--tls-port", "x"],
  ["a lockout that is no time", "--lockout", "long"],
  ["a lockout without a unit", "--lockout", "15"],
  ["an empty lockout", "--lockout="],
  ["an empty path", "--db="],
  ["a keep that is no time", "--keep", "30"],
  ["a number to keep that is none", "--keep-messages", "all"],
  ["no connections at all", "--max-connections", "0"],
  ["too few bytes a second", "--bytes-per-second", "1023"],
  ["a rate that is no number", "--messages-per-second", "fast"],
  ["a file in no folder", "--port", "0", "--db", "/no/such/folder/chat.db"],
  ["a file that is no database", "--port", "0", "--db", SERVER],
];

for (const [why, ...args] of MISTAKES) {
  Deno.test(`server.ts says in one line what is wrong with ${why}, and exits 2`, async () => {
    const { code, out, err } = await run(...args);

    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^(Cannot|Unexpected) .+\n$/);
  });
}

Deno.test("server.ts takes a negative value for the value that it is", async () => {
  const { code, err } = await run("--lockout", "-5m");

  assertEquals(code, 2);
  assertEquals(
    err,
    'Cannot use --lockout "-5m": it must be a time such as 90s, 15m, 2h or 30d, or forever\n',
  );
});

Deno.test("server.ts --help says every option", async () => {
  const { code, out, err } = await run("--help");

  assertEquals([code, err], [0, ""]);
  for (
    const option of [
      ...["port", "host", "history", "max-body", "require-login", "lockout"],
      ...["db", "keep", "keep-messages", "no-limits"],
      ...["max-connections", "max-connections-per-address", "max-unread"],
      ...["messages", "bytes", "joins", "requests", "connects"]
        .map((kind) => `${kind}-per-second`),
      ...["tls", "tls-port", "no-plain", "cert"],
      ...["help", "version"],
    ]
  ) {
    assertMatch(out, new RegExp(`^  --${option}(,| |$)`, "m"));
  }
});

Deno.test("server.ts --version says name and version", async () => {
  const { code, out, err } = await run("--version");

  assertEquals([code, err], [0, ""]);
  assertMatch(out, /^parley \d+\.\d+\.\d+\n$/);
});
