/** What the owner of a private room does: takes members out, passes it on, closes it. */
import { assertEquals, assertMatch } from "@std/assert";
import { bodyOf, logIn, signedUp } from "../../tools/account_tools.ts";
import { headerOf, steady } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { letIn, threeOf } from "./room_tools.ts";

Deno.test("the owner takes a member out, who gets nothing more, and can be let in again", async () => {
  await using server = startTestServer();
  using three = await threeOf(server);
  const { alice, bob, carol, room } = three;

  const refused = await bob.ask(`SET ${room}\nRemove: carol\n\n`);
  await alice.send(`SET ${room}\nRemove: BOB\n\n`);
  const told = await bob.frame();
  const left = await carol.frame();
  await carol.say(room, "without bob");
  await carol.next("SENT");

  assertEquals(
    refused,
    `ERROR 122 Not allowed\nFor: SET ${room}\nReason: Cannot remove a member of ${room}: you do not own it\n\n`,
  );
  assertEquals(
    steady(left),
    `NOTICE left\nRoom: ${room}\nUser: bob\nReason: removed by alice\nMembers: 2\nTime: T\n\n`,
  );
  assertEquals(told, `NOTICE removed\nRoom: ${room}\nUser: bob\nBy: alice\n\n`);
  assertEquals(await alice.frame(), left);
  assertEquals(await alice.frame(), `CHANGED ${room}\n\n`);
  for (const verb of ["JOIN", "WHO", "HISTORY", "LEAVE"]) {
    assertMatch(await bob.ask(`${verb} ${room}\n\n`), /^ERROR 109 /);
  }
  assertEquals(bodyOf(await bob.ask("ROOMS\n\n")), "#default 0\n");
  assertMatch(
    await alice.next("FORWARD").then(() =>
      alice.ask(`SET ${room}\nRemove: bob\n\n`)
    ),
    /^ERROR 109 Not in room\nFor: .*\nReason: Cannot do that: bob is no member of /,
  );
  await letIn(alice, bob, "bob", room);
});

Deno.test("a member takes out itself, and the owner cannot", async () => {
  await using server = startTestServer();
  using three = await threeOf(server);
  const { alice, bob, room } = three;

  await bob.send(`SET ${room}\nRemove: bob\n\n`);
  const told = await bob.frame();
  const changed = await bob.frame();
  const own = await alice.next("NOTICE left").then(() =>
    alice.ask(`SET ${room}\nRemove: alice\n\n`)
  );

  assertEquals(told, `NOTICE removed\nRoom: ${room}\nUser: bob\nBy: bob\n\n`);
  assertEquals(changed, `CHANGED ${room}\n\n`);
  assertMatch(await bob.ask(`JOIN ${room}\n\n`), /^ERROR 109 /);
  assertEquals(
    own,
    `ERROR 122 Not allowed\nFor: SET ${room}\nReason: Cannot leave ${room} for good: you own it; pass it on first, or close it\n\n`,
  );
});

Deno.test("what a member missed who was taken out is not sent when the session is resumed", async () => {
  await using server = startTestServer();
  using three = await threeOf(server);
  const { alice, carol, room } = three;
  three.bob.close();
  using first = await logIn(server.port, "bob");
  await first.client.ask(`JOIN ${room}\n\n`);
  const token = headerOf(first.answer, "Token");
  const journal = headerOf(first.answer, "Journal");
  first.client.close();
  await alice.next("NOTICE offline");

  await carol.say(room, "a secret");
  await carol.next("SENT");
  await alice.ask(`SET ${room}\nRemove: bob\n\n`);
  const headers = `Token: ${token}\nAfter: 0\nJournal: ${journal}\n`;
  using bob = await logIn(server.port, "bob", { headers });

  assertEquals(headerOf(bob.answer, "Token"), token);
  assertEquals(await bob.client.ask("PING\n\n"), "PONG\n\n");
});

Deno.test("the owner passes the room on", async () => {
  await using server = startTestServer();
  using three = await threeOf(server);
  const { alice, bob, carol, room } = three;
  (await signedUp(server.port, "dave")).close();

  const stranger = await alice.ask(`SET ${room}\nOwner: dave\n\n`);
  await alice.send(`SET ${room}\nOwner: bob\n\n`);
  const notices = await Promise.all(
    [alice, bob, carol].map((one) => one.frame()),
  );
  const changed = await alice.frame();
  const again = await alice.ask(`SET ${room}\nOwner: carol\n\n`);
  const joined = await carol.ask(`JOIN ${room}\n\n`);
  const own = await bob.ask(`SET ${room}\nOwner: bob\n\n`);

  assertMatch(
    stranger,
    /^ERROR 109 .*\n.*\nReason: Cannot do that: dave is no member/,
  );
  const notice = `NOTICE owner\nRoom: ${room}\nOwner: bob\nBy: alice\n\n`;
  assertEquals(notices, [notice, notice, notice]);
  assertEquals([changed, own], [`CHANGED ${room}\n\n`, `CHANGED ${room}\n\n`]);
  assertMatch(again, /^ERROR 122 /);
  assertEquals(headerOf(joined, "Owner"), "bob");
});

Deno.test("the owner closes the room: all leave it, and its history is gone", async () => {
  await using server = startTestServer();
  using three = await threeOf(server);
  const { alice, bob, carol, room } = three;
  await bob.say(room, "hello");
  await carol.next("FORWARD");
  await alice.next("FORWARD");
  await bob.next("SENT");

  const refused = await bob.ask(`SET ${room}\nClosed: yes\n\n`);
  await alice.send(`SET ${room}\nClosed: yes\n\n`);

  assertMatch(refused, /^ERROR 122 /);
  for (const client of [alice, bob, carol]) {
    assertEquals(
      await client.frame(),
      `NOTICE closed\nRoom: ${room}\nBy: alice\n\n`,
    );
  }
  assertEquals(await alice.frame(), `CHANGED ${room}\n\n`);
  for (const client of [alice, bob]) {
    for (const verb of ["JOIN", "WHO", "HISTORY", "LEAVE"]) {
      assertMatch(await client.ask(`${verb} ${room}\n\n`), /^ERROR 109 /);
    }
    assertEquals(bodyOf(await client.ask("ROOMS\n\n")), "#default 0\n");
  }
  assertEquals(await server.console.run("rooms"), "  #default  0");
  assertEquals([...server.context.journal.rooms()], []);
});

Deno.test("the room of an account that is deleted passes to the longest member, and closes with the last", async () => {
  await using server = startTestServer();
  using three = await threeOf(server);
  const { alice, bob, carol, room } = three;
  await alice.say(room, "hello");
  await bob.next("FORWARD");
  await carol.next("FORWARD");

  await server.console.run("delete alice");
  const told = await bob.next("NOTICE owner");
  await carol.next("NOTICE owner");
  await alice.next("ERROR 117");
  await server.console.run("delete bob");
  const next = await carol.next("NOTICE owner");
  using again = await signedUp(server.port, "alice");
  const stranger = await again.ask(`JOIN ${room}\n\n`);
  await carol.next("NOTICE offline");
  const ofCarol = await carol.ask(`SET ${room}\nOwner: alice\n\n`);
  await server.console.run("delete carol");
  await server.logged("carol disconnected");

  assertEquals(told, `NOTICE owner\nRoom: ${room}\nOwner: bob\n\n`);
  assertEquals(next, `NOTICE owner\nRoom: ${room}\nOwner: carol\n\n`);
  assertMatch(stranger, /^ERROR 109 /);
  assertMatch(
    ofCarol,
    /^ERROR 109 .*\n.*\nReason: Cannot do that: alice is no member/,
  );
  assertEquals([...server.context.journal.rooms()], []);
  assertEquals([...server.context.privateRooms.loaded!.all()], []);
});
