import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { EXIT } from "../../client/view/failure.ts";
import {
  ClientProcess,
  FakeServer,
  quietServer,
  runClient,
} from "../tools/client_tools.ts";
import { lastingPort } from "../tools/net/test_server.ts";
import { settingsIn, tempFolder } from "../tools/temp.ts";
import { needs } from "../tools/system/skips.ts";

/** A receiver that prints one record a line. */
async function receiver(
  name: string,
  port: number,
  env: Record<string, string> = {},
): Promise<ClientProcess> {
  const client = new ClientProcess([name, `127.0.0.1:${port}`, "--plain"], env);
  await client.until("you joined #default");
  return client;
}

/** What `from` said in #default, as a receiver printed it. */
function saidBy(from: string, out: string): string[] {
  const head = new RegExp(`^\\d\\d:\\d\\d:\\d\\d #default ${from}: `);
  return out.split("\n").filter((line) => head.test(line))
    .map((line) => line.replace(head, ""));
}

Deno.test("client sends each line of a pipe as it is, and in order", async () => {
  await using server = quietServer();
  await using bob = await receiver("bob", server.port);
  const lines = ["hello", "", "/quit", "@bob: hi", "LOGOUT", "  漢字 🎉  "];

  const { code, err } = await runClient(
    ["alice", `127.0.0.1:${server.port}`],
    lines.join("\n"),
  );
  await bob.until("alice went offline");

  assertEquals([code, err], [0, ""]);
  assertEquals(saidBy("alice", (await bob.end()).out), lines);
});

Deno.test("client sends a long file to many, complete and in order", async () => {
  await using server = quietServer();
  await using bob = await receiver("bob", server.port);
  await using carol = await receiver("carol", server.port);
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} αβγ`);

  const { code } = await runClient(
    ["alice", `127.0.0.1:${server.port}`],
    lines.join("\r\n"),
  );
  for (const client of [bob, carol]) await client.until("alice went offline");

  assertEquals(code, 0);
  for (const client of [bob, carol]) {
    assertEquals(saidBy("alice", (await client.end()).out), lines);
  }
});

Deno.test("client tells which lines it could not send, and exits with 1", async () => {
  await using server = quietServer();
  await using bob = await receiver("bob", server.port);
  const most = "x".repeat(65_536);

  const { code, err } = await runClient(
    ["alice", `127.0.0.1:${server.port}`],
    `one\n${most}y\n${most}\n`,
  );
  await bob.until("alice went offline");

  assertEquals(code, 1);
  assertEquals(
    err,
    "Cannot send line 2: it has 65537 bytes, the limit is 65536\n",
  );
  assertEquals(saidBy("alice", (await bob.end()).out), ["one", most]);
});

Deno.test("client tells which lines the server refused", async () => {
  await using server = quietServer();
  const input = new Uint8Array([0x61, 0x0a, 0xff, 0x0a, 0x62, 0x0a]);

  const { code, err } = await runClient(
    ["alice", `127.0.0.1:${server.port}`],
    input,
  );

  assertEquals(code, 1);
  assertStringIncludes(err, "Cannot send line 2: ERROR 107 Not UTF-8");
});

Deno.test("client tells which lines were not answered when it is removed", async () => {
  using server = new FakeServer();
  await using client = new ClientProcess(["alice", `127.0.0.1:${server.port}`]);
  using peer = await server.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say("REGISTERED alice\n\n");
  assertEquals(await peer.request(), "JOIN #default");
  await peer.say("JOINED #default\n\n");
  assertEquals(await peer.request(), "HISTORY #default");
  await peer.say("HISTORY #default\nCount: 0\n\n");

  await client.type("one\ntwo\nthree\n");
  for (const text of ["one", "two", "three"]) {
    assertEquals(await peer.request(), `SEND #default\n${text}`);
  }
  await peer.say("SENT #default\nId: 1\n\nERROR 117 Removed\n\n");
  const { code, err } = await client.end();

  assertEquals(code, 5);
  assertStringIncludes(
    err,
    "Not answered: lines 2 to 3\nNothing after line 3 was sent\n",
  );
});

Deno.test("client --plain reads lines as a person types them", async () => {
  await using server = quietServer();
  const typed = [
    "hello",
    "@nobody: hi",
    "@alice",
    "/jion lab",
    "/join lab",
    "//slash",
    "LIST",
    "/rooms",
    "LEAVE",
    "LEAVE",
    "/who",
    "",
    "/history 1",
  ];

  const { code, out } = await runClient(
    ["alice", `localhost:${server.port}`, "--plain"],
    typed.join("\n") + "\n",
    { NO_COLOR: "" },
  );

  assertEquals(code, 0);
  assertEquals(
    out.replace(/\d\d:\d\d:\d\d/g, "TT").replace(/:\d+( guest|>)/g, ":1$1"),
    [
      "* Welcome, alice. Type /help for commands.",
      "TT * you joined #default (1 here)",
      "* LIST shows who is here, LEAVE leaves the room, LOGOUT quits.",
      "TT #default alice: hello",
      '! ERROR 102 Unable to send: no user "nobody" is connected. ' +
      "/who all shows who is connected.",
      "* Not sent: @nobody: hi",
      '! To send a private message: @NAME: TEXT, as in "@bob: hi"; to all users: ' +
      '"@ALL: hi". Names have 1 to 32 letters and digits. Nothing was sent.',
      '! Unknown command "/jion". Did you mean /join? To send it as text, type //jion …',
      "TT * you joined #lab (1 here)",
      "TT #lab alice: /slash",
      "* In #lab (1):",
      "*   alice <127.0.0.1:1>",
      "* Rooms, and how many users are in each:",
      " * default <1>",
      " * lab <1>",
      "TT * you left #lab",
      "TT * you left #default",
      "* Rooms, and how many users are in each:",
      " * default <0>",
      " * lab <0>",
      "* Type the name of a room to join or create it; Enter: default.",
      "* Connected: 1",
      "*   alice  127.0.0.1:1 guest",
      "TT * you joined #default (1 here)",
      "TT #default alice: hello",
      "* — messages above are older —",
      "TT #default alice: hello",
      "* — messages above are older —",
      "",
    ].join("\n"),
  );
});

Deno.test("client shows presence, private messages and messages to all", async () => {
  await using server = quietServer();
  using folder = tempFolder();
  const env = settingsIn(folder.path);
  await using bob = await receiver("bob", server.port, env);
  await using alice = await receiver("alice", server.port);

  await bob.until("* alice joined #default");
  await alice.type("@bob: psst\n@ALL: hey\n");
  await bob.until("alice -> you: psst\n");
  await bob.until("alice -> ALL: hey\n");
  await alice.until("you -> bob: psst\n");
  await bob.type("/reply got it\n");
  await alice.until("bob -> you: got it\n");
  await bob.type("/ignore alice\n");
  await bob.until("Hiding alice");
  await alice.type("unheard\n@bob: unheard\n/leave\n");
  await alice.until("* you left #default");

  const { out } = await bob.end();
  assert(!out.includes("unheard"));
  assert(!out.includes("alice left"));
});

const USAGE_ERRORS: Record<string, string[]> = {
  'Cannot use "--colour": no such option': ["alice", "--colour=always"],
  'Cannot use "-x": no such option': ["-x"],
  'Cannot use --port "0"': ["alice", "127.0.0.1", "--port", "0"],
  "Cannot use --port without a value": ["alice", "127.0.0.1", "--port"],
  'Cannot use --color "red"': ["alice", "--color", "red"],
  'Cannot use --room "a b"': ["alice", "--room", "a b"],
  'Cannot use server "a b"': ["alice", "a b"],
  'Cannot use port "x": it must be a number from 1 to 65535': [
    "alice",
    "host:x",
  ],
  'Unexpected argument "c". See --help.': ["a", "b", "c"],
  'Unexpected argument "127.0.0.1": a name is one word of letters and digits, as in BobSmith. See --help.':
    ["Bob", "Smith", "127.0.0.1", "--port", "17500"],
  'Cannot use port "175oo": it must be a number from 1 to 65535': [
    "a",
    "127.0.0.1",
    "175oo",
  ],
  'Cannot use port "98989": it must be a number from 1 to 65535': [
    "a",
    "b",
    "98989",
  ],
  'Cannot use --port "-1": it must be a number from 1 to 65535': [
    "a",
    "127.0.0.1",
    "--port",
    "-1",
  ],
  'Unexpected argument "b.c". See --help.': ["a", "127.0.0.1", "1", "b.c"],
  "Cannot use both port 1 and port 3": ["a", "b", "3", "--port", "1"],
  'Cannot use the name "bo_b!": a name has 1 to 32 letters (A-Z, a-z) and digits. Choose another name, such as bob.':
    ["bo_b!"],
  'Cannot use the name "two words": a name has 1 to 32 letters': ["two words"],
  'Cannot use the name "two␤words": a name has': ["two\nwords", "b"],
  'Cannot use the name "josé": a name has 1 to 32': ["josé", "127.0.0.1"],
  'Cannot use the name "a.b": a name has 1 to 32': ["a.b", "127.0.0.1"],
  'Cannot use the name "All": it is reserved; choose another name': [
    "All",
    "b",
  ],
  "Cannot use both port 1 and port 2": ["a", "b:2", "--port", "1"],
  "Cannot ask for a name": [],
};

for (const [message, args] of Object.entries(USAGE_ERRORS)) {
  Deno.test(`client says ${JSON.stringify(message)} in one line and exits with 2`, async () => {
    const { code, out, err } = await runClient(args);

    assertEquals([code, out], [2, ""]);
    assert(err.startsWith(message), err);
    assertEquals(err.split("\n").length, 2);
  });
}

Deno.test("client --help and --version say what they are asked", async () => {
  const help = await runClient(["--help"]);
  const version = await runClient(["--version"]);

  assertEquals([help.code, version.code], [0, 0]);
  assertStringIncludes(
    help.out,
    "Usage: deno run -A client.ts [NAME] [SERVER [PORT]]",
  );
  assertStringIncludes(
    help.out,
    "\n\nExamples:\n  deno run -A client.ts alice 192.168.1.5\n",
  );
  for (const code of Object.values(EXIT)) {
    assert(new RegExp(`\n.* {2,}${code}  \\w`).test(help.out), `no ${code}`);
  }
  assert(help.out.split("\n").every((line) => line.length <= 80), help.out);
  assert(/^parley \d+\.\d+\.\d+\n$/.test(version.out), version.out);
});

Deno.test("client exits with 3 when nobody listens or the host is unknown", async () => {
  const port = lastingPort();

  const refused = await runClient(["alice", `127.0.0.1:${port}`]);
  const unknown = await runClient(["alice", "no.such.host.invalid"]);

  assertEquals([refused.code, unknown.code], [3, 3]);
  assertStringIncludes(
    refused.err,
    `Cannot connect to 127.0.0.1 port ${port}: connection refused`,
  );
  assertStringIncludes(unknown.err, "Cannot connect to no.such.host.invalid");
});

for (const address of ["fe80::1", "FE80::fc:ff:fe00:1", "fe9a::1"]) {
  Deno.test(`client says what to add to ${address}`, async () => {
    const { code, err } = await runClient(["alice", address, "--port", "9"]);

    assertEquals(code, 3);
    assert(
      err.startsWith(
        `Cannot connect to ${address} port 9: the address is link-local, ` +
          "and needs a network interface\nAdd % and the interface of this " +
          `computer that leads there, such as ${address}%`,
      ),
      err,
    );
  });
}

Deno.test("client exits with 4 when its name is taken, and says what to type", async () => {
  await using server = quietServer();
  await using alice = await receiver("alice", server.port);

  const taken = await runClient(["Alice", `127.0.0.1:${server.port}`]);

  assertEquals(taken.code, 4);
  assertStringIncludes(
    taken.err,
    'ERROR 104 Name in use: Cannot use the name "Alice"',
  );
  assert(
    /Try: deno run -A client.ts \w+ 127\.0\.0\.1:\d+/.test(taken.err),
    taken.err,
  );

  const again = await runClient([
    ...["Alice", "127.0.0.1", "--port", `${server.port}`],
  ]);

  assertMatch(
    again.err,
    /Try: deno run -A client.ts \w+ 127\.0\.0\.1 --port \d+\n/,
  );
  assertEquals((await alice.end()).code, 0);
});

/** What a server says instead of going on, and how the client ends. */
const SERVERS: readonly [
  why: string,
  says: string,
  code: number,
  err: string,
][] = [
  [
    "another protocol",
    "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
    6,
    "HTTP/1.1",
  ],
  [
    "another version",
    "REGISTERED alice\nProtocol: parley/2\n\n",
    6,
    "parley/2",
  ],
  [
    "answers nobody asked for",
    "REGISTERED alice\n\nLEFT #x\n\n",
    6,
    "without a request",
  ],
  [
    "too many who come",
    "ERROR 108 Slow down\nRetry-after: 7\n\n",
    4,
    "Try again in 7 seconds.",
  ],
  [
    "a full house",
    "ERROR 114 Server full\nRetry-after: 9\n\n",
    4,
    "Try again in 9 seconds.",
  ],
  [
    "an account's name",
    "ERROR 110 Login required\n\n",
    4,
    "ERROR 110 Login required",
  ],
  ["removal", "REGISTERED alice\n\nERROR 117 Removed\nReason: out\n\n", 5, ""],
];

for (const [why, says, code, text] of SERVERS) {
  Deno.test(`client exits with ${code} after ${why}`, async () => {
    using server = new FakeServer();
    await using client = new ClientProcess([
      "alice",
      `127.0.0.1:${server.port}`,
    ]);
    using peer = await server.accept();

    assertEquals(await peer.request(), "REGISTER alice");
    await peer.say(says);
    peer.hangUp();
    const result = await client.end();

    assertEquals(result.code, code);
    assertStringIncludes(result.err, text);
  });
}

Deno.test("client shows nothing that a hostile server says to the terminal", async () => {
  using server = new FakeServer();
  await using client = new ClientProcess([
    "alice",
    `127.0.0.1:${server.port}`,
    "--plain",
  ]);
  using peer = await server.accept();
  const evil = "\u009b2J\u202e";

  await peer.request();
  await peer.say("REGISTERED alice\n\n");
  await peer.request();
  await peer.say(
    `NOTICE joined\nUser: ${evil}\nRoom: ${evil}\n\n` +
      `NOTICE offline\nUser: ${evil}\nReason: ${evil}\n\n` +
      `FORWARD ${evil}\nTo: ${evil}\nContent-length: 5\n\n\x1b[2Jx` +
      `ERROR 1${evil} ${evil}\nReason: ${evil}\n\nMADE up\n\n` +
      "ERROR 117 Removed\nReason: enough\n\n",
  );
  const { code, out, err } = await client.end();

  assertEquals(code, 5);
  // deno-lint-ignore no-control-regex -- what must not be there
  assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/.test(out + err), out + err);
  assertStringIncludes(out, "<U+009B>2J<U+202E> joined");
  assertStringIncludes(err, "Removed by the server: ERROR 117 Removed: enough");
});

Deno.test(
  needs("signals between programs", {
    name: "client ends on signals with the codes that shells expect",
    fn: async () => {
      await using server = quietServer();
      for (
        const [signal, code] of [
          ...[["SIGINT", 130], ["SIGTERM", 143]] as const,
          ...(Deno.build.os === "windows" ? [] : [["SIGHUP", 129]] as const),
        ]
      ) {
        await using client = await receiver("alice", server.port);

        client.kill(signal);

        assertEquals((await client.ended()).code, code);
      }
    },
  }),
);

Deno.test("client --color always colours what it prints, also to a pipe", async () => {
  await using server = quietServer();

  const { out } = await runClient(
    ["alice", `127.0.0.1:${server.port}`, "--plain", "--color", "always"],
    "hello\n",
    { NO_COLOR: "1" },
  );

  assertStringIncludes(out, "\x1b[0m: hello\n");
});

Deno.test("client ends quietly when nobody reads its output, a pipe after its last line", async () => {
  await using server = quietServer();
  await using bob = await receiver("bob", server.port);
  await using carol = await receiver("carol", server.port);
  await using alice = new ClientProcess(["alice", `127.0.0.1:${server.port}`]);
  await alice.until("you joined");

  await alice.closeOutput();
  await carol.closeOutput();
  await bob.type("anybody?\n");
  await bob.until("* carol went offline");
  await alice.type("still here\n");
  await bob.until("alice: still here\n");
  const { code, err } = await alice.end();

  assertEquals([code, err], [0, ""]);
  assertEquals((await carol.end()).code, 0);
});
