import { assert, assertEquals } from "@std/assert";

import type { Stream } from "../../../core/net/stream.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import { Messages } from "../../../client/chat/messages.ts";
import { roomNamed } from "../../../core/commands.ts";
import { Session } from "../../../client/chat/session.ts";
import { runTypedLines } from "../../../client/chat/commands.ts";
import { View } from "../../../client/view/view.ts";
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
): { session: Session; printed: string[] } {
  const printed: string[] = [];
  const terminal = recordingTerminal((text) => void printed.push(text));
  const view = new View({
    plain: true,
    colors: false,
    columns: () => 80,
    now: () => new Date(AT),
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
  assertEquals(printed.at(-1), "#default> ");
});

Deno.test("roomNamed() takes names with and without #, and nothing for the default", () => {
  assertEquals(roomNamed("lab"), "#lab");
  assertEquals(roomNamed("#lab"), "#lab");
  assertEquals(roomNamed(" "), "#default");
  assertEquals(roomNamed("two words"), undefined);
  assertEquals(roomNamed("##"), undefined);
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

Deno.test("Session shows why the server refuses to reconnect it, and that it goes on", () => {
  const { session, printed } = createSession();

  session.chat.refused(new ChatError(104, "Name in use"));

  assertEquals(printed, ["! ERROR 104 Name in use. Trying again.\n"]);
});

Deno.test("Messages.unsent() gives what was typed to people, and nothing of it to a pipe", () => {
  const show = () => {};
  const requests = [
    { verb: "SEND", args: ["bob"], body: new TextEncoder().encode("hi") },
    { verb: "WHO", args: ["#lab"], body: new Uint8Array() },
  ] as const;

  const person = new Messages(true, show);
  const pipe = new Messages(false, show);

  assertEquals(person.unsent(requests), ["Queued: @bob: hi"]);
  assertEquals(pipe.unsent(requests), []);
});

Deno.test("lines are read before the first command is answered: /quit ends at once if the server is gone", async () => {
  using listener = new FakeServer();
  const { session, printed } = createSession(() =>
    Deno.connect({ hostname: "127.0.0.1", port: listener.port })
  );
  const run = session.run();
  using peer = await listener.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say("REGISTERED alice\n\n");
  await session.present;
  const { promise: typed, resolve: type } = Promise.withResolvers<string>();
  const lines = [typed, Promise.resolve("/quit")];
  const terminal = {
    ...recordingTerminal(() => {}),
    read: () => lines.shift() ?? Promise.resolve(undefined),
  };

  const running = runTypedLines(session, terminal, "/join #lab");
  assertEquals(await peer.request(), "JOIN #lab");
  await peer.say("JOINED #lab\n\n");
  assertEquals(await peer.request(), "HISTORY #lab");
  peer.hangUp();
  using _again = await listener.accept();
  type("unsaid");

  await Promise.all([running, run]);
  session.noteUnsent();
  assert(printed.includes("* Queued: unsaid\n"), printed.join(""));
  assert(printed.includes("* 1 queued message not sent\n"), printed.join(""));
});
