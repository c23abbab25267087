/**
 * Clients of the course: raw sockets that send exactly what the
 * protocol shows, with all its irregularities.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import {
  bytes,
  forward,
  headerOf,
  join,
  RawClient,
  sent,
  steady,
} from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { TestClock } from "../../tools/test_clock.ts";
import { PAUSE_MS } from "../../../server/session/two_socket/users.ts";

const UNABLE = "ERROR 102 Unable to send\n\n";

Deno.test("two classic users talk, byte for byte as the course has it", async () => {
  await using server = startTestServer();
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.classic(server.port, "bob");

  await alice.out.send("SEND bob\nContent-length: 9\n\nhello bob");
  const got = "FORWARD alice\nContent-length: 9\n\nhello bob";
  assertEquals(await bob.in.bytes(got.length), got);
  await bob.in.send("RECEIVED alice\n\n");

  assertEquals(await alice.out.frame(), "SEND bob\n\n");
});

for (const roles of [["TORECV", "TOSEND"], ["TOSEND", "TORECV"]]) {
  Deno.test(`the socket ${roles[0]} may come first`, async () => {
    await using server = startTestServer();
    using one = await RawClient.connect(server.port);
    using two = await RawClient.connect(server.port);

    assertEquals(
      await one.ask(`REGISTER ${roles[0]} alice\n\n`),
      `REGISTERED ${roles[0]} alice\n\n`,
    );
    assertEquals(
      await two.ask(`REGISTER ${roles[1]} alice\n\n`),
      `REGISTERED ${roles[1]} alice\n\n`,
    );
    const out = roles[0] === "TOSEND" ? one : two;
    assertEquals(
      await out.ask("SEND nobody\nContent-length: 0\n\n"),
      UNABLE,
    );
  });
}

Deno.test("a message to a two-socket user is replayed to no earlier guest of the name", async () => {
  await using server = startTestServer();
  let token: string;
  {
    using guest = await RawClient.connect(server.port);
    token = headerOf(await guest.ask("REGISTER dave\n\n"), "Token");
  }
  await server.logged("dave disconnected");
  {
    using dave = await RawClient.classic(server.port, "dave");
    using alice = await RawClient.enter(server.port, "alice");
    await alice.say("dave", "a secret");
    assertMatch(await dave.in.bytes(13), /^FORWARD alice/);
  }
  await server.logged("dave left room [default]");
  using guest = await RawClient.connect(server.port);
  const answer = await guest.ask(
    `REGISTER dave\nToken: ${token}\nAfter: 0\n\n`,
  );

  assertNotEquals(headerOf(answer, "Token"), token);
  assertEquals(await guest.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("before both sockets are there, SEND is answered 101", async () => {
  await using server = startTestServer();
  using out = await RawClient.connect(server.port);
  await out.ask("REGISTER TOSEND alice\n\n");

  const answer = await out.ask("SEND bob\nContent-length: 2\n\nhi");

  assertEquals(answer, "ERROR 101 No user registered\n\n");
});

for (
  const name of [
    "ALL",
    "all",
    "a11",
    "TOSEND",
    "server",
    "b_b",
    "\u{e9}",
    "x".repeat(33),
    "native",
    "NATIVE",
    "taken",
    "Taken",
  ]
) {
  Deno.test(`the name ${name} is answered 100, and the socket may try again`, async () => {
    await using server = startTestServer();
    using _native = await RawClient.enter(server.port, "native");
    using _taken = await RawClient.classic(server.port, "taken");

    for (const role of ["TOSEND", "TORECV"]) {
      using socket = await RawClient.connect(server.port);
      assertEquals(
        await socket.ask(`REGISTER ${role} ${name}\n\n`),
        "ERROR 100 Malformed username\n\n",
      );
      assertEquals(
        await socket.ask(`REGISTER ${role} other${role}\n\n`),
        `REGISTERED ${role} other${role}\n\n`,
      );
    }
  });
}

for (
  const line of [
    "REGISTER TOSEND alice smith",
    "REGISTER TOSEND",
    "REGISTER TORECV ",
  ]
) {
  Deno.test(`${line} is answered a bare 100`, async () => {
    await using server = startTestServer();
    using socket = await RawClient.connect(server.port);

    assertEquals(
      await socket.ask(`${line}\n\n`),
      "ERROR 100 Malformed username\n\n",
    );
    assertMatch(
      await socket.ask("REGISTER TOSEND alice\n\n"),
      /^REGISTERED TOSEND alice\n\n$/,
    );
  });
}

Deno.test("a native user gets full errors, whatever the socket tried before", async () => {
  await using server = startTestServer();
  using socket = await RawClient.connect(server.port);
  await socket.ask("REGISTER TOSEND ALL\n\n");

  assertMatch(await socket.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
  assertMatch(
    await socket.ask("FLY\n\n"),
    /^ERROR 105 Unknown command\nFor: FLY\nReason: .+\n\n$/,
  );
});

Deno.test("a half that waits keeps the name, and gives it back when it goes", async () => {
  await using server = startTestServer();
  const half = await RawClient.connect(server.port);
  await half.ask("REGISTER TORECV alice\n\n");
  using native = await RawClient.connect(server.port);

  const kept = await native.ask("REGISTER alice\n\n");
  half.close();
  await server.logged("disconnected");

  assertMatch(kept, /^ERROR 104 /);
  assertMatch(await native.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
});

Deno.test("the first program from the same address completes a half, and the log tells which", async () => {
  await using server = startTestServer();
  using half = await RawClient.connect(server.port);
  await half.ask("REGISTER TOSEND alice\n\n");
  await server.logged(
    `alice registered from <${half.address}>, TOSEND waits for TORECV`,
  );
  using same = await RawClient.connect(server.port);
  using first = await RawClient.connect(server.port);
  using second = await RawClient.connect(server.port);

  const again = await same.ask("REGISTER TOSEND alice\n\n");
  const completed = await first.ask("REGISTER TORECV alice\n\n");
  const late = await second.ask("REGISTER TORECV alice\n\n");

  assertEquals(again, "ERROR 100 Malformed username\n\n");
  assertEquals(completed, "REGISTERED TORECV alice\n\n");
  assertEquals(late, "ERROR 100 Malformed username\n\n");
  await server.logged(
    `alice registered from <${first.address}>, TORECV completes TOSEND`,
  );
  using bob = await RawClient.enter(server.port, "bob");
  await bob.say("alice", "to the first");
  assertEquals(
    await first.frame(),
    "FORWARD bob\nContent-length: 12\n\nto the first",
  );
});

Deno.test("a classic receiver gets one message at a time", async () => {
  await using server = startTestServer();
  using bob = await RawClient.classic(server.port, "bob");
  using alice = await RawClient.enter(server.port, "alice");
  for (const body of ["one", "two", "three"]) await alice.say("bob", body);
  await alice.frames(3);

  for (const body of ["one", "two", "three"]) {
    assertEquals(
      await bob.in.frame(),
      `FORWARD alice\nContent-length: ${body.length}\n\n${body}`,
    );
    // Were the next one sent already, it would come before this answer.
    assertEquals(await bob.in.ask("FLY\n\n"), "ERROR 105 Unknown command\n\n");
    await bob.in.send("RECEIVED alice\n\n");
  }
});

Deno.test("a broadcast reaches everybody, and is answered once, at the end", async () => {
  await using server = startTestServer();
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.classic(server.port, "bob");
  using carol = await RawClient.classic(server.port, "carol");
  using native = await RawClient.enter(server.port, "native");

  await alice.out.send("SEND ALL\nContent-length: 2\n\nhi");
  const got = "FORWARD alice\nContent-length: 2\n\nhi";
  assertEquals(await bob.in.frame(), got);
  assertEquals(await carol.in.frame(), got);
  await bob.in.send("RECEIVED alice\n\n");
  await carol.in.send("RECEIVED alice\n\n");

  assertEquals(await alice.out.frame(), "SEND ALL\n\n");
  assertEquals(await alice.out.ask("FLY\n\n"), "ERROR 105 Unknown command\n\n");
  assertEquals(steady(await native.frame()), forward("alice", "ALL", 1, "hi"));
});

for (const target of ["ALL", "nobody", "TORECV", "a b"]) {
  Deno.test(`SEND ${target} by the only user is answered an error without headers`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.classic(server.port, "alice");

    const answer = await alice.out.ask(
      `SEND ${target}\nContent-length: 2\n\nhi`,
    );

    assertMatch(answer, /^ERROR (102 Unable to send|105 Unknown command)\n\n$/);
  });
}

Deno.test("a receiver that is silent too long is removed, and the sender is told 102", async () => {
  await using server = startTestServer({ acknowledgeWithinMs: 50 });
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.classic(server.port, "bob");

  await alice.out.send("SEND bob\nContent-length: 2\n\nhi");

  assertEquals(await alice.out.frame(), UNABLE);
  assertMatch(await bob.in.rest(), /^FORWARD alice\n/);
  assertEquals(await bob.out.rest(), "");
});

Deno.test("a broadcast with one failing receiver is 102, and the others have it", async () => {
  const clock = new TestClock();
  await using server = startTestServer({ acknowledgeWithinMs: 200, clock });
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.classic(server.port, "bob");
  using mute = await RawClient.classic(server.port, "mute");
  clock.pass(PAUSE_MS);

  await alice.out.send("SEND ALL\nContent-length: 2\n\nhi");
  await bob.in.frame();
  await mute.in.frame();
  await bob.in.send("RECEIVED alice\n\n");
  await bob.in.ask("FLY\n\n"); // what came before it is taken
  clock.pass(201);

  assertEquals(await alice.out.frame(), UNABLE);
  await alice.out.send("SEND ALL\nContent-length: 2\n\nhi");
  await bob.in.frame();
  await bob.in.send("RECEIVED alice\n\n");
  assertEquals(await alice.out.frame(), "SEND ALL\n\n");
});

Deno.test("a native sender does not wait for a classic receiver", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using _bob = await RawClient.classic(server.port, "bob");

  await alice.say("bob", "hi");

  assertEquals(steady(await alice.frame()), sent("bob", 1, 1));
});

for (const which of ["out", "in"] as const) {
  Deno.test(`the end of the socket "${which}" ends the other and frees the name`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.classic(server.port, "alice");

    alice[which].close();

    assertEquals(await alice[which === "in" ? "out" : "in"].rest(), "");
    await server.logged("alice disconnected");
    using again = await RawClient.connect(server.port);
    assertMatch(await again.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
  });

  Deno.test(`a head that cannot be read on "${which}" is 103, and the end of both`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.classic(server.port, "alice");

    await alice[which].send("SEND bob\n\n");

    assertEquals(
      await alice[which].rest(),
      "ERROR 103 Header Incomplete\n\n",
    );
    assertEquals(await alice[which === "in" ? "out" : "in"].rest(), "");
  });
}

const BODIES: readonly [
  what: string,
  sends: string,
  classic: string,
  native: string,
][] = [
  ["bytes", "Content-length: 6\n\nh\u{e9}llo", "5\n\nh\u{e9}llo", "h\u{e9}llo"],
  [
    "characters, as Python does",
    "Content-length: 5\n\nh\u{e9}llo",
    "5\n\nh\u{e9}llo",
    "h\u{e9}llo",
  ],
  [
    "characters of four bytes",
    "Content-length: 1\n\n\u{1f600}",
    "1\n\n\u{1f600}",
    "\u{1f600}",
  ],
  [
    "an uncounted line feed",
    "Content-length: 5\n\nhello\n",
    "5\n\nhello",
    "hello",
  ],
  [
    "a blank with a space",
    "Content-length: 5\n \nhello",
    "5\n\nhello",
    "hello",
  ],
  ["CR LF", "Content-length: 5\r\n\r\nhello", "5\n\nhello", "hello"],
];

for (const [what, sends, classic, native] of BODIES) {
  Deno.test(`a classic sender may count ${what}`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.classic(server.port, "alice");
    using bob = await RawClient.classic(server.port, "bob");
    using carol = await RawClient.enter(server.port, "carol");

    for (const id of [1, 2]) {
      await alice.out.send(`SEND ALL\n${sends}`);
      const expected = `FORWARD alice\nContent-length: ${classic}`;
      assertEquals(await bob.in.bytes(bytes(expected).length), expected);
      await bob.in.send("RECEIVED alice\n \n");
      assertEquals(await alice.out.frame(), "SEND ALL\n\n");
      assertEquals(
        steady(await carol.frame()),
        forward("alice", "ALL", id, native),
      );
    }
  });
}

Deno.test("a classic client that sends everything at once gets its answers in order", async () => {
  await using server = startTestServer();
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  const one = (text: string) =>
    `SEND bob\nContent-length: ${text.length}\n\n${text}\n`;

  await alice.out.send(
    one("1"),
    "SEND nobody\nContent-length: 1\n\nx",
    one("2"),
    "FLY\n\n",
    one("3"),
  );

  assertEquals(await alice.out.frames(5), [
    "SEND bob\n\n",
    UNABLE,
    "SEND bob\n\n",
    "ERROR 105 Unknown command\n\n",
    "SEND bob\n\n",
  ]);
  assertEquals(
    (await bob.frames(3)).map(steady),
    ["1", "2", "3"].map((text, i) => forward("alice", "bob", i + 1, text)),
  );
});

Deno.test("a classic SEND that is not UTF-8 is 107, and over the limit 106", async () => {
  await using server = startTestServer({ maxBodyBytes: 10 });
  using alice = await RawClient.classic(server.port, "alice");

  const noText = join("SEND ALL\nContent-length: 1\n\n", new Uint8Array([255]));
  await alice.out.send(noText);
  const first = await alice.out.frame();
  await alice.out.send(`SEND ALL\nContent-length: 11\n\n${"x".repeat(11)}`);

  assertEquals(first, "ERROR 107 Not UTF-8\n\n");
  assertEquals(await alice.out.frame(), "ERROR 106 Too large\n\n");
});

Deno.test("classic users are in #default to WHO, ROOMS and its messages", async () => {
  await using server = startTestServer();
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob", "#default");

  assertEquals(
    (await bob.ask("WHO #default\n\n")).split("\n\n")[1],
    `alice ${alice.out.address} classic\nbob ${bob.address} guest\n`,
  );
  assertMatch(await bob.ask("ROOMS\n\n"), /\n\n#default 2\n$/);
  await bob.say("#default", "hi");
  assertEquals(
    await alice.in.frame(),
    "FORWARD bob\nContent-length: 2\n\nhi",
  );
});

Deno.test("#default is told when a classic user comes and goes, and the log too", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#default");
  const alice = await RawClient.classic(server.port, "alice");

  const came = await bob.frame();
  await alice.out.send("LOGOUT\n\n");
  const bye = await alice.out.rest();

  assertEquals(
    steady(came),
    `NOTICE joined\nRoom: #default\nUser: alice\nFrom: ${alice.out.address}\nMembers: 2\nTime: T\n\n`,
  );
  assertEquals(bye, "BYE\n\n");
  assertMatch(
    await bob.frame(),
    /^NOTICE offline\nRoom: #default\nUser: alice\nReason: logged out\nMembers: 1\nTime: .+\n\n$/,
  );
  assert(server.log.includes(
    `alice joined room [default] from <${alice.out.address}>`,
  ));
  await server.logged("alice left room [default]");
  alice[Symbol.dispose]();
});

Deno.test("one RECEIVED too many does no harm", async () => {
  await using server = startTestServer();
  using alice = await RawClient.classic(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");

  await alice.in.send("RECEIVED bob\n\nRECEIVED\n\nRECEIVED bob\n\n");
  await bob.say("alice", "hi");

  assertEquals(await alice.in.frame(), "FORWARD bob\nContent-length: 2\n\nhi");
});

Deno.test("a classic receiver with too much unacknowledged is removed, and nobody waits for it", async () => {
  await using server = startTestServer({ acknowledgeWithinMs: 60_000 });
  using bob = await RawClient.classic(server.port, "bob");
  using alice = await RawClient.enter(server.port, "alice");
  const body = "x".repeat(60_000);

  for (let sent = 0; sent < 400; sent++) {
    await alice.say("bob", body);
    if ((await alice.frame()).startsWith("ERROR 102")) break;
  }

  await server.logged("bob disconnected: too slow");
  assertMatch(await bob.in.rest(), /^FORWARD alice\n/);
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});
