/** A conversation of the page: how much of it is kept, and what is told. */
import { assertEquals } from "@std/assert";
import {
  Conversation,
  MAX_KEPT,
  MAX_KEPT_CHARACTERS,
} from "../../web/page/model/conversation.ts";
import { presenceOf } from "../../core/frames.ts";
import { bytes } from "../tools/net/raw_client.ts";

/** All but alice are news to her. */
const others = (name: string) => name !== "alice";

Deno.test("of what one says oneself no more is kept than of what others say", () => {
  const room = new Conversation("room", "#default");
  const at = new Date(0);

  for (let id = 1; id <= MAX_KEPT + 10; id++) {
    const entry = room.addOwn(`message ${id}`);
    room.settle(entry, { id, at, from: "alice" });
  }

  assertEquals(room.entries.length, MAX_KEPT);
  assertEquals(room.oldest, 11);
  assertEquals(room.knows(1), true);
  assertEquals(
    room.add({ id: 1, at, from: "alice", text: "", own: true }),
    undefined,
  );
  assertEquals(room.hasOlder, true);
});

Deno.test("a message that waits to be sent is never dropped", () => {
  const room = new Conversation("room", "#default");
  const at = new Date(0);
  const waiting = room.addOwn("waiting");

  for (let id = 1; id <= MAX_KEPT + 10; id++) {
    room.add({ id, at, from: "bob", text: `message ${id}`, own: false });
  }

  assertEquals(room.entries.length, MAX_KEPT);
  assertEquals(room.entries.at(-1), waiting);
});

Deno.test("long messages are dropped before they fill the memory, but for the last", () => {
  const room = new Conversation("room", "#default");
  const at = new Date(0);
  const text = "x".repeat(MAX_KEPT_CHARACTERS / 4);
  const said = { at, from: "bob", own: false };

  for (let id = 1; id <= 6; id++) room.add({ ...said, id, text });
  const kept = room.entries.map(({ id }) => id);
  room.add({ ...said, id: 7, text: "x".repeat(MAX_KEPT_CHARACTERS + 1) });
  const last = room.entries.map(({ id }) => id);
  for (let id = 8; id <= 11; id++) room.add({ ...said, id, text });

  assertEquals(kept, [3, 4, 5, 6]);
  assertEquals(last, [7]);
  assertEquals(room.entries.map(({ id }) => id), [8, 9, 10, 11]);
});

Deno.test("in a crowd nobody is told of oneself, and everybody is counted", () => {
  const room = new Conversation("room", "#default");
  const at = new Date(0);
  const joined = (...names: readonly string[]) => ({
    verb: "NOTICE" as const,
    args: ["joined"],
    headers: [["members", "250"]] as [string, string][],
    body: bytes(names.map((name) => `${name} 127.0.0.1:1\n`).join("")),
  });

  room.notePresence(presenceOf(joined("alice"))!, {
    news: others,
    labelOf: String,
    at: at,
  });
  const before = room.entries.length;
  const crowd = presenceOf(joined("bob", "alice", "carol"))!;
  room.notePresence(crowd, { news: others, labelOf: String, at: at });

  assertEquals(before, 0);
  assertEquals(room.entries.map(({ text }) => text), ["bob, carol joined"]);
  assertEquals([...room.people.values()], ["alice", "bob", "carol"]);
  assertEquals(room.members, 250);
});

Deno.test("events are told in one line, but those that stand apart", () => {
  const person = new Conversation("user", "bob");

  person.note("event", "one");
  person.note("event", "two");
  person.note("event", "a.txt is here", { apart: true });
  person.note("event", "b.txt is here", { apart: true });
  person.note("event", "three");

  assertEquals(
    person.entries.map(({ text }) => text),
    ["one · two", "a.txt is here", "b.txt is here", "three"],
  );
});

Deno.test("a clock that is wrong dates nothing: the server's times and the order do", () => {
  const room = new Conversation("room", "#default");
  const monday = new Date(2020, 10, 30, 23, 59);
  const tuesday = new Date(2020, 11, 1, 0, 1);
  const said = { from: "bob", text: "hi", own: false };
  const carol = {
    ...{ kind: "joined", users: ["carol"], room: "#default" } as const,
    ...{ members: 3, reason: "", nicks: new Map<string, string>() },
  };

  room.add({ ...said, id: 1, at: monday });
  room.notePresence(carol, { news: others, labelOf: String, at: monday });
  room.note("answer", "In #default (3): ...");
  room.notePresence({ ...carol, kind: "left" }, {
    news: others,
    labelOf: String,
    at: monday,
  });
  room.notePresence(carol, { news: others, labelOf: String, at: tuesday });
  room.note("event", "x.txt is here");
  room.note("error", "the ids begin again");

  assertEquals(room.entries.map(({ text, at }) => [text, at]), [
    ["hi", monday],
    ["carol joined", monday],
    ["In #default (3): ...", monday],
    ["carol left", monday],
    ["carol joined · x.txt is here", tuesday],
    ["the ids begin again", tuesday],
  ]);
});

Deno.test("of what is noted no more is kept than of what is said", () => {
  const person = new Conversation("user", "bob");

  for (let count = 1; count <= MAX_KEPT + 10; count++) {
    person.note("error", `note ${count}`);
  }

  assertEquals(person.entries.length, MAX_KEPT);
  assertEquals(person.entries[0]?.text, "note 11");
});
