/** server.ts as people run it: a process with options, a greeting and an end. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp } from "../tools/account_tools.ts";
import { newCertificate } from "../tools/net/tls_tools.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { within } from "../tools/net/within.ts";
import { HERE, Process, RUN, SERVER } from "../tools/server_process.ts";
import { tempFolder } from "../tools/temp.ts";
import { needs } from "../tools/system/skips.ts";

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
  Deno.test(
    needs("signals between programs", {
      name: `server.ts says goodbye and exits 0 on ${signal}`,
      fn: async () => {
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
      },
    }),
  );
}

for (
  const [how, before] of [
    ["is told that its terminal is gone", ""],
    ["was started with nohup", 'trap "" HUP'],
    ["has no standard input, output or error", "exec <&- 2>/dev/full"],
  ] as const
) {
  Deno.test(needs("signals between programs", {
    name: `server.ts goes on when it ${how}`,
    fn: async () => {
      await using server = new Process(HERE, { before, files: 64 });
      const port = await server.port();
      using alice = await RawClient.enter(port, "alice");
      const isTold = !how.startsWith("has no");

      if (isTold) server.kill("SIGHUP");
      else await server.out.close();
      const crowd = await Promise.all(
        Array.from({ length: 100 }, () => RawClient.connect(port)),
      );
      for (const client of crowd) client.close();
      if (isTold) server.kill("SIGHUP");
      using bob = await RawClient.enter(port, "bob");

      for (const user of [alice, bob]) {
        assertEquals(await user.ask("PING\n\n"), "PONG\n\n");
      }
      assertEquals(await server.stop("SIGTERM"), 0);
    },
  }));
}

Deno.test(needs("signals between programs", {
  name: "server.ts takes up a renewed certificate on SIGHUP, and no bad one",
  fn: async () => {
    using folder = tempFolder();
    const [cert, key] = [`${folder.path}/cert.pem`, `${folder.path}/key.pem`];
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map(newCertificate),
    );
    const store = (pem: { cert: string; key: string }) => {
      Deno.writeTextFileSync(cert, pem.cert);
      Deno.writeTextFileSync(key, pem.key);
    };
    store(first!);
    const options = ["--tls", "--tls-port", "0", "--cert", cert, "--key", key];
    await using server = new Process([...HERE, ...options, "--web-port", "0"]);
    const [, port] = await server.out.until(/on port (\d+) with TLS/);
    const [, page = ""] = await server.out.until(/(https:\S+)/);
    const accepts = async (cert: string) => {
      using client = await RawClient.connectTls(Number(port), cert);
      assertMatch(await client.ask("PING\n\n"), /^ERROR 101 /);
      using http = Deno.createHttpClient({ caCerts: [cert] });
      const response = await fetch(page, { client: http, method: "HEAD" });
      assertEquals(response.status, 200);
    };
    using alice = await RawClient.connectTls(Number(port), first!.cert);
    await alice.comeIn("alice");

    store(second!);
    server.kill("SIGHUP");
    await server.out.until(
      new RegExp(
        ` Certificate read again from ${cert}: ${second!.fingerprint}\n`,
      ),
    );
    await accepts(second!.cert);
    const bad: readonly [pem: { cert: string; key: string }, why: RegExp][] = [
      [{ ...third!, key: first!.key }, /the key in .* is of another certi/],
      [{ cert: "", key: "" }, /there is no certificate in it/],
    ];
    for (const [pem, why] of bad) {
      store(pem);
      server.kill("SIGHUP");
      const [line] = await server.out.until(
        new RegExp(`.*${why.source}.*\\n`),
      );
      assertMatch(
        line,
        / Cannot use .*The certificate before stays in use\.\n/,
      );
      await accepts(second!.cert);
    }
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  },
}));

Deno.test("server.ts tells a browser on the port of the chat where the page is", async () => {
  await using server = new Process([...HERE, "--web-port", "0"]);
  const port = await server.port();
  const [, page] = await server.out.until(/(http:\S+)/);

  const answer = await fetch(`http://127.0.0.1:${port}/`);

  assertEquals(
    [answer.status, await answer.text()],
    [400, `This is the port of the chat. The web page is at ${page}\n`],
  );
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

Deno.test(
  needs("ulimit", {
    name: "server.ts goes on when it is out of file descriptors",
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
  }),
);

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
  assertMatch(third.answer, /^ERROR 112 Locked out\n[^]*in 2 hours/);
});

Deno.test("server.ts greets with --tls, the fingerprint, and where its key is", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  const options = ["--port", "0", "--host", "127.0.0.1", "--db", db];
  await using server = new Process([...options, "--tls", "--tls-port", "0"]);

  const port = await server.port();
  await server.out.until(/Messages[^]*\n\n/);
  const path = RegExp.escape(db.replaceAll("\\", "/"));

  assertMatch(
    server.out.text.replace(/parley [\d.]+/, "parley V")
      .replaceAll("\\", "/"),
    new RegExp(
      `^parley V\nListening on port ${port}, and on port (\\d+) with TLS\\. ` +
        "To connect, run:\n\n" +
        "  deno run -A client\\.ts NAME 127\\.0\\.0\\.1 --tls --port \\1\n\n" +
        "Without --tls, others on the network can read the traffic\\.\n" +
        "Certificate fingerprint \\(compare with the client\\):\n\n" +
        "  ([0-9A-F]{2}:){31}[0-9A-F]{2}\n\n" +
        `The certificate was created now and is stored in ${path}-tls\\.pem\n` +
        `Messages and accounts are stored in ${path}\n\n$`,
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

Deno.test(
  needs("ulimit", {
    name: "server.ts goes on over TLS when it was out of file descriptors",
    fn: async () => {
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
    },
  }),
);

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

Deno.test("server.ts says with which option a port is given", async () => {
  const { code, err } = await run("9898");

  assertEquals(code, 2);
  assertEquals(err, 'Unexpected argument "9898". Use --port 9898.\n');
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
