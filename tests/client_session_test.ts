import { assertEquals } from "@std/assert";
import { Connection, type Request } from "../client/connection.ts";
import { roomName, Session } from "../client/session.ts";
import type { Terminal } from "../client/terminal.ts";
import { View } from "../client/view.ts";
import type { Frame } from "../protocol.ts";

const AT = "2026-11-21T07:32:56.120Z";

/** A session of alice, and all that it printed. */
function createSession(): { session: Session; printed: string[] } {
  const printed: string[] = [];
  const terminal: Terminal = {
    print: (lines) => void printed.push(lines),
    flushed: () => Promise.resolve(),
    prompt: (text) => void printed.push(text),
    ask: () => Promise.resolve(undefined),
    read: () => Promise.resolve(undefined),
    clear: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const view = new View({
    plain: true,
    colors: false,
    columns: () => 80,
    now: () => new Date(AT),
  });
  const connection = new Connection({
    read: () => Promise.resolve(null),
    write: (bytes) => Promise.resolve(bytes.length),
    close: () => {},
  });
  const registered = frame("REGISTERED alice");
  return {
    session: new Session({ connection, terminal, view, registered }),
    printed,
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

const HISTORY: Request = {
  verb: "HISTORY",
  args: ["#lab"],
  body: new Uint8Array(),
};

/** The printed messages, without their time. */
function texts(printed: string[]): string[] {
  return printed.filter((line) => / #\w+ /.test(line)).map((line) =>
    line.slice(9).trim()
  );
}

Deno.test("Session shows a message once that came between JOIN and its history", () => {
  const { session, printed } = createSession();
  const said = (id: number) =>
    frame("FORWARD bob", { to: "#lab", id: `${id}` }, `no ${id}`);

  session.receive({
    frame: frame("JOINED #lab", { "last-id": "2" }),
    request: undefined,
  });
  session.receive({ frame: said(3), request: undefined });
  for (const id of [1, 2, 3]) {
    session.receive({ frame: said(id), request: HISTORY });
  }
  session.receive({ frame: said(4), request: undefined });

  assertEquals(texts(printed).filter((text) => text.startsWith("#")), [
    "#lab bob: no 3",
    "#lab bob: no 1",
    "#lab bob: no 2",
    "#lab bob: no 4",
  ]);
});

Deno.test("Session shows a history again, with what was said since joining", () => {
  const { session, printed } = createSession();
  const said = (id: number) =>
    frame("FORWARD bob", { to: "#lab", id: `${id}` }, `no ${id}`);
  const joined = frame("JOINED #lab", { "last-id": "0" });

  session.receive({ frame: joined, request: undefined });
  session.receive({ frame: frame("HISTORY #lab"), request: HISTORY });
  session.receive({ frame: said(1), request: undefined });
  session.receive({ frame: said(1), request: HISTORY });
  session.receive({ frame: frame("HISTORY #lab"), request: HISTORY });

  assertEquals(texts(printed).filter((text) => text.startsWith("#")), [
    "#lab bob: no 1",
    "#lab bob: no 1",
  ]);
});

Deno.test("Session tells once of somebody who leaves several rooms by going offline", () => {
  const { session, printed } = createSession();

  for (const room of ["#lab", "#default"]) {
    const headers = { user: "bob", room, reason: "logged out" };
    session.receive({
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

  session.receive({
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
    session.receive({ frame: frame(`JOINED ${room}`), request: undefined });
  }
  session.receive({ frame: frame("LEFT #LAB"), request: undefined });

  assertEquals(session.room, "#default");
  assertEquals(printed.at(-1), "#default> ");
});

Deno.test("roomName() takes names with and without #, and nothing for the default", () => {
  assertEquals(roomName("lab"), "#lab");
  assertEquals(roomName("#lab"), "#lab");
  assertEquals(roomName(" "), "#default");
  assertEquals(roomName("two words"), undefined);
  assertEquals(roomName("##"), undefined);
});

Deno.test("Session shows what the operator says as a line of its own, harmless", () => {
  const { session, printed } = createSession();
  const notice = frame(
    "NOTICE server",
    {},
    "bob: hi\n* you \x1b[2Jleft \u202e",
  );

  session.receive({ frame: notice, request: undefined });

  assertEquals(printed, [
    "* The operator says: bob: hi␤* you ␛[2Jleft <U+202E>\n",
  ]);
});
