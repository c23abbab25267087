/** The hub: users, rooms and receivers, as state without sockets. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  Hub,
  MAX_ROOMS,
  MAX_ROOMS_PER_USER,
  type RoomHistory,
} from "../../../server/chat/hub.ts";
import { QUIET_ROOM_MEMBERS } from "../../../server/chat/presence.ts";
import type { Peer, User } from "../../../server/chat/user.ts";
import type { Batch } from "../../../server/chat/batch.ts";
import { bytes } from "../../tools/net/raw_client.ts";

const NO_HISTORY: RoomHistory = {
  lastId: 0,
  roomCount: 0,
  roomName: () => undefined,
  rooms: () => [],
};

/** A peer that remembers what it was told. */
class FakePeer implements Peer {
  readonly kind = "guest";
  readonly remote: string;
  congested = false;
  /** First lines and heads of what came. */
  readonly told: string[] = [];
  /** Called at every NOTICE. */
  onNotice: () => void = () => {};

  constructor(remote: string) {
    this.remote = remote;
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
  const hub = new Hub();
  const alice = enter(hub, "alice", "#a", "#b");
  const bob = enter(hub, "bob", "#b");
  bob.peer.told.length = 0;

  const left = hub.exit(alice.user, "why");
  const again = hub.exit(alice.user, "why");

  assertEquals(left.map(({ name }) => name), ["#a", "#b"]);
  assertEquals(again, []);
  assertEquals(bob.peer.told, [
    "NOTICE offline\nRoom: #b\nUser: alice\nReason: why\nMembers: 1\n\n",
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
    hub.list(history).map(({ name, members }) => `${name} ${members}`),
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

Deno.test("Hub limits the rooms of one user, and those of all", () => {
  const hub = new Hub();
  for (let i = 0; i < MAX_ROOMS / MAX_ROOMS_PER_USER; i++) {
    const { user } = enter(hub, `u${i}x`);
    for (let j = 0; j < MAX_ROOMS_PER_USER; j++) {
      hub.join(user, `#r-${i}-${j}`, NO_HISTORY);
    }
    assertEquals(code(() => hub.join(user, "#more", NO_HISTORY)), 109);
  }
  const { user } = enter(hub, "late");

  assertEquals(code(() => hub.join(user, "#more", NO_HISTORY)), 109);
  assertEquals(hub.join(user, "#r-0-0", NO_HISTORY).members.size, 2);
});

Deno.test("Hub makes no more rooms than can have history, but #default always", () => {
  const hub = new Hub();
  const { user } = enter(hub, "alice");
  const full = { ...NO_HISTORY, roomCount: MAX_ROOMS };

  assertEquals(code(() => hub.join(user, "#new", full)), 109);
  assertEquals(
    hub.join(user, "#old", { ...full, roomName: () => "#old" }).name,
    "#old",
  );
  assertEquals(hub.join(user, "#default", full).name, "#default");
});

/** A room of just so many that presence is gathered. */
function crowd(hub: Hub): { user: User; peer: FakePeer }[] {
  const members = Array.from(
    { length: QUIET_ROOM_MEMBERS + 2 },
    (_, i) => enter(hub, `u${i}x`, "#r"),
  );
  hub.tellGathered();
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
  const hub = new Hub();
  const [one, two, three] = crowd(hub);

  enter(hub, "new1x", "#r");
  enter(hub, "new2x", "#r");
  hub.leave(two!.user, "#r");
  hub.exit(three!.user, "why");
  const before = one!.peer.told.length;
  hub.tellGathered();
  hub.tellGathered();

  const size = QUIET_ROOM_MEMBERS + 2;
  assertEquals(before, 0);
  assertEquals(one!.peer.told, [
    `NOTICE joined\nRoom: #r\nCount: 2\nMembers: ${size}\nContent-length: 34\n\nnew1x host:new1x\nnew2x host:new2x\n`,
    `NOTICE left\nRoom: #r\nCount: 1\nMembers: ${size}\nContent-length: 13\n\nu1x host:u1x\n`,
    `NOTICE offline\nRoom: #r\nCount: 1\nMembers: ${size}\nContent-length: 13\n\nu2x host:u2x\n`,
  ]);
});

Deno.test("Hub leaves out who came and went within the second", () => {
  const hub = new Hub();
  const [one, two] = crowd(hub);

  const { user } = enter(hub, "shortx", "#r");
  hub.exit(user, "");
  hub.leave(two!.user, "#r");
  hub.join(two!.user, "#r", NO_HISTORY);
  hub.tellGathered();

  assertEquals(one!.peer.told, []);
});

Deno.test("Hub tells also of those who go while others are told", () => {
  const hub = new Hub();
  const [one, two, three, four] = crowd(hub);
  // As a peer does whose outbox this NOTICE has filled.
  two!.peer.onNotice = () => hub.exit(two!.user, "too slow");

  hub.exit(four!.user, "gone");
  hub.tellGathered();
  hub.tellGathered();

  for (const { peer } of [one!, three!]) {
    const told = peer.told.join("");
    assert(told.includes("u3x host:u3x\n"), told);
    assert(told.includes("u1x"), told);
  }
});

Deno.test("Hub refuses what a muted user sends, under any look-alike, until that ends", () => {
  const hub = new Hub();
  const { user: bob } = enter(hub, "Bob", "#r");
  const { user: carol } = enter(hub, "carol", "#r");

  hub.mute("b0b");

  assertEquals(code(() => hub.checkTarget(bob, "#r")), 120);
  assertEquals(hub.checkTarget(carol, "bob"), "Bob");
  assertEquals([...hub.mutes()], ["b0b"]);
  assertEquals(hub.unmute("BOB"), "b0b");
  assertEquals(hub.checkTarget(bob, "#r"), "#r");
  assertEquals(hub.unmute("bob"), undefined);
});

Deno.test("Hub mutes who comes in later, or again", () => {
  const hub = new Hub();
  hub.mute("bob");
  hub.mute("bob");

  const { user } = enter(hub, "bob");
  hub.exit(user, "gone");
  const { user: again } = enter(hub, "b0b");

  assertEquals([user.muted, again.muted], [true, true]);
  hub.unmute("bob");
  assert(!again.muted);
});

Deno.test("Hub tells everybody what the operator says", () => {
  const hub = new Hub();
  const peers = [enter(hub, "alice", "#r").peer, enter(hub, "bob").peer];

  hub.tellAll("Pause until 10:15 ☕");

  for (const { told } of peers) {
    assertEquals(
      told.at(-1),
      "NOTICE server\nContent-length: 21\n\nPause until 10:15 ☕",
    );
  }
});
