/** What moderators may do, what nobody else may, and what they may not. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  bodyOf,
  logIn,
  moderate,
  newModerator,
  signedUp,
  signUp,
} from "../../tools/account_tools.ts";
import { elsewhere } from "../../tools/net/elsewhere.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

/** The body of what {@linkcode moderate} gives. */
async function obeyed(client: RawClient, line: string): Promise<string> {
  const frame = await moderate(client, line);
  assertMatch(frame, /^MODERATED\n/);
  return bodyOf(frame);
}

/** A moderator, alone at its address. */
async function moderator(
  server: TestServer,
  name = "alice",
  host = "10.0.0.1",
) {
  const place = elsewhere(server, host);
  const client = await newModerator(server, name, place.port);
  return {
    client,
    [Symbol.dispose]() {
      client.close();
      place[Symbol.dispose]();
    },
  };
}

Deno.test("the operator makes an account a moderator, who is told, and so are all others", async () => {
  await using server = startTestServer();
  using bob = await RawClient.enter(server.port, "bob");
  using alice = await signedUp(server.port, "alice");

  const refused = await moderate(alice, "users");
  const answer = await server.console.run("op alice");
  const told = await bob.frame();
  const again = await server.console.run("op ALICE");
  const who = await bob.ask("WHO ALL\n\n");
  const users = await obeyed(alice, "users");
  const ended = await server.console.run("deop alice");
  await alice.next("NOTICE set\nUser: alice\nRole: user");
  const after = await moderate(alice, "users");

  assertEquals(
    refused,
    "ERROR 122 Not allowed\nFor: MODERATE\nReason: Cannot do that: you are no moderator\n\n",
  );
  assertEquals(
    answer,
    "alice is a moderator now. To end that, type: deop alice",
  );
  assertEquals(told, "NOTICE set\nUser: alice\nRole: moderator\n\n");
  assertEquals(again, "alice is a moderator already");
  assertMatch(who, /^bob \S+ guest$/m);
  assertMatch(who, /^alice \S+ account moderator$/m);
  assertMatch(users, /^ {2}alice +127\.0\.0\.1:\d+ +moderator/m);
  assertEquals(ended, "alice is no moderator any more");
  assertEquals(after, refused);
});

Deno.test("a moderator stays one over a restart; the next owner of the name is none", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db` };
  {
    await using server = startTestServer(options);
    using _alice = await signedUp(server.port, "alice");
    await server.console.run("op alice");
  }
  await using server = startTestServer(options);
  await server.ready;
  using alice = await logIn(server.port, "alice");
  assertEquals(headerOf(alice.answer, "Role"), "moderator");
  assertMatch(await obeyed(alice.client, "rooms"), /#default/);

  await server.console.run("delete alice");
  await alice.client.rest();
  using other = await signedUp(server.port, "alice");
  assertMatch(await moderate(other, "rooms"), /^ERROR 122 /);
  assertMatch(await other.ask("WHO ALL\n\n"), /^alice \S+ account$/m);
  assertEquals(
    await server.console.run("deop alice"),
    "alice is no moderator",
  );
});

Deno.test("--moderator makes an account a moderator when it is created, or at the start", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db`, moderators: ["Alice"] };
  {
    await using server = startTestServer(options);
    await server.ready;
    await server.logged(
      "Alice has no account yet: the user who creates it is a moderator",
    );
    using alice = await RawClient.connect(server.port);
    await alice.send(await signUp("alice"));
    const registered = await alice.next("REGISTERED");
    assertEquals(headerOf(registered, "Role"), "moderator");
    await server.console.run("deop alice");
  }
  await using server = startTestServer(options);
  await server.ready;
  using alice = await logIn(server.port, "alice");
  assertEquals(headerOf(alice.answer, "Role"), "moderator");
});

Deno.test("the log says that no user can have a reserved name of --moderator", async () => {
  await using server = startTestServer({ moderators: ["Teacher", "smith"] });
  await server.ready;
  await server.logged(
    "Teacher has no account, and can have none: the name is reserved. " +
      "Choose another name",
  );
  await server.logged(
    "smith has no account yet: the user who creates it is a moderator",
  );
  using teacher = await RawClient.connect(server.port);
  await teacher.send(await signUp("Teacher"));
  await teacher.next("ERROR 100");
});

Deno.test("a user of --moderator who is none any more stays none when others sign up", async () => {
  await using server = startTestServer({ moderators: ["alice"] });
  using alice = await RawClient.connect(server.port);
  await alice.send(await signUp("alice"));
  assertMatch(await alice.next("REGISTERED"), /^Role: moderator$/m);
  await server.console.run("deop alice");
  await alice.next("NOTICE set\nUser: alice\nRole: user");

  using _bob = await signedUp(server.port, "bob");

  assertMatch(await moderate(alice, "users"), /^ERROR 122 /);
});

Deno.test("a moderator kicks, mutes and bans others, who are told by whom; the log says who did it", async () => {
  await using server = startTestServer();
  using alice = await moderator(server);
  using bob = await RawClient.enter(server.port, "bob", "#r");
  using carol = await RawClient.enter(server.port, "carol", "#r");

  assertMatch(await obeyed(alice.client, "mute carol 10m"), /^Muted carol/);
  await carol.say("#r", "x");
  assertMatch(await carol.next("ERROR"), /^ERROR 120 Muted/);
  assertEquals(await obeyed(alice.client, "kick bob spam"), "Disconnected bob");
  assertMatch(
    await bob.next("ERROR"),
    /Reason: Cannot stay connected: the moderator alice disconnected you \(spam\)/,
  );
  assertMatch(await obeyed(alice.client, "say break"), /^Sent to 2 users/);
  assertMatch(
    await carol.next("FORWARD SERVER"),
    /The moderator alice: break$/,
  );
  await server.logged("The moderator alice <10.0.0.1:");
  assertEquals(
    server.log.filter((line) => line.startsWith("The moderator"))
      .map((line) => line.replace(/<.*>/, "<>")),
    [
      "The moderator alice <>: mute carol 10m",
      "The moderator alice <>: kick bob spam",
      "The moderator alice <>: say break",
    ],
  );
});

Deno.test("moderators cannot act on themselves, on each other, or on where one is", async () => {
  await using server = startTestServer();
  using alice = await moderator(server);
  using _dean = await moderator(server, "dean", "10.0.0.2");
  {
    using _away = await moderator(server, "zoe", "10.0.0.3");
  }
  await server.logged("zoe disconnected");
  const answers = {
    "kick alice": "Cannot kick alice: that is you. Ask the operator.",
    "mute a1ice": "Cannot mute a1ice: that is you. Ask the operator.",
    "ban dean 10m":
      "Cannot ban dean: dean is a moderator, too. Ask the operator.",
    "ban 10.0.0.0/8":
      "Cannot ban the network 10.0.0.0/8: you are connected from there. Ask the operator.",
    "kick 10.0.0.2":
      "Cannot kick the address 10.0.0.2: the moderator dean is connected from there. Ask the operator.",
    "ban zoe": "Cannot ban zoe: zoe is a moderator, too. Ask the operator.",
  };
  for (const [line, answer] of Object.entries(answers)) {
    assertEquals(await obeyed(alice.client, line), answer, line);
  }
  assertMatch(await server.console.run("kick dean"), /^Disconnected dean/);
});

Deno.test("an answer names commands as a moderator types them: with / before, and none that only the operator has", async () => {
  await using server = startTestServer();
  using alice = await moderator(server);
  const answers = {
    "kick": "Missing argument: NAME|ADDRESS|PREFIX. " +
      "Usage: /kick NAME|ADDRESS|PREFIX [REASON]",
    "kick bob":
      'Cannot kick "bob": no user has that name. Type /users to see all.',
    "ban bob": "Banned bob. No user or account has that name now.\n" +
      "It has no end. To give it an end, type: /ban bob 10m",
    "unban carol":
      "Cannot unban carol: there is no such ban. Type /bans to see all.",
    "mute bob x": 'Cannot mute bob for "x": it is no time such as 90s, 10m ' +
      "or 2h. Usage: /mute NAME|ADDRESS|PREFIX [TIME]",
    "mute 10.1.0.0/16 1h":
      "Muted the network 10.1.0.0/16 for 1 hour: 0 users. " +
      "To let one of them send, type: /unmute NAME",
    "unmute eve": "Cannot unmute eve: it is not muted. " +
      "Type /bans to see the mutes.",
    "unblock bob": 'Cannot unblock "bob": there is no such account.',
    "forget lab": 'Cannot forget "lab": no room of that name has messages. ' +
      "Type /rooms to see all.",
  };
  for (const [line, answer] of Object.entries(answers)) {
    assertEquals(await obeyed(alice.client, line), answer, line);
  }
  assertMatch(await obeyed(alice.client, "help"), /^ {2}\/kick NAME/m);
  assertMatch(
    await server.console.run("accounts"),
    /^ {2}alice .* connected, moderator$/m,
  );
});

Deno.test("what is for the operator alone, and what is no command, is refused to a moderator", async () => {
  await using server = startTestServer();
  using alice = await moderator(server);

  for (
    const line of ["stop", "op bob", "deop alice", "backup x", "delete bob"]
  ) {
    const [command] = line.split(" ");
    assertEquals(
      await moderate(alice.client, line),
      "ERROR 122 Not allowed\nFor: MODERATE\nReason: Cannot do that: " +
        `"${command}" is for the operator, where the server runs\n\n`,
    );
  }
  for (const body of ["", "  ", "kick bob\nstop", "\r"]) {
    assertMatch(
      await moderate(alice.client, body),
      /^ERROR 105 .*\nFor: MODERATE\nReason: Cannot do that: the body is not one line/,
    );
  }
  assertMatch(
    await obeyed(alice.client, "kcik bob"),
    /Did you mean \/kick\? Type \/help\.$/,
  );
  assertEquals((await obeyed(alice.client, "help")).includes("stop"), false);
});

Deno.test("who cannot be a moderator: guests, users who are not there, look-alikes of an account", async () => {
  await using server = startTestServer();
  using _bob = await RawClient.enter(server.port, "bob");
  using _alice = await signedUp(server.port, "alice");

  const run = (line: string) => server.console.run(line);
  assertEquals(
    await run("op bob"),
    "Cannot op bob: a moderator needs an account, and bob is a guest. bob can type /signup first.",
  );
  assertMatch(
    await run("op zoe"),
    /^Cannot op "zoe": there is no such account/,
  );
  assertMatch(
    await run("op a1ice"),
    /^Cannot op "a1ice": there is no such account/,
  );
  assertEquals(await run("deop alice"), "alice is no moderator");
  assertMatch(
    await run("deop bob"),
    /^Cannot deop "bob": there is no such account/,
  );
});
