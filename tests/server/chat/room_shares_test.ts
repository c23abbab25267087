/** Which room gives way when there are too many, with small limits. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  ROOM_LIMITS,
  ROOM_REST_MS,
  RoomShares,
} from "../../../server/chat/room_shares.ts";

/** Rooms with the limits of the test, its clock, and what gave way. */
function arrange(limits = { perAddress: 3, total: 6 }) {
  const clock = { now: 1_000_000_000_000 };
  const rooms = new RoomShares(limits, () => clock.now);
  const gone: string[] = [];
  const open = (name: string, network: string) =>
    rooms.open(name, network, {
      forget: (one) => Promise.resolve(void gone.push(one)),
    });
  return {
    rooms,
    clock,
    gone,
    open,
    /** Each user writes in a room, and leaves it a second later. */
    leave(network: string, ...names: string[]) {
      for (const name of names) {
        open(name, network);
        rooms.keep(name, true);
        clock.now += 1_000;
        rooms.empty(name);
      }
    },
    refused(name: string, network: string): ChatError {
      return assertThrows(() => open(name, network), ChatError);
    },
  };
}

Deno.test("ten addresses with all their rooms leave half of them to others", () => {
  const { perAddress, total } = ROOM_LIMITS;
  assertEquals(perAddress * 10, total / 2);
});

Deno.test("a foe that makes rooms without end makes them in the place of its own", () => {
  const { leave, gone, clock, open, refused } = arrange();
  leave("class", "#lab", "#homework");
  leave("foe", "#f1", "#f2", "#f3");

  const { code, headers, message } = refused("#f4", "foe");
  clock.now += ROOM_REST_MS;
  leave("foe", "#f4", "#f5");

  assertEquals([code, headers], [109, { Limit: 3 }]);
  assertMatch(message, /your address: 3 rooms; .+ a day /);
  assertEquals(gone, ["#f1", "#f2"]);
  open("#news", "class");
  assertEquals(gone, ["#f1", "#f2"]);
});

Deno.test("foes of many addresses lose a room to each that has less, and take none", () => {
  const { leave, gone, open } = arrange({ perAddress: 3, total: 7 });
  leave("class", "#lab");
  leave("foe1", "#a1", "#a2", "#a3");
  leave("foe2", "#b1", "#b2", "#b3");

  open("#homework", "class");
  open("#c1", "foe3"); // foe2 has most by now
  open("#b4", "foe2"); // no network has more

  assertEquals(gone, ["#a1", "#b1", "#b2"]);
});

Deno.test("a room with members never gives way, nor does #default", () => {
  const { rooms, open, clock, gone, leave, refused } = arrange();
  leave("foe", "#default");
  for (const name of ["#a", "#b", "#c"]) open(name, "foe");
  clock.now += ROOM_REST_MS;

  assertEquals(refused("#d", "foe").headers, { Limit: 3 });
  rooms.empty("#b"); // without history it is gone
  open("#d", "foe");

  for (const network of ["x", "y", "z"]) open(`#${network}`, network);
  assertEquals(refused("#e", "w").headers, { Limit: 6 });
  open("#DEFAULT", "w");
  assertEquals(gone, []);
});

Deno.test("a room that another address has joined does not give way to its creator", () => {
  const { rooms, open, clock, gone, leave } = arrange();
  open("#homework", "foe"); // before the class does
  rooms.keep("#homework", true);
  assertEquals(rooms.join("#homework", "foe"), false);
  assertEquals(rooms.join("#homework", "class"), true);
  assertEquals(rooms.join("#homework", "class"), false);
  rooms.empty("#homework");
  leave("foe", "#f1", "#f2");
  clock.now += ROOM_REST_MS;

  leave("foe", "#f3");

  assertEquals(gone, ["#f1"]);
});

Deno.test("a room whose history is deleted counts no more", () => {
  const { rooms, open, leave, gone } = arrange();
  leave("foe", "#f1", "#f2");
  open("#f3", "foe");
  rooms.keep("#f3", true);

  rooms.keep("#f2", false);
  rooms.keep("#f3", false); // it has members
  open("#f4", "foe");

  assertEquals(gone, []);
  assertEquals(rooms.ownerOf("#f2")?.network, "foe"); // for a moment
  rooms.tidy();
  assertEquals(rooms.ownerOf("#f2"), undefined);
  assertEquals(rooms.ownerOf("#F3")?.network, "foe");
});

Deno.test("a message that is stored after its sender left counts for the sender", () => {
  const { rooms, open, clock, leave, refused } = arrange();
  for (const name of ["#f1", "#f2", "#f3"]) {
    open(name, "foe");
    rooms.empty(name); // its user is gone before the commit
    rooms.keep(name, true);
  }

  assertEquals(refused("#f4", "foe").code, 109);
  clock.now += ROOM_REST_MS;
  leave("foe", "#f4");
});

Deno.test("rooms of before a restart count for their addresses, and those without one give way first", () => {
  const { rooms, gone, open, clock } = arrange();
  const at = clock.now - 2 * ROOM_REST_MS;
  rooms.restore([
    { name: "#old", network: "", isShared: false, at },
    { name: "#older", network: "", isShared: false, at },
    { name: "#lab", network: "class", isShared: false, at },
    { name: "#f1", network: "foe", isShared: true, at },
    { name: "#f2", network: "foe", isShared: false, at },
    { name: "#f3", network: "foe", isShared: false, at: clock.now },
    { name: "#default", network: "foe", isShared: false, at },
  ]);

  open("#x", "foe"); // over its share
  open("#y", "new"); // over the total, of which foe has most
  open("#z", "new");

  assertEquals(gone[0], "#f2");
  assertEquals(gone[1], "#f1");
  assertEquals(gone.length, 3);
});

Deno.test("a room with members on another server gives way to no room", () => {
  const { rooms, clock, gone, open, leave, refused } = arrange();
  leave("10.0.0.1", "#a", "#b", "#c");
  rooms.occupy("#A", true);
  clock.now += ROOM_REST_MS;
  open("#d", "10.0.0.1");
  rooms.keep("#d", true);

  const before = [...gone];
  rooms.occupy("#c", true);
  const error = refused("#e", "10.0.0.1");
  rooms.occupy("#c", false);
  const rests = refused("#e", "10.0.0.1");
  clock.now += ROOM_REST_MS;
  open("#e", "10.0.0.1");

  assertEquals(before, ["#b"]);
  assertEquals([error.code, rests.code], [109, 109]);
  assertEquals(gone, ["#b", "#c"]);
});

Deno.test("a room that has members on another server before it has messages stays", () => {
  const { rooms, clock, gone, open } = arrange({ perAddress: 1, total: 6 });
  rooms.occupy("#a", true);
  open("#a", "10.0.0.1");
  rooms.keep("#a", true);
  rooms.empty("#a");
  clock.now += ROOM_REST_MS;

  const error = assertThrows(() => open("#b", "10.0.0.1"), ChatError);

  assertEquals([error.code, gone], [109, []]);
});
