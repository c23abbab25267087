/** Two servers know each other's users, and tell their own of them. */
import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { listRooms } from "../../../server/chat/room_list.ts";
import { MOVE_MS } from "../../../server/chat/elsewhere.ts";
import {
  GONE_MOVE_MS,
  LEASE_MS,
  MAX_SERVERS,
} from "../../../server/cluster/presence/presence.ts";
import {
  encodeFrame,
  type Frame,
} from "../../../server/cluster/presence/frames.ts";
import { bytes } from "../../tools/net/raw_client.ts";
import { TestClock } from "../../tools/test_clock.ts";
import { LossyBus } from "./lossy_bus.ts";
import {
  assertOneChat,
  NO_HISTORY,
  type Observer,
  TestServer,
} from "./presence_tools.ts";

/** Time in which what was sent is there, in milliseconds. */
const SOON = 100;

/** Two servers that know each other. */
function pair(options: { maxUsers?: number } = {}) {
  const clock = new TestClock();
  const bus = new LossyBus(clock, 1);
  const [one, two] = ["one", "two"].map((name) =>
    new TestServer(name, 1, { bus: bus.end(), clock, ...options })
  ) as [TestServer, TestServer]; // as many as names
  clock.pass(SOON);
  return { clock, bus, one, two, servers: [one, two] };
}

/** What a program on the bus sends as another server. */
function liar(bus: LossyBus) {
  const end = bus.end();
  const from = { server: "liar", epoch: "e", since: 1 };
  return (frame: object) =>
    end.publish("", encodeFrame({ ...from, ...frame } as Frame));
}

function code(deed: () => unknown): number {
  return assertThrows(deed, ChatError).code;
}

Deno.test("a user of another server is listed, counted and told", () => {
  const { clock, one, two, servers } = pair();
  const alice = one.enter("alice", "#r");

  const { remote, network } = two.enter("bob", "#r", "#s");
  clock.pass(SOON);

  assertEquals(alice.told, ["joined #r bob"]);
  assertEquals(listRooms(one.hub, NO_HISTORY), [
    { name: "#default", members: 0 },
    { name: "#r", members: 2 },
    { name: "#s", members: 1 },
  ]);
  assertEquals(one.namesIn("ALL"), ["alice", "bob"]);
  const [bob] = one.hub.elsewhere!.members("#s");
  assertEquals(bob?.server, "two");
  assertEquals(bob?.peer, { remote, network, kind: "guest" });
  assertOneChat(servers);
});

Deno.test("each way to leave is told with its own notice", () => {
  const { clock, one, two } = pair();
  const alice = one.enter("alice", "#r");
  const [bob, carol] = ["bob", "carol"].map((name) => two.enter(name, "#r"));
  clock.pass(SOON);
  alice.told.length = 0;

  two.leave(bob!, "#r");
  two.hub.exit(carol!.user, "connection lost");
  clock.pass(SOON);

  assertEquals(alice.told, ["left #r bob", "offline #r carol"]);
  assertEquals([one.exited, two.exited], [["carol two"], []]);
});

Deno.test("a message can be for a user of another server, who counts", () => {
  const { clock, one, two } = pair();
  const alice = one.enter("alice", "#r");
  two.enter("Bob", "#r");
  clock.pass(SOON);

  const targets = ["bob", "B0b", "#r"].map((word) =>
    one.hub.checkTarget(alice.user, word)
  );
  const recipients = ["Bob", "#r", "ALL", "alice", "carol", "#s"].map((to) => {
    const batch = {
      from: "alice",
      to,
      firstId: 1,
      at: 0,
      bodies: [bytes("x")],
    };
    return one.hub.deliver(batch, bytes("")).recipients;
  });

  assertEquals(targets, ["Bob", "Bob", "#r"]);
  assertEquals(recipients, [1, 1, 1, 1, 0, 0]);
  assertEquals(code(() => one.hub.checkTarget(alice.user, "carol")), 102);
});

Deno.test("a name in use on another server is refused, unless its user moves", () => {
  const { clock, one, two } = pair();
  two.enter("alice");
  clock.pass(SOON);
  const { names } = one.hub;

  const codes = ["alice", "ALICE", "a1ice", "al1ce"].map((name) =>
    code(() => names.reserve(name))
  );
  const { headers } = assertThrows(() => names.reserve("alice"), ChatError);
  two.enter("alice2");
  clock.pass(SOON);
  const next = assertThrows(() => names.reserve("alice"), ChatError);
  names.reserve("alice", { isOwn: true });

  assertEquals(codes, [104, 104, 104, 104]);
  assertEquals(headers["Suggestion"], "alice2");
  assertEquals(next.headers["Suggestion"], "alice3");
});

Deno.test("a room is the one that has members on another server", () => {
  const { clock, one, two } = pair();
  const bob = two.enter("bob", "#Room");
  clock.pass(SOON);

  const alice = one.enter("alice", "#ROOM");

  assertEquals([...alice.user.rooms.keys()].map(({ name }) => name), ["#Room"]);
  clock.pass(SOON);
  assertEquals(bob.told, ["joined #Room alice"]);
});

Deno.test("the connections of an address count on all servers", () => {
  const { clock, one, two } = pair(); // their limit is 3
  const enter = ({ limits }: TestServer) => {
    const connection = limits.connectionFrom("10.0.0.9", clock.now());
    limits.enter(connection, clock.now());
    return connection;
  };
  const first = enter(one);
  enter(one);
  clock.pass(SOON);
  enter(two);
  clock.pass(SOON);

  const refused = [one, two].map((server) => code(() => enter(server)));
  one.limits.leave(first);
  clock.pass(SOON);
  enter(two);
  clock.pass(SOON);

  assertEquals(refused, [114, 114]);
  assertEquals(code(() => enter(one)), 114);
});

Deno.test("a server that is killed frees what its connections count for", () => {
  const { clock, one, two } = pair();
  for (let i = 0; i < 3; i++) {
    two.limits.enter(two.limits.connectionFrom("10.0.0.9", 0), 0);
  }
  clock.pass(SOON);
  const before = one.presence.connectionsFrom("10.0.0.9");

  one.presence.gone("two", two.epoch);

  assertEquals(before, 3);
  assertEquals(one.presence.connectionsFrom("10.0.0.9"), 0);
});

for (const how of ["killed", "closed", "fenced", "restarted"] as const) {
  Deno.test(`users of a server that is ${how} move, and no user is told`, () => {
    const { clock, bus, one, two } = pair();
    const alice = one.enter("alice", "#r");
    two.enter("bob", "#r");
    clock.pass(SOON);
    alice.told.length = 0;

    if (how === "closed") two.hub.close(5);
    if (how === "fenced") one.presence.gone("two", two.epoch);
    two[Symbol.dispose]();
    if (how === "killed") clock.pass(LEASE_MS + 2_000);
    const again = how === "restarted"
      ? new TestServer("two", 2, { bus: bus.end(), clock })
      : one;
    clock.pass(GONE_MOVE_MS - 100);
    assertEquals(one.namesIn("#r"), ["alice", "bob"]);
    if (how !== "restarted") one.hub.names.reserve("b0b");
    one.hub.names.release("b0b");
    again.enter("bob", "#r");
    clock.pass(60_000);

    assertEquals(alice.told, []);
    assertEquals(one.namesIn("#r"), ["alice", "bob"]);
  });

  Deno.test(`users of a server that is ${how} are offline if they do not move`, () => {
    const { clock, bus, one, two } = pair();
    const alice = one.enter("alice", "#r");
    two.enter("bob", "#r");
    clock.pass(SOON);
    alice.told.length = 0;

    if (how === "closed") two.hub.close(5);
    if (how === "fenced") one.presence.gone("two", two.epoch);
    two[Symbol.dispose]();
    const again = how === "restarted"
      ? [new TestServer("two", 2, { bus: bus.end(), clock })]
      : [];
    clock.pass(LEASE_MS + MOVE_MS + 2_000);

    assertEquals(alice.told, ["offline #r bob"]);
    assertEquals(one.presence.servers(), again.map(({ name }) => name));
    assertOneChat([one, ...again]);
  });
}

Deno.test("a user who moves with a connection on each server is told once", () => {
  const { clock, one, two } = pair();
  const alice = one.enter("alice", "#r", "#s");
  const bob = two.enter("bob", "#r", "#s");
  clock.pass(SOON);
  alice.told.length = 0;

  const moved = one.enter("bob", "#r");
  clock.pass(SOON);
  const meanwhile = one.namesIn("ALL");
  two.hub.exit(bob.user, "signed in elsewhere");
  clock.pass(SOON);

  assertEquals(meanwhile, ["alice", "bob"]);
  assertEquals(alice.told, ["offline #s bob"]);
  assertEquals(moved.told, []);
  assertOneChat([one, two]);
});

for (const comes of [true, false]) {
  Deno.test(`a user who has moved is told ${comes ? "never" : "late"} if the news of the move is ${comes ? "late" : "lost"}`, () => {
    const { clock, bus, one, two } = pair();
    const three = new TestServer("three", 1, { bus: bus.end(), clock });
    const watchers = [one, two, three].map((server, i) =>
      server.enter(`watcher${i}`, "#r")
    );
    const bob = two.enter("bob", "#r");
    clock.pass(SOON);
    for (const { told } of watchers) told.length = 0;

    two.hub.elsewhere!.moves(bob.user);
    two.hub.exit(bob.user, "removed");
    clock.pass(MOVE_MS - 1_000);
    const meanwhile = [one, two, three].map((server) => server.namesIn("#r"));
    const moved = comes ? one.enter("bob", "#r") : undefined;
    clock.pass(2 * MOVE_MS);

    assertEquals(new Set(meanwhile.map((names) => names[0])), new Set(["bob"]));
    for (const { told } of [...watchers, ...moved ? [moved] : []]) {
      assertEquals(told, comes ? [] : ["offline #r bob"]);
    }
    assertOneChat([one, two, three]);
  });
}

Deno.test("a thousand users who arrive at once are few messages", () => {
  const { clock, bus, one, two } = pair();
  const before = bus.published;

  for (let i = 0; i < 1_000; i++) {
    one.enter(`user${i}`, "#default");
    if (i % 10 === 0) clock.pass(1); // 100 ms in all
  }
  clock.pass(SOON);

  assertLess(bus.published - before, 25);
  assertEquals(two.namesIn("#default").length, 1_000);
});

Deno.test("a server that joins later gets all users, in bounded messages", () => {
  const { clock, bus, one, two } = pair({ maxUsers: 10_000 });
  for (let user = 0; user < 24; user++) {
    const name = (_: unknown, i: number) =>
      `#${`${user}-${i}`.padStart(32, "r")}`;
    one.enter(`user${user}`, ...Array.from({ length: 90 }, name));
  }

  const three = new TestServer("three", 1, { bus: bus.end(), clock });
  clock.pass(2_000);

  assertEquals(three.presence.servers(), ["one", "two"]);
  assertOneChat([one, two, three]);
});

Deno.test("what no Parley sends is ignored, and told once", () => {
  const { clock, bus, one } = pair();
  const end = bus.end();

  for (const text of ["{", "{", "[]", "7", '{"v":2}', '{"v":1}']) {
    end.publish("", bytes(text));
  }
  end.publish("", new Uint8Array([0xff]));
  clock.pass(SOON);

  assertEquals(
    one.log,
    [
      "it is no JSON",
      "it is no message of Parley",
      "it is of a newer version of Parley",
      "it names no server",
    ].map((why) => `Ignored a message about users: ${why}`),
  );
  assertEquals(one.presence.servers(), ["two"]);
});

Deno.test("a server with too many users takes no more memory, and is told once", () => {
  const { clock, bus, one } = pair({ maxUsers: 10 });
  const lie = liar(bus);
  const enter = (i: number) => ["+", `user${i}`, "10.0.0.1:1", "guest", []];

  const changes = Array.from({ length: 30 }, (_, i) => enter(i));
  lie({ kind: "delta", n: 1, changes });
  for (let n = 2; n < 9; n++) {
    lie({ kind: "piece", n, piece: 0, of: 1, changes });
    lie({ kind: "piece", n, piece: 0, of: 4_000, changes: [] });
  }
  clock.pass(SOON);

  assertEquals(one.namesIn("ALL").length, 10);
  assertEquals(one.log.length, 1);
});

Deno.test("facts that differ from what was told are asked for again", () => {
  const { clock, bus, one, two } = pair();
  const end = bus.end();
  two.enter("bob");
  clock.pass(SOON);
  const life = { server: "two", epoch: two.epoch, since: 1 };

  const changes = [["-", "bob", "gone"], ["-", "nobody", ""]] as const;
  end.publish("", encodeFrame({ ...life, kind: "delta", n: 2, changes }));
  clock.pass(SOON);
  const misled = one.namesIn("ALL");
  clock.pass(5_000);

  assertEquals(misled, []);
  assertOneChat([one, two]);
});

Deno.test("what comes late from a life that is over counts no more", () => {
  const { clock, bus, one } = pair();
  const lie = liar(bus);
  const alice = one.enter("alice", "#r");
  const join = (name: string) => ["+", name, "10.0.0.1:1", "guest", ["#r"]];

  lie({ kind: "delta", n: 1, changes: [join("bob")] });
  lie({ kind: "bye" });
  lie({ kind: "delta", n: 2, changes: [join("carol")] });
  clock.pass(SOON);
  const closed = one.presence.servers();
  lie({ since: 3, epoch: "g", kind: "delta", n: 1, changes: [join("dave")] });
  lie({ since: 2, epoch: "f", kind: "delta", n: 1, changes: [join("eve")] });
  clock.pass(SOON);

  assertEquals(closed, ["two"]);
  assertEquals(alice.told, ["joined #r bob", "joined #r dave"]);
  assertEquals(one.presence.servers(), ["two", "liar"]);
});

Deno.test("a server without the bus takes no other for gone", () => {
  const { clock, one, two } = pair();
  const alice = one.enter("alice", "#r");
  const bob = two.enter("bob", "#r");
  clock.pass(SOON);
  alice.told.length = bob.told.length = 0;

  one.bus.isCut = true;
  clock.pass(10 * LEASE_MS);
  const [aliceTold, bobTold] = [[...alice.told], [...bob.told]];
  two.leave(bob, "#r");
  one.bus.isCut = false;
  clock.pass(5_000);

  assertEquals(aliceTold, []);
  assertEquals(bobTold, ["offline #r alice"]);
  assertEquals(alice.told, ["left #r bob"]);
  assertOneChat([one, two]);
});

Deno.test("a computer that stood still takes no other server for gone", () => {
  const { clock, one, two } = pair();
  const alice = one.enter("alice", "#r");
  two.enter("bob", "#r");
  clock.pass(SOON);
  alice.told.length = 0;

  clock.jump(10 * LEASE_MS);
  clock.pass(2 * LEASE_MS);

  assertEquals(alice.told, []);
  assertOneChat([one, two]);
});

Deno.test("two servers of one name are told to the operator", () => {
  const { clock, bus, one } = pair();

  new TestServer("one", 2, { bus: bus.end(), clock });
  clock.pass(3_000);

  assertEquals(one.log, [
    "Another server has the name one, too. Give each its own --server-name.",
  ]);
});

Deno.test(`there are at most ${MAX_SERVERS} other servers`, () => {
  const { clock, bus, one } = pair();
  const lie = liar(bus);

  for (let i = 0; i < MAX_SERVERS + 9; i++) {
    lie({ server: `s${i}`, kind: "beat", n: 0, digest: "0.0" });
  }
  clock.pass(SOON);

  assertEquals(one.presence.servers().length, MAX_SERVERS);
  assert(one.log.length > 0);
});

Deno.test("a user who signs up has another kind on all servers", () => {
  const { clock, one, two } = pair();
  const bob = two.enter("bob") as Observer;
  clock.pass(SOON);

  bob.kind = "account";
  two.hub.elsewhere!.changed(bob.user);
  clock.pass(SOON);

  assertEquals(one.hub.elsewhere!.named("bob")?.peer.kind, "account");
});
