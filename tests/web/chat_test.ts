/** The chat of the page, without a browser: what it keeps over a reconnect. */
import { assertEquals, assertMatch } from "@std/assert";
import { ConnectionError } from "../../core/net/connection_error.ts";
import { MAX_DECLINES } from "../../core/requests.ts";
import { SignIn } from "../../core/sign_in.ts";
import { Chat } from "../../web/page/model/chat.ts";
import { readStored, restore, storedOf } from "../../web/page/model/stored.ts";
import { type FakePeer, FakeServer } from "../tools/client_tools.ts";
import { createChat } from "./chat_tools.ts";

const AT = "2026-11-21T07:32:56.120Z";

/** Answers the next request, which has to be `request`. */
async function answer(peer: FakePeer, request: string, frames: string) {
  assertEquals(await nextRequest(peer), request);
  await peer.say(frames);
}

/** The next request but for lists, which are answered without any lines. */
async function nextRequest(peer: FakePeer): Promise<string> {
  for (;;) {
    const request = await peer.request();
    const [verb = ""] = request.split(" ");
    if (verb !== "ROOMS" && verb !== "WHO") return request;
    // A page that is gone reads no answer.
    await peer.say(`${request}\nCount: 0\n\n`).catch(() => {});
  }
}

/** A message in #lab, as it is forwarded. */
function forward(id: number, text: string, from = "bob"): string {
  return `FORWARD ${from}\nTo: #lab\nId: ${id}\nTime: ${AT}\n` +
    `Content-length: ${text.length}\n\n${text}`;
}

/** Registers alice, and answers her lists until she joins #lab. */
async function register(
  peer: FakePeer,
  lastId: number,
  { journal = "j1", oldestId = 1 } = {},
): Promise<void> {
  await answer(
    peer,
    "REGISTER alice",
    `REGISTERED alice\nToken: t1\nJournal: ${journal}\n` +
      `Oldest-id: ${oldestId}\nLast-id: ${lastId}\n\n`,
  );
}

/** A chat of alice that has joined these rooms of `server`, all without messages. */
async function createChatIn(server: FakeServer, ...rooms: readonly string[]) {
  const { chat, told, until } = createChat(server);
  const running = chat.run();
  const first = await server.accept();
  await register(first, 4);
  await until(() => chat.state === "connected");
  for (const room of rooms) await join(chat, first, room);
  return { chat, told, until, running, first };
}

/** The answer to HISTORY. */
function historyOf(room: string, messages: readonly string[]): string {
  return `${messages.join("")}HISTORY ${room}\nCount: ${messages.length}\n\n`;
}

/** Joins a room, which has `history`, and no older messages. */
async function join(
  chat: Chat,
  peer: FakePeer,
  room: string,
  ...history: readonly string[]
): Promise<void> {
  const joining = chat.join(room);
  await answer(peer, `JOIN #${room}`, `JOINED #${room}\nLast-id: 4\n\n`);
  await answer(peer, `HISTORY #${room}`, historyOf(`#${room}`, history));
  await answer(peer, `HISTORY #${room}`, historyOf(`#${room}`, []));
  await joining;
}

for (
  const [why, error] of [
    ["its disk is full", "ERROR 119 Not stored\nReason: the disk is full\n\n"],
    ["it rate-limits the page", "ERROR 108 Slow down\nReason: too fast\n\n"],
  ] as const
) {
  Deno.test(`the page keeps its room if the server cannot let it in because ${why}`, async () => {
    using server = new FakeServer();
    const { chat, told, until, running, first: peer } = await createChatIn(
      server,
      "lab",
    );
    using first = peer;

    first.hangUp();
    using refusing = await server.accept();
    await register(refusing, 4);
    await answer(refusing, "JOIN #lab", error);
    using second = await server.accept();
    await register(second, 5);
    await answer(second, "JOIN #lab", "JOINED #lab\nLast-id: 5\n\n");
    await answer(
      second,
      "HISTORY #lab",
      forward(5, "five") + "HISTORY #lab\nCount: 1\n\n" + forward(6, "six"),
    );
    const room = chat.current;
    const rest = nextRequest(second); // there are lists alone
    await until(() => room.entries.length === 2);

    assertEquals(room.target, "#lab");
    assertEquals(chat.conversations.list.includes(room), true);
    assertEquals(room.entries.map(({ text }) => text), ["five", "six"]);
    assertEquals(told, []);
    chat.server.close();
    await running;
    assertEquals(await rest, "(end)");
  });
}

Deno.test("what the user writes while the page reconnects is sent after that, once", async () => {
  using server = new FakeServer();
  const { chat, until, running, first: peer } = await createChatIn(server);
  using first = peer;

  first.hangUp();
  await until(() => chat.state === "reconnecting");
  chat.sendTo("bob", "hello");
  chat.server.hurry();
  using second = await server.accept();
  await register(second, 4);
  await answer(second, "SEND bob\nhello", `SENT bob\nId: 5\nTime: ${AT}\n\n`);
  await until(() => !chat.conversations.waits);

  assertEquals(
    chat.current.entries.map(({ id, from, text }) => ({ id, from, text })),
    [{ id: 5, from: "alice", text: "hello" }],
  );
  chat.server.close();
  await running;
});

Deno.test("a guest's page shows as its own only what was sent from it, also after the server forgot it", async () => {
  using server = new FakeServer();
  const { chat, until, running, first: peer } = await createChatIn(server);
  using first = peer;
  const old = [
    forward(3, "yesterday", "alice"),
    forward(4, "so did I", "a1ice"),
  ];
  await join(chat, first, "lab", ...old);
  const room = chat.current;
  chat.send("now");
  await answer(first, "SEND #lab\nnow", `SENT #lab\nId: 5\nTime: ${AT}\n\n`);
  await until(() => !chat.conversations.waits);
  chat.send("unanswered");
  assertEquals(await nextRequest(first), "SEND #lab\nunanswered");

  first.hangUp();
  using second = await server.accept();
  const registered = "REGISTERED alice\nToken: t2\nJournal: j1\nLast-id: 7\n\n";
  await answer(second, "REGISTER alice", registered);
  await answer(second, "JOIN #lab", "JOINED #lab\nLast-id: 7\n\n");
  await answer(
    second,
    "HISTORY #lab",
    forward(6, "unanswered", "alice") + forward(7, "borrowed", "alice") +
      "HISTORY #lab\nCount: 2\n\n",
  );
  const rest = nextRequest(second);
  await until(() => room.entries.length === 5 && !chat.conversations.waits);

  assertEquals(room.entries.map(({ text, own }) => [text, own]), [
    ["yesterday", false],
    ["so did I", false],
    ["now", true],
    ["unanswered", true],
    ["borrowed", false],
  ]);
  chat.server.close();
  await running;
  assertEquals(await rest, "(end)");
});

Deno.test("a reload keeps when a message that was refused was written", () => {
  using server = new FakeServer();
  const { chat } = createChat(server);
  const { chat: reloaded } = createChat(server);
  chat.talkTo("bob");
  const written = new Date(2020, 1, 1);
  chat.current.refuse(chat.current.addOwn("hi", written), "No such user");

  const stored = JSON.stringify(storedOf(chat, new URL("ws://127.0.0.1/")));
  restore(reloaded, readStored(JSON.parse(stored))!);

  assertEquals(
    reloaded.current.entries.map(({ text, at, why }) => ({ text, at, why })),
    [{ text: "hi", at: written, why: "No such user" }],
  );
});

Deno.test("the page says why it cannot connect, and does not try again the first time", async () => {
  const chat = new Chat({
    dial: () => Promise.reject(new ConnectionError("lost", "No way")),
    name: "alice",
    signIn: new SignIn(),
    watcher: {
      changed: () => {},
      said: () => {},
      noted: () => {},
      told: () => {},
      own: () => {},
    },
  });

  await chat.run().catch(() => {});

  assertEquals([chat.state, chat.why], ["ended", "No way."]);
  assertEquals(chat.server.wasRegistered, false);
});

Deno.test("a room that does not let the user in again keeps what is being written", async () => {
  using server = new FakeServer();
  const { chat, told, until, running, first: peer } = await createChatIn(
    server,
    "lab",
  );
  using first = peer;
  const room = chat.current;
  room.type("dear lab");

  first.hangUp();
  await until(() => chat.state === "reconnecting");
  chat.server.hurry();
  using second = await server.accept();
  await register(second, 4);
  await answer(second, "JOIN #lab", "ERROR 105 Refused\nReason: too many\n\n");
  await until(() => told.length > 0);

  assertEquals([chat.current === room, room.draft], [true, "dear lab"]);
  assertEquals(room.entries.at(-1)?.kind, "error");
  chat.server.close();
  await running;
});

Deno.test("a room that is left stays if the user types there before the server answers", async () => {
  using server = new FakeServer();
  const { chat, running, first } = await createChatIn(server, "lab", "den");
  using peer = first;
  const [, lab, den] = chat.conversations.list;

  const leaving = chat.leave(den!);
  den!.type("wait, one more");
  await answer(peer, "LEAVE #den", "LEFT #den\n\n");
  await leaving;
  const stays = chat.current;
  chat.show(lab!);
  const quick = chat.leave(lab!);
  await answer(peer, "LEAVE #lab", "LEFT #lab\n\n");
  await quick;

  assertEquals(stays === den, true);
  assertEquals(den!.entries.at(-1)?.text, "You left #den");
  assertEquals(chat.conversations.list.includes(lab!), false);
  chat.server.close();
  await running;
});

Deno.test("of a long history that was missed no more pages are fetched than some megabytes", async () => {
  using server = new FakeServer();
  const { chat, until, running, first } = await createChatIn(server, "lab");
  const lists = nextRequest(first).catch(() => {}); // until we hang up
  const room = chat.current;

  first.hangUp();
  await lists;
  using second = await server.accept();
  await register(second, 2_004);
  await answer(second, "JOIN #lab", "JOINED #lab\nLast-id: 2004\n\n");
  assertEquals(await nextRequest(second), "HISTORY #lab");
  const text = "x".repeat(9_000); // a thousand are 9 MB
  const page = Array.from(
    { length: 1_000 },
    (_, i) => forward(1_005 + i, text),
  );
  await second.say(historyOf("#lab", page));
  const asked: string[] = [];
  const rest = nextRequest(second).then((one) => asked.push(one), () => {});
  const isTold = () => room.entries.some(({ text }) => /^More /.test(text));
  await Promise.race([rest, until(isTold)]);

  assertEquals(asked, []);
  chat.server.close();
  await running;
  await rest;
});

for (
  const [what, options, after, note] of [
    ["another journal", { journal: "j2" }, "0", /^The server has restarted/],
    ["deleted what was missed", { oldestId: 8 }, "5", /no longer stored$/],
    ["all that was missed", { oldestId: 6 }, "5", undefined],
  ] as const
) {
  Deno.test(`the page shows after a reconnect to a server with ${what} what it has`, async () => {
    using server = new FakeServer();
    const { chat, until, running, first: peer } = await createChatIn(
      server,
      "lab",
    );
    using first = peer;
    await first.say(forward(5, "five"));
    const lists = nextRequest(first).catch(() => {}); // until we hang up
    const room = chat.current;
    await until(() => room.entries.length === 1);

    first.hangUp();
    await lists;
    using second = await server.accept();
    await register(second, 9, options);
    await answer(second, "JOIN #lab", "JOINED #lab\nLast-id: 9\n\n");
    assertEquals(await nextRequest(second), "HISTORY #lab");
    assertEquals(second.headers["after"], after);
    await second.say(forward(9, "nine") + "HISTORY #lab\nCount: 1\n\n");
    const rest = nextRequest(second).catch(() => {}); // lists alone
    await until(() => room.entries.at(-1)?.text === "nine");

    const between = room.entries.slice(1, -1).map(({ text }) => text);
    assertEquals(room.entries[0]?.text, "five");
    if (!note) assertEquals(between, []);
    else assertMatch(between.join("|"), note);
    chat.server.close();
    await running;
    await rest;
  });
}

for (
  const [what, old, older, has] of [
    ["of a room without messages", [], [], false],
    ["when all are shown", [forward(3, "three")], [], false],
    ["when the server has older ones", [forward(4, "four")], [
      forward(3, "three"),
    ], true],
    ["when the server gave none on joining", [], [forward(4, "four")], true],
  ] as const
) {
  Deno.test(`the page knows whether a room has older messages: ${what}`, async () => {
    using server = new FakeServer();
    const { chat, until, running, first } = await createChatIn(server);
    using peer = first;
    const joining = chat.join("lab");
    await answer(peer, "JOIN #lab", "JOINED #lab\nLast-id: 4\n\n");
    await answer(peer, "HISTORY #lab", historyOf("#lab", old));
    const room = chat.current;
    assertEquals(await nextRequest(peer), "HISTORY #lab");
    const { limit, before } = peer.headers;
    room.hasOlder = !has;
    await peer.say(historyOf("#lab", older));
    await joining;
    await until(() => room.hasOlder === has);

    assertEquals([limit, before], ["1", old[0] && `${room.oldest}`]);
    assertEquals(room.entries.length, old.length);
    chat.server.close();
    await running;
  });
}

Deno.test("a user who writes under a thousand names fills no list, and is told of", async () => {
  using server = new FakeServer();
  const { chat, told, until, running, first } = await createChatIn(
    server,
    "lab",
  );
  const count = 1_000;

  for (let number = 1; number <= count; number++) {
    await first.say(
      `FORWARD mallory${number}\nTo: alice\nId: ${number + 4}\nTime: ${AT}\n` +
        "Content-length: 2\n\nhi",
    );
  }
  const last = `mallory${count}`;
  await until(() => chat.conversations.find("user", last) !== undefined);

  const { list } = chat.conversations;
  assertEquals(list.filter(({ kind }) => kind === "user").length, 200);
  assertMatch(told[0] ?? "", /^Too many users have written: /);
  chat.server.close();
  await running;
});

Deno.test("a user who calls without end is not declined without end", async () => {
  using server = new FakeServer();
  const { chat, told, until, running, first } = await createChatIn(
    server,
    "lab",
  );

  for (let number = 1; number <= 300; number++) {
    await first.say(`CALL mallory\nSession: ${number}\nPurpose: chat\n\n`);
  }
  await first.say("NOTICE server\nContent-length: 3\n\nend");
  await until(() => told.at(-1)?.endsWith("end") === true);

  assertEquals(
    chat.server.unanswered.filter(({ verb }) => verb === "DECLINE").length,
    MAX_DECLINES,
  );
  assertEquals(told.length, MAX_DECLINES + 1);
  chat.server.close();
  await running;
});
