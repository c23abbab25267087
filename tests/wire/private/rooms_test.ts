/** Private rooms: who makes them, who comes in, and what others can know of them. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  bodyOf,
  logIn,
  moderate,
  newModerator,
  signedUp,
} from "../../tools/account_tools.ts";
import { forward, RawClient, steady } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";
import { TestClock } from "../../tools/test_clock.ts";
import { letIn, make } from "./room_tools.ts";

/** What a user is answered, without what the user has written itself. */
async function about(client: RawClient, line: string): Promise<string> {
  const name = /#\S+/.exec(line)![0];
  return (await client.ask(line)).replaceAll(name, "#ROOM");
}

/** Requests that name a room, as a user sends them who is no member. */
const REQUESTS = [
  "JOIN ROOM\n\n",
  "JOIN ROOM\nPrivate: yes\n\n",
  "LEAVE ROOM\n\n",
  "WHO ROOM\n\n",
  "HISTORY ROOM\n\n",
  "HISTORY ROOM\nAfter: 0\nLimit: 5\n\n",
  "SEND ROOM\nContent-length: 2\n\nhi",
  "SEND ROOM\nKey: k1\nContent-length: 2\n\nhi",
  "INVITE carol\nRoom: ROOM\n\n",
  "INVITE nobody\nRoom: ROOM\n\n",
  "SET ROOM\nRemove: alice\n\n",
  "SET ROOM\nRemove: carol\n\n",
  "SET ROOM\nOwner: carol\n\n",
  "SET ROOM\nClosed: yes\n\n",
  "SET ROOM\nQuiet: yes\n\n",
  "SET ROOM\nVoice: carol\n\n",
  "SET ROOM\nContent-length: 2\n\nhi",
  "READ ROOM\nId: 1\n\n",
];

Deno.test("a private room has a name of its own, and only accounts make one", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using bob = await signedUp(server.port, "bob");
  using guest = await RawClient.enter(server.port, "guest", "#group");

  const answer = await alice.ask("JOIN #group\nPrivate: yes\n\n");
  const other = await bob.ask("JOIN #Group\nPrivate: yes\n\n");
  const refused = await guest.ask("JOIN #group\nPrivate: yes\n\n");

  const [, room = ""] = /^JOINED (\S+)/.exec(answer) ?? [];
  assertMatch(room, /^#group\.[a-z2-9]{4}$/);
  assertEquals(
    steady(answer),
    `JOINED ${room}\nMembers: 1\nLast-id: 0\nTime: T\nPrivate: yes\nOwner: alice\n\n`,
  );
  assertMatch(other, /^JOINED #Group\.[a-z2-9]{4}\nMembers: 1\n/);
  assertEquals(
    refused,
    "ERROR 110 Login required\nFor: JOIN #group\nReason: Cannot make a private room: only a user with an account can; sign up first\n\n",
  );
});

Deno.test("a request with the same key makes one private room", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");

  const first = await alice.ask("JOIN #x\nPrivate: yes\nKey: k1\n\n");
  const again = await alice.ask("JOIN #x\nPrivate: yes\nKey: k1\n\n");
  const other = await alice.ask("JOIN #x\nPrivate: yes\nKey: k2\n\n");

  assertEquals(steady(again), steady(first));
  assertMatch(other, /^JOINED #x\./);
  assertEquals(other.split("\n")[0] === first.split("\n")[0], false);
});

for (
  const [line, answer] of [
    ["JOIN #default\nPrivate: yes", "109 Not in room"],
    ["JOIN #a/b\nPrivate: yes", "109 Not in room"],
    ["JOIN #x\nPrivate: no", "105 Unknown command"],
    ["JOIN #x\nPrivate: yes\nPrivate: yes", "105 Unknown command"],
    ["INVITE bob", "105 Unknown command"],
    ["INVITE bob\nRoom: #default", "109 Not in room"],
    ["INVITE bob\nRoom: x", "109 Not in room"],
    ["SET #x.abcd", "105 Unknown command"],
    ["SET #x.abcd\nClosed: no", "105 Unknown command"],
    ["SET #x.abcd\nClosed: yes\nOwner: bob", "105 Unknown command"],
  ] as const
) {
  Deno.test(`${JSON.stringify(line)} is answered ${answer}`, async () => {
    await using server = startTestServer();
    using alice = await signedUp(server.port, "alice");

    const [start] = line.split("\n");
    assertMatch(
      await alice.ask(`${line}\n\n`),
      new RegExp(`^ERROR ${answer}\nFor: ${start}\nReason: .+\n\n$`),
    );
  });
}

Deno.test("an invited account is told, joins, and reads what was sent before", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using bob = await signedUp(server.port, "bob");
  const room = await make(alice);
  await alice.say(room, "hello");
  await alice.next("SENT");

  const invited = await alice.ask(
    `INVITE BOB\nRoom: ${room.toUpperCase()}\n\n`,
  );
  const told = await bob.frame();
  const rooms = await bob.ask("ROOMS\n\n");
  const joined = await bob.ask(`JOIN ${room.toUpperCase()}\n\n`);
  const notice = await alice.frame();
  await bob.send(`HISTORY ${room}\n\n`);
  const old = await bob.frame();
  await bob.next("HISTORY");
  await bob.say(room, "hi");
  const who = await bob.next("SENT").then(() => bob.ask(`WHO ${room}\n\n`));

  assertEquals(invited, `INVITED bob\nRoom: ${room}\n\n`);
  assertEquals(told, `NOTICE invited\nRoom: ${room}\nUser: bob\nBy: alice\n\n`);
  assertEquals(bodyOf(rooms), `#default 0\n${room} 1 private\n`);
  assertMatch(joined, new RegExp(`^JOINED ${room}\nMembers: 2\n`));
  assertMatch(joined, /\nPrivate: yes\nOwner: alice\n\n$/);
  assertMatch(notice, new RegExp(`^NOTICE joined\nRoom: ${room}\nUser: bob\n`));
  assertEquals(steady(old), forward("alice", room, 1, "hello"));
  assertEquals(
    steady(await alice.next("FORWARD")),
    forward("bob", room, 2, "hi"),
  );
  assertEquals(
    bodyOf(who),
    `alice ${alice.address} account\nbob ${bob.address} account\n`,
  );
});

Deno.test("who is no member is answered as for a room that is not there, with every request", async () => {
  await using server = startTestServer();
  using moderator = await newModerator(server, "mia", server.port);
  using alice = await signedUp(server.port, "alice");
  using bob = await signedUp(server.port, "bob");
  using carol = await signedUp(server.port, "carol");
  using guest = await RawClient.enter(server.port, "guest");
  const room = await make(alice);
  await letIn(alice, bob, "bob", room);
  await alice.say(room, "a secret");
  await bob.next("FORWARD");

  for (const client of [carol, guest, moderator]) {
    await client.send("PING\n\n");
    await client.next("PONG");
    for (const request of REQUESTS) {
      const there = await about(client, request.replaceAll("ROOM", room));
      const nowhere = await about(
        client,
        request.replaceAll("ROOM", "#group.zzzz"),
      );
      assertEquals(there, nowhere);
      const isJoinOfGuest = client === guest && request.includes("Private");
      if (request.startsWith("READ")) continue; // it needs no room
      assertMatch(there, isJoinOfGuest ? /^ERROR 110 / : /^ERROR 109 /);
    }
    assertEquals((await client.ask("ROOMS\n\n")).includes("group"), false);
  }
});

Deno.test("a moderator sees nothing of private rooms; the operator sees them", async () => {
  await using server = startTestServer();
  using mia = await newModerator(server, "mia", server.port);
  using alice = await signedUp(server.port, "alice");
  const room = await make(alice);
  await alice.say(room, "a secret");
  await alice.next("SENT");

  const word = room.slice(1);
  for (const line of ["users", "rooms", "bans", "help", "users"]) {
    assertEquals((await moderate(mia, line)).includes(word), false);
  }
  const forget = await moderate(mia, `forget ${room}`);
  const nowhere = await moderate(mia, "forget #group.zzzz");
  const ofNetwork = await moderate(mia, "forget 127.0.0.1");

  assertEquals(forget.replace(word, "W"), nowhere.replace("group.zzzz", "W"));
  assertMatch(ofNetwork, /Deleted the messages of 0 rooms/);
  await alice.send(`HISTORY ${room}\n\n`);
  assertMatch(await alice.frame(), /^FORWARD alice\n/);
  assertMatch(
    await server.console.run("rooms"),
    new RegExp(`${word} +1 +private`),
  );
  assertMatch(await server.console.run("users"), new RegExp(`alice .*${word}`));
});

Deno.test("an invitation of oneself, of a member, of a guest, a ghost or a two-socket user is answered", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using _bob = await signedUp(server.port, "bob");
  using _guest = await RawClient.enter(server.port, "gerd");
  using _classic = await RawClient.classic(server.port, "carl");
  const room = await make(alice);
  const invite = (name: string) =>
    alice.ask(`INVITE ${name}\nRoom: ${room}\n\n`);
  const refusal = (name: string, why: string) =>
    `ERROR 121 No account\nFor: INVITE ${name}\nReason: Cannot invite ${name}: there is no such account${why}\n\n`;

  const already = `Room: ${room}\nAlready: yes\n\n`;
  assertEquals(await invite("alice"), `INVITED alice\n${already}`);
  assertEquals(await invite("bob"), `INVITED bob\nRoom: ${room}\n\n`);
  assertEquals(await invite("bob"), `INVITED bob\n${already}`);
  assertEquals(
    await invite("gerd"),
    refusal("gerd", ": gerd is a guest, who can sign up first"),
  );
  assertEquals(
    await invite("carl"),
    refusal("carl", ": carl has a program without accounts"),
  );
  assertEquals(await invite("nobody"), refusal("nobody", ""));
  assertEquals(await invite("b0b"), refusal("b0b", ". Did you mean bob?"));
  assertEquals(await invite("#x"), refusal("#x", ""));
});

Deno.test("an account that is away is told of its invitations when it signs in, until it joins", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  (await signedUp(server.port, "bob")).close();
  const room = await make(alice);
  await alice.ask(`INVITE bob\nRoom: ${room}\n\n`);
  const told = `NOTICE invited\nRoom: ${room}\nUser: bob\nBy: alice\n\n`;

  for (const isJoined of [false, true]) {
    using bob = await logIn(server.port, "bob");
    assertEquals(await bob.client.frame(), told);
    if (!isJoined) continue;
    assertMatch(await bob.client.ask(`JOIN ${room}\n\n`), /^JOINED /);
    assertEquals(await bob.client.ask("LOGOUT\n\n"), "BYE\n\n");
  }

  using bob = await logIn(server.port, "bob");
  assertEquals(await bob.client.ask("PING\n\n"), "PONG\n\n");
  assertEquals(
    bodyOf(
      await alice.next("NOTICE offline").then(() =>
        alice.ask(`WHO ${room}\n\n`)
      ),
    ),
    `alice ${alice.address} account\nbob - away\n`,
  );
});

Deno.test("members, owner and history stay over a restart", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db` };
  let room = "";
  {
    await using server = startTestServer(options);
    using alice = await signedUp(server.port, "alice");
    using bob = await signedUp(server.port, "bob");
    (await signedUp(server.port, "carol")).close();
    room = await make(alice);
    await letIn(alice, bob, "bob", room);
    await alice.say(room, "hello");
    await bob.next("FORWARD");
  }
  await using server = startTestServer(options);
  using bob = await logIn(server.port, "bob");
  using carol = await logIn(server.port, "carol");

  const joined = await bob.client.ask(`JOIN ${room}\n\n`);
  await bob.client.send(`HISTORY ${room}\n\n`);

  assertMatch(joined, /\nPrivate: yes\nOwner: alice\n/);
  assertEquals(
    steady(await bob.client.frame()),
    forward("alice", room, 1, "hello"),
  );
  assertMatch(await carol.client.ask(`JOIN ${room}\n\n`), /^ERROR 109 /);
  assertMatch(await carol.client.ask(`HISTORY ${room}\n\n`), /^ERROR 109 /);
  assertEquals(bodyOf(await carol.client.ask("ROOMS\n\n")), "#default 0\n");
});

Deno.test("a muted user invites nobody", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  (await signedUp(server.port, "bob")).close();
  const room = await make(alice);
  await server.console.run("mute alice");

  assertMatch(await alice.ask(`INVITE bob\nRoom: ${room}\n\n`), /^ERROR 120 /);
});

Deno.test("a new member counts for the share of what an address stores, and one who is in does not", async () => {
  using folder = tempFolder();
  const clock = new TestClock(); // stands: no part of the share comes back
  const db = `${folder.path}/chat.db`;
  await using server = startTestServer({ db, clock });
  using alice = await signedUp(server.port, "alice");
  using bob = await signedUp(server.port, "bob");
  using _carol = await signedUp(server.port, "carol");
  const room = await make(alice);
  await letIn(alice, bob, "bob", room);
  const [session] = server.context.sessions;
  session?.pace.countStored(249_999, 0, clock.now()); // bob was the first

  const refused = await alice.ask(`INVITE carol\nRoom: ${room}\n\n`);
  const already = await alice.ask(`INVITE bob\nRoom: ${room}\n\n`);
  const who = await alice.ask(`WHO ${room}\n\n`);

  assertMatch(refused, /^ERROR 108 Slow down\n.*For: INVITE carol\n/s);
  assertEquals(already, `INVITED bob\nRoom: ${room}\nAlready: yes\n\n`);
  assertMatch(bodyOf(who), /^alice .*\nbob .*\n$/);
});
