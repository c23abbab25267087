/** HISTORY of a user: what two accounts have sent to each other, and nothing else. */
import { assertEquals, assertMatch } from "@std/assert";
import { error, logIn, signedUp, signUp } from "../../tools/account_tools.ts";
import { headerOf, RawClient } from "../../tools/net/raw_client.ts";
import {
  startTestServer,
  type TestServer,
} from "../../tools/net/test_server.ts";
import { tempFolder } from "../../tools/temp.ts";

/** Sends a message, and gives its id. */
async function say(client: RawClient, to: string, text: string) {
  await client.say(to, text);
  return Number(headerOf(await client.next("SENT"), "Id"));
}

/** The answer to a HISTORY: `FROM to TO: TEXT` for each message, and its end. */
async function history(
  client: RawClient,
  name: string,
  headers = "",
): Promise<string[]> {
  await client.send(`HISTORY ${name}\n${headers}\n`);
  const found: string[] = [];
  for (;;) {
    const frame = await client.frame();
    if (/^(HISTORY|ERROR)/.test(frame)) return [...found, frame];
    const [, from, to, text] =
      /^FORWARD (.+)\nTo: (.+)\n[^]*\n\n([^]*)$/.exec(frame) ?? [];
    found.push(`${from} to ${to}: ${text}`);
  }
}

/** Alice, Bob and Carol, who have accounts, and what they have sent. */
async function arrange(server: TestServer) {
  const stack = new AsyncDisposableStack();
  const enter = async (name: string) =>
    stack.use(await signedUp(server.port, name));
  const [alice, bob, carol] = [
    await enter("alice"),
    await enter("bob"),
    await enter("carol"),
  ];
  const ids = [
    await say(alice, "bob", "one"),
    await say(bob, "Alice", "two"),
    await say(carol, "alice", "of carol"),
    await say(alice, "carol", "to carol"),
    await say(bob, "carol", "not for alice"),
    await say(bob, "ALL", "for all"),
    await say(alice, "bob", "three"),
    await say(alice, "bob", "four"),
    await say(bob, "alice", "five"),
    await say(alice, "alice", "to myself"),
  ];
  await alice.send("PING\n\n");
  await alice.next("PONG"); // what was forwarded is read
  await bob.send("PING\n\n");
  await bob.next("PONG");
  return {
    alice,
    bob,
    ids,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const ALL = [
  "alice to bob: one",
  "bob to alice: two",
  "alice to bob: three",
  "alice to bob: four",
  "bob to alice: five",
];

for (const db of [":memory:", "chat.db"]) {
  Deno.test(`HISTORY of a user has what both have sent to each other, by page (${db})`, async () => {
    using folder = tempFolder();
    const path = db === ":memory:" ? db : `${folder.path}/${db}`;
    await using server = startTestServer({ db: path });
    await using chat = await arrange(server);
    const { alice, bob, ids } = chat;
    const [one, , , , , , three] = ids;
    const end = (count: number) => `HISTORY bob\nCount: ${count}\n\n`;

    assertEquals(await history(alice, "bob"), [...ALL, end(5)]);
    assertEquals(await history(alice, "B0B"), [...ALL, end(5)]);
    assertEquals(
      await history(bob, "alice"),
      [...ALL, "HISTORY alice\nCount: 5\n\n"],
    );
    assertEquals(
      await history(alice, "bob", "Limit: 2\n"),
      [...ALL.slice(3), end(2)],
    );
    assertEquals(
      await history(alice, "bob", `Limit: 2\nBefore: ${three}\n`),
      [...ALL.slice(0, 2), end(2)],
    );
    assertEquals(
      await history(alice, "bob", `After: ${one}\nBefore: ${three}\n`),
      [...ALL.slice(1, 2), end(1)],
    );
    assertEquals(await history(alice, "bob", "Limit: 0\n"), [end(0)]);
    assertEquals(
      await history(alice, "alice"),
      ["alice to alice: to myself", "HISTORY alice\nCount: 1\n\n"],
    );
    assertEquals(
      await history(alice, "carol"),
      [
        "carol to alice: of carol",
        "alice to carol: to carol",
        "HISTORY carol\nCount: 2\n\n",
      ],
    );
    assertMatch(
      (await history(alice, "bob", "Limit: x\n"))[0]!,
      /^ERROR 105 Unknown command\n/,
    );
  });
}

Deno.test("HISTORY of a user is for accounts: guests get 122, and 121 tells that the other is none", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  using guest = await RawClient.enter(server.port, "guest");
  await say(guest, "alice", "from a guest");
  await alice.next("FORWARD guest");

  const guests = "Cannot show private messages: you are a guest; " +
    "only accounts can read older ones";
  for (const name of ["alice", "guest", "nobody"]) {
    assertEquals(
      await history(guest, name),
      [error("122 Not allowed", `HISTORY ${name}`, guests)],
    );
  }
  for (const name of ["guest", "nobody"]) {
    const why = `Cannot show private messages: ${name} has no account`;
    assertEquals(
      await history(alice, name),
      [error("121 No account", `HISTORY ${name}`, why)],
    );
  }
});

Deno.test("what a guest sent is of the account that this guest makes, and not of another guest's", async () => {
  await using server = startTestServer();
  using alice = await signedUp(server.port, "alice");
  {
    using other = await RawClient.enter(server.port, "bob");
    await say(other, "alice", "of another guest");
    await alice.next("FORWARD bob");
    assertEquals(await other.ask("LOGOUT\n\n"), "BYE\n\n");
  }
  using bob = await RawClient.enter(server.port, "bob");
  await say(bob, "alice", "as a guest");
  await alice.next("FORWARD bob");
  assertMatch(await bob.ask(await signUp("bob")), /^REGISTERED bob\n/);
  await say(bob, "alice", "as an account");
  await alice.next("FORWARD bob");

  assertEquals(
    await history(alice, "bob"),
    [
      "bob to alice: as a guest",
      "bob to alice: as an account",
      "HISTORY bob\nCount: 2\n\n",
    ],
  );
});

Deno.test("HISTORY of a user survives a restart, and the next owner of a name gets nothing of it", async () => {
  using folder = tempFolder();
  const options = { db: `${folder.path}/chat.db` };
  {
    await using server = startTestServer(options);
    await using _chat = await arrange(server);
  }
  await using server = startTestServer(options);
  await server.ready;
  using alice = await logIn(server.port, "alice");
  await alice.client.send("PING\n\n");
  await alice.client.next("PONG");
  assertEquals(
    await history(alice.client, "bob"),
    [...ALL, "HISTORY bob\nCount: 5\n\n"],
  );

  await server.console.run("delete bob");
  assertMatch(
    (await history(alice.client, "bob"))[0]!,
    /^ERROR 121 No account\n/,
  );
  using bob = await signedUp(server.port, "bob");
  const none = ["HISTORY bob\nCount: 0\n\n"];
  assertEquals(await history(bob, "alice"), ["HISTORY alice\nCount: 0\n\n"]);
  assertEquals(await history(alice.client, "bob"), none);

  await say(bob, "alice", "I am new");
  await alice.client.next("FORWARD bob");
  assertEquals(
    await history(alice.client, "bob"),
    ["bob to alice: I am new", "HISTORY bob\nCount: 1\n\n"],
  );
});

Deno.test("HISTORY of a user without Limit has as many messages as --history says", async () => {
  for (const [amount, found] of [[0, []], [2, ALL.slice(3)]] as const) {
    await using server = startTestServer({ history: amount });
    await using chat = await arrange(server);
    assertEquals(
      await history(chat.alice, "bob"),
      [...found, `HISTORY bob\nCount: ${found.length}\n\n`],
    );
    assertEquals((await history(chat.alice, "bob", "Limit: 9\n")).length, 6);
  }
});
