/** Coming back: what is asked of the server, and what is shown once. */
import { assertEquals, assertMatch } from "@std/assert";
import { Pupil } from "../tools/class_room.ts";
import {
  type FakePeer,
  FakeServer,
  quietServer,
} from "../tools/client_tools.ts";
import { FaultProxy } from "../tools/net/fault_proxy.ts";
import { RawClient } from "../tools/net/raw_client.ts";
import { lastingPort, startTestServer } from "../tools/net/test_server.ts";
import { tempFolder } from "../tools/temp.ts";

const AT = "2026-11-21T07:32:56.120Z";

/** Lets pupil `alice` in, under `token`; says what she came with. */
async function letIn(
  peer: FakePeer,
  token: string,
  lastId: number,
  { journal = "j1", oldestId = 1 } = {},
): Promise<Record<string, string>> {
  assertEquals(await peer.request(), "REGISTER alice");
  const { headers } = peer;
  await peer.say(
    `REGISTERED alice\nToken: ${token}\nJournal: ${journal}\n` +
      `Oldest-id: ${oldestId}\nLast-id: ${lastId}\n\n`,
  );
  return { ...headers };
}

/** A message of `bob`, as it is forwarded. */
function forward(id: number, text: string, to = "#lab", from = "bob"): string {
  return `FORWARD ${from}\nTo: ${to}\nId: ${id}\nTime: ${AT}\n` +
    `Content-length: ${text.length}\n\n${text}`;
}

/** Alice in #lab, who has seen message 5, and the server's end. */
async function entered(server: FakeServer) {
  const alice = new Pupil("alice", "#lab", server.port);
  const entering = alice.enter();
  const peer = await server.accept();
  assertEquals(await letIn(peer, "t1", 4), {});
  assertEquals(await peer.request(), "JOIN #lab");
  await peer.say("JOINED #lab\nLast-id: 4\n\n");
  assertEquals(await peer.request(), "HISTORY #lab");
  await peer.say("HISTORY #lab\nCount: 0\n\n" + forward(5, "five"));
  await entering;
  await alice.saw(1);
  return { alice, peer };
}

Deno.test("a client that reconnects shows once, in order, what is replayed, stored and live", async () => {
  using server = new FakeServer();
  const { alice, peer } = await entered(server);
  await using _alice = alice;

  alice.say("mine");
  assertEquals(await peer.request(), "SEND #lab\nmine");
  const { key } = peer.headers;
  await peer.say(forward(8, "eight")); // ours may have come before it
  peer.hangUp();
  using again = await server.accept();
  const came = { token: "t1", after: "5", journal: "j1" };
  assertEquals(await letIn(again, "t1", 9), came);
  await again.say(forward(6, "six") + forward(8, "eight"));
  assertEquals(await again.request(), "JOIN #lab");
  await again.say("JOINED #lab\nLast-id: 11\n\n" + forward(12, "twelve"));
  assertEquals(await again.request(), "HISTORY #lab");
  assertEquals(again.headers, { limit: "1000", after: "5" });
  await again.say(
    forward(6, "six") + forward(7, "mine", "#lab", "alice") +
      forward(8, "eight") + forward(11, "eleven") +
      "HISTORY #lab\nCount: 4\n\n",
  );
  assertEquals(await again.request(), "SEND #lab\nmine");
  assertEquals(again.headers["key"], key);
  await again.say(`SENT #lab\nId: 7\nTime: ${AT}\n\n` + forward(13, "last"));
  await alice.saw(7);

  assertEquals(alice.seen, [
    "bob: five",
    "bob: six",
    "alice: mine",
    "bob: eight",
    "bob: eleven",
    "bob: twelve",
    "bob: last",
  ]);
});

Deno.test("a client that is lost while it reconnects does not fetch again what it has", async () => {
  using server = new FakeServer();
  const { alice, peer } = await entered(server);
  await using _alice = alice;

  peer.hangUp();
  const second = await server.accept();
  assertEquals((await letIn(second, "t1", 7))["after"], "5");
  await second.say(forward(6, "six") + forward(7, "seven"));
  await second.request();
  await second.say("JOINED #lab\nLast-id: 7\n\n");
  await second.request();
  second.hangUp();
  using third = await server.accept();
  assertEquals((await letIn(third, "t1", 8))["after"], "7");
  await third.request();
  await third.say("JOINED #lab\nLast-id: 8\n\n");
  await third.request();
  assertEquals(third.headers["after"], "5"); // the room's was not answered
  await third.say(
    [6, 7, 8].map((id) => forward(id, `no ${id}`)).join("") +
      "HISTORY #lab\nCount: 3\n\n",
  );
  await alice.saw(4);

  assertEquals(alice.seen, [
    "bob: five",
    "bob: six",
    "bob: seven",
    "bob: no 8",
  ]);
});

for (
  const [why, error] of [
    ["the disk is full", "ERROR 119 Not stored\nReason: the disk is full\n\n"],
    ["it is rate-limited", "ERROR 108 Slow down\nRetry-after: 2\n\n"],
  ] as const
) {
  Deno.test(`a room that cannot be joined again because ${why} is tried again`, async () => {
    using server = new FakeServer();
    const { alice, peer } = await entered(server);
    await using _alice = alice;

    peer.hangUp();
    using full = await server.accept();
    await letIn(full, "t1", 5);
    assertEquals(await full.request(), "JOIN #lab");
    await full.say(error);
    using again = await server.accept();
    await letIn(again, "t1", 5);
    assertEquals(await again.request(), "JOIN #lab");
    await again.say("JOINED #lab\nLast-id: 5\n\n");
    await again.request();
    await again.say("HISTORY #lab\nCount: 0\n\n" + forward(6, "six"));
    await alice.saw(2);

    assertEquals(alice.seen, ["bob: five", "bob: six"]);
    assertEquals(alice.notes.filter((note) => /119|108/.test(note)), []);
  });
}

Deno.test("a server that forgot the visit has the message already that was not answered", async () => {
  using server = new FakeServer();
  const { alice, peer } = await entered(server);
  await using _alice = alice;

  for (const text of ["stored", "stored", "lost"]) alice.say(text);
  for (let i = 0; i < 3; i++) await peer.request();
  peer.hangUp();
  const lost = await server.accept(); // the new token arrives, and no more
  await letIn(lost, "t2", 7);
  await lost.request();
  lost.hangUp();
  using again = await server.accept();
  await letIn(again, "t2", 7);
  assertEquals(await again.request(), "JOIN #lab");
  await again.say("JOINED #lab\nLast-id: 7\n\n");
  assertEquals(await again.request(), "HISTORY #lab");
  assertEquals(again.headers["after"], "5");
  await again.say(
    forward(6, "stored", "#lab", "alice") + forward(7, "seven") +
      "HISTORY #lab\nCount: 2\n\n",
  );
  assertEquals(await again.request(), "SEND #lab\nstored");
  assertEquals(await again.request(), "SEND #lab\nlost");
  await again.say("SENT #lab\nId: 8\n\nSENT #lab\nId: 9\n\n");
  await alice.saw(5);

  assertEquals(alice.seen, [
    "bob: five",
    "alice: stored",
    "bob: seven",
    "alice: stored",
    "alice: lost",
  ]);
});

for (
  const [why, token, lastId, journal] of [
    ["that forgot the session, with another journal", "t2", 9, "j2"],
    ["that knows the session, with another journal", "t1", 9, "j2"],
    ["with another journal and lower ids", "t2", 2, "j2"],
    ["with an old copy of its file", "t1", 4, "j1"],
  ] as const
) {
  Deno.test(`a server ${why} has begun anew`, async () => {
    using server = new FakeServer();
    const { alice, peer } = await entered(server);
    await using _alice = alice;

    peer.hangUp();
    using again = await server.accept();
    await letIn(again, token, lastId, { journal });
    assertEquals(await again.request(), "JOIN #lab");
    await again.say(`JOINED #lab\nLast-id: ${lastId}\n\n`);
    assertEquals(await again.request(), "HISTORY #lab");
    assertEquals(again.headers["after"], "0");
    await again.say(forward(1, "first") + "HISTORY #lab\nCount: 1\n\n");
    await alice.saw(2);

    assertEquals(alice.seen, ["bob: five", "bob: first"]);
    assertMatch(alice.notes.join(""), /\* The server has restarted/);
  });
}

for (
  const [oldestId, token, gap] of [
    [7, "t1", true],
    [9, "t2", true],
    [10, "t1", true], // nothing is left
    [6, "t1", false], // all of it is there
    [1, "t2", false],
  ] as const
) {
  const whether = gap ? "a" : "no";
  Deno.test(`a client that has 5 shows ${whether} gap if the oldest message is ${oldestId}`, async () => {
    using server = new FakeServer();
    const { alice, peer } = await entered(server);
    await using _alice = alice;

    peer.hangUp();
    using again = await server.accept();
    await letIn(again, token, 9, { oldestId });
    assertEquals(await again.request(), "JOIN #lab");
    await again.say("JOINED #lab\nLast-id: 9\n\n");
    assertEquals(await again.request(), "HISTORY #lab");
    assertEquals(again.headers["after"], "5");
    await again.say("HISTORY #lab\nCount: 0\n\n" + forward(10, "ten"));
    await alice.saw(2);

    assertEquals(alice.seen, ["bob: five", "bob: ten"]);
    const notes = alice.notes.join("");
    assertEquals(/no longer stored/.test(notes), gap, notes);
    assertEquals(/has restarted/.test(notes), false, notes);
  });
}

/** Alice, who has lost the server after a message of bob, and bob. */
async function cutOff(port: number) {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await FaultProxy.open({ target: port }));
  const alice = stack.use(new Pupil("alice", "#lab", proxy.port));
  await alice.enter();
  const bob = stack.use(await RawClient.enter(port, "bob", "#lab"));
  await bob.say("#lab", "before");
  await alice.saw(1);
  proxy.refuses = true;
  proxy.cutAll();
  await alice.isAway;
  const all = stack.move();
  const dispose = () => all.disposeAsync();
  return { proxy, alice, bob, [Symbol.asyncDispose]: dispose };
}

Deno.test("a client that reconnects to a room full of news fetches it page by page", async () => {
  await using server = quietServer();
  await using away = await cutOff(server.port);
  const { proxy, alice, bob } = away;

  for (let i = 0; i < 2_500; i++) await bob.say("#lab", `no ${i}`);
  for (let i = 0; i < 2_501;) {
    if ((await bob.frame()).startsWith("SENT")) i++;
  }
  proxy.refuses = false;
  await alice.saw(2_501);

  assertEquals(alice.seen, [
    "bob: before",
    ...Array.from({ length: 2_500 }, (_, i) => `bob: no ${i}`),
  ]);
});

Deno.test("a client that was away while messages were deleted shows the gap, and the rest", async () => {
  using folder = tempFolder();
  await using server = startTestServer({
    db: `${folder.path}/chat.db`,
    keep: { forMs: Infinity, messages: 3 },
  });
  await using away = await cutOff(server.port);
  const { proxy, alice, bob } = away;

  for (const text of ["a", "b", "c", "d", "e"]) {
    await bob.say("#lab", text);
    await bob.next("SENT");
  }
  const { journal } = server.context;
  while (journal.oldestId < 4) {
    journal.tidy();
    await bob.ask("PING\n\n");
  }
  proxy.refuses = false;
  await alice.saw(4);

  assertEquals(alice.seen, ["bob: before", "bob: c", "bob: d", "bob: e"]);
  assertMatch(alice.notes.join(""), /\* Some messages .* no longer stored/);
});

Deno.test("a client that reconnects to a restarted server sees all users and their messages", async () => {
  const { port, ...first } = quietServer(lastingPort());
  await using alice = new Pupil("alice", "#lab", port);
  await using bob = new Pupil("bob", "#lab", port);
  for (const pupil of [alice, bob]) {
    await pupil.enter();
    pupil.say(`${pupil.name} is here`);
  }
  await Promise.all([alice.saw(2), bob.saw(2)]);

  await first[Symbol.asyncDispose]();
  await Promise.all([alice.isAway, bob.isAway]);
  for (let i = 0; i < 20; i++) alice.say(`alice ${i}`);
  for (let i = 0; i < 20; i++) bob.say(`bob ${i}`);
  await using _second = quietServer(port);
  await Promise.all([alice.saw(42), bob.saw(42)]);

  assertEquals(alice.seen.slice(-40), bob.seen.slice(-40));
  for (const name of ["alice", "bob"]) {
    assertEquals(
      alice.seen.slice(-40).filter((one) => one.startsWith(name)),
      Array.from({ length: 20 }, (_, i) => `${name}: ${name} ${i}`),
    );
  }
});

Deno.test("lines typed on a dead connection are shown as queued, up to 20", async () => {
  using server = new FakeServer();
  const { alice, peer } = await entered(server);
  await using _alice = alice;

  for (let i = 1; i <= 22; i++) alice.say(`no ${i}`);
  for (let i = 1; i <= 22; i++) await peer.request();
  await peer.say(`SENT #lab\nId: 6\nTime: ${AT}\n\n`);
  await alice.saw(2);
  peer.hangUp();
  await alice.isAway;
  using again = await server.accept();
  await again.request();

  const waiting = alice.notes.filter((note) => /Queued|more/.test(note));
  assertEquals(waiting, [
    ...Array.from({ length: 20 }, (_, i) => `* Queued: no ${i + 2}\n`),
    "* And 1 more\n",
  ]);
});
