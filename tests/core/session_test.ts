/** A session against a server that the test plays: what is shown, and how often. */
import { assertEquals } from "@std/assert";
import type { ChatMessage } from "../../core/frames.ts";
import { ReconnectingConnection } from "../../core/net/reconnecting.ts";
import type { Resumable } from "../../core/session/resumable.ts";
import { ChatSession } from "../../core/session.ts";
import type { SessionView } from "../../core/session_view.ts";
import { SignIn } from "../../core/sign_in.ts";
import { FakeServer } from "../tools/client_tools.ts";

const AT = "2026-11-21T07:32:56.120Z";

/** alice's session, and what she was shown: stored messages in brackets. */
function openSession(
  { port }: FakeServer,
  resumable?: Resumable,
  signIn = new SignIn(),
) {
  const shown: string[] = [];
  const nothing = () => {};
  const view: SessionView = {
    ...{ lost: nothing, slowed: nothing, registered: nothing, call: nothing },
    ...{ presence: nothing, notice: nothing, joined: nothing },
    ...{ expelled: nothing, restarted: nothing, missedDeleted: nothing },
    ...{ missedMore: nothing, accountLost: nothing },
    message: ({ text }: ChatMessage) => void shown.push(text),
    stored: ({ text }: ChatMessage) => void shown.push(`(${text})`),
  };
  const server = new ReconnectingConnection({
    dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
    random: () => 0,
  });
  const parts = { server, signIn, view, me: "alice" };
  const chat = new ChatSession(parts, resumable);
  const running = chat.run(() => {});
  return {
    shown,
    chat,
    async [Symbol.asyncDispose]() {
      server.close();
      await running;
    },
  };
}

/** A message to alice, or to a room, as bytes. */
function forward(id: number, text: string, to = "alice"): string {
  return `FORWARD bob\nTo: ${to}\nId: ${id}\nTime: ${AT}\n` +
    `Content-length: ${text.length}\n\n${text}`;
}

/** REGISTERED, as bytes. */
function registered(lastId: number): string {
  return `REGISTERED alice\nToken: t\nJournal: j\nOldest-id: 1\n` +
    `Last-id: ${lastId}\n\n`;
}

Deno.test("a message that comes right behind REGISTERED has its place in the order", async () => {
  using listener = new FakeServer();
  await using session = openSession(listener);
  {
    using first = await listener.accept();
    await first.request();
    await first.say(registered(6) + forward(5, "away") + forward(7, "new"));
    const asking = session.chat.server.request("ROOMS");
    assertEquals(await first.request(), "ROOMS");
    await first.say("ROOMS\nContent-length: 0\n\n");
    await asking;
    first.hangUp();
  }
  using second = await listener.accept();
  assertEquals(await second.request(), "REGISTER alice");

  assertEquals(second.headers["after"], "7");
  assertEquals(session.shown, ["(away)", "new"]);
});

Deno.test("a client in no room asks again for what was on its way when it lost its connection", async () => {
  using listener = new FakeServer();
  await using _session = openSession(listener);
  for (const lastId of [6, 9]) {
    using peer = await listener.accept();
    await peer.request();
    await peer.say(registered(lastId)); // and not what was missed
    peer.hangUp();
  }
  using last = await listener.accept();
  assertEquals(await last.request(), "REGISTER alice");

  assertEquals(last.headers["after"], "6");
});

Deno.test("the owner of an account has what was stored only once all of it has come", async () => {
  using listener = new FakeServer();
  const signIn = new SignIn("login");
  signIn.register = (server, name) => {
    signIn.owned = true;
    return server.request("REGISTER", [name]);
  };
  await using session = openSession(listener, undefined, signIn);
  const { order, server } = session.chat;
  using peer = await listener.accept();
  await peer.request();
  await peer.say(registered(6));
  assertEquals(await peer.request(), "PING");
  const before = [order.last, server.wasRegistered];
  await peer.say(forward(5, "away") + "PONG\n\n");
  const asking = server.request("ROOMS");
  assertEquals(await peer.request(), "ROOMS");
  await peer.say("ROOMS\nContent-length: 0\n\n");
  await asking;

  assertEquals(before, [0, false]);
  assertEquals([order.last, session.shown], [6, ["(away)"]]);
});

Deno.test("a session that goes on with another one takes no message for one stored before", async () => {
  using listener = new FakeServer();
  const resumable = { token: "t", journal: "j", last: 6, absences: [] };
  await using session = openSession(listener, resumable);
  using peer = await listener.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say(registered(7) + forward(7, "missed") + forward(7, "missed"));
  const asking = session.chat.server.request("ROOMS");
  assertEquals(await peer.request(), "ROOMS");
  await peer.say("ROOMS\nContent-length: 0\n\n");
  await asking;

  assertEquals(session.shown, ["missed"]);
});

Deno.test("a new device that joins a room of another one is shown all that was there before", async () => {
  using listener = new FakeServer();
  await using session = openSession(listener);
  using peer = await listener.accept();
  await peer.request();
  await peer.say(
    registered(6) +
      "NOTICE joined\nRoom: #lab\nUser: alice\nMembers: 1\nLast-id: 2\n\n",
  );
  const old: string[] = [];
  const joining = session.chat.join("#lab", (_, messages) => {
    old.push(...messages.map(({ text }) => text));
  });
  assertEquals(await peer.request(), "JOIN #lab");
  await peer.say("JOINED #lab\nMembers: 1\nLast-id: 7\n\n");
  assertEquals(await peer.request(), "HISTORY #lab");
  const lines = [[1, "one"], [5, "five"], [6, "six"], [7, "live"]] as const;
  const all = lines.map(([id, text]) => forward(id, text, "#lab"));
  await peer.say(all.at(-1)! + all.join("") + "HISTORY #lab\nCount: 4\n\n");
  await joining;

  assertEquals(old, ["one", "five", "six"]);
  assertEquals(session.shown, ["live"]);
});

Deno.test("a JOIN that is repeated after a loss shows nothing twice", async () => {
  using listener = new FakeServer();
  await using session = openSession(listener);
  const told =
    "NOTICE joined\nRoom: #lab\nUser: alice\nMembers: 1\nLast-id: 6\n\n";
  {
    using first = await listener.accept();
    await first.request();
    await first.say(registered(6) + told);
    const asking = session.chat.server.request("ROOMS");
    assertEquals(await first.request(), "ROOMS");
    await first.say("ROOMS\nContent-length: 0\n\n");
    await asking;
    first.hangUp();
  }
  const old: string[] = [];
  const joining = session.chat.join("#lab", (_, messages) => {
    old.push(...messages.map(({ text }) => text));
  });
  using peer = await listener.accept();
  await peer.request();
  const missed = forward(7, "missed", "#lab");
  await peer.say(registered(7) + told + missed);
  const joined = "JOINED #lab\nMembers: 1\nLast-id: 7\n\n";
  const page = (all: string, count: number) =>
    `${all}HISTORY #lab\nCount: ${count}\n\n`;
  assertEquals(await peer.request(), "JOIN #lab");
  await peer.say(joined);
  assertEquals(await peer.request(), "HISTORY #lab");
  await peer.say(page(missed, 1));
  assertEquals(await peer.request(), "JOIN #lab");
  await peer.say(joined);
  assertEquals(await peer.request(), "HISTORY #lab");
  await peer.say(page(forward(3, "old", "#lab") + missed, 2));
  await joining;

  assertEquals([old, session.shown], [["old"], ["missed"]]);
});
