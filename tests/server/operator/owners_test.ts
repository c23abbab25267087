/** What the operator deletes and unlocks: accounts, histories, and locks. */
import { assertEquals, assertMatch } from "@std/assert";
import { SIGN_UPS } from "../../../server/limits/limits.ts";
import {
  begin,
  logIn,
  request,
  signedUp,
  signUp,
} from "../../tools/account_tools.ts";
import { elsewhere } from "../../tools/net/elsewhere.ts";
import {
  headerOf,
  RawClient,
  sent,
  steady,
} from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";
import { TestClock } from "../../tools/test_clock.ts";

Deno.test("delete ends the owner's session, voids the token, and frees the name", async () => {
  using folder = tempFolder();
  await using server = startTestServer({ db: `${folder.path}/chat.db` });
  using alice = await signedUp(server.port, "Alice");
  using bob = await RawClient.enter(server.port, "bob", "#r");

  assertEquals(
    await server.console.run("delete alice"),
    "Deleted the account Alice and ended 1 connection. The name is free. Messages to Alice are deleted; those in rooms stay.",
  );

  assertMatch(
    await alice.rest(),
    /^ERROR 117 Removed\nReason: .* deleted the account "Alice"\n/,
  );
  assertEquals(await server.console.run("accounts"), "No accounts");
  using guest = await RawClient.connect(server.port);
  assertMatch(await guest.ask("REGISTER alice\n\n"), /^REGISTERED alice\n/);
  assertEquals(await bob.ask("PING\n\n"), "PONG\n\n");
});

for (const db of ["file", "memory"]) {
  Deno.test(`nothing of the old owner reaches the new owner of a name (${db})`, async () => {
    using folder = tempFolder();
    await using server = startTestServer(
      db === "file" ? { db: `${folder.path}/chat.db` } : {},
    );
    const old = await signedUp(server.port, "alice");
    old.close();
    using signedIn = await logIn(server.port, "alice");
    const token = headerOf(signedIn.answer, "Token");
    signedIn.client.close();
    await server.logged("alice disconnected");
    using bob = await RawClient.enter(server.port, "bob");
    await bob.say("alice", "for the old owner");
    await bob.frame();
    for (let i = 0; i < 3; i++) {
      using _wrong = await logIn(server.port, "alice", { password: "wrong" });
    }

    await server.console.run("delete alice");

    using thief = await RawClient.connect(server.port);
    const resumed = await thief.ask(
      `REGISTER alice\nToken: ${token}\nAfter: 0\n\n`,
    );
    assertMatch(resumed, /^REGISTERED alice\n/);
    assertEquals(resumed.includes(token), false);
    assertEquals(
      await thief.ask("PING\n\n"),
      "PONG\n\n",
      "no message before it",
    );
    await thief.ask("LOGOUT\n\n");
    (await signedUp(server.port, "alice", "secret")).close();
    using fresh = await logIn(server.port, "alice", { password: "secret" });
    assertMatch(fresh.answer, /^REGISTERED alice\n/, "no lock is left");
    assertEquals(await fresh.client.ask("PING\n\n"), "PONG\n\n");
    using past = await logIn(server.port, "alice");
    assertMatch(past.answer, /^ERROR 111 /);
  });
}

Deno.test("what was sent to a deleted account is not in the file any more", async () => {
  using folder = tempFolder();
  const db = `${folder.path}/chat.db`;
  {
    await using server = startTestServer({ db });
    (await signedUp(server.port, "alice")).close();
    using bob = await RawClient.enter(server.port, "bob", "#r");
    await bob.say("alice", "secret");
    await bob.say("#r", "hello");
    await bob.frames(2);

    await server.console.run("delete alice");
  }
  const { DatabaseSync } = await import("node:sqlite");
  using database = new DatabaseSync(db);

  const rows = database.prepare("SELECT target FROM messages").all();

  assertEquals(rows.map(({ target }) => target), ["#r"]);
});

Deno.test("a sign-in that began before the account was deleted ends with it", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  await server.logged("alice disconnected");
  using early = await RawClient.connect(server.port);
  const { prove } = await begin(early, "alice");

  await server.console.run("delete alice");
  await early.send(prove);

  assertMatch(await early.rest(), /^ERROR 117 Removed\n/);
  assertEquals(await server.console.run("users"), "No users are connected");
});

Deno.test("delete takes the very name, and not a look-alike", async () => {
  await using server = startTestServer();
  using _alice = await signedUp(server.port, "alice");

  assertEquals(
    await server.console.run("delete a1ice"),
    'Cannot delete "a1ice": there is no such account. Type accounts to see all. Did you mean alice?',
  );
});

for (const db of ["file", "memory"]) {
  Deno.test(`forget empties the history of a room, whose members stay (${db})`, async () => {
    using folder = tempFolder();
    await using server = startTestServer(
      db === "file" ? { db: `${folder.path}/chat.db` } : {},
    );
    using alice = await RawClient.enter(server.port, "alice", "#Lab", "#other");
    await alice.say("#Lab", "old");
    await alice.say("#other", "stays");
    await alice.frames(2);

    assertEquals(server.console.complete("forget #l")[0], ["#Lab "]);
    assertEquals(
      await server.console.run("forget lab"),
      "Deleted the messages of #Lab; 1 user stays in it",
    );

    assertMatch(
      await alice.ask("HISTORY #Lab\n\n"),
      /^HISTORY #Lab\nCount: 0\n/,
    );
    await alice.say("#Lab", "new");
    assertEquals(steady(await alice.frame()), sent("#Lab", 3, 0));
    await alice.send("HISTORY #Lab\n\n");
    assertMatch(await alice.frame(), /\n\nnew$/);
    await alice.next("HISTORY");
    await alice.send("HISTORY #other\n\n");
    assertMatch(await alice.frame(), /\n\nstays$/);
  });
}

Deno.test("delete ADDRESS TIME deletes what was created there lately, and nothing from elsewhere", async () => {
  await using server = startTestServer();
  using here = elsewhere(server, "10.0.0.1");
  using there = elsewhere(server, "10.0.1.1");
  using one = await signedUp(here.port, "one");
  (await signedUp(here.port, "two")).close();
  using kept = await signedUp(there.port, "kept");
  using guest = await RawClient.enter(here.port, "guest");

  assertEquals(
    await server.console.run("delete 10.0.0.0/24 1h"),
    "Deleted 2 accounts from 10.0.0.0/24 and ended 1 connection.",
  );

  assertMatch(await one.frame(), /^ERROR 117 .*\n.*deleted the account "one"/);
  for (const client of [kept, guest]) {
    assertEquals(await client.ask("PING\n\n"), "PONG\n\n");
  }
  using _two = await signedUp(there.port, "two"); // the name is free
  assertEquals(
    await server.console.run("delete two 1h"),
    "Cannot delete two: a time is only for an address. Type: delete two",
  );
});

Deno.test("forget ADDRESS empties the rooms that were created there, and have no members", async () => {
  await using server = startTestServer();
  using here = elsewhere(server, "10.0.0.1");
  using there = elsewhere(server, "10.0.1.1");
  const foe = await RawClient.enter(here.port, "foe", "#rude1", "#rude2", "#x");
  using bob = await RawClient.enter(there.port, "bob", "#lab", "#x");
  for (const room of ["#rude1", "#rude2", "#x"]) await foe.say(room, "rude");
  await bob.say("#lab", "stays");
  await bob.next("SENT");
  for (let i = 0; i < 3; i++) await foe.next("SENT");
  await bob.send("LEAVE #lab\n\n");
  await bob.next("LEFT");
  await foe.ask("LOGOUT\n\n");
  foe.close();

  assertEquals(
    await server.console.run("forget 10.0.0.1"),
    "Deleted the messages of 2 rooms from 10.0.0.1: those without members",
  );

  const rooms = await server.console.run("rooms");
  assertEquals(rooms.match(/#\w+/g)?.sort(), ["#default", "#lab", "#x"]);
});

/** Locks accounts for the address of a door, by proofs that are wrong. */
async function lock(
  server: TestServer,
  names: readonly string[],
  address: string,
): Promise<void> {
  const accounts = await server.context.accounts.load();
  for (const name of names) {
    for (let i = 0; i < 3; i++) {
      const client = `n,,n=${name},r=${"x".repeat(20)}`;
      const login = accounts.begin(name, address, client);
      const { nonce } = login.challenge;
      const proof = `c=biws,r=${nonce},p=${btoa("x".repeat(32))}`;
      await accounts.prove(login, proof).catch(() => {});
    }
  }
}

Deno.test("a hundred locked accounts lock their network; the reason is true, and unblock lifts it", async () => {
  await using server = startTestServer({ lockoutMs: 900_000 });
  const names = Array.from({ length: 100 }, (_, i) => `user${i}x`);
  for (const name of ["alice", "bob", ...names]) {
    await (await server.context.accounts.load()).create({
      ...{ name, since: 0, keyScope: name, network: "" },
      verifier: VERIFIER,
    });
  }
  using here = elsewhere(server, "10.0.0.1");
  await lock(server, names, "10.0.0.1");
  const codeOf = async (name: string) => {
    using client = await RawClient.connect(here.port);
    const first = `n,,n=${name},r=${"x".repeat(20)}`;
    return await client.ask(request(`LOGIN ${name}`, first));
  };

  assertMatch(
    await codeOf("alice"),
    /Reason: Cannot sign in as "alice" from your address: 100 accounts are locked for it; try again in 15 minutes, or ask the operator to unlock your address\nRetry-after: \d+\n/,
  );
  assertMatch(
    await server.console.run("bans"),
    /^101 locks:\n {2}all accounts {2}at 10\.0\.0\.1 {2}until [-\d]+ [:\d]+\n {2}user0x [^]*\n {2}and 1 more$/,
  );
  assertEquals(
    await server.console.run("unblock alice"),
    "Unlocked alice, also where all accounts are locked: 10.0.0.1. To unlock the others there, type: unblock 10.0.0.1",
  );
  assertMatch(await codeOf("alice"), /^CHALLENGE/);
  assertMatch(await codeOf("bob"), /^ERROR 112/);
  assertEquals(
    await server.console.run("unblock 10.0.0.1"),
    "Unlocked the address 10.0.0.1, for 100 accounts",
  );
  for (const name of ["bob", "user0x"]) {
    assertMatch(await codeOf(name), /^CHALLENGE/);
  }
  assertEquals(await server.console.run("bans"), "No bans, mutes or locks");
});

Deno.test("an address that used up its shares is told in the log and by bans, and unblock gives them again", async () => {
  using folder = tempFolder();
  const clock = new TestClock();
  await using server = startTestServer({ db: `${folder.path}/chat.db`, clock });
  const { limits, now } = server.context;
  using here = elsewhere(server, "10.0.0.1");
  using bob = await RawClient.enter(here.port, "bob", "#r");
  const { address, pace } = [...server.context.sessions][0]!;
  pace.countStored(250_000, 0, now());
  for (let i = 0; i <= SIGN_UPS.burst; i++) address.countSignUp(now());
  const send = async () => {
    await bob.say("#r", "hello");
    return await bob.frame();
  };

  assertMatch(await send(), /^ERROR 108 /);
  await server.logged(
    "10.0.0.1 has used up its share of messages. A part comes back in 15 minutes. To give it all, type: unblock 10.0.0.1",
  );
  await server.logged("10.0.0.1 has used up its share of accounts. ");
  assertMatch(
    await server.console.run("bans"),
    /^2 used shares:\n {2}10\.0\.0\.1 {2}messages {2}until [-\d]+ [:\d]+\n {2}10\.0\.0\.1 {2}accounts {2}until /,
  );
  assertEquals(limits.toBeTold(now()), []);
  assertEquals(
    await server.console.run("unblock 10.0.0.0/8"),
    "Unlocked the network 10.0.0.0/8. It gets its shares again.",
  );

  assertMatch(await send(), /^SENT /);
  assertEquals(await server.console.run("bans"), "No bans, mutes or locks");
  assertMatch(await bob.ask(await signUp("bob")), /^REGISTERED bob\n/);
  pace.countStored(249_000, 0, now());
  assertEquals(limits.toBeTold(now()), []);
  clock.pass(3_600_000);
  pace.countStored(10_000, 0, now());
  assertEquals(limits.toBeTold(now()).map(({ what }) => what), ["messages"]);
});

Deno.test("wrong proofs for a hundred names that nobody has lock and store nothing", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  for (let i = 0; i < 100; i++) {
    using client = await RawClient.connect(server.port);
    const name = `nobody${i}x`;
    const first = `n,,n=${name},r=${"x".repeat(20)}`;
    for (let j = 0; j < 3; j++) {
      const answer = await client.ask(request(`LOGIN ${name}`, first));
      assertMatch(answer, /^ERROR 121 /);
      const proof = request(`PROVE ${name}`, "c=biws,r=x,p=x");
      assertMatch(await client.ask(proof), /^ERROR 105 /);
    }
  }

  assertEquals(await server.console.run("bans"), "No bans, mutes or locks");
  using alice = await logIn(server.port, "alice");
  assertMatch(alice.answer, /^REGISTERED alice\n/);
});

const KEY = btoa("x".repeat(32));
const VERIFIER = `SCRAM-SHA-256$4096:${btoa("x".repeat(16))}$${KEY}:${KEY}`;
