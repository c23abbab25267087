/** The chat of the page, when the server holds it back or throws it out. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type FakePeer, FakeServer } from "../tools/client_tools.ts";
import { createChat } from "./chat_tools.ts";

/** A chat of alice that is registered, and a way to wait for a change of it. */
async function openChat(server: FakeServer) {
  const { chat, until } = createChat(server);
  const running = chat.run().catch(() => {});
  const peer = await register(server);
  await until(() => chat.state === "connected");
  return { chat, until, running, peer };
}

/** The server's end of the next connection, on which alice is registered. */
async function register(server: FakeServer): Promise<FakePeer> {
  const peer = await server.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say("REGISTERED alice\nToken: t1\nJournal: j\nLast-id: 4\n\n");
  assertEquals(await peer.request(), "ROOMS");
  assertEquals(await peer.request(), "WHO ALL");
  await peer.say("ROOMS\nCount: 0\n\nWHO ALL\nCount: 0\n\n");
  return peer;
}

const LIMITED = "ERROR 108 Slow down\nReason: Cannot send: a limit\n";

Deno.test("the page tells how long a message waits, and of a longer wait that it is not sent", async () => {
  using server = new FakeServer();
  const { chat, until, running, peer } = await openChat(server);

  chat.send("long");
  await peer.request();
  await peer.say(`${LIMITED}Retry-after: 61\n\n`);
  await until(() => chat.current.entries[0]?.why !== undefined);
  chat.send("short");
  await peer.request();
  await peer.say(`${LIMITED}Retry-after: 21\n\n`);
  await until(() => chat.current.entries.length === 3);

  const [long, ...rest] = chat.current.entries;
  assertStringIncludes(long!.why!, "Cannot send: a limit. Try again in 61");
  assertEquals(rest.map(({ text, why }) => [text, why]), [
    ["Cannot send: a limit. Trying again in 21 seconds.", undefined],
    ["short", undefined], // below, and it waits
  ]);
  chat.logout();
  await running;
});

for (
  const [how, last] of [
    ["was too slow", "ERROR 115 Too slow\nReason: unread\n\n"],
    ["was dropped without a word", ""],
  ] as const
) {
  Deno.test(`the page that ${how} comes back by itself, also while it comes back`, async () => {
    using server = new FakeServer();
    const { chat, until, running, peer } = await openChat(server);
    if (last !== "") await peer.say(last);
    peer.hangUp();

    const second = await server.accept();
    assertEquals(await second.request(), "REGISTER alice");
    if (last !== "") await second.say(last);
    second.hangUp();
    assertEquals(chat.state, "reconnecting");
    await register(server);
    await until(() => chat.state === "connected");

    assertEquals(chat.why, "");
    chat.server.close();
    await running;
  });
}
