/** The hub: users, rooms and receivers, as state without sockets. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import { Hub } from "../../../server/chat/hub.ts";
import { MAX_ROOMS_PER_USER } from "../../../server/chat/refusals.ts";
import {
  BUSY_TICKS,
  QUIET_ROOM_MEMBERS,
} from "../../../server/chat/presence.ts";
import { listRooms } from "../../../server/chat/room_list.ts";
import type { Peer, RoomHistory, User } from "../../../server/chat/user.ts";
import type { Batch } from "../../../server/chat/batch.ts";
import { bytes } from "../../tools/net/raw_client.ts";

const NO_HISTORY: RoomHistory = {
  lastId: 0,
  roomName: () => undefined,
  rooms: () => [],
  share: () => {},
  forget: () => Promise.resolve(),
};

const TIME = "2026-11-21T07:32:56.120Z";

/** A peer that remembers what it was told. */
class FakePeer implements Peer {
  readonly kind = "guest";
  readonly remote: string;
  readonly network: string;
  congested = false;
  /** First lines and heads of what came. */
  readonly told: string[] = [];
  /** Called at every NOTICE. */
  onNotice: () => void = () => {};

  constructor(remote: string, network = "10.0.0.1") {
    this.remote = remote;
    this.network = network;
  }

  relief(): Promise<void> {
    return Promise.resolve();
  }

  notify(bytes: Uint8Array): void {
    this.told.push(new TextDecoder().decode(bytes));
    this.onNotice();
  }

  forward(run: Batch): undefined {
    this.told.push(`FORWARD ${run.from} ${run.to}`);
  }
}

/** Lets somebody in; joins the rooms. */
function enter(
  hub: Hub,
  name: string,
  ...rooms: string[]
): { user: User; peer: FakePeer } {
  const peer = new FakePeer(`host:${name}`);
  hub.names.reserve(name);
  const user = hub.enter(name, peer);
  for (const room of rooms) hub.join(user, room, NO_HISTORY);
  return { user, peer };
}

function run(from: string, to: string): Batch {
  return { from, to, firstId: 1, at: 0, bodies: [bytes("x")] };
}

function code(deed: () => unknown): number {
  return assertThrows(deed, ChatError).code;
}

Deno.test("Hub keeps a reserved name, and its look-alikes, until it is released", () => {
  const hub = new Hub();

  hub.names.reserve("alice");
  const taken = ["alice", "ALICE", "a1ice", "aIice"].map((name) =>
    code(() => hub.names.reserve(name))
  );
  hub.names.release("alice");
  hub.names.reserve("a1ice");

  assertEquals(taken, [104, 104, 104, 104]);
});

Deno.test("Hub suggests free names to a class that all type the same name", () => {
  const hub = new Hub();
  hub.names.reserve("student");

  const suggested = Array.from({ length: 39 }, () => {
    const { headers } = assertThrows(
      () => hub.names.reserve("student"),
      ChatError,
    );
    const name = String(headers["Suggestion"]);
    hub.names.reserve(name);
    return name;
  });

  assertEquals(
    suggested,
    Array.from({ length: 39 }, (_, i) => `student${i + 2}`),
  );
});

Deno.test("Hub delivers to a room, a user, ALL, and never to the sender but by name", () => {
  const hub = new Hub();
  const alice = enter(hub, "alice", "#r");
  const bob = enter(hub, "bob", "#r");
  const carol = enter(hub, "carol");
  for (const { peer } of [alice, bob, carol]) peer.told.length = 0;

  const recipients = ["#r", "ALL", "bob", "alice", "nobody", "#none"]
    .map((to) => hub.deliver(run("alice", to), bytes("")).recipients);

  assertEquals(recipients, [1, 2, 1, 1, 0, 0]);
  assertEquals(alice.peer.told, ["FORWARD alice alice"]);
  assertEquals(bob.peer.told, [
    "FORWARD alice #r",
    "FORWARD alice ALL",
    "FORWARD alice bob",
  ]);
  assertEquals(carol.peer.told, ["FORWARD alice ALL"]);
});

Deno.test("Hub says who of the receivers is congested", () => {
  const hub = new Hub();
  enter(hub, "alice", "#r");
  const bob = enter(hub, "bob", "#r");
  bob.peer.congested = true;

  assertEquals(hub.deliver(run("alice", "#r"), bytes("")).congested, [
    bob.peer,
  ]);
});

Deno.test("Hub takes a user out of every room once", () => {
  const log: string[] = [];
  const hub = new Hub({
    log: (line) => void log.push(line),
    now: () => Date.parse(TIME),
  });
  const alice = enter(hub, "alice", "#a", "#b");
  const bob = enter(hub, "bob", "#b");
  bob.peer.told.length = 0;
  log.length = 0;

  hub.exit(alice.user, "why");
  hub.exit(alice.user, "why");

  assertEquals(log, ["alice left room [a]", "alice left room [b]"]);
  assertEquals(bob.peer.told, [
    `NOTICE offline\nRoom: #b\nUser: alice\nReason: why\nMembers: 1\nTime: ${TIME}\n\n`,
  ]);
  assertEquals(hub.roomNamed("#a"), undefined);
});

Deno.test("Hub does not take out somebody's successor", () => {
  const hub = new Hub();
  const first = enter(hub, "alice");
  hub.exit(first.user, "");
  const second = enter(hub, "Alice", "#r");

  hub.exit(first.user, "");

  assertEquals([...hub.users()], [second.user]);
});

Deno.test("Hub lists rooms with and without members, the default room first", () => {
  const hub = new Hub();
  enter(hub, "alice", "#b", "#default");
  const history = { ...NO_HISTORY, rooms: () => ["#old", "#b", "#default"] };

  assertEquals(
    listRooms(hub, history).map(({ name, members }) => `${name} ${members}`),
    ["#default 1", "#b 1", "#old 0"],
  );
});

Deno.test("Hub gives a room the name under which it has history", () => {
  const hub = new Hub();
  const { user } = enter(hub, "alice");

  const room = hub.join(user, "#0LD", {
    ...NO_HISTORY,
    roomName: () => "#old",
  });

  assertEquals(room.name, "#old");
  assert(hub.roomNamed("#OLD") === room);
});

Deno.test("Hub limits the rooms of one user", () => {
  const hub = new Hub();
  const { user } = enter(hub, "alice");
  for (let i = 0; i < MAX_ROOMS_PER_USER; i++) {
    hub.join(user, `#r-${i}`, NO_HISTORY);
  }

  assertEquals(code(() => hub.join(user, "#more", NO_HISTORY)), 109);
  assertEquals(hub.join(user, "#r-0", NO_HISTORY).members.size, 1);
});

Deno.test("Hub makes no more rooms than there can be, but #default always", () => {
  const hub = new Hub({ roomLimits: { perAddress: 10, total: 2 } });
  const { user } = enter(hub, "alice", "#a", "#b");

  assertEquals(code(() => hub.join(user, "#new", NO_HISTORY)), 109);
  assertEquals(hub.join(user, "#default", NO_HISTORY).name, "#default");
  hub.leave(user, "#a");
  assertEquals(hub.join(user, "#new", NO_HISTORY).name, "#new");
});

/** A room of just so many that presence is gathered. */
function crowd(hub: Hub): { user: User; peer: FakePeer }[] {
  const members = Array.from(
    { length: QUIET_ROOM_MEMBERS + 2 },
    (_, i) => enter(hub, `u${i}x`, "#r"),
  );
  hub.presence.tellGathered();
  for (const { peer } of members) peer.told.length = 0;
  return members;
}

Deno.test("Hub tells up to a hundred members at once, and gathers from then on", () => {
  const hub = new Hub();
  const { peer } = enter(hub, "first", "#r");

  const told = Array.from({ length: QUIET_ROOM_MEMBERS + 1 }, (_, i) => {
    enter(hub, `u${i}x`, "#r");
    return peer.told.length;
  });

  assertEquals(told.slice(-3), [99, 99, 99]);
});

Deno.test("Hub gathers who came and went, and tells it in one NOTICE a kind", () => {
  const hub = new Hub({ now: () => Date.parse(TIME) });
  const [one, two, three] = crowd(hub);

  enter(hub, "new1x", "#r");
  enter(hub, "new2x", "#r");
  hub.leave(two!.user, "#r");
  hub.exit(three!.user, "why");
  const before = one!.peer.told.length;
  hub.presence.tellGathered();
  hub.presence.tellGathered();

  const size = QUIET_ROOM_MEMBERS + 2;
  assertEquals(before, 0);
  assertEquals(one!.peer.told, [
    `NOTICE joined\nRoom: #r\nCount: 2\nMembers: ${size}\nTime: ${TIME}\nContent-length: 34\n\nnew1x host:new1x\nnew2x host:new2x\n`,
    `NOTICE left\nRoom: #r\nCount: 1\nMembers: ${size}\nTime: ${TIME}\nContent-length: 13\n\nu1x host:u1x\n`,
    `NOTICE offline\nRoom: #r\nCount: 1\nMembers: ${size}\nTime: ${TIME}\nContent-length: 13\n\nu2x host:u2x\n`,
  ]);
});

Deno.test("Hub leaves out who came and went within the second", () => {
  const hub = new Hub();
  const [one, two] = crowd(hub);

  const { user } = enter(hub, "shortx", "#r");
  hub.exit(user, "");
  hub.leave(two!.user, "#r");
  hub.join(two!.user, "#r", NO_HISTORY);
  hub.presence.tellGathered();

  assertEquals(one!.peer.told, []);
});

Deno.test("Hub tells also of those who go while others are told", () => {
  const hub = new Hub();
  const [one, two, three, four] = crowd(hub);
  // As a peer does whose outbox this NOTICE has filled.
  two!.peer.onNotice = () => hub.exit(two!.user, "too slow");

  hub.exit(four!.user, "gone");
  hub.presence.tellGathered();
  hub.presence.tellGathered();

  for (const { peer } of [one!, three!]) {
    const told = peer.told.join("");
    assert(told.includes("u3x host:u3x\n"), told);
    assert(told.includes("u1x"), told);
  }
});

Deno.test("Hub tells what users of one network do without end every ten seconds, as it came out", () => {
  const hub = new Hub({ now: () => Date.parse(TIME), changesAtOnce: 3 });
  const { peer } = enter(hub, "alice", "#r");
  const { user } = enter(hub, "eve", "#r");
  const told = () => peer.told.splice(0).map((frame) => frame.split("\n", 3));
  hub.leave(user, "#r");
  const atOnce = told();

  hub.join(user, "#r", NO_HISTORY); // the fourth, with alice's own
  hub.leave(user, "#r"); // comes to nothing
  hub.join(user, "#r", NO_HISTORY);
  const other = new FakePeer("host:bob", "10.0.0.2");
  hub.names.reserve("bob");
  hub.join(hub.enter("bob", other), "#r", NO_HISTORY);
  hub.presence.tellGathered();
  const afterOne = told();
  for (let tick = 2; tick < BUSY_TICKS; tick++) hub.presence.tellGathered();
  const afterNine = told();
  hub.presence.tellGathered();
  const afterTen = told();

  assertEquals(atOnce, [
    ["NOTICE joined", "Room: #r", "User: eve"],
    ["NOTICE left", "Room: #r", "User: eve"],
  ]);
  assertEquals(afterOne, [["NOTICE joined", "Room: #r", "Count: 1"]]); // bob
  assertEquals(afterNine, []);
  assertEquals(afterTen, [["NOTICE joined", "Room: #r", "Count: 1"]]);
});

Deno.test("Hub tells a network's changes at once again after a pause", () => {
  const hub = new Hub({ changesAtOnce: 2 });
  const { peer } = enter(hub, "alice", "#r");
  const { user } = enter(hub, "eve", "#r");
  hub.presence.tellGathered();
  hub.presence.tellGathered();
  peer.told.length = 0;

  hub.leave(user, "#r");
  const first = peer.told.length;
  hub.join(user, "#r", NO_HISTORY);

  assertEquals([first, peer.told.length], [1, 1]);
});

/** Mutes of the test, by name. */
function mutes(...names: string[]) {
  const muted = new Set(names);
  const reason = (name: string) =>
    muted.has(name) ? "you are muted" : undefined;
  return {
    muted,
    muting: { reason, entered: reason, newcomer: () => {} },
  };
}

Deno.test("Hub refuses what a muted user sends, until that ends by itself", () => {
  const { muted, ...rules } = mutes();
  const hub = new Hub(rules);
  const { user: bob } = enter(hub, "bob", "#r");
  const { user: carol } = enter(hub, "carol", "#r");

  muted.add("bob");
  hub.muting.mark(hub.users());

  const error = assertThrows(() => hub.checkTarget(bob, "#r"), ChatError);
  assertEquals([error.code, error.message], [
    120,
    "Cannot send: you are muted",
  ]);
  assertThrows(() => hub.muting.check(bob, "call"), ChatError, "Cannot call");
  assertEquals(hub.checkTarget(carol, "bob"), "bob");
  muted.delete("bob");
  assertEquals(hub.checkTarget(bob, "#r"), "#r");
  assertEquals(bob.muted, undefined);
});

Deno.test("Hub asks for each user who enters, also again", () => {
  const hub = new Hub(mutes("bob"));

  const { user } = enter(hub, "bob");
  hub.exit(user, "gone");
  const { user: again } = enter(hub, "bob");
  const { user: carol } = enter(hub, "carol");

  assertEquals([user, again, carol].map(({ muted }) => muted), [
    "you are muted",
    "you are muted",
    undefined,
  ]);
});
