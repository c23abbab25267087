/** NICK: display names, who is told of them, and which are refused. */
import { assertEquals, assertMatch } from "@std/assert";
import { logIn, signedUp, signUp } from "../../tools/account_tools.ts";
import {
  bytes,
  headerOf,
  join,
  RawClient,
} from "../../tools/net/raw_client.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

/** Sends NICK; the answer. */
async function take(client: RawClient, nick: string): Promise<string> {
  await client.send(
    `NICK\nContent-length: ${bytes(nick).length}\n\n`,
    nick,
  );
  for (;;) {
    const frame = await client.frame();
    if (/^(NICKED|ERROR)/.test(frame)) return frame;
  }
}

function nicked(nick: string): string {
  return `NICKED\nContent-length: ${bytes(nick).length}\n\n${nick}`;
}

/** Joins a room; the lines of the NOTICE that comes with the answer. */
async function joined(client: RawClient, room: string): Promise<string> {
  await client.send(`JOIN ${room}\n\nPING\n\n`);
  await client.next("JOINED");
  const frame = await client.frame();
  if (frame === "PONG\n\n") return "";
  assertMatch(frame, new RegExp(`^NOTICE nick\nRoom: ${room}\nCount: \\d+\n`));
  await client.next("PONG");
  return frame.slice(frame.indexOf("\n\n") + 2);
}

Deno.test("members of a room are told a display name, and newcomers and late ones find it", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice", "#a", "#b");
  using bob = await RawClient.enter(server.port, "bob", "#a");
  using carol = await RawClient.enter(server.port, "carol", "#other");
  await alice.next("NOTICE joined");

  assertEquals(
    await take(alice, "  Jos\u0065\u0301   M\u{aa} "),
    nicked("José Ma"),
  );
  assertEquals(
    await bob.next("NOTICE nick"),
    "NOTICE nick\nRoom: #a\nContent-length: 15\n\nalice José Ma\n",
  );
  assertEquals(await joined(carol, "#a"), "alice José Ma\n");
  await alice.next("NOTICE joined");
  assertEquals(await take(carol, "Ünsal"), nicked("Ünsal"));
  using dave = await RawClient.enter(server.port, "dave");
  assertEquals(await joined(dave, "#a"), "alice José Ma\ncarol Ünsal\n");
  assertEquals(await joined(dave, "#other"), "carol Ünsal\n");
  assertEquals(await joined(dave, "#none"), "");

  assertEquals(
    await dave.ask("LEAVE #a\n\n").then((f) => f.slice(0, 4)),
    "LEFT",
  );
  assertEquals(await take(dave, "Дейв"), nicked("Дейв"));
  await dave.send("JOIN #a\n\n");
  assertEquals(
    headerOf(
      await bob.next(
        "NOTICE joined\nRoom: #a\nUser: dave\nFrom: " + dave.address + "\nNick",
      ),
      "Nick",
    ),
    "Дейв",
  );

  assertEquals(await take(alice, ""), nicked(""));
  assertEquals(
    await bob.next("NOTICE nick"),
    "NOTICE nick\nRoom: #a\nContent-length: 6\n\nalice\n",
  );
  using erin = await RawClient.enter(server.port, "erin");
  assertEquals(await joined(erin, "#a"), "carol Ünsal\ndave Дейв\n");
  // Messages are as they always were.
  await dave.say("#a", "hi");
  assertMatch(
    await erin.next("FORWARD"),
    /^FORWARD dave\nTo: #a\nId: 1\nTime: .+\nContent-length: 2\n\nhi$/,
  );
});

Deno.test("an account keeps its display name over a restart, a guest for the session", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db` };
  let token: string;
  {
    await using server = startTestServer(options);
    using alice = await signedUp(server.port, "alice");
    assertEquals(await take(alice, "Алиса"), nicked("Алиса"));
    using bob = await RawClient.connect(server.port);
    token = headerOf(await bob.ask("REGISTER bob\n\n"), "Token");
    assertEquals(
      await take(bob, "Bob der Baumeister"),
      nicked("Bob der Baumeister"),
    );
  }
  await using server = startTestServer(options);
  await server.ready;
  using alice = await logIn(server.port, "alice");
  assertEquals(headerOf(alice.answer, "Nick"), "Алиса");
  using bob = await RawClient.connect(server.port);
  const again = await bob.ask(`REGISTER bob\nToken: ${token}\n\n`);
  assertEquals(headerOf(again, "Nick"), "Bob der Baumeister");
  assertEquals(await joined(bob, "#a"), "bob Bob der Baumeister\n");
  assertMatch(
    await bob.ask(await signUp("bob")),
    /\nNick: Bob der Baumeister\n/,
  );
  assertEquals(await bob.ask("LOGOUT\n\n"), "BYE\n\n");
  using owner = await logIn(server.port, "bob");
  assertEquals(headerOf(owner.answer, "Nick"), "Bob der Baumeister");

  // The next owner of a name has none, and others may take it.
  await server.console.run("delete bob");
  await owner.client.rest();
  using other = await RawClient.connect(server.port);
  assertEquals(headerOf(await other.ask("REGISTER bob\n\n"), "Nick"), "");
  using carol = await RawClient.enter(server.port, "carol");
  assertEquals(
    await take(carol, "Bob der Baumeister"),
    nicked("Bob der Baumeister"),
  );
});

Deno.test("a display name that looks like a name or a display name of another user is refused", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  using bob = await RawClient.enter(server.port, "bob");
  using _jose = await signedUp(server.port, "jose");
  const refused = (nick: string, other: string) =>
    "ERROR 104 Name in use\nFor: NICK\n" +
    `Reason: Cannot use the display name "${nick}": it looks like "${other}", ` +
    "the name of another user\n\n";

  assertEquals(await take(alice, "Zoë K."), nicked("Zoë K."));
  assertEquals(await take(bob, "zoë k."), refused("zoë k.", "Zoë K."));
  assertEquals(await take(bob, "ZoëK"), refused("ZoëK", "Zoë K."));
  for (const nick of ["Jose", "jos\u0435", "J o s e", "ｊｏｓｅ", "j0se"]) {
    assertEquals(
      await take(bob, nick),
      refused(nick.normalize("NFKC"), "jose"),
    );
  }
  assertEquals(await take(bob, "José"), nicked("José"));
  assertEquals(await take(bob, "B.o.b"), nicked("B.o.b")); // his own
  // So is a name that looks like a display name which is seen.
  using erin = await RawClient.connect(server.port);
  assertEquals(await take(alice, "Erin"), nicked("Erin"));
  assertMatch(
    await erin.ask("REGISTER er1n\n\n"),
    /^ERROR 104 Name in use\nFor: .*\nReason: .* looks like "Erin", the name/,
  );
  alice.close();
});

const UNUSABLE: readonly [why: string, nick: string][] = [
  ["a reserved word", "Instructor"],
  ["a reserved word of other letters", "\u041eperator"],
  ["a reserved word among others", "The Teacher Anna"],
  ["a target", "All"],
  ["nothing but spaces", "  \u3000 "],
  ["an override of direction", "a\u202eb"],
  ["a mark of direction", "a\u200fb"],
  ["a character that is not seen", "a\u200bb"],
  ["a joiner between Latin letters", "a\u200db"],
  ["a line feed", "a\nb"],
  ["a separator of lines", "a\u2028b"],
  ["very many marks", "a" + "\u0316\u0317\u0318\u0319"],
  ["brackets", "Anna (bob)"],
  ["a target in front", "@bob"],
  ["an arrow", "a \u2192 b"],
  ["33 characters", "x".repeat(33)],
  ["129 bytes", "\u{1d11e}".repeat(33)],
  ["points alone", "..."],
  ["very many characters", "y".repeat(60_000)],
];

for (const [why, nick] of UNUSABLE) {
  Deno.test(`a display name with ${why} is refused`, async () => {
    await using server = startTestServer();
    using alice = await RawClient.enter(server.port, "alice");

    assertMatch(
      await take(alice, nick),
      /^ERROR 100 Malformed username\nFor: NICK\nReason: Cannot use the display name ".*": a display name .+\n\n$/,
    );
  });
}

Deno.test("NICK of a muted user is answered 120, bytes that are not UTF-8 107; removing is allowed", async () => {
  await using server = startTestServer();
  using alice = await RawClient.enter(server.port, "alice");
  assertEquals(await take(alice, "Ärger"), nicked("Ärger"));
  await alice.send(
    join("NICK\nContent-length: 2\n\n", Uint8Array.of(0xc3, 0x28)),
  );
  assertMatch(await alice.frame(), /^ERROR 107 Not UTF-8\n/);
  await server.console.run("mute alice");
  assertMatch(await take(alice, "Other"), /^ERROR 120 Muted\n/);
  assertEquals(await take(alice, ""), nicked(""));
});
