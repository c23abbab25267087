/** Of which rooms the settings are stored. */
import { assertEquals } from "@std/assert";
import {
  AllRoomSettings,
  MAX_ROOMS,
} from "../../../server/accounts/room_settings.ts";
import { Database } from "../../../server/journal/database.ts";
import { IN_MEMORY } from "../../../server/journal/journal.ts";

const ALICE = { name: "alice", createdAt: 1 };
const BOB = { name: "bob", createdAt: 2 };

/** Settings, of rooms of which these exist. */
function arrange(existing: readonly string[] = []) {
  const database = new Database(IN_MEMORY);
  const load = () =>
    new AllRoomSettings(database, {
      accountOf: () => undefined,
      isModerator: () => false,
      isPrivateOwner: () => false,
      exists: (room) => existing.includes(room),
    });
  return { settings: load(), load, [Symbol.dispose]: () => database.close() };
}

/** Their names: `#a0` and so on. */
function names(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `#${letter}${n}`);
}

/** Those of the rooms that have settings. */
function known(settings: AllRoomSettings, rooms: readonly string[]): string[] {
  return rooms.filter((room) => settings.of(room));
}

Deno.test(`of the rooms of an owner that do not exist, the last ${MAX_ROOMS} have settings`, async () => {
  using given = arrange(["#a0"]);
  const { settings, load } = given;
  const rooms = names("a", MAX_ROOMS + 2); // one of them exists
  await settings.begin("#bobs", BOB);

  for (const room of rooms.slice(0, -1)) await settings.begin(room, ALICE);
  assertEquals(known(settings, rooms), rooms.slice(0, -1));
  await settings.begin(rooms.at(-1)!, ALICE);

  const left = rooms.filter((room) => room !== "#a1");
  assertEquals(known(settings, rooms), left);
  assertEquals(known(load(), ["#bobs", ...rooms]), ["#bobs", ...left]);
});

Deno.test("private rooms, whose owner stands elsewhere, take no settings from rooms of guests", async () => {
  const closed = names("p", MAX_ROOMS).map((room) => `${room}.abcd`);
  using given = arrange(closed);
  const { settings } = given;
  await settings.set("#hall", { quiet: true });

  for (const room of closed) await settings.set(room, { topic: "homework" });

  assertEquals(settings.of("#hall")?.quiet, true);
  assertEquals(known(settings, closed), closed);
});
