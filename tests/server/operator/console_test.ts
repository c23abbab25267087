/** What each command of the operator does to real connections, and answers. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { runCommand } from "../../../server/operator/console.ts";
import { logIn, request, signedUp } from "../../tools/account_tools.ts";
import {
  forward,
  headerOf,
  RawClient,
  sent,
  steady,
} from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

const MUTED =
  "ERROR 120 Muted\nFor: SEND #r\nReason: Cannot send: the operator has muted you\n\n";

Deno.test("help shows every command in 80 columns", async () => {
  await using server = startTestServer();

  const lines = (await server.console.run("help")).split("\n");

  assertEquals(
    lines.map((line) => line.trim().split(" ")[0]!),
    server.console.complete("")[0].map((word) => word.trim()),
  );
  assertEquals(lines.filter((line) => line.length > 80), []);
});

Deno.test("Tab completes commands, and then names", async () => {
  await using server = startTestServer();
  using _alice = await RawClient.enter(server.port, "Alice");
  const { console } = server;

  assertEquals(console.complete("ki"), [["kick "], "ki"]);
  assertEquals(console.complete("kick al"), [["Alice "], "al"]);
  assertEquals(console.complete("ban "), [["Alice "], ""]);
  assertEquals(console.complete("kick x"), [[], "x"]);
});

Deno.test("users and rooms show who is where", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#lab", "#b");
  using bob = await RawClient.classic(server.port, "bob");
  await server.console.run("mute bob");

  const users = await server.console.run("users");
  const rooms = await server.console.run("rooms");

  assertEquals(users.replaceAll(/ +/g, " ").split("\n"), [
    "2 users:",
    ` alice ${alice.address} guest #lab #b`,
    ` bob ${bob.out.address} classic, muted #default`,
  ]);
  assertEquals(
    rooms,
    "  #default  1\n  #lab      1  from 127.0.0.1\n  #b        1  from 127.0.0.1",
  );
});

Deno.test("say sends a notice to all users, and tells how many got it", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.classic(server.port, "bob");

  const answer = await server.console.run("say  It is  late");

  assertEquals(answer, "Sent to 2 users. Users who reconnect get it, too.");
  assertEquals(
    steady(await alice.frame()),
    forward("SERVER", "ALL", 1, "It is  late"),
  );
  assertMatch(await bob.in.frame(), /^FORWARD SERVER\n[^]*It is {2}late/);
});

for (const [who, others] of [["one", 0], ["two", 1], ["ten", 9]] as const) {
  Deno.test(`a notice of the operator reaches a user who reconnects, one of ${who}`, async () => {
    await using server = startTestServer();
    const old = await RawClient.connect(server.port);
    const token = headerOf(await old.ask("REGISTER alice\n\n"), "Token");
    old.close();
    await server.logged("alice disconnected");
    const rest = await Promise.all(
      Array.from(
        { length: others },
        (_, i) => RawClient.enter(server.port, `user${i}x`),
      ),
    );

    const answer = await server.console.run("say the exam moves to room 12");
    using alice = await RawClient.connect(server.port);
    await alice.ask(`REGISTER alice\nToken: ${token}\nAfter: 0\n\n`);

    assertMatch(
      answer,
      others === 0
        ? /^No users are connected\./
        : RegExp(`^Sent to ${others} user`),
    );
    assertEquals(
      steady(await alice.frame()),
      forward("SERVER", "ALL", 1, "the exam moves to room 12"),
    );
    for (const client of rest) client.close();
  });
}

Deno.test("say tells the users who are connected also when the disk is full", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  const full = () =>
    Promise.reject(new ChatError(119, "Cannot store that: full"));
  const { context } = server;

  const answer = await runCommand({
    ...context,
    journal: Object.assign(Object.create(context.journal), { append: full }),
    stop: () => {},
    backup: server.backup,
  }, "say the disk is full");

  assertMatch(answer, /not stored\. Cannot store that: full$/);
  assertMatch(await alice.frame(), /^NOTICE server\n[^]*the disk is full$/);
});

Deno.test("kick ends a connection with the reason, and the name may come again", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  using bob = await RawClient.enter(server.port, "bob", "#r");
  await alice.frame();

  const answer = await server.console.run("kick B0B too loud\x07");

  assertEquals(answer, "Disconnected bob");
  assertEquals(
    await bob.rest(),
    "ERROR 117 Removed\nReason: Cannot stay connected: the operator disconnected you " +
      "(too loud␇)\n\n",
  );
  assertMatch(await alice.frame(), /^NOTICE offline\n[^]*Reason: removed\n/);
  using _again = await RawClient.enter(server.port, "bob");
});

Deno.test("kick ends both sockets of a classic user", async () => {
  await using server = startTestServer();
  using carol = await RawClient.classic(server.port, "carol");

  const answer = await server.console.run("kick carol");

  assertEquals(answer, "Disconnected carol");
  assertEquals(await carol.out.rest(), "ERROR 117 Removed\n\n");
  assertEquals(await carol.in.rest(), "");
});

Deno.test("ban of a name removes whoever is here under it, also by half, until unban", async () => {
  await using server = startTestServer();
  using half = await RawClient.connect(server.port);
  await half.ask("REGISTER TORECV Mallory\n\n");
  using alice = await RawClient.enter(server.port, "alice");

  const answers = [
    await server.console.run("ban ma11ory"),
    await server.console.run("unban mallory"),
  ];

  assertEquals(answers, [
    "Banned ma11ory and ended 1 connection\nIt has no end. To give it an end, type: ban ma11ory 10m",
    "Removed the ban of ma11ory",
  ]);
  assertEquals(await half.rest(), "ERROR 117 Removed\n\n");
  using _back = await RawClient.enter(server.port, "mallory");
  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("ban of an address removes everybody there, registered or not", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using stranger = await RawClient.connect(server.port);
  await stranger.ask("PING\n\n");

  const answer = await server.console.run(`ban ${alice.address} go away`);

  assertEquals(
    answer,
    "Banned the address 127.0.0.1 and ended 2 connections\nIt has no end. To give it an end, type: ban 127.0.0.1 10m",
  );
  const refusal = "ERROR 117 Removed\n" +
    "Reason: Cannot use this server: the address 127.0.0.1 is banned (go away)\n\n";
  assertEquals(await alice.rest(), refusal);
  assertEquals(await stranger.rest(), refusal);
  using late = await RawClient.connect(server.port);
  assertEquals(await late.rest(), refusal);
  await server.console.run("unban 127.0.0.1");
  using _back = await RawClient.enter(server.port, "alice");
});

Deno.test("a ban holds after a restart, and the list says since when and why", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db` };
  {
    await using server = startTestServer(options);
    await server.console.run("ban eve she knows why");
  }
  await using server = startTestServer(options);

  const list = await server.console.run("bans");

  assertMatch(
    list,
    /^1 ban:\n {2}eve {2}since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}she knows why$/,
  );
  using eve = await RawClient.connect(server.port);
  assertMatch(await eve.ask("REGISTER eve\n\n"), /\(she knows why\)/);
});

for (
  const [typed, why, listed] of [
    ["bob 10m spam", "is banned for 10 minutes (spam)", / until .* {2}spam$/],
    ["bob 90m", "is banned for 90 minutes", / until [-\d]+ [:\d]+$/],
    ["bob forever spam", "is banned (spam)", /^(?!.*until).* {2}spam$/m],
    ["bob 10 times", "is banned (10 times)", /^(?!.*until).* {2}10 times$/m],
  ] as const
) {
  Deno.test(`after "ban ${typed}" the user is told that the name ${why}`, async () => {
    await using server = startTestServer();
    using bob = await RawClient.enter(server.port, "bob");

    await server.console.run(`ban ${typed}`);

    const reason = `Reason: Cannot use this server: the name "bob" ${why}\n`;
    assertStringIncludes(await bob.rest(), reason);
    using again = await RawClient.connect(server.port);
    assertStringIncludes(await again.ask("REGISTER bob\n\n"), reason);
    assertMatch(await server.console.run("bans"), listed);
  });
}

Deno.test("kick with a time says that only a ban has one", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");

  assertEquals(
    await server.console.run("kick bob 10m spam"),
    "Disconnected bob, who may return at once. To refuse bob, type: ban bob 10m",
  );
  assertStringIncludes(await bob.rest(), "(10m spam)");
});

Deno.test("a reason of kick may begin with anything", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");

  assertMatch(await server.console.run("kick bob 0m 10x"), /^Disconnected bob/);
  assertStringIncludes(await bob.rest(), "(0m 10x)");
});

Deno.test("ban says so if it cannot be stored", async () => {
  const server = startTestServer();
  await server.console.run("bans"); // reads what is stored
  await server[Symbol.asyncDispose]();

  assertEquals(
    await server.console.run("ban eve"),
    "Banned eve. No user or account has that name now.\nIt has no end. To give it an end, type: ban eve 10m\nCannot store that: the server is closing; the ban is lost when the server stops",
  );
  assertEquals(
    await server.console.run("unban eve"),
    "Removed the ban of eve\nCannot store that: the server is closing; the ban returns when the server restarts",
  );
});

Deno.test("mute refuses every SEND in its place, lets read, and holds after a reconnect", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#r");
  let bob = await RawClient.enter(server.port, "bob", "#r");
  await bob.say("#r", "before");
  await bob.frame();

  assertEquals(
    await server.console.run("mute bob"),
    "Muted bob. New names from that address are muted, too. To let one of them send, type: unmute NAME",
  );
  await bob.send("SEND #r\nContent-length: 1\n\nx".repeat(3), "PING\n\n");

  assertEquals(await bob.frames(4), [MUTED, MUTED, MUTED, "PONG\n\n"]);
  await alice.say("#r", "hello");
  assertEquals(steady(await bob.frame()), forward("alice", "#r", 2, "hello"));
  bob.close();
  await server.logged("bob disconnected");
  bob = await RawClient.enter(server.port, "b0b", "#r");
  await bob.say("#r", "again");
  assertEquals(await bob.frame(), MUTED);
  assertEquals(await server.console.run("unmute BOB"), "Unmuted bob");
  await bob.say("#r", "after");
  assertEquals(steady(await bob.frame()), sent("#r", 3, 1));
  bob.close();
});

Deno.test("a muted classic user is told 102, and hears on", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.classic(server.port, "bob");
  await server.console.run("mute bob");

  const answer = await bob.out.ask("SEND alice\nContent-length: 1\n\nx");

  assertEquals(answer, "ERROR 102 Unable to send\n\n");
  await alice.say("bob", "psst");
  assertEquals(
    await bob.in.frame(),
    "FORWARD alice\nContent-length: 4\n\npsst",
  );
});

Deno.test("mute of somebody who is not here waits for whoever comes", async () => {
  await using server = startTestServer();

  const answer = await server.console.run("mute bob");

  assertEquals(
    answer,
    "Muted bob. No user has that name now; the next one is muted.",
  );
  assertMatch(
    await server.console.run("bans"),
    /^1 mute:\n {2}bob {2}since [-\d]+ [:\d]+$/,
  );
});

Deno.test("accounts shows them, and unblock lets their owners try again", async () => {
  await using server = startTestServer();
  using _alice = await signedUp(server.port, "alice");
  {
    using _bob = await signedUp(server.port, "bob");
  }
  await server.logged("bob disconnected");
  for (let i = 0; i < 3; i++) {
    using _wrong = await logIn(server.port, "bob", { password: "wrong" });
  }
  using locked = await RawClient.connect(server.port);
  const login = request("LOGIN bob", "n,,n=bob,r=0123456789abcdefghijkl");
  assertMatch(await locked.ask(login), /^ERROR 112 /);

  const accounts = await server.console.run("accounts");
  const answers = [
    await server.console.run("unblock BOB"),
    await server.console.run("unblock bob"),
  ];

  assertMatch(
    accounts,
    /^2 accounts:\n {2}alice {2}since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}from 127\.0\.0\.1 {2}connected\n {2}bob {4}since [-\d]+ [:\d]+ {2}from 127\.0\.0\.1 {2}new$/,
  );
  assertEquals(answers, [
    "Unlocked bob",
    "Cannot unblock bob: no wrong password was entered",
  ]);
  using bob = await logIn(server.port, "bob");
  assertMatch(bob.answer, /^REGISTERED bob\n/);
});

Deno.test("stop resolves what server.ts waits for", async () => {
  await using server = startTestServer();

  assertEquals(await server.console.run("stop"), "");

  await server.console.stopped;
});
