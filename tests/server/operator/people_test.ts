/** Bans and mutes of addresses, and of those who come back under other names. */
import { assertEquals, assertMatch } from "@std/assert";
import { MAX_MUTES } from "../../../server/accounts/mutes.ts";
import { logIn, request, signedUp, signUp } from "../../tools/account_tools.ts";
import { elsewhere } from "../../tools/net/elsewhere.ts";
import { headerOf, RawClient, steady } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

const AS_ALICE =
  "ERROR 120 Muted\nFor: SEND #r\nReason: Cannot send: you are muted, as alice at your address is; ask the operator to unmute carol\n\n";

/** What a client is answered that sends to a room. */
async function send(client: RawClient): Promise<string> {
  await client.say("#r", "x");
  for (;;) {
    const frame = await client.frame();
    if (!/^(NOTICE|FORWARD) /.test(frame)) return steady(frame);
  }
}

Deno.test("a muted user who returns under a new name is muted, until the operator unmutes it", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db` };
  let token: string;
  {
    await using server = startTestServer(options);
    using here = elsewhere(server, "10.0.0.1");
    using there = elsewhere(server, "10.0.0.2");
    using bob = await RawClient.connect(here.port);
    await bob.send("REGISTER bob\n\n");
    token = headerOf(await bob.next("REGISTERED"), "Token");
    await bob.ask("JOIN #r\n\n");
    const alice = await RawClient.enter(here.port, "alice", "#r");
    await server.console.run("mute alice");
    alice.close();

    using carol = await RawClient.enter(here.port, "carol", "#r");
    using dave = await RawClient.enter(there.port, "dave", "#r");

    assertEquals(await send(carol), AS_ALICE);
    assertMatch(
      await carol.ask(`CALL bob\nSession: ${"a".repeat(32)}\n\n`),
      /Cannot call: you are muted, as alice at your address is/,
    );
    assertMatch(await send(bob), /^SENT/);
    assertMatch(await send(dave), /^SENT/);
    await server.logged("carol <10.0.0.1:");
    const users = await server.console.run("users");
    assertMatch(users, /carol +10\.0\.0\.1:\d+ +guest, muted as alice is +#r/);
  }
  await using server = startTestServer(options);
  using here = elsewhere(server, "10.0.0.1");
  using carol = await RawClient.enter(here.port, "carol", "#r");
  assertEquals(await send(carol), AS_ALICE);
  {
    using bob = await RawClient.connect(here.port);
    await bob.send(`REGISTER bob\nToken: ${token}\n\nJOIN #r\n\n`);
    await bob.next("JOINED");
    assertMatch(await send(bob), /^SENT/);
    await bob.ask("LOGOUT\n\n");
  }
  using stranger = await RawClient.enter(here.port, "bob", "#r");
  assertMatch(await send(stranger), /^ERROR 120 /);

  assertEquals(
    await server.console.run("unmute carol"),
    "Unmuted carol, who was muted as alice is",
  );

  assertMatch(await send(carol), /^SENT/);
  assertEquals(
    await server.console.run("unmute carol"),
    "Cannot unmute carol: it is not muted. Type bans to see the mutes.",
  );
});

Deno.test("neither a guest nor a new account nor a classic client is a way around a mute", async () => {
  await using server = startTestServer();
  using here = elsewhere(server, "10.0.0.1");
  (await signedUp(here.port, "old")).close();
  const alice = await RawClient.enter(here.port, "alice");
  await server.console.run("mute alice");
  alice.close();

  using fresh = await signedUp(here.port, "fresh");
  using classic = await RawClient.classic(here.port, "classic");
  using old = await logIn(here.port, "old");

  await fresh.say("old", "x");
  assertMatch(await fresh.frame(), /^ERROR 120 .*\n.*\nReason: .*as alice/);
  assertEquals(
    await classic.out.ask("SEND old\nContent-length: 1\n\nx"),
    "ERROR 102 Unable to send\n\n",
  );
  await old.client.say("fresh", "x");
  assertMatch(await old.client.frame(), /^SENT/);
});

Deno.test("an account that a muted guest's neighbour makes of its own name talks on", async () => {
  await using server = startTestServer();
  using here = elsewhere(server, "10.0.0.1");
  using bob = await RawClient.enter(here.port, "bob", "#r");
  using _alice = await RawClient.enter(here.port, "alice");
  await server.console.run("mute alice");

  await bob.ask(await signUp("bob"));

  assertMatch(await send(bob), /^SENT/);
});

Deno.test("the mute of an address covers its network, and its answer counts the users", async () => {
  await using server = startTestServer();
  using one = elsewhere(server, "2001:db8::1");
  using two = elsewhere(server, "2001:db8::2:2");
  using other = elsewhere(server, "2001:db8:0:1::1");
  using alice = await RawClient.enter(one.port, "alice", "#r");
  using bob = await RawClient.enter(other.port, "bob", "#r");

  assertEquals(
    await server.console.run("mute 2001:db8::1"),
    "Muted the network 2001:db8::/64: 1 user. To let one of them send, type: unmute NAME",
  );

  using carol = await RawClient.enter(two.port, "carol", "#r");
  for (const client of [alice, carol]) {
    assertMatch(await send(client), /the operator has muted your address\n/);
  }
  assertMatch(await send(bob), /^SENT/);
  assertMatch(
    await server.console.run("users"),
    /alice .*guest, muted with the network 2001:db8::\/64/,
  );
  assertEquals(
    await server.console.run("unmute 2001:db8::2"),
    "Unmuted the network 2001:db8::/64",
  );
  assertMatch(await send(alice), /^SENT/);
});

for (
  const [typed, answer, gone, stays] of [
    [
      "2001:db8::1",
      "Banned the network 2001:db8::/64 and ended 2 connections\nIt has no end. To give it an end, type: ban 2001:db8::/64 10m",
      ["2001:db8::1", "2001:db8::ff"],
      "2001:db8:0:1::1",
    ],
    [
      "10.0.0.0/8 1h spam",
      "Banned the network 10.0.0.0/8 for 1 hour and ended 2 connections",
      ["10.0.0.1", "10.255.0.1"],
      "11.0.0.1",
    ],
    [
      "fe80::1%eth0",
      "Banned the address fe80::1, on every interface and ended 1 connection\nIt has no end. To give it an end, type: ban fe80::1 10m",
      ["fe80::1"],
      "fe80::2",
    ],
    [
      "::ffff:10.0.0.1",
      "Banned the address 10.0.0.1 and ended 2 connections\nIt has no end. To give it an end, type: ban 10.0.0.1 10m",
      ["10.0.0.1", "::ffff:10.0.0.1"],
      "10.0.0.2",
    ],
  ] as const
) {
  Deno.test(`ban ${typed} ends the connections from there, and refuses new ones`, async () => {
    await using server = startTestServer();
    const doors = gone.map((address) => elsewhere(server, address));
    using outside = elsewhere(server, stays);
    const clients = await Promise.all(
      doors.map(({ port }, index) => RawClient.enter(port, `user${index}x`)),
    );
    using other = await RawClient.enter(outside.port, "other");

    assertEquals(await server.console.run(`ban ${typed}`), answer);

    for (const client of clients) {
      assertMatch(await client.rest(), /^ERROR 117 [^]* is banned/);
    }
    assertEquals(await other.ask("PING\n\n"), "PONG\n\n");
    for (const { port } of doors) {
      using again = await RawClient.connect(port);
      assertMatch(await again.rest(), /^ERROR 117 /);
    }
    for (const door of doors) door[Symbol.dispose]();
  });
}

Deno.test("unban of an address inside of a banned network says which ban it is", async () => {
  await using server = startTestServer();
  await server.console.run("ban 10.0.0.0/8");

  assertEquals(
    await server.console.run("unban 10.0.0.1"),
    "Cannot unban the address 10.0.0.1: the network 10.0.0.0/8 is banned. To remove that ban, type: unban 10.0.0.0/8",
  );
  assertEquals(
    await server.console.run("unban 10.9.9.9/8"),
    "Removed the ban of the network 10.0.0.0/8",
  );
  assertEquals(await server.console.run("bans"), "No bans, mutes or locks");
});

Deno.test("guesses from forty addresses of one network of IPv6 are locked as one", async () => {
  await using server = startTestServer();
  (await signedUp(server.port, "alice")).close();
  const codes: string[] = [];

  for (let i = 1; i <= 10; i++) {
    using door = elsewhere(server, `2001:db8::${i}`);
    using client = await RawClient.connect(door.port);
    const first = `n,,n=alice,r=${"x".repeat(20)}`;
    const challenge = await client.ask(request("LOGIN alice", first));
    const nonce = /r=([^,]+),/.exec(challenge)?.[1];
    if (nonce === undefined) {
      codes.push(challenge.slice(6, 9));
      continue;
    }
    const proof = `c=biws,r=${nonce},p=${btoa("x".repeat(32))}`;
    const answer = await client.ask(request("PROVE alice", proof));
    codes.push(answer.slice(6, 9));
  }

  assertEquals(codes, ["111", "111", ...Array(8).fill("112")]);
  using outside = elsewhere(server, "2001:db8:0:1::1");
  using alice = await logIn(outside.port, "alice");
  assertMatch(alice.answer, /^REGISTERED alice\n/);
});

Deno.test("the operator is told how many mutes there can be, and how to remove one", async () => {
  await using server = startTestServer();
  const mutes = await server.context.mutes.load();
  await Promise.all(Array.from({ length: MAX_MUTES }, (_, i) => {
    return mutes.add({ kind: "name", value: `u${i}x` }, Infinity);
  }));

  assertEquals(
    await server.console.run("mute bob"),
    "Cannot mute: the limit of 1,000 mutes is reached. Type bans to see all, and unmute to remove one.",
  );
  assertMatch(await server.console.run("mute U8X 10m"), /^Muted U8X for 10/);
});

Deno.test("kick ends all connections of an address or a network, and no others", async () => {
  await using server = startTestServer();
  using here = elsewhere(server, "10.0.0.1");
  using there = elsewhere(server, "10.0.1.1");
  using bob = await RawClient.enter(here.port, "bob");
  using _carol = await RawClient.enter(here.port, "carol");
  using dave = await RawClient.enter(there.port, "dave");

  assertEquals(
    await server.console.run("kick 10.0.0.0/24 too loud"),
    "Disconnected 10.0.0.0/24: 2 connections",
  );

  assertMatch(
    await bob.frame(),
    /^ERROR 117 .*\n.*disconnected you \(too loud\)/,
  );
  assertEquals(await dave.ask("PING\n\n"), "PONG\n\n");
  using _bob = await RawClient.enter(here.port, "bob"); // who may return
  assertEquals(
    await server.console.run("kick 10.0.0.1 10m"),
    "Disconnected 10.0.0.1: 1 connection, who may return at once. To refuse 10.0.0.1, type: ban 10.0.0.1 10m",
  );
});
