/** A user whose device on another server joins rooms and leaves them. */
import { assertEquals } from "@std/assert";
import { follow } from "../../../server/chat/devices/follow.ts";
import { Hub } from "../../../server/chat/hub.ts";
import { MAX_ROOMS_PER_USER } from "../../../server/chat/refusals.ts";
import type { Peer, RoomHistory } from "../../../server/chat/user.ts";

const NO_HISTORY: RoomHistory = {
  lastId: 0,
  roomName: () => undefined,
  rooms: () => [],
  share: () => {},
  forget: () => Promise.resolve(),
};

/** bob in these rooms, on a server where an address has so many rooms. */
function arrange(rooms: readonly string[], perAddress: number) {
  const roomLimits = { perAddress, total: 10_000 };
  const hub = new Hub({ roomLimits, now: () => 0 });
  const told: string[] = [];
  const lines: string[] = [];
  const peer: Peer = {
    ...{ kind: "account", remote: "10.0.0.1:5", network: "10.0.0.1" },
    ...{ congested: false, relief: () => Promise.resolve() },
    notify: (bytes) => told.push(new TextDecoder().decode(bytes)),
    forward: () => undefined,
  };
  const user = hub.enter("bob", peer);
  for (const room of rooms) hub.join(user, room, NO_HISTORY);
  const log = (line: string) => lines.push(line);
  const context = { hub, journal: NO_HISTORY, log };
  /** The names of the user's rooms, without those at the start. */
  const joined = () =>
    Array.from(user.rooms.keys(), ({ name }) => name)
      .filter((name) => !rooms.includes(name));
  return { context, joined, lines, told, user };
}

/** How the notices begin that bob is told. */
const JOINED = "NOTICE joined\nRoom: #b";
const LEFT = "NOTICE left\nRoom: #a";

function startOf(notice: string): string {
  return notice.split("\n", 2).join("\n");
}

Deno.test("follow() joins and leaves, and tells the devices here", () => {
  const { context, joined, lines, told } = arrange(["#a"], 500);

  follow(context, "BOB", { joined: [["#b", 0]], left: ["#a"] });

  assertEquals(joined(), ["#b"]);
  assertEquals(told.map(startOf), [JOINED, LEFT]);
  assertEquals(lines, []);
});

Deno.test("follow() leaves out a room that is over the share of the address, and goes on", () => {
  const { context, joined, lines, told, user } = arrange(["#a"], 1);
  const other = { ...user.peer, network: "10.0.0.2", notify: () => {} };
  context.hub.join(context.hub.enter("carol", other), "#b", NO_HISTORY);

  follow(context, "bob", { joined: [["#x", 0], ["#b", 0]], left: ["#a"] });

  assertEquals(joined(), ["#b"]);
  assertEquals(told.map(startOf), [JOINED, LEFT]);
  assertEquals(lines, [
    "bob from <10.0.0.1:5>: Cannot create #x: limit for your address: 1 rooms; a room that is empty for a day gives way",
  ]);
});

for (
  const [rooms, follows] of [[MAX_ROOMS_PER_USER - 1, true], [
    MAX_ROOMS_PER_USER,
    false,
  ]] as const
) {
  Deno.test(`follow() of a user in ${rooms} rooms ${follows ? "joins" : "leaves out"} one more`, () => {
    const names = Array.from({ length: rooms }, (_, n) => `#r${n}`);
    const { context, joined, lines } = arrange(names, 500);

    follow(context, "bob", { joined: [["#b", 0]] });

    assertEquals(joined(), follows ? ["#b"] : []);
    assertEquals(
      lines,
      follows ? [] : [
        "bob from <10.0.0.1:5>: Cannot join #b: you are in 100 rooms, which is the limit",
      ],
    );
  });
}

Deno.test("follow() is for the user of that very name", () => {
  const { context, joined } = arrange(["#a"], 500);

  follow(context, "b0b", { joined: [["#b", 0]], left: ["#a"] });

  assertEquals(joined(), []);
});
