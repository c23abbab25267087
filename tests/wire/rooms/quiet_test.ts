/** SET: quiet rooms, voice and topics; who may, and what the others are told. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  bodyOf,
  error,
  logIn,
  newModerator,
  request,
  signedUp,
} from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

/** The answer to a request, whatever NOTICE comes before it. */
async function answer(client: RawClient, frame: string): Promise<string> {
  await client.send(frame);
  for (;;) {
    const next = await client.frame();
    if (!/^(NOTICE|FORWARD)/.test(next)) return next;
  }
}

const QUIET = "SET #lab\nQuiet: yes\n\n";

function refused(room: string): string {
  return error(
    "120 Muted",
    `SEND ${room}`,
    `Cannot send to ${room}: it is quiet: its owner, moderators and users with voice send`,
  );
}

Deno.test("in a quiet room its owner, moderators and users with voice send", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  assertMatch(
    await alice.ask("JOIN #lab\n\n"),
    /^JOINED #lab\nMembers: 1\n.*\n.*\nOwner: alice\n\n$/,
  );
  using mod = await newModerator(server, "mia", server.port);
  await answer(mod, "JOIN #lab\n\n");
  using bob = await RawClient.enter(server.port, "bob", "#lab");
  using carol = await RawClient.enter(server.port, "carol", "#lab");

  assertEquals(await answer(alice, QUIET), "CHANGED #lab\n\n");
  assertEquals(
    await bob.next("NOTICE set"),
    "NOTICE set\nRoom: #lab\nBy: alice\nQuiet: yes\n\n",
  );
  const words = request("SEND #lab", "hi");
  const inOtherCase = request("SEND #LAB", "hi");
  assertEquals(await answer(bob, words), refused("#lab"));
  assertMatch(await answer(bob, inOtherCase), /^ERROR 120 /);
  assertMatch(await answer(bob, words + words), /^ERROR 120 /);
  await bob.frame();
  assertMatch(await answer(alice, words), /^SENT #lab\n/);
  assertMatch(await answer(mod, words), /^SENT #lab\n/);
  assertMatch(await answer(bob, request("SEND carol", "hi")), /^SENT carol\n/);

  assertEquals(
    await answer(alice, "SET #lab\nVoice: BOB\n\n"),
    "CHANGED #lab\n\n",
  );
  assertEquals(
    await carol.next("NOTICE set\nRoom: #lab\nBy: alice\nVoice"),
    "NOTICE set\nRoom: #lab\nBy: alice\nVoice: bob\n\n",
  );
  assertMatch(await answer(bob, words), /^SENT #lab\n/);
  assertMatch(await answer(carol, words), /^ERROR 120 /);
  using dave = await RawClient.enter(server.port, "dave");
  assertMatch(
    await dave.ask("JOIN #lab\n\n"),
    /\nOwner: alice\nQuiet: yes\nVoice: bob\n\n$/,
  );

  await answer(mod, "SET #lab\nUnvoice: bob\n\n");
  assertEquals(
    await dave.next("NOTICE set\nRoom: #lab\nBy: mia"),
    "NOTICE set\nRoom: #lab\nBy: mia\nUnvoice: bob\n\n",
  );
  assertMatch(await answer(bob, words), /^ERROR 120 /);
  await answer(mod, "SET #lab\nQuiet: no\n\n");
  assertMatch(await answer(bob, words), /^SENT #lab\n/);
});

Deno.test("the topic comes with JOINED and NOTICE set, and can be removed", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  await alice.ask("JOIN #lab\n\n");
  using bob = await RawClient.enter(server.port, "bob", "#lab");

  await answer(alice, request("SET #lab", " Homework: \u{1f4da} by Friday\n"));
  const notice = await bob.next("NOTICE set");
  const joined = await answer(bob, "JOIN #lab\n\n");
  await answer(alice, "SET #lab\nContent-length: 0\n\n");
  const removed = await bob.next("NOTICE set");

  assertEquals(
    notice,
    "NOTICE set\nRoom: #lab\nBy: alice\nContent-length: 24\n\nHomework: \u{1f4da} by Friday",
  );
  assertEquals(bodyOf(joined), "Homework: \u{1f4da} by Friday");
  assertEquals(
    removed,
    "NOTICE set\nRoom: #lab\nBy: alice\nContent-length: 0\n\n",
  );
  assertEquals(bodyOf(await answer(bob, "JOIN #lab\n\n")), "");
});

Deno.test("SET is for the owner and moderators who are in the room", async () => {
  await using server = startTestServer();
  using guest = await RawClient.enter(server.port, "guest", "#g", "#default");
  using alice = await signedUp(server.port, "alice");
  await alice.ask("JOIN #lab\n\n");
  await answer(guest, "JOIN #lab\n\n");
  await answer(alice, "JOIN #g\n\n");
  const why = "only its owner and moderators can";
  const not = (room: string) =>
    error("122 Not allowed", `SET ${room}`, `Cannot change ${room}: ${why}`);

  assertEquals(await answer(guest, QUIET), not("#lab"));
  assertEquals(await answer(guest, "SET #g\nQuiet: yes\n\n"), not("#g"));
  assertEquals(await answer(alice, "SET #g\nQuiet: yes\n\n"), not("#g"));
  for (const room of ["#nowhere", "#default"]) {
    assertMatch(
      await answer(alice, `SET ${room}\nQuiet: yes\n\n`),
      /^ERROR 109 Not in room\n/,
    );
  }
  await server.console.run("op alice");
  assertEquals(
    await answer(alice, "SET #G\nQuiet: yes\n\n"),
    "CHANGED #g\n\n",
  );
});

const MALFORMED: readonly [frame: string, answer: RegExp][] = [
  ["SET #lab\n\n", /^ERROR 105 .*SET has Quiet, Voice, Unvoice, or a topic/s],
  ["SET\n\n", /^ERROR 105 /],
  ["SET #lab x\n\n", /^ERROR 105 /],
  ["SET lab\nQuiet: yes\n\n", /^ERROR 109 /],
  ["SET #lab\nQuiet: maybe\n\n", /^ERROR 105 .*neither yes nor no/s],
  ["SET #lab\nQuiet: yes\nQuiet: no\n\n", /^ERROR 105 .*Quiet is there twice/s],
  ["SET #lab\nVoice: ghost\n\n", /^ERROR 102 .*no user "ghost" is connected/s],
  ["SET #lab\nVoice: a b\n\n", /^ERROR 102 /],
  ["SET #lab\nVoice: alice\nUnvoice: alice\n\n", /^ERROR 105 .*two requests/s],
  ["SET #lab\nUnvoice: bob\n\n", /^ERROR 102 .*"bob" has no voice/s],
  [request("SET #lab", "a\nb"), /^ERROR 105 .*not one line/s],
  [request("SET #lab", "a\u2028b"), /^ERROR 105 .*not one line/s],
  [request("SET #lab", "x".repeat(1_001)), /^ERROR 106 .*1001.*Limit: 1000/s],
  [request("SET #lab", "x".repeat(65_536)), /^ERROR 106 .*Limit: 1000/s],
  [request("SET #lab", "x".repeat(65_537)), /^ERROR 106 .*Limit: 65536/s],
];

Deno.test("SET refuses what is no setting, clearly, and changes nothing", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  const before = await alice.ask("JOIN #lab\n\n");
  using bob = await RawClient.enter(server.port, "bob", "#lab");
  for (const [frame, expected] of MALFORMED) {
    assertMatch(await answer(alice, frame), expected, frame.slice(0, 60));
  }
  const bytes = new Uint8Array([0xff]);
  await alice.send("SET #lab\nContent-length: 1\n\n", bytes);
  assertMatch(await alice.next("ERROR"), /^ERROR 107 /);

  assertEquals(
    (await answer(alice, "JOIN #lab\n\n")).replace(/Members: .*|Time: .*/g, ""),
    before.replace(/Members: .*|Time: .*/g, ""),
  );
  assertEquals(await bob.ask("PING\n\n"), "PONG\n\n"); // and no NOTICE
  assertMatch(
    await answer(alice, request("SET #lab", "x".repeat(1_000))),
    /^CHANGED /,
  );
});

Deno.test("settings outlive a restart; the next owner of the name owns nothing", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db` };
  {
    await using server = startTestServer(options);
    using alice = await signedUp(server.port, "alice");
    using bob = await signedUp(server.port, "bob");
    await alice.ask("JOIN #Lab\n\n");
    await bob.ask("JOIN #Lab\n\n");
    await answer(alice, request("SET #Lab", "Tea", "Quiet: yes\nVoice: bob\n"));
  }
  await using server = startTestServer(options);
  await server.ready;
  const settings = /^JOINED #Lab\n.*\nQuiet: yes\nVoice: bob\n.*\n\nTea$/s;
  {
    using alice = await logIn(server.port, "alice");
    using bob = await logIn(server.port, "bob");
    const joined = await answer(alice.client, "JOIN #lab\n\n");
    assertMatch(joined, settings);
    assertEquals(headerOf(joined, "Owner"), "alice");
    await answer(bob.client, "JOIN #lab\n\n");
    assertMatch(
      await answer(bob.client, request("SEND #lab", "x")),
      /^SENT #Lab/,
    );
    await server.console.run("delete alice");
    await server.console.run("delete bob");
    await alice.client.rest();
    await bob.client.rest();
  }
  using alice = await signedUp(server.port, "alice");
  using bob = await signedUp(server.port, "bob");
  const joined = await answer(alice, "JOIN #lab\n\n");
  assertMatch(joined, settings);
  assertEquals(headerOf(joined, "Owner"), "");
  await answer(bob, "JOIN #lab\n\n");
  assertMatch(await answer(alice, QUIET), /^ERROR 122 /);
  assertMatch(await answer(bob, request("SEND #lab", "x")), /^ERROR 120 /);
});

Deno.test("the voice of a guest ends when another user takes the name", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  await alice.ask("JOIN #lab\n\n");
  let token: string;
  {
    using bob = await RawClient.connect(server.port);
    token = headerOf(await bob.ask("REGISTER bob\n\n"), "Token")!;
    await answer(bob, "JOIN #lab\n\n");
    await answer(alice, "SET #lab\nQuiet: yes\nVoice: bob\n\n");
    assertMatch(await answer(bob, request("SEND #lab", "x")), /^SENT /);
  }
  {
    using bob = await RawClient.connect(server.port);
    const back = await answer(bob, `REGISTER bob\nToken: ${token}\n\n`);
    assertMatch(back, /^REGISTERED /);
    await answer(bob, "JOIN #lab\n\n");
    assertMatch(await answer(bob, request("SEND #lab", "x")), /^SENT /);
    await bob.ask("LOGOUT\n\n");
  }
  using thief = await RawClient.enter(server.port, "bob", "#lab");
  assertEquals(
    await alice.next("NOTICE set\nRoom: #lab\nUnvoice"),
    "NOTICE set\nRoom: #lab\nUnvoice: bob\n\n",
  );
  assertMatch(await answer(thief, request("SEND #lab", "x")), /^ERROR 120 /);
});

Deno.test("what forgets a room ends its settings, and its members are told", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  await alice.ask("JOIN #lab\n\n");
  await answer(alice, request("SET #lab", "Tea", "Quiet: yes\n"));
  using bob = await RawClient.enter(server.port, "bob", "#lab");

  assertMatch(await server.console.run("forget #lab"), /^Deleted the messages/);

  assertEquals(
    await bob.next("NOTICE set"),
    "NOTICE set\nRoom: #lab\nQuiet: no\nContent-length: 0\n\n",
  );
  assertMatch(await answer(bob, request("SEND #lab", "x")), /^SENT /);
  const joined = await answer(bob, "JOIN #lab\n\n");
  assertEquals(headerOf(joined, "Owner"), "");
});

Deno.test("a room that begins anew is its creator's, unless it has settings", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using bob = await signedUp(server.port, "bob");
  using carol = await RawClient.enter(server.port, "carol");
  await alice.ask("JOIN #lab\n\n");
  await alice.ask("LEAVE #lab\n\n");
  await alice.ask("JOIN #topic\n\n");
  await answer(alice, request("SET #topic", "Tea"));
  await answer(alice, "LEAVE #topic\n\n");

  const owner = async (client: RawClient, room: string) =>
    headerOf(await answer(client, `JOIN ${room}\n\n`), "Owner");
  assertEquals(await owner(bob, "#lab"), "bob");
  assertEquals(await owner(bob, "#topic"), "alice");
  assertEquals(await owner(alice, "#lab"), "bob");
  await answer(alice, "LEAVE #lab\n\n");
  await answer(bob, "LEAVE #lab\n\n");
  assertEquals(await owner(carol, "#lab"), "");
  assertEquals(await owner(bob, "#lab"), "");
});

Deno.test("at most 50 users have voice in a room", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  await alice.ask("JOIN #lab\n\n");
  const names = Array.from({ length: 51 }, (_, i) => `user${i}x`);
  using all = new DisposableStack();
  for (const name of names) {
    all.use(await RawClient.enter(server.port, name));
  }
  for (const name of names.slice(0, 50)) {
    assertMatch(
      await answer(alice, `SET #lab\nVoice: ${name}\n\n`),
      /^CHANGED /,
    );
  }
  assertMatch(
    await answer(alice, `SET #lab\nVoice: ${names[50]}\n\n`),
    /^ERROR 106 .*Cannot give voice in #lab: 50 users.*Limit: 50/s,
  );
  await answer(alice, `SET #lab\nUnvoice: ${names[0]}\n\n`);
  assertMatch(
    await answer(alice, `SET #lab\nVoice: ${names[50]}\n\n`),
    /^CHANGED /,
  );
});

Deno.test("two-socket users are held to a quiet #default, and told nothing new", async () => {
  await using server = startTestServer();
  using mod = await newModerator(server, "mia", server.port);
  await answer(mod, "JOIN #default\n\n");
  using classic = await RawClient.classic(server.port, "old");
  await mod.next("NOTICE joined");
  await answer(mod, request("SET #default", "Tea", "Quiet: yes\n"));

  assertEquals(
    await classic.out.ask(request("SEND #default", "x")),
    "ERROR 102 Unable to send\n\n",
  );
  await answer(mod, "SET #default\nVoice: old\n\n");
  await classic.out.send(request("SEND #default", "x"));
  assertMatch(await mod.next("FORWARD"), /^FORWARD old\n/);
  assertEquals(await classic.out.frame(), "SEND #default\n\n");
  await mod.send(request("SEND #default", "first"));
  assertEquals(
    await classic.in.frame(),
    "FORWARD mia\nContent-length: 5\n\nfirst",
  );
});

Deno.test("with --all-by moderators, others cannot send to ALL", async () => {
  await using server = startTestServer({ allBy: "moderators" });
  using mod = await newModerator(server, "mia", server.port);
  using bob = await RawClient.enter(server.port, "bob", "#default");
  using classic = await RawClient.classic(server.port, "old");

  assertEquals(
    await answer(bob, request("SEND all", "x")),
    error(
      "120 Muted",
      "SEND all",
      "Cannot send to ALL: on this server, only moderators can",
    ),
  );
  assertEquals(
    await classic.out.ask(request("SEND ALL", "x")),
    "ERROR 102 Unable to send\n\n",
  );
  await mod.send(request("SEND ALL", "x"));
  assertMatch(await bob.next("FORWARD"), /^FORWARD mia\nTo: ALL\n/);
});

Deno.test("ROOMS tells what is quiet, and the beginning of a topic", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  for (const room of ["#a", "#b", "#c"]) {
    await answer(alice, `JOIN ${room}\n\n`);
  }
  await answer(alice, "SET #a\nQuiet: yes\n\n");
  await answer(alice, request("SET #b", "quiet : Tea"));
  await answer(
    alice,
    request("SET #c", "\u{1f375}".repeat(101), "Quiet: yes\n"),
  );

  assertEquals(
    bodyOf(await answer(alice, "ROOMS\n\n")),
    `#default 0\n#a 1 quiet\n#b 1 : quiet : Tea\n#c 1 quiet : ${
      "\u{1f375}".repeat(100)
    }\u2026\n`,
  );
});

Deno.test("a muted owner sets no topic", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  await answer(alice, "JOIN #lab\n\n");
  await server.console.run("mute alice");

  assertMatch(
    await answer(alice, request("SET #lab", "Tea")),
    /^ERROR 120 Muted\n.*\nReason: Cannot set a topic: /,
  );
  assertEquals(await answer(alice, QUIET), "CHANGED #lab\n\n");
});
