/** The chat of the page, without a browser: what it keeps over a reconnect. */
import { assertEquals } from "@std/assert";
import { ConnectionError } from "../../core/net/connection_error.ts";
import { SignIn } from "../../core/sign_in.ts";
import { Chat } from "../../web/page/model/chat.ts";
import { type FakePeer, FakeServer } from "../tools/client_tools.ts";

const AT = "2026-11-21T07:32:56.120Z";

/** A chat of alice, and a way to wait for a change of it. */
function createChat({ port }: FakeServer) {
  let changed = Promise.withResolvers<void>();
  const told: string[] = [];
  const chat = new Chat({
    dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
    name: "alice",
    signIn: new SignIn(),
    watcher: {
      changed() {
        changed.resolve();
        changed = Promise.withResolvers();
      },
      said: () => {},
      noted: () => {},
      told: (text) => void told.push(text),
      signUp: () => {},
    },
  });
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await changed.promise;
  };
  return { chat, told, until };
}

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
    await peer.say(`${request}\nCount: 0\n\n`);
  }
}

/** A message of bob in #lab, as it is forwarded. */
function forward(id: number, text: string): string {
  return `FORWARD bob\nTo: #lab\nId: ${id}\nTime: ${AT}\n` +
    `Content-length: ${text.length}\n\n${text}`;
}

/** Registers alice, and answers her lists until she joins #lab. */
async function register(peer: FakePeer, lastId: number): Promise<void> {
  await answer(
    peer,
    "REGISTER alice",
    `REGISTERED alice\nToken: t1\nLast-id: ${lastId}\n\n`,
  );
}

for (
  const [why, error] of [
    ["its disk is full", "ERROR 119 Not stored\nReason: the disk is full\n\n"],
    ["it rate-limits the page", "ERROR 108 Slow down\nReason: too fast\n\n"],
  ] as const
) {
  Deno.test(`the page keeps its room if the server cannot let it in because ${why}`, async () => {
    using server = new FakeServer();
    const { chat, told, until } = createChat(server);
    const running = chat.run();
    using first = await server.accept();
    await register(first, 4);
    await until(() => chat.state === "connected");
    const joining = chat.join("lab");
    await answer(first, "JOIN #lab", "JOINED #lab\nLast-id: 4\n\n");
    await answer(first, "HISTORY #lab", "HISTORY #lab\nCount: 0\n\n");
    await joining;

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
    assertEquals(chat.conversations.includes(room), true);
    assertEquals(room.entries.map(({ text }) => text), ["five", "six"]);
    assertEquals(told, []);
    chat.server.close();
    await running;
    assertEquals(await rest, "(end)");
  });
}

Deno.test("what the user writes while the page reconnects is sent after that, once", async () => {
  using server = new FakeServer();
  const { chat, until } = createChat(server);
  const running = chat.run();
  using first = await server.accept();
  await register(first, 4);
  await until(() => chat.state === "connected");

  first.hangUp();
  await until(() => chat.state === "reconnecting");
  chat.sendTo("bob", "hello");
  chat.server.hurry();
  using second = await server.accept();
  await register(second, 4);
  await answer(second, "SEND bob\nhello", `SENT bob\nId: 5\nTime: ${AT}\n\n`);
  await until(() => !chat.waiting);

  assertEquals(
    chat.current.entries.map(({ id, from, text }) => ({ id, from, text })),
    [{ id: 5, from: "alice", text: "hello" }],
  );
  chat.server.close();
  await running;
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
      signUp: () => {},
    },
  });

  await chat.run().catch(() => {});

  assertEquals([chat.state, chat.why], ["ended", "No way"]);
  assertEquals(chat.wasRegistered, false);
});
