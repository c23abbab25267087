/** What servers send each other about their users, and what is refused. */
import { assertEquals, assertLess } from "@std/assert";
import type { Signal } from "../../../server/chat/user.ts";
import type { Change } from "../../../server/cluster/presence/facts.ts";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  MAX_FRAME_BYTES,
  portions,
} from "../../../server/cluster/presence/frames.ts";
import { bytes } from "../../tools/net/raw_client.ts";

const FROM = { server: "a", epoch: "e_1-Z", since: 7 };

const CHANGES: Change[] = [
  ["+", "alice", "[fe80::1]:1234", "account", ["#r", "#s"]],
  ["-", "alice", "connection lost"],
  ["~", "alice"],
  [">", "alice", "#r"],
  ["<", "alice", "#r"],
  ["=", "alice", "10.0.0.1:1", "classic"],
  ["#", "2001:db8:1:2::/64", 3],
];

const SIGNAL: Signal = {
  verb: "CALL",
  from: "alice",
  headers: {
    Session: "1",
    Address: ["10.0.0.1:1", "[::1]:2"],
    Name: "h\u00f6",
  },
};

/** What decodeFrame() finds in a delta with one change. */
function withChange(change: unknown): Frame | string {
  const delta = { v: 1, ...FROM, kind: "delta", n: 1, changes: [change] };
  return decodeFrame(bytes(JSON.stringify(delta)));
}

Deno.test("every frame is read as it was written", () => {
  const frames: Frame[] = [
    { ...FROM, kind: "beat", n: 3, digest: "1a.zz" },
    { ...FROM, kind: "delta", n: 3, changes: CHANGES },
    { ...FROM, kind: "piece", n: 3, piece: 0, of: 2, changes: CHANGES },
    { ...FROM, kind: "ask", of: "*" },
    { ...FROM, kind: "ask", of: "b" },
    { ...FROM, kind: "signal", of: "b", to: "bob", signal: SIGNAL },
    { ...FROM, kind: "ack", of: "b", id: 7, all: false },
    { ...FROM, kind: "bye" },
  ];

  for (const frame of frames) {
    assertEquals(decodeFrame(encodeFrame(frame)), frame);
  }
});

Deno.test("no text gets into lists and heads that could be taken for another", () => {
  const bad = [
    null,
    "+",
    [],
    ["?", "alice"],
    ["+", "alice"],
    ["+", "al ice", "h:1", "guest", []],
    ["+", "ALL", "h:1", "guest", []],
    ["+", "alice", "h:1\n", "guest", []],
    ["+", "alice", "h 1", "guest", []],
    ["+", "alice", "h".repeat(81), "guest", []],
    ["+", "alice", "h:1", "king", []],
    ["+", "alice", "h:1", "guest", ["r"]],
    ["+", "alice", "h:1", "guest", Array(101).fill("#r")],
    ["+", "alice", "h:1", "guest", [], 1],
    ["-", "alice", "a\nUser: b"],
    ["-", "alice", "\u001b[2J"],
    ["-", "alice", "x".repeat(201)],
    ["-", "alice"],
    ["~", "alice", "x"],
    [">", "alice", "#r s"],
    ["<", "alice", 7],
    ["#", "10.0.0.1", -1],
    ["#", "10.0.0.1", 1.5],
    ["#", "10.0.0.1", "1"],
    ["#", "a b", 1],
  ];

  for (const change of CHANGES) {
    assertEquals(typeof withChange(change), "object");
  }
  for (const change of bad) {
    const found = withChange(change);
    assertEquals(found, "it has what is no change", JSON.stringify(change));
  }
});

Deno.test("a frame needs all of its fields", () => {
  const delta = { v: 1, ...FROM, kind: "piece", n: 1, piece: 0, of: 1 };
  const whole = { ...delta, changes: [] };
  const read = (fields: object) =>
    decodeFrame(bytes(JSON.stringify({ ...whole, ...fields })));

  assertEquals(typeof read({}), "object");
  for (
    const [field, values] of Object.entries({
      v: [0, 2, "1"],
      server: ["", "a.b", "a b", "x".repeat(33), 1],
      epoch: ["", "*", 1],
      since: [-1, 0.5, "1"],
      kind: ["", "x", 1],
      n: [-1, 1e300, "1"],
      piece: [1, -1],
      of: [0, 4_097],
      changes: [{}, "x"],
    })
  ) {
    for (const value of [...values, null]) {
      const found = read({ [field]: value });
      assertEquals(typeof found, "string", `${field}: ${value}`);
    }
  }
});

Deno.test("a signal has nothing that no signal has", () => {
  const frame = { v: 1, ...FROM, kind: "signal", of: "b", to: "bob" };
  const read = (signal: unknown, fields = {}) =>
    decodeFrame(bytes(JSON.stringify({ ...frame, signal, ...fields })));
  const withHeaders = (headers: unknown) => ({ ...SIGNAL, headers });

  assertEquals(typeof read(SIGNAL), "object");
  const bad = [
    null,
    { ...SIGNAL, verb: "FORWARD" },
    { ...SIGNAL, from: "a b" },
    withHeaders([]),
    withHeaders({ "Content-length": "5" }),
    withHeaders({ Name: "a\nUser: b" }),
    withHeaders({ Name: "\u009b2J" }),
    withHeaders({ Name: "x".repeat(256) }),
    withHeaders({ Name: "" }),
    withHeaders({ Size: 5 }),
    withHeaders({ Address: Array(9).fill("10.0.0.1:1") }),
  ];
  for (const signal of bad) {
    assertEquals(read(signal), "it has what is no signal");
  }
  for (const fields of [{ of: "*" }, { to: "#r" }, { to: "ALL" }]) {
    assertEquals(read(SIGNAL, fields), "it has what is no signal");
  }
});

Deno.test("an acknowledgement is of one message", () => {
  const frame = { v: 1, ...FROM, kind: "ack", of: "b", id: 7, all: true };
  const read = (fields: object) =>
    decodeFrame(bytes(JSON.stringify({ ...frame, ...fields })));

  assertEquals(typeof read({}), "object");
  for (const fields of [{ of: "*" }, { id: -1 }, { id: "7" }, { all: 1 }]) {
    assertEquals(read(fields), "it acknowledges nothing");
  }
});

Deno.test("a frame that is too long is not even read", () => {
  const frame = encodeFrame({ ...FROM, kind: "bye" });
  const long = (length: number) => {
    const padded = new Uint8Array(length).fill(0x20);
    padded.set(frame);
    return decodeFrame(padded);
  };

  assertEquals(typeof long(MAX_FRAME_BYTES), "object");
  assertEquals(long(MAX_FRAME_BYTES + 1), "it is too long");
});

Deno.test("changes are divided so that each frame is short enough", () => {
  const rooms = Array.from({ length: 100 }, (_, i) => `#${i}`.padEnd(33, "r"));
  const user = (i: number): Change => [
    "+",
    `${i}`.padStart(32, "u"),
    "x".repeat(80),
    "account",
    rooms,
  ];
  const changes = Array.from({ length: 100 }, (_, i) => user(i));

  const divided = [...portions(changes)];

  assertEquals(divided.flat(), changes);
  for (const some of divided) {
    const frame = { ...FROM, kind: "delta" as const, n: 1, changes: some };
    assertLess(encodeFrame(frame).length, MAX_FRAME_BYTES);
  }
  // Which is what USERS_OF_PIECE of peer.ts relies on.
  for (const some of divided.slice(0, -1)) assertLess(7, some.length);
  assertEquals([...portions([])], []);
});
