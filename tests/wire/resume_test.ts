/** Reconnecting: Token takes a name back, After replays what was missed. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  forward,
  headerOf,
  RawClient,
  steady,
} from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";

/** Registers, and gives the token too. */
async function enter(
  port: number,
  name: string,
  headers = "",
): Promise<{ client: RawClient; answer: string; token: string }> {
  const client = await RawClient.connect(port);
  const answer = await client.ask(`REGISTER ${name}\n${headers}\n`);
  return { client, answer, token: headerOf(answer, "Token") };
}

Deno.test("Token takes the name back from a living connection, which gets 117", async () => {
  await using server = startTestServer();
  const { client: old, token } = await enter(server.port, "alice");
  using _old = old;
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await old.ask("JOIN #r\n\n");
  await bob.next("NOTICE joined");

  const { client, answer } = await enter(
    server.port,
    "alice",
    `Token: ${token}\n`,
  );
  using _client = client;

  assertMatch(answer, /^REGISTERED alice\n/);
  assertEquals(headerOf(answer, "Token"), token);
  assertMatch(await old.rest(), /^ERROR 117 Removed\nReason: .+\n\n$/);
  assertMatch(
    await bob.frame(),
    /^NOTICE offline\nRoom: #r\nUser: alice\nReason: removed\nMembers: 1\nTime: .+\n\n$/,
  );
  await client.ask("JOIN #r\n\n");
  assertMatch(await bob.frame(), /^NOTICE joined\nRoom: #r\nUser: alice\n/);
});

Deno.test("Token takes the name back after the connection is gone", async () => {
  await using server = startTestServer();
  const { client: old, token } = await enter(server.port, "alice");
  old.close();
  await server.logged("alice disconnected");

  const { client, answer } = await enter(
    server.port,
    "alice",
    `token: ${token}\n`,
  );
  using _client = client;

  assertEquals(headerOf(answer, "Token"), token);
});

for (
  const token of [
    "",
    "x",
    "0".repeat(31),
    "0".repeat(32),
    "\u{e9}".repeat(16),
    "0".repeat(1_000),
  ]
) {
  Deno.test(`a Token of ${JSON.stringify(token.slice(0, 40))} takes nothing from anybody`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    const { client, answer } = await enter(
      server.port,
      "alice",
      `Token: ${token}\n`,
    );
    using _client = client;

    assertMatch(answer, /^ERROR 104 Name in use\nFor: REGISTER alice\n/);
    assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  });
}

Deno.test("a Token is good for its own name only", async () => {
  await using server = startTestServer();
  const { client: alice, token } = await enter(server.port, "alice");
  using _alice = alice;
  using bob = await RawClient.enter(server.port, "bob");

  const { client, answer } = await enter(
    server.port,
    "bob",
    `Token: ${token}\n`,
  );
  using _client = client;

  assertMatch(answer, /^ERROR 104 /);
  assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("After replays what was missed, oldest first, before anything new", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r", "#other");
  const { client: old, token } = await enter(server.port, "alice");
  await old.ask("JOIN #r\n\n");
  await bob.next("NOTICE joined");
  await bob.say("#r", "heard");
  await bob.frame();
  await old.frame();
  await bob.say("#r", "sent but not read");
  await bob.next("SENT");
  old.close();
  await bob.next("NOTICE offline");
  for (const [target, body] of [["#r", "a"], ["#other", "b"], ["ALL", "c"]]) {
    await bob.say(target!, body!);
    await bob.next("SENT");
  }

  const { client, answer } = await enter(
    server.port,
    "alice",
    `Token: ${token}\nAfter: 1\n`,
  );
  using _client = client;
  await bob.say("alice", "new");

  assertEquals(headerOf(answer, "Last-id"), "5");
  assertEquals((await client.frames(4)).map(steady), [
    forward("bob", "#r", 2, "sent but not read"),
    forward("bob", "#r", 3, "a"),
    forward("bob", "ALL", 5, "c"),
    forward("bob", "alice", 6, "new"),
  ]);
});

Deno.test("After replays nothing of a room that was left, or from before it was joined", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#left", "#late");
  await bob.say("#late", "before");
  await bob.frame();
  const { client: old, token } = await enter(server.port, "alice");
  await old.send("JOIN #left\n\nLEAVE #left\n\nJOIN #late\n\n");
  await old.frames(3);
  old.close();
  await bob.next("NOTICE offline");
  await bob.say("#left", "x");
  await bob.say("#late", "y");
  await bob.frames(2);

  const { client } = await enter(
    server.port,
    "alice",
    `Token: ${token}\nAfter: 0\n`,
  );
  using _client = client;

  assertEquals(steady(await client.frame()), forward("bob", "#late", 3, "y"));
  assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("After without a Token replays nothing: the name may have had other owners", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old } = await enter(server.port, "alice");
  await bob.say("alice", "secret");
  await bob.frame();
  old.close();
  await server.logged("alice disconnected");

  const { client } = await enter(server.port, "alice", "After: 0\n");
  using _client = client;

  assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("a new visit of the name is told nothing of the one before", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const first = await enter(server.port, "alice");
  await first.client.ask("JOIN #r\n\n");
  await bob.say("alice", "secret");
  await bob.next("SENT");
  first.client.close();
  await bob.next("NOTICE offline");
  const second = await enter(server.port, "alice");
  await second.client.ask("JOIN #r\n\n");
  second.client.close();
  await bob.next("NOTICE offline");

  for (const token of [first.token, second.token]) {
    const { client } = await enter(
      server.port,
      "alice",
      `Token: ${token}\nAfter: 0\n`,
    );
    assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
    await client.ask("JOIN #r\n\n");
    client.close();
    await bob.next("NOTICE offline");
  }
});

Deno.test("a Token is good for its name in another case, which is then the name", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old, token } = await enter(server.port, "Alice");
  using _old = old;

  const { client, answer } = await enter(
    server.port,
    "aLICE",
    `Token: ${token}\n`,
  );
  using _client = client;
  await bob.say("alice", "hi");

  // REGISTERED, SENT, FORWARD and WHO agree on it.
  assertMatch(answer, /^REGISTERED aLICE\n/);
  assertMatch(await bob.frame(), /^SENT aLICE\n/);
  assertEquals(steady(await client.frame()), forward("bob", "aLICE", 1, "hi"));
  assertMatch(await bob.ask("WHO ALL\n\n"), /\naLICE /);
});

Deno.test("After replays to every spelling of the name", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old, token } = await enter(server.port, "Alice");
  await bob.say("Alice", "one");
  await bob.frame();
  old.close();
  await server.logged("Alice disconnected");

  const { client } = await enter(
    server.port,
    "alice",
    `Token: ${token}\nAfter: 0\n`,
  );
  using _client = client;

  assertEquals(steady(await client.frame()), forward("bob", "Alice", 1, "one"));
});

Deno.test("After replays nothing of a room that was left on a later connection", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#r");
  const first = await enter(server.port, "alice");
  await first.client.ask("JOIN #r\n\n");
  first.client.close();
  await bob.next("NOTICE offline");
  const again = `Token: ${first.token}\nAfter: 0\n`;
  const second = await enter(server.port, "alice", again);
  await second.client.ask("JOIN #r\n\n");
  await second.client.ask("LEAVE #r\n\n");
  second.client.close();
  await server.onlyConnected(1);
  await bob.say("#r", "not for alice");
  await bob.next("SENT");

  const { client } = await enter(server.port, "alice", again);
  using _client = client;

  assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
});

for (const after of ["x", "-1", "", "1.5"]) {
  Deno.test(`REGISTER with After: ${after} is answered 105, and one may try again`, async () => {
    await using server = startTestServer();
    using client = await RawClient.connect(server.port);

    assertMatch(
      await client.ask(`REGISTER alice\nAfter: ${after}\n\n`),
      /^ERROR 105 Unknown command\nFor: REGISTER alice\nReason: .+\n\n$/,
    );
    assertMatch(await client.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
  });
}

Deno.test("a client whose name is taken over in mid-flood leaves nothing behind", async () => {
  await using server = startTestServer();
  using slow = await RawClient.enter(server.port, "slow", "#r"); // never reads
  using bob = await RawClient.enter(server.port, "bob");
  const { client: old, token } = await enter(server.port, "alice");
  using _old = old;
  await old.ask("JOIN #r\n\n");
  const flood = `SEND #r\nContent-length: 4000\n\n${"x".repeat(4_000)}`;
  for (let round = 0; round < 30; round++) {
    await old.send(flood.repeat(100), "JOIN #ghost\n\nLEAVE #ghost\n\n");
    if (round === 20) break;
  }
  await old.send(flood.repeat(15), "JOIN #ghost\n\n".repeat(50));

  const { client } = await enter(server.port, "alice", `Token: ${token}\n`);
  using _client = client;
  await old.rest().catch(() => {}); // a reset, if much of it was not read
  await client.send("LOGOUT\n\n");
  await client.rest();
  await server.logged("alice disconnected: logged out");

  assertEquals(
    await bob.ask("WHO #ghost\n\n"),
    "WHO #ghost\nContent-length: 0\n\n",
  );
  slow.close();
});
