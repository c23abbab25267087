import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";

import type { Stream } from "../../../core/net/stream.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import { roomNamed } from "../../../core/command_client.ts";
import { rowsOf } from "../../../core/frames.ts";
import { Session } from "../../../client/chat/session.ts";
import { runTypedLines } from "../../../client/chat/commands.ts";
import { View } from "../../../client/view/view.ts";
import type { Line, Terminal } from "../../../terminal/terminal.ts";
import { ChatError, type Frame } from "../../../protocol.ts";
import {
  FakeServer,
  guestAccess,
  recordingTerminal,
} from "../../tools/client_tools.ts";

const AT = "2026-11-21T07:32:56.120Z";

/** A session of alice, and all that it printed. */
function createSession(
  dial?: () => Promise<Stream>,
  { now = () => new Date(AT) } = {},
): { session: Session; printed: string[] } {
  const printed: string[] = [];
  const terminal = recordingTerminal((text) => void printed.push(text));
  const view = new View({
    plain: true,
    colors: false,
    columns: () => 80,
    now,
  });
  const server = new ReconnectingConnection({
    dial: dial ?? (() => Promise.reject(new Error("no server"))),
  });
  const session = new Session({
    server,
    terminal,
    view,
    access: guestAccess(),
    name: "alice",
  });
  if (!dial) session.chat.resumed();
  return { session, printed };
}

/** A session of alice that is registered with a server, which the test plays. */
async function openSession(listener: FakeServer, lastId = 0) {
  const { session, printed } = createSession(() =>
    Deno.connect({ hostname: "127.0.0.1", port: listener.port })
  );
  const run = session.run();
  const peer = await listener.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say(`REGISTERED alice\nToken: t\nLast-id: ${lastId}\n\n`);
  await session.present;
  return { session, printed, run, peer };
}

/** A terminal at which a user types `lines`, and then ends the input. */
function typing(...lines: (Line | Promise<Line>)[]): Terminal {
  return {
    ...recordingTerminal(() => {}),
    read: () => Promise.resolve(lines.shift()),
  };
}

function frame(
  start: string,
  headers: Record<string, string> = {},
  body = "",
): Frame {
  const [verb = "", ...args] = start.split(" ");
  return {
    verb,
    args,
    headers: Object.entries({ time: AT, ...headers }),
    body: new TextEncoder().encode(body),
  };
}

Deno.test("Session tells once of somebody who leaves several rooms by going offline", () => {
  const { session, printed } = createSession();

  for (const room of ["#lab", "#default"]) {
    const headers = { user: "bob", room, reason: "logged out" };
    session.chat.receive({
      frame: frame("NOTICE offline", headers),
      request: undefined,
    });
  }

  assertEquals(printed.length, 1);
  assertEquals(printed[0]!.slice(9), "* bob went offline (logged out)\n");
});

Deno.test("Session dates joins and leaves by the server's clock, and heads each day once", () => {
  const { session, printed } = createSession(undefined, {
    now: () => new Date("2026-11-22T09:32:56.120Z"), // 26 hours ahead
  });
  const receive = (start: string, headers = {}, body = "") =>
    session.chat.receive({
      frame: frame(start, headers, body),
      request: undefined,
    });
  const lab = { room: "#lab", user: "carol" };

  receive("JOINED #lab");
  receive("FORWARD bob", { to: "#lab", id: "1" }, "one");
  receive("NOTICE joined", lab);
  receive("FORWARD bob", { to: "#lab", id: "2" }, "two");
  receive("NOTICE offline", lab);
  receive("LEFT #lab");

  const days = printed.join("").matchAll(/^\* \w+, [\d-]+$/gm);
  const { length } = [...days];
  assertEquals(length, 1, printed.join(""));
});

Deno.test("Session shortens what a crowded room tells of many", () => {
  const { session, printed } = createSession();
  const lines = Array.from({ length: 8 }, (_, i) => `user${i} 127.0.0.1:1\n`);

  session.chat.receive({
    frame: frame("NOTICE joined", { room: "#lab", count: "8" }, lines.join("")),
    request: undefined,
  });

  assertEquals(
    printed[0]!.slice(9),
    "* user0, user1, user2, user3, user4 and 3 more joined #lab\n",
  );
});

Deno.test("Session hides that an ignored user, or a similar name, joins and leaves", () => {
  const { session, printed } = createSession();
  const receive = (head: string, headers: Record<string, string>, body = "") =>
    session.chat.receive({
      frame: frame(head, { room: "#lab", ...headers }, body),
      request: undefined,
    });
  session.messages.ignored.change("evil", true);

  receive("NOTICE joined", { user: "evil", from: "127.0.0.1:1" });
  receive("NOTICE left", { user: "eviI" });
  receive("NOTICE offline", { user: "EVIL" });
  receive(
    "NOTICE joined",
    { count: "2" },
    "evil 127.0.0.1:1\nbob 127.0.0.1:2\n",
  );

  assertEquals(printed.map((line) => line.slice(9)), ["* bob joined #lab\n"]);
});

Deno.test("Session is in no room that it did not ask for: a reconnect would double them", () => {
  const { session } = createSession();
  const join = { verb: "JOIN", body: new Uint8Array() } as const;

  for (let i = 0; i < 10; i++) {
    const request = { ...join, args: ["#lab"] };
    session.chat.receive({ frame: frame(`JOINED #lab${i}`), request });
  }
  session.chat.receive({
    frame: frame("JOINED #LAB"),
    request: { ...join, args: ["#lab"] },
  });

  assertEquals(session.chat.rooms.map(({ name }) => name), ["#LAB"]);
});

Deno.test("Messages remember the oldest of 1,000 rooms, whatever a server names", () => {
  const { session } = createSession();

  for (let id = 1; id <= 1_001; id++) {
    session.chat.receive({
      frame: frame("FORWARD bob", { to: `#r${id}`, id: `${id}` }, "hi"),
      request: undefined,
    });
  }

  const oldest = (id: number) => session.messages.oldestOf(`#r${id}`);
  assertEquals([oldest(1), oldest(2), oldest(1_001)], [undefined, 2, 1_001]);
});

for (const list of ["\n", "a\n", "a b\n"]) {
  Deno.test(`a list of ${JSON.stringify(list)} without end is read to a limit`, () => {
    const body = new TextEncoder().encode(list.repeat(300_000));

    assert(rowsOf({ body }).length <= 100_000);
  });
}

Deno.test("Session keeps the other rooms when one is left", () => {
  const { session, printed } = createSession();

  for (const room of ["#default", "#lab"]) {
    session.chat.receive({
      frame: frame(`JOINED ${room}`),
      request: undefined,
    });
  }
  session.chat.receive({ frame: frame("LEFT #LAB"), request: undefined });

  assertEquals(session.room, "#default");
  assertEquals(printed.at(-1), "alice #default> ");
});

Deno.test("roomNamed() takes names with and without #, and nothing for the default", () => {
  assertEquals(roomNamed("lab"), "#lab");
  assertEquals(roomNamed("#lab"), "#lab");
  assertEquals(roomNamed(" "), "#default");
  assertEquals(roomNamed("two words"), undefined);
  assertEquals(roomNamed("##"), undefined);
});

Deno.test("Session shows a notice that is forwarded with its time, and once", () => {
  const { session, printed } = createSession();
  const notice = frame("FORWARD SERVER", { to: "ALL", id: "7" }, "to room 12");

  for (let i = 0; i < 2; i++) {
    session.chat.receive({ frame: notice, request: undefined });
  }

  assertEquals(printed.length, 1);
  assertMatch(
    printed[0]!,
    /^\* The operator says \(\d\d:\d\d\): to room 12\n$/,
  );
});

Deno.test("Session shows what the operator says as a line of its own, harmless", () => {
  const { session, printed } = createSession();
  const notice = frame(
    "NOTICE server",
    {},
    "bob: hi\n* you \x1b[2Jleft \u202e",
  );

  session.chat.receive({ frame: notice, request: undefined });

  assertEquals(printed, [
    "* The operator says: bob: hi␤* you ␛[2Jleft <U+202E>\n",
  ]);
});

Deno.test("Session shows by whom a notice is, if it is a moderator's", () => {
  const { session, printed } = createSession();
  for (const body of ["The moderator bob: break", "The moderator: break"]) {
    session.chat.receive({
      frame: frame("NOTICE server", {}, body),
      request: undefined,
    });
  }

  assertEquals(printed, [
    "* The moderator bob says: break\n",
    "* The operator says: The moderator: break\n",
  ]);
});

Deno.test("a moderator is told what it can do, and its commands are obeyed by the server", async () => {
  using listener = new FakeServer();
  const { session, printed, run, peer } = await openSession(listener);
  await peer.say("NOTICE set\nUser: bob\nRole: moderator\n\n");
  await peer.say("NOTICE set\nUser: alice\nRole: moderator\n\n");

  const typed = runTypedLines(
    session,
    typing({ text: "/kick bob spam", pasted: false }),
    "/ping",
  );
  assertEquals(await peer.request(), "PING");
  await peer.say("PONG\n\n");
  const asked = await peer.request();
  const answer = "Disconnected \x1b[2Jbob\nor not";
  await peer.say(`MODERATED\nContent-length: ${answer.length}\n\n${answer}`);
  await typed;
  session.server.close();
  await run.catch(() => {});

  assertEquals(asked, "MODERATE\nkick bob spam");
  const shown = printed.map((text) => text.replace(/in [\d.]+ ms/, ""));
  assertEquals(shown, [
    "* bob is a moderator now\n",
    "* You are a moderator; /help all shows your commands\n",
    "* The server answers \n",
    "alice room> ",
    "* Disconnected ␛[2Jbob\n",
    "* or not\n",
  ]);
});

Deno.test("Session shows why the server refuses to reconnect it, and that it goes on", () => {
  const { session, printed } = createSession();

  session.chat.refused(new ChatError(104, "Name in use"));

  assertEquals(printed, ["! ERROR 104 Name in use. Trying again.\n"]);
});

Deno.test("/join of the current room, and /leave of what is no room, say so", async () => {
  const { session, printed } = createSession();
  session.chat.receive({ frame: frame("JOINED #lab"), request: undefined });
  printed.length = 0;
  const invalid = (room: string) =>
    `! Invalid room name "${room}": use 1 to 32 of the letters A-Z and a-z, ` +
    "digits, _ and -\n";

  await session.join("lab");
  await session.leave("très");
  await session.leave("a b");

  assertEquals(printed, [
    "* You are in #lab already\n",
    "alice #lab> ",
    invalid("très"),
    invalid("a b"),
  ]);
});

Deno.test("lines are read before the first command is answered: /quit ends at once if the server is gone", async () => {
  using listener = new FakeServer();
  const { session, printed, run, peer } = await openSession(listener);
  const { promise: typed, resolve: type } = Promise.withResolvers<Line>();
  const terminal = typing(typed, entered("/quit"));

  const running = runTypedLines(session, terminal, "/join #lab");
  assertEquals(await peer.request(), "JOIN #lab");
  await peer.say("JOINED #lab\n\n");
  assertEquals(await peer.request(), "HISTORY #lab");
  peer.hangUp();
  using _again = await listener.accept();
  type(entered("unsaid"));

  await Promise.all([running, run]);
  session.noteUnsent("half a line");
  assert(printed.includes("* Queued: unsaid\n"), printed.join(""));
  assertEquals(printed.slice(-3), [
    "* 1 queued message not sent\n",
    "* Not sent: unsaid\n",
    "* Not sent: half a line\n",
  ]);
});

Deno.test("a guest sees messages of an earlier user of the name, or a similar one, as another's", async () => {
  using listener = new FakeServer();
  const { session, printed, run, peer } = await openSession(listener, 4);
  const forward = (id: number, from: string) =>
    `FORWARD ${from}\nTo: #lab\nId: ${id}\nTime: ${AT}\n` +
    `Content-length: 2\n\nhi`;

  const joining = session.join("#lab");
  assertEquals(await peer.request(), "JOIN #lab");
  await peer.say(`JOINED #lab\nLast-id: 5\nTime: ${AT}\n\n`);
  assertEquals(await peer.request(), "HISTORY #lab");
  const old = [[2, "alice"], [3, "a1ice"], [4, "bob"], [5, "alice"]] as const;
  await peer.say(
    old.map(([id, from]) => forward(id, from)).join("") +
      "HISTORY #lab\nCount: 4\n\n",
  );
  await joining;

  assertEquals(
    printed.filter((line) => line.endsWith("hi\n")).map((line) =>
      line.slice(9)
    ),
    [
      "#lab alice (earlier): hi\n",
      "#lab a1ice (earlier): hi\n",
      "#lab bob: hi\n",
      "#lab alice: hi\n",
    ],
  );
  peer.hangUp();
  session.server.close();
  await run;
});

Deno.test("a /reply that is typed while the connection is lost goes to the user who had written by then", async () => {
  using listener = new FakeServer();
  const { session, printed, run, peer } = await openSession(listener, 1);
  const { promise: typed, resolve: type } = Promise.withResolvers<Line>();
  const { promise: quit, resolve: end } = Promise.withResolvers<Line>();
  const terminal = typing(typed, quit);
  const from = (name: string, id: number) =>
    `FORWARD ${name}\nTo: alice\nId: ${id}\nContent-length: 2\n\nhi`;
  await peer.say(from("bob", 2));
  const running = runTypedLines(session, terminal, "/rooms");
  assertEquals(await peer.request(), "ROOMS");
  await peer.say("ROOMS\nContent-length: 0\n\n");
  peer.hangUp();
  const again = await listener.accept();
  assertEquals(await again.request(), "REGISTER alice");

  type(entered("/reply carol must not know"));
  await again.say(
    "REGISTERED alice\nToken: t\nLast-id: 3\n\n" + from("carol", 3),
  );

  assertEquals(await again.request(), "SEND bob\ncarol must not know");
  assert(printed.includes("* Queued: /msg bob carol must not know\n"));
  again.hangUp();
  session.server.close();
  end(entered("/quit"));
  await Promise.allSettled([running, run]);
});

Deno.test("what is typed goes to no other room when the current one does not let the user in again", async () => {
  using listener = new FakeServer();
  const { session, printed, run, peer } = await openSession(listener, 1);
  const { promise: typed, resolve: type } = Promise.withResolvers<Line>();
  const terminal = typing(typed, entered("/join #default"), entered("hello"));
  const joining = session.join("#default");
  await joins(peer, "#default");
  await joining;
  const running = runTypedLines(session, terminal, "/join #lab");
  await joins(peer, "#lab");
  peer.hangUp();
  const again = await listener.accept();
  assertEquals(await again.request(), "REGISTER alice");

  type(entered("for the lab alone"));
  await again.say("REGISTERED alice\nToken: t\nLast-id: 1\n\n");
  assertEquals(await again.request(), "JOIN #default");
  assertEquals(await again.request(), "JOIN #lab");
  await again.say(
    "JOINED #default\nMembers: 1\nLast-id: 1\n\n" +
      "ERROR 109 Not in room\nReason: no\n\n",
  );
  assertStringIncludes(await again.request(), "HISTORY #default");
  await again.say("HISTORY #default\nCount: 0\n\n");

  assertEquals(await again.request(), "SEND #default\nhello");
  assertStringIncludes(
    printed.join(""),
    "Not sent: you are no longer in #lab.",
  );
  again.hangUp();
  session.server.close();
  await Promise.allSettled([running, run]);
});

async function joins(
  peer: Awaited<ReturnType<FakeServer["accept"]>>,
  room: string,
): Promise<void> {
  assertEquals(await peer.request(), `JOIN ${room}`);
  await peer.say(`JOINED ${room}\nMembers: 1\nLast-id: 1\n\n`);
  assertStringIncludes(await peer.request(), `HISTORY ${room}`);
  await peer.say(`HISTORY ${room}\nCount: 0\n\n`);
}

function entered(text: string): Line {
  return { text, pasted: false };
}

Deno.test("private messages that waited for the user are held only up to a limit", async () => {
  using listener = new FakeServer();
  const { session, printed, run, peer } = await openSession(listener, 50);
  const long = "x".repeat(60_000);

  for (let id = 1; id <= 40; id++) {
    const text = `${id} ${long}`;
    await peer.say(
      `FORWARD mallory\nTo: alice\nId: ${id}\nTime: ${AT}\n` +
        `Content-length: ${text.length}\n\n${text}`,
    );
  }
  const answered = session.server.request("PING");
  assertEquals(await peer.request(), "PING");
  await peer.say("PONG\n\n"); // after all of them
  await answered;

  const all = printed.join("");
  assertEquals(all.match(/While you were away/g)?.length, 1);
  assert(all.indexOf("mallory -> you: 1 x") > all.indexOf("While you were"));
  assert(all.includes("mallory -> you: 40 x"));
  session.messages.showHeld();
  assertEquals(printed.join(""), all); // nothing is left
  session.server.close();
  await run;
});
