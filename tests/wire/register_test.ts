/** Coming in and going, byte for byte: REGISTER, the gate, LOGOUT. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  forward,
  headerOf,
  RawClient,
  steady,
} from "../tools/net/raw_client.ts";
import {
  canHalfClose,
  fullServerTest,
  startTestServer,
} from "../tools/net/test_server.ts";
import { TestClock } from "../tools/test_clock.ts";

Deno.test("REGISTER is answered with what a client needs to know", async () => {
  await using server = startTestServer();
  using alice = await RawClient.connect(server.port);

  const answer = await alice.ask("REGISTER alice\n\n");

  assertEquals(
    // The small server stores nothing, and has no journal.
    steady(answer).replace("Journal: J\nOldest-id: 1\n", ""),
    "REGISTERED alice\nServer: S\nProtocol: parley/1\n" +
      "Max-body: 65536\nToken: T\nLast-id: 0\n\n",
  );
});

fullServerTest(
  "REGISTER tells the newest id and the limit that was set",
  async () => {
    await using server = startTestServer({ maxBodyBytes: 1_000 });
    using alice = await RawClient.enter(server.port, "alice", "#r");
    await alice.say("#r", "1");
    await alice.say("#r", "2");
    await alice.frames(2);
    using bob = await RawClient.connect(server.port);

    const answer = await bob.ask("REGISTER bob\n\n");

    assertMatch(headerOf(answer, "Journal"), /^[0-9a-f]{32}$/);
    assertEquals(headerOf(answer, "Oldest-id"), "1");
    assertEquals(headerOf(answer, "Last-id"), "2");
    assertEquals(headerOf(answer, "Max-body"), "1000");
  },
);

Deno.test("REGISTER a second time is no known command", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  assertMatch(
    await alice.ask("REGISTER bob\n\n"),
    /^ERROR 105 Unknown command\nFor: REGISTER bob\nReason: .+\n\n$/,
  );
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});

const MALFORMED: readonly [name: string, suggestion: string | undefined][] = [
  ["ALL", "ALL2"],
  ["tosend", "tosend2"],
  ["Server", "user2"],
  ["a11", "a112"],
  ["bob_the-builder", "bobthebuilder2"],
  ["x".repeat(33), `${"x".repeat(28)}2`],
  ["#room", "room2"],
  ["---", undefined],
  ["\u{e9}\u{20ac}", undefined],
];

for (const [name, suggestion] of MALFORMED) {
  Deno.test(`REGISTER ${name} is answered 100, and one may try again`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);

    const answer = await client.ask(`REGISTER ${name}\n\n`);
    const lines = answer.split("\n");

    assertEquals(lines[0], "ERROR 100 Malformed username");
    assertEquals(lines[1], `For: REGISTER ${name}`);
    assertMatch(lines[2]!, /^Reason: [\x20-\x7e]+$/);
    assertMatch(await client.ask("REGISTER bob\n\n"), /^REGISTERED bob\n/);
  });

  fullServerTest(
    `REGISTER ${name} is answered with a name that is free, if one comes from it`,
    async () => {
      await using server = startTestServer();
      using client = await RawClient.connect(server.port);

      const answer = await client.ask(`REGISTER ${name}\n\n`);

      assertEquals(headerOf(answer, "Suggestion"), suggestion ?? "");
      assertMatch(
        await client.ask(`REGISTER ${suggestion ?? "bob"}\n\n`),
        /^REGISTERED /,
      );
    },
  );
}

for (const name of ["alice", "ALICE", "a1ice", "aIice"]) {
  Deno.test(`REGISTER ${name} beside alice is answered 104`, async () => {
    await using server = startTestServer();
    using _alice = await RawClient.enter(server.port, "alice");
    using other = await RawClient.connect(server.port);

    assertMatch(
      await other.ask(`REGISTER ${name}\n\n`),
      /^ERROR 104 Name in use\nFor: REGISTER \w+\nReason: .+\n/,
    );
    assertMatch(await other.ask("REGISTER bob\n\n"), /^REGISTERED bob\n/);
  });

  fullServerTest(
    `REGISTER ${name} beside alice is answered with a free name`,
    async () => {
      // On a slow machine she could be silent so long that she may be dead.
      await using server = startTestServer({ clock: new TestClock() });
      using _alice = await RawClient.enter(server.port, "alice");
      using other = await RawClient.connect(server.port);

      const answer = await other.ask(`REGISTER ${name}\n\n`);
      const [, suggestion] =
        /^ERROR 104 Name in use\nFor: REGISTER \w+\nReason: .+\nSuggestion: (\w+)\n\n$/
          .exec(answer) ?? [answer];

      assertEquals(suggestion, `${name}2`);
      assertMatch(
        await other.ask(`REGISTER ${suggestion}\n\n`),
        new RegExp(`^REGISTERED ${suggestion}\n`),
      );
    },
  );
}

fullServerTest(
  "REGISTER suggests a name that is free of look-alikes, too",
  async () => {
    await using server = startTestServer();
    using _one = await RawClient.enter(server.port, "alice");
    using _two = await RawClient.enter(server.port, "A1ice2");
    using third = await RawClient.connect(server.port);

    const answer = await third.ask("REGISTER alice\n\n");

    assertEquals(headerOf(answer, "Suggestion"), "alice3");
  },
);

Deno.test("a name is free again when its connection is gone", async () => {
  await using server = startTestServer();
  {
    using _alice = await RawClient.enter(server.port, "alice");
  }
  await server.logged("alice disconnected");

  using again = await RawClient.connect(server.port);

  assertMatch(await again.ask("REGISTER a1ice\n\n"), /^REGISTERED a1ice\n/);
});

for (
  const request of [
    "JOIN #r",
    "LEAVE #r",
    "ROOMS",
    "WHO ALL",
    "HISTORY #r",
    "PING",
    "LOGOUT",
    "SEND bob\nContent-length: 0",
  ]
) {
  const [line] = request.split("\n");
  Deno.test(`${line} before REGISTER is answered 101`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);

    assertMatch(
      await client.ask(`${request}\n\n`),
      new RegExp(
        `^ERROR 101 No user registered\nFor: ${line}\nReason: .+\n\n$`,
      ),
    );
    assertMatch(await client.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
  });
}

const UNKNOWN = [
  "FLY me",
  "ping",
  "toString",
  "constructor",
  "__proto__",
  " PING",
  "REGISTERED alice",
  "ERROR 101 No",
  "REGISTER",
  "REGISTER a b c d",
  "REGISTER alice bob",
];

for (const line of UNKNOWN) {
  Deno.test(`${line} is answered 105, registered or not`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);
    const expected = new RegExp(
      `^ERROR 105 Unknown command\nFor: ${line}\nReason: .+\n\n$`,
    );

    assertMatch(await client.ask(`${line}\n\n`), expected);
    assertMatch(await client.ask("REGISTER alice\n\n"), /^REGISTERED /);
    assertMatch(await client.ask(`${line}\n\n`), expected);
    assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
  });
}

for (
  const [line, header, body] of [
    ["REGISTER bob", "After: 1"],
    ["REGISTER bob", "Token: x"],
    ["HISTORY #default", "Limit: 1"],
    ["SEND ALL", "Key: k", "hi"],
  ] as const
) {
  fullServerTest(
    `${line} with ${header} twice is answered 105, also with one value`,
    async () => {
      await using server = startTestServer();
      using client = line.startsWith("REGISTER")
        ? await RawClient.connect(server.port)
        : await RawClient.enter(server.port, "bob");
      const rest = body ? `Content-length: ${body.length}\n\n${body}` : "\n";
      const twice = `${header}\n${header.toUpperCase()}\n`;

      assertMatch(
        await client.ask(`${line}\n${twice}${rest}`),
        new RegExp(
          `^ERROR 105 Unknown command\nFor: ${line}\nReason: .+ twice\n\n$`,
        ),
      );
      assertMatch(
        await client.ask(`${line}\n${header}\n${rest}`),
        /^(REGISTERED|HISTORY|SENT) /,
      );
    },
  );
}

for (
  const line of [
    "JOIN",
    "JOIN #a #b",
    "JOIN  #a",
    "LEAVE",
    "LEAVE #a b",
    "ROOMS all",
    "WHO",
    "WHO #a #b",
    "HISTORY",
    "PING me",
    "LOGOUT now",
    "RECEIVED alice",
  ]
) {
  Deno.test(`${line} has the wrong words and is answered 105`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    assertMatch(
      await alice.ask(`${line}\n\n`),
      new RegExp(`^ERROR 105 Unknown command\nFor: ${line}\nReason: .+\n\n$`),
    );
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  });
}

Deno.test("an unknown verb's body is no next frame", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");

  await alice.send("FLY\nContent-length: 8\n\nLOGOUT\n\nPING\n\n");

  assertMatch(await alice.frame(), /^ERROR 105 /);
  assertEquals(await alice.frame(), "PONG\n\n");
});

Deno.test("unknown headers are ignored, in any number and order", async () => {
  await using server = startTestServer();
  using alice = await RawClient.connect(server.port);

  const answer = await alice.ask(
    "REGISTER alice\r\nX-New: 1\r\nafter:\t7\r\nToken2: y\r\n\r\n",
  );

  assertMatch(answer, /^REGISTERED alice\n/);
});

Deno.test("LOGOUT is answered BYE, then comes the end, and the rooms are told", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#a", "#b");
  using bob = await RawClient.enter(server.port, "bob", "#a", "#b");

  await alice.next("NOTICE joined\nRoom: #b");
  await alice.send("LOGOUT\n\nPING\n\n");

  assertEquals(await alice.rest(), "BYE\n\n");
  const notices = await bob.frames(2);
  assertEquals(notices.map(steady).sort(), [
    "NOTICE offline\nRoom: #a\nUser: alice\nReason: logged out\nMembers: 1\nTime: T\n\n",
    "NOTICE offline\nRoom: #b\nUser: alice\nReason: logged out\nMembers: 1\nTime: T\n\n",
  ]);
});

Deno.test("a connection that just ends is told to the rooms, too", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#a");
  using bob = await RawClient.enter(server.port, "bob", "#a");

  alice.close();

  assertMatch(
    await bob.frame(),
    /^NOTICE offline\nRoom: #a\nUser: alice\nReason: connection (closed|lost)\nMembers: 1\nTime: .+\n\n$/,
  );
});

if (canHalfClose()) {
  Deno.test(
    "a peer that ends its direction gets every answer before the end",
    endsItsDirection,
  );
}

async function endsItsDirection(): Promise<void> {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  using alice = await RawClient.connect(server.port);

  await alice.send(
    "REGISTER alice\n\nJOIN #r\n\n",
    "SEND bob\nContent-length: 2\n\nhi",
    "HISTORY #r\n\nPING\n\n",
  );
  await alice.closeWrite();
  const answers = steady(await alice.rest());

  assertEquals(
    answers.match(/^(REGISTERED|JOINED|SENT|HISTORY|PONG)/gm),
    ["REGISTERED", "JOINED", "SENT", "HISTORY", "PONG"],
  );
  assertEquals(steady(await bob.frame()), forward("alice", "bob", 1, "hi"));
}

fullServerTest("the log says who came, joined, left and went", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#room1");
  const from = `<${alice.address}>`;

  await alice.ask("LEAVE #room1\n\n");
  await alice.ask("JOIN #room2\n\n");
  await alice.send("LOGOUT\n\n");
  await alice.rest();
  await server.logged("disconnected");

  assertEquals(server.log, [
    `${from} connected`,
    `alice registered from ${from}`,
    `alice joined room [room1] from ${from}`,
    "alice left room [room1]",
    `alice joined room [room2] from ${from}`,
    "alice left room [room2]",
    `${from} alice disconnected: logged out`,
  ]);
});

Deno.test("the log says nothing that a peer chose but its name and rooms", async () => {
  await using server = startTestServer();
  using client = await RawClient.connect(server.port);

  await client.ask("REGISTER e\u{202e}vil\n\n");
  await client.ask("FLY\tme\n\n");
  client.close();
  await server.logged("disconnected");

  for (const line of server.log) assertMatch(line, /^[\x20-\x7e]+$/);
});
