/** Several devices of one account on the wire: what each of them is sent. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { begin, logIn, request, signedUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

/** One more device of the account. */
async function device(port: number, name: string, headers = "") {
  const { client, answer } = await logIn(port, name, { headers });
  assertMatch(answer, new RegExp(`^REGISTERED ${name}\n`));
  return { client, token: headerOf(answer, "Token"), answer };
}

Deno.test("messages to an account go to all its devices, and count one recipient", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  await first.ask("JOIN #lab\n\n");
  const { client: second } = await device(server.port, "alice");
  using _second = second;
  assertMatch(
    await second.frame(),
    /^NOTICE joined\nRoom: #lab\nUser: alice\n/,
  );
  using bob = await RawClient.enter(server.port, "bob", "#lab");

  for (const target of ["alice", "#lab", "ALL"]) {
    await bob.say(target, `to ${target}`);
    assertMatch(await bob.next("SENT"), /Recipients: 1\n/);
    const [one, two] = [
      await first.next("FORWARD bob"),
      await second.next("FORWARD bob"),
    ];
    assertEquals(one, two);
    assertMatch(one, new RegExp(`To: ${target}\n`));
  }
  assertEquals(
    (await bob.ask("WHO #lab\n\n")).match(/alice/g)?.length,
    1,
  );
});

Deno.test("what one device sends reaches the others as FORWARD with its target", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  await first.ask("JOIN #lab\n\n");
  const { client: second } = await device(server.port, "alice");
  using _second = second;
  using bob = await RawClient.enter(server.port, "bob", "#lab");

  await first.next("NOTICE joined\nRoom: #lab\nUser: bob");

  for (const target of ["bob", "#lab", "ALL"]) {
    await first.say(target, "from me");
    const sent = await first.frame();
    assertMatch(sent, /^SENT /);
    assertMatch(sent, /Recipients: 1\n/);
    const echo = await second.next("FORWARD alice");
    assertMatch(echo, new RegExp(`\nTo: ${target}\n`));
    assertEquals(headerOf(echo, "Id"), headerOf(sent, "Id"));
    assertEquals(headerOf(echo, "Time"), headerOf(sent, "Time"));
    await bob.next("FORWARD alice");
  }
  await second.say("alice", "to myself");
  assertMatch(await first.next("FORWARD alice"), /To: alice\n[^]*to myself$/);
  assertMatch(await second.next("FORWARD alice"), /To: alice\n[^]*to myself$/);
  assertMatch(await second.next("SENT"), /^SENT alice\n/);
});

Deno.test("a guest stays single, and so does the session of one token", async () => {
  await using server = startTestServer();
  using guest = await RawClient.connect(server.port);
  const token = headerOf(await guest.ask("REGISTER bob\n\n"), "Token");
  using again = await RawClient.connect(server.port);

  assertMatch(
    await again.ask(`REGISTER bob\nToken: ${token}\n\n`),
    /^REGISTERED bob\n/,
  );

  assertMatch(await guest.rest(), /^ERROR 117 Removed\n/);
});

Deno.test("JOIN and LEAVE of one device move all, and other users are told once", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  const { client: second } = await device(server.port, "alice");
  using _second = second;
  using bob = await RawClient.enter(server.port, "bob", "#lab");

  await first.ask("JOIN #lab\n\n");
  const told = await second.next("NOTICE joined");
  assertMatch(told, /\nRoom: #lab\nUser: alice\n/);
  assertMatch(told, /\nMembers: 2\nLast-id: 0\n/);
  assertMatch(await bob.next("NOTICE joined"), /User: alice\n/);
  assertMatch(await second.ask("JOIN #lab\n\n"), /^JOINED #lab\nMembers: 2\n/);
  await second.ask("LEAVE #lab\n\n");
  assertMatch(await first.next("NOTICE left"), /\nRoom: #lab\nUser: alice\n/);
  assertMatch(await bob.frame(), /^NOTICE left\nRoom: #lab\nUser: alice\n/);
});

Deno.test("a user is offline with the last device, and each LOGOUT ends its own", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  await first.ask("JOIN #lab\n\n");
  const { client: second, token } = await device(server.port, "alice");
  using _second = second;
  using bob = await RawClient.enter(server.port, "bob", "#lab");

  await first.next("NOTICE joined\nRoom: #lab\nUser: bob");
  assertEquals(await first.ask("LOGOUT\n\n"), "BYE\n\n");
  await bob.say("alice", "there?");
  await second.next("FORWARD bob");
  assertMatch(await bob.frame(), /^SENT alice\n/); // nobody has left

  second.close();
  assertMatch(await bob.next("NOTICE offline"), /User: alice\n/);
  const { client: third, answer } = await device(
    server.port,
    "alice",
    `Token: ${token}\nAfter: 1\n`,
  );
  using _third = third;
  assertEquals(headerOf(answer, "Token"), token);
});

Deno.test("an eleventh device is told what to do, and a lost one makes room", async () => {
  await using server = startTestServer();
  const devices = [await signedUp(server.port, "alice")];
  while (devices.length < 10) {
    devices.push((await device(server.port, "alice")).client);
  }

  {
    using refused = await logIn(server.port, "alice");
    assertMatch(
      refused.answer,
      /^ERROR 124 Too many devices\nFor: PROVE alice\nReason: Cannot sign in: 10 devices .*\/devices end NUMBER\nLimit: 10\n/,
    );
    assertMatch(
      await refused.client.ask("REGISTER carol\n\n"),
      /^REGISTERED carol\n/,
    );
  }
  devices[3]!.close();
  await server.logged("alice disconnected");
  devices.push((await device(server.port, "alice")).client);

  for (const one of devices) one.close();
});

Deno.test("a device that comes back is sent what the others were, and what they sent", async () => {
  for (const db of [undefined, ":memory:"]) {
    await using server = startTestServer(db === undefined ? {} : { db });
    using first = await signedUp(server.port, "alice");
    await first.ask("JOIN #lab\n\n");
    const { client: second, token } = await device(server.port, "alice");
    using bob = await RawClient.enter(server.port, "bob", "#lab");
    await bob.say("#lab", "one");
    await second.next("FORWARD bob");
    second.close();
    await server.logged("alice disconnected");
    await first.ask("JOIN #new\n\n");
    for (const [target, body] of [["bob", "two"], ["#lab", "three"]] as const) {
      await first.say(target, body);
      await first.next("SENT");
    }
    await first.say("#new", "four");
    await first.next("SENT");
    await bob.say("alice", "five");
    await first.next("FORWARD bob\nTo: alice");

    const headers = `Token: ${token}\nAfter: 1\n`;
    const { client: again, answer } = await device(
      server.port,
      "alice",
      headers,
    );
    using _again = again;

    assertEquals(headerOf(answer, "Token"), token);
    const rooms = await again.frames(2);
    assert(rooms.every((notice) => notice.startsWith("NOTICE joined\n")));
    const missed = await again.frames(4);
    assertEquals(
      missed.map((frame) => frame.slice(frame.indexOf("\n\n") + 2)),
      ["two", "three", "four", "five"],
    );
    assertEquals(
      missed.map((frame) => headerOf(frame, "To")),
      ["bob", "#lab", "#new", "alice"],
    );
  }
});

Deno.test("a device does not join a room again that another one has left", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  await first.ask("JOIN #lab\n\n");
  await first.ask("JOIN #b\n\n");
  const { client: second, token } = await device(server.port, "alice");
  second.close();
  await server.logged("alice disconnected");
  await first.ask("LEAVE #lab\n\n");
  const headers = `Token: ${token}\nAfter: 0\n`;
  const { client: again } = await device(server.port, "alice", headers);
  using _again = again;
  await again.next("NOTICE joined\nRoom: #b");

  assertMatch(
    await again.ask("JOIN #lab\nAgain: yes\n\n"),
    /^ERROR 109 Not in room\nFor: JOIN #lab\nReason: .*another device .* left it/,
  );
  assertMatch(await again.ask("JOIN #b\nAgain: yes\n\n"), /^JOINED #b\n/);
  assertMatch(await again.ask("JOIN #lab\n\n"), /^JOINED #lab\n/);
});

Deno.test("a kick, a ban and a deleted account end all devices; a mute is for all", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  const { client: second } = await device(server.port, "alice");
  using _second = second;
  await server.console.run("mute alice");
  for (const one of [first, second]) {
    assertMatch(
      await one.ask(request("SEND alice", "hi")),
      /^ERROR 120 Muted\n/,
    );
  }
  await server.console.run("kick alice");
  for (const one of [first, second]) {
    assertMatch(await one.rest(), /^ERROR 117 Removed\n/);
  }
});

Deno.test("a new device is in the rooms of those that are connected, not of one that was lost", async () => {
  using folder = tempFolder();
  for (const db of [undefined, `${folder.path}/chat.db`]) {
    await using server = startTestServer(db ? { db } : {});
    const lost = await signedUp(server.port, "alice");
    await lost.ask("JOIN #old\n\n");
    lost.close();
    await server.logged("alice disconnected");
    using second = (await device(server.port, "alice")).client;
    await second.ask("JOIN #new\n\n");
    const third = await device(server.port, "alice");
    await third.client.next("NOTICE joined\nRoom: #new\n");
    third.client.close();
    using bob = await RawClient.enter(server.port, "bob", "#old", "#new");
    for (const room of ["#old", "#new"]) {
      await bob.say(room, "hello");
      await bob.next("SENT");
    }

    const token = `Token: ${third.token}\nAfter: 0\n`;
    using back = (await device(server.port, "alice", token)).client;

    const got = [];
    await back.send("PING\n\n");
    for (let frame = ""; !frame.startsWith("PONG"); got.push(frame)) {
      frame = await back.frame();
    }
    const forwards = got.filter((frame) => frame.startsWith("FORWARD"));
    assertEquals(forwards.map((one) => headerOf(one, "To")), ["#new"]);
  }
});

Deno.test("the mute of an address is for a user of whom any device is there", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  using second = await RawClient.connect(server.port, "127.0.0.3");
  const { prove } = await begin(second, "alice");
  assertMatch(await second.ask(prove), /^REGISTERED alice\n/);
  const isMuted = async () => {
    const answer = await first.ask(request("SEND nobody", "hello"));
    return answer.startsWith("ERROR 120 ");
  };

  await server.console.run("mute 127.0.0.2");
  assertEquals(await isMuted(), false);
  await server.console.run("mute 127.0.0.3");
  assertEquals(await isMuted(), true);
  assertEquals(await isMuted(), true);
  await server.console.run("unmute 127.0.0.3");
  assertEquals(await isMuted(), false);
});

Deno.test("a device is told since when its own session is in a room, also if the others were away", async () => {
  await using server = startTestServer();
  using first = await signedUp(server.port, "alice");
  const { client: second, token } = await device(server.port, "alice");
  second.close();
  await server.logged("alice disconnected");
  using bob = await RawClient.enter(server.port, "bob", "#lab");
  await first.ask("JOIN #lab\n\n");
  first.close();
  await server.logged("alice disconnected");
  await bob.say("#lab", "to nobody");
  await bob.next("SENT");
  const { client: third } = await device(server.port, "alice");
  using _third = third;
  await third.ask("JOIN #lab\n\n");

  const headers = `Token: ${token}\nAfter: 0\n`;
  using back = (await device(server.port, "alice", headers)).client;

  assertMatch(await back.frame(), /^NOTICE joined\n[^]*\nLast-id: 0\n/);
  assertMatch(await back.frame(), /^FORWARD bob\n[^]*to nobody$/);
});
