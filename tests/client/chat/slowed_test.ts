/** A terminal session whose server rate-limits it: it is told, and never stuck. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { runTypedLines } from "../../../client/chat/commands.ts";
import { Session } from "../../../client/chat/session.ts";
import { View } from "../../../client/view/view.ts";
import type { Clock } from "../../../core/net/backoff.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Line, Terminal } from "../../../terminal/terminal.ts";
import {
  type FakePeer,
  FakeServer,
  guestAccess,
  recordingTerminal,
} from "../../tools/client_tools.ts";

/** Time that stands still: a wait ends only with the connection. */
const STILL: Clock = {
  now: () => 0,
  sleep: (_, signal) =>
    new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true })
    ),
  every: () => ({ [Symbol.dispose]: () => {} }),
};

/** A user at a terminal of this kind, in #lab; `type` enters a line. */
async function openChat(listener: FakeServer, kind: Terminal["kind"]) {
  const printed: string[] = [];
  let more = Promise.withResolvers<void>();
  const print = (text: string) => {
    printed.push(text);
    more.resolve();
    more = Promise.withResolvers();
  };
  const shows = async (text: string) => {
    while (!printed.join("").includes(text)) await more.promise;
  };
  const lines = new TransformStream<Line, Line>();
  const [input, typed] = [
    lines.writable.getWriter(),
    lines.readable.getReader(),
  ];
  const terminal: Terminal = {
    ...recordingTerminal(print),
    kind,
    status: () => {},
    read: async () => (await typed.read()).value,
  };
  const session = new Session({
    server: new ReconnectingConnection({
      dial: () => Deno.connect({ hostname: "127.0.0.1", port: listener.port }),
      clock: STILL,
    }),
    terminal,
    view: new View({ plain: true, colors: false, columns: () => 80 }),
    access: guestAccess(),
    name: "alice",
  });
  const run = session.run();
  const peer = await listener.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say("REGISTERED alice\nToken: t\nLast-id: 0\n\n");
  await session.present;
  const running = runTypedLines(session, terminal, "/join #lab");
  await peer.request();
  await peer.say("JOINED #lab\n\n");
  await peer.request();
  await peer.say("HISTORY #lab\nCount: 0\n\n");
  const type = (text: string) => {
    input.write({ text, pasted: false });
    if (text === "/quit") input.close();
  };
  const ended = Promise.all([run, running]);
  return {
    session,
    printed,
    shows,
    peer,
    type,
    end: () => input.close(),
    ended,
  };
}

/** Answers one message with a limit that is over after so many seconds. */
async function limit(peer: FakePeer, text: string, seconds: number) {
  assertEquals(await peer.request(), `SEND #lab\n${text}`);
  await peer.say(
    "ERROR 108 Slow down\nReason: Cannot send: limit for your address\n" +
      `Retry-after: ${seconds}\n\n`,
  );
}

const TOLD =
  "* Cannot send: limit for your address. Trying again in 21 seconds.\n";

for (const kind of ["raw", "plain"] as const) {
  for (const how of ["/quit", "Ctrl-D"]) {
    if (kind === "plain" && how === "Ctrl-D") continue; // the end of a file
    Deno.test(`${how} ends a ${kind} terminal at once while messages wait, and tells which are not sent`, async () => {
      using listener = new FakeServer();
      const { session, printed, shows, peer, type, end, ended } =
        await openChat(
          listener,
          kind,
        );
      type("hello");
      await limit(peer, "hello", 21);
      await shows(TOLD);
      type("/who");
      if (kind === "raw") assertEquals(await peer.request(), "WHO #lab");
      type("more");
      type("/ignore mal");
      if (how === "/quit") type(how);
      else end();

      await ended;
      session.noteUnsent("");
      const text = printed.join("");
      assertStringIncludes(text, "* Not answered: hello\n");
      assertStringIncludes(text, "* Not sent: more\n");
      if (how === "/quit") assertStringIncludes(text, "Hiding mal's messages");
    });
  }
}

Deno.test("a message that would wait for more than a minute is refused, with the reason", async () => {
  using listener = new FakeServer();
  const { session, printed, shows, peer, type, ended } = await openChat(
    listener,
    "raw",
  );
  type("hello");
  await limit(peer, "hello", 61);
  await session.server.settled(0);
  type("/rooms");
  assertEquals(await peer.request(), "ROOMS");

  const text = printed.join("");
  assertStringIncludes(text, "limit for your address. Try again in 61 seconds");
  assertStringIncludes(text, "* Not sent: hello\n");
  await peer.say("ERROR 108 Slow down\nRetry-after: 6\n\n"); // no message: told
  await shows("Try again in 6 seconds");
  type("/quit");
  assertEquals(await peer.request(), "LOGOUT");
  await peer.say("ERROR 108 Slow down\nRetry-after: 6\n\n"); // and yet it quits
  await ended;
});

Deno.test("messages of others are shown while two of ours wait for the rate limit", async () => {
  using listener = new FakeServer();
  const { shows, peer, type, ended } = await openChat(listener, "raw");
  type("one");
  await limit(peer, "one", 21);
  await shows(TOLD);
  type("two");
  type("/rooms");
  assertEquals(await peer.request(), "ROOMS");
  await peer.say(
    "FORWARD bob\nTo: #lab\nId: 1\nTime: 2026-11-21T07:32:56.120Z\n" +
      "Content-length: 4\n\nnewsROOMS\nContent-length: 0\n\n",
  );
  await shows("news");
  type("/quit");
  await ended;
});
