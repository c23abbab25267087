/** Messages for an account that is away, and which of them it gets when. */
import { assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp, signUp } from "../tools/account_tools.ts";
import {
  forward,
  headerOf,
  RawClient,
  sent,
  steady,
} from "../tools/net/raw_client.ts";
import { startTestServer } from "../tools/net/test_server.ts";

Deno.test("a message to an account that is away waits for its login", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "Alice")).close();
  await server.logged("Alice disconnected");
  using bob = await RawClient.enter(server.port, "bob");

  await bob.say("a1ice", "are you there?");
  assertEquals(steady(await bob.next("SENT")), sent("Alice", 1, 0));
  await bob.say("carol", "and you?");
  assertMatch(await bob.frame(), /^ERROR 102 Unable to send\n/);
  using alice = await logIn(server.port, "alice");

  assertMatch(alice.answer, /^REGISTERED Alice\n/);
  assertEquals(
    steady(await alice.client.frame()),
    forward("bob", "Alice", 1, "are you there?"),
  );
});

Deno.test("a classic user can write to an account that is away", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  await server.logged("alice disconnected");
  using bob = await RawClient.classic(server.port, "bob");

  await bob.out.say("alice", "hello");
  assertEquals(await bob.out.frame(), "SEND alice\n\n");

  using alice = await logIn(server.port, "alice");
  assertEquals(
    steady(await alice.client.frame()),
    forward("bob", "alice", 1, "hello"),
  );
});

/** Sends a message and waits until it is stored. */
async function tell(from: RawClient, name: string, text: string) {
  await from.say(name, text);
  return Number(headerOf(await from.next("SENT"), "Id"));
}

/** The ids of what is forwarded, up to the answer to a PING of ours. */
async function idsHeard(client: RawClient): Promise<number[]> {
  await client.send("PING\n\n");
  const ids: number[] = [];
  for (;;) {
    const frame = await client.frame();
    if (frame.startsWith("PONG")) return ids;
    if (frame.startsWith("FORWARD")) ids.push(Number(headerOf(frame, "Id")));
  }
}

Deno.test("a forwarded message is forwarded again until it has surely arrived", async () => {
  await using server = startTestServer();
  const away = await signedUp(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  const first = await tell(bob, "alice", "one");
  away.close();
  await server.logged("alice disconnected");
  const second = await tell(bob, "alice", "two");

  for (const _login of [1, 2]) {
    using alice = await logIn(server.port, "alice");
    assertEquals(await idsHeard(alice.client), [first, second]);
  }
});

Deno.test("a user who logs out is not sent again what was sent before", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  using away = await signedUp(server.port, "alice");
  await tell(bob, "alice", "one");
  await away.next("FORWARD");
  assertEquals(await away.ask("LOGOUT\n\n"), "BYE\n\n");
  assertEquals(await away.rest(), "");
  const second = await tell(bob, "alice", "two");

  using alice = await logIn(server.port, "alice");

  assertEquals(await idsHeard(alice.client), [second]);
});

Deno.test("a PONG says that everything before the PING has arrived", async () => {
  await using server = startTestServer({ pingAfterMs: 0 });
  using bob = await RawClient.enter(server.port, "bob");
  const away = await signedUp(server.port, "alice");
  await tell(bob, "alice", "one");
  await away.next("FORWARD");
  await away.next("PING"); // which may be older than the message
  await away.send("PONG\n\n");
  await away.next("PING");
  await away.send("PONG\n\n");
  await away.send("WHO ALL\n\n");
  await away.next("WHO"); // so that the PONG was understood
  away.close();
  await server.logged("alice disconnected");
  const second = await tell(bob, "alice", "two");

  using alice = await logIn(server.port, "alice");

  assertEquals(await idsHeard(alice.client), [second]);
});

Deno.test("a PONG that nobody asked for says nothing", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const away = await signedUp(server.port, "alice");
  const first = await tell(bob, "alice", "one");
  await away.send("PONG\n\nPONG\n\nPING\n\n");
  await away.next("PONG");
  away.close();
  await server.logged("alice disconnected");

  using alice = await logIn(server.port, "alice");

  assertEquals(await idsHeard(alice.client), [first]);
});

Deno.test("a client that sends After gets each message once, those to ALL too", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  const away = await signedUp(server.port, "alice");
  const first = await tell(bob, "alice", "one");
  await away.next("FORWARD");
  away.close();
  await server.logged("alice disconnected");
  const second = await tell(bob, "alice", "two");
  const third = await tell(bob, "ALL", "three");

  {
    const headers = `After: ${first}\n`;
    using alice = await logIn(server.port, "alice", { headers });
    assertEquals(await idsHeard(alice.client), [second, third]);
  }
  const headers = `After: ${third}\n`;
  using alice = await logIn(server.port, "alice", { headers });
  assertEquals(await idsHeard(alice.client), []);
  using fresh = await logIn(server.port, "alice");
  assertEquals(await idsHeard(fresh.client), []);
});

Deno.test("an After from the future loses nothing", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  await server.logged("alice disconnected");
  using bob = await RawClient.enter(server.port, "bob");
  const first = await tell(bob, "alice", "one");

  for (const _login of [1, 2]) {
    const headers = "After: 999999999999999\n";
    using alice = await logIn(server.port, "alice", { headers });
    assertEquals(await idsHeard(alice.client), [first]);
  }
});

Deno.test("an After that is no number is refused before the password counts", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  const headers = "After: soon\n";

  using alice = await logIn(server.port, "alice", { headers });

  assertMatch(alice.answer, /^ERROR 105 Unknown command\nFor: PROVE alice\n/);
});

Deno.test("PROVE with the token of a visit replays its rooms too", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob", "#lab");
  const away = await RawClient.connect(server.port);
  const token = headerOf(await away.ask(await signUp("alice")), "Token");
  await away.ask("JOIN #lab\n\n");
  const first = await tell(bob, "#lab", "one");
  away.close();
  await server.logged("alice disconnected");
  const second = await tell(bob, "#lab", "two");

  const headers = `Token: ${token}\nAfter: ${first}\n`;
  using alice = await logIn(server.port, "alice", { headers });

  assertEquals(headerOf(alice.answer, "Token"), token);
  assertEquals(await idsHeard(alice.client), [second]);
});

Deno.test("messages to a guest are not sent to the next guest of the name", async () => {
  await using server = startTestServer();
  using guest = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  await tell(bob, "alice", "for the guest");
  await guest.send("LOGOUT\n\n");
  await server.logged("alice disconnected");
  (await signedUp(server.port, "alice")).close();

  for (const headers of ["", "After: 0\n"]) {
    using alice = await logIn(server.port, "alice", { headers });
    assertEquals(await idsHeard(alice.client), []);
  }
});

/** Registers, with more headers. */
async function enter(port: number, name: string, headers = "") {
  const client = await RawClient.connect(port);
  return { client, answer: await client.ask(`REGISTER ${name}\n${headers}\n`) };
}

for (const own of [true, false]) {
  const whose = own ? "the server's" : "another";
  Deno.test(`After with ${whose} Journal replays ${own ? "all" : "nothing"}`, async () => {
    await using server = startTestServer();
    using bob = await RawClient.enter(server.port, "bob", "#r");
    const { client: old, answer: before } = await enter(server.port, "alice");
    const token = headerOf(before, "Token");
    await old.ask("JOIN #r\n\n");
    await bob.next("NOTICE joined");
    old.close();
    await bob.next("NOTICE offline");
    await bob.say("#r", "missed");
    await bob.next("SENT");
    const id = own ? server.context.journal.id : "0".repeat(32);

    const { client, answer } = await enter(
      server.port,
      "alice",
      `Token: ${token}\nAfter: 0\nJournal: ${id}\n`,
    );
    using _client = client;
    await bob.say("alice", "new");

    assertEquals(headerOf(answer, "Token"), token);
    assertEquals(headerOf(answer, "Journal"), server.context.journal.id);
    const missed = own ? [forward("bob", "#r", 1, "missed")] : [];
    assertEquals((await client.frames(missed.length + 1)).map(steady), [
      ...missed,
      forward("bob", "alice", 2, "new"),
    ]);
  });
}
