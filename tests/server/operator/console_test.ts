/** What each command of the operator does to real connections, and answers. */
import { assertEquals, assertMatch } from "@std/assert";
import { logIn, request, signedUp } from "../../tools/account_tools.ts";
import {
  forward,
  RawClient,
  sent,
  startTestServer,
  steady,
} from "../../tools/net/raw_client.ts";
import { tempFolder } from "../../tools/temp.ts";

const MUTED =
  "ERROR 120 Muted\nFor: SEND #r\nReason: Cannot send: the operator has muted you\n\n";

/** On a server where nobody is. */
const ANSWERS: readonly [typed: string, answer: string][] = [
  ["", ""],
  ["   ", ""],
  ["users", "No users are connected"],
  ["  /USERS ", "No users are connected"],
  ["rooms", "  #default  0"],
  ["accounts", "No accounts"],
  ["bans", "No bans"],
  ["say hello", "Cannot send the notice: no users are connected"],
  [
    "user",
    'Unknown command "user". Did you mean users? Type help.',
  ],
  [
    "kcik bob",
    'Unknown command "kcik". Did you mean kick? Type help.',
  ],
  ["x", 'Unknown command "x". Type help.'],
  [
    "toString",
    'Unknown command "tostring". Type help.',
  ],
  ["users all", "Too many arguments. Usage: users"],
  ["kick", "Missing argument. Usage: kick NAME [REASON]"],
  ["mute bob now", "Too many arguments. Usage: mute NAME"],
  [
    "kick bob",
    'Cannot kick "bob": no user has that name. Type users to see all.',
  ],
  [
    "ban #lab",
    'Cannot ban "#lab": it must be a name of 1 to 32 letters and digits, or an address such as 192.168.1.5. Type users to see all.',
  ],
  [
    "unban bob",
    "Cannot unban bob: there is no such ban. Type bans to see all.",
  ],
  [
    "unban 10.0.0.1",
    "Cannot unban the address 10.0.0.1: there is no such ban. Type bans to see all.",
  ],
  [
    `ban bob ${"x".repeat(201)}`,
    "Cannot ban: the reason has 201 characters, the limit is 200",
  ],
  [
    "mute ALL",
    'Cannot mute "ALL": it is not a user name. Type users to see all.',
  ],
  [
    "unmute bob",
    'Cannot unmute "bob": that user is not muted. Type bans to see the muted users.',
  ],
  [
    "unblock bob",
    'Cannot unblock "bob": there is no such account. Type accounts to see all.',
  ],
];

for (const [typed, answer] of ANSWERS) {
  const shown = JSON.stringify(typed.slice(0, 40));
  Deno.test(`the console answers ${shown}`, async () => {
    await using server = startTestServer();

    assertEquals(await server.console.run(typed), answer);
  });
}

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
  assertEquals(rooms, "  #default  1\n  #lab      1\n  #b        1");
});

Deno.test("say sends a notice to all users, and counts those that cannot receive it", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using _bob = await RawClient.classic(server.port, "bob");

  const answer = await server.console.run("say  It is  late");

  assertEquals(
    answer,
    "Sent to 1 user; 1 two-socket client cannot receive it",
  );
  assertEquals(
    await alice.frame(),
    "NOTICE server\nContent-length: 11\n\nIt is  late",
  );
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
    "Banned ma11ory and ended 1 connection",
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
    "Banned the address 127.0.0.1 and ended 2 connections",
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

Deno.test("ban says so if it cannot be stored", async () => {
  const server = startTestServer();
  await server[Symbol.asyncDispose]();

  assertEquals(
    await server.console.run("ban eve"),
    "Banned eve\nCannot store that: the server is closing; the ban is lost when the server stops",
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
    "Muted bob",
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
  assertEquals(
    await server.console.run("bans"),
    "No bans\nMuted: bob",
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
    /^2 accounts:\n {2}alice {2}since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}connected\n {2}bob {4}since [-\d]+ [:\d]+$/,
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
