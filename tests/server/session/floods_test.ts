/** Floods that are stored: whose turn it is, and when they wait at all. */
import { assert, assertEquals } from "@std/assert";
import { Floods } from "../../../server/session/floods.ts";
import { passWhileWaiting, round, TestClock } from "../../tools/test_clock.ts";

/** A journal whose messages the test counts, and its floods. */
function arrange() {
  const clock = new TestClock();
  const journal = { lastId: 0 };
  const floods = new Floods(() => journal.lastId, clock);
  /** Stores a batch of a flood; whether it had to wait. */
  const flood = () => {
    const turn = floods.pass("10.0.0.1");
    journal.lastId += 500;
    floods.stored(500);
    return turn !== undefined;
  };
  return { clock, journal, floods, flood };
}

Deno.test("a flood does not wait while no other user chats, also not for its own beginning", async () => {
  const { clock, journal, floods, flood } = arrange();
  await using _floods = floods;
  journal.lastId = 640; // before it was a flood

  const waited = Array.from({ length: 100 }, () => {
    clock.pass(1);
    return flood();
  });

  assertEquals(waited.filter((it) => it), []);
});

Deno.test("a flood waits while other users chat, and the addresses take turns", async () => {
  const { clock, journal, floods, flood } = arrange();
  await using _floods = floods;
  flood();
  clock.pass(100);
  journal.lastId++; // another user

  const began: string[] = [];
  for (const name of ["a1", "a2", "a3", "b1"]) {
    floods.pass(name.slice(0, 1))?.then(() => began.push(name));
  }
  while (began.length < 4) {
    clock.pass(25);
    await round();
  }

  assertEquals(began, ["a1", "a2", "b1", "a3"]);
});

Deno.test("a second after the last message of another user, a flood does not wait", async () => {
  const { clock, journal, floods, flood } = arrange();
  await using _floods = floods;
  flood();
  journal.lastId++;

  const turn = floods.pass("10.0.0.1");
  assert(turn);
  await passWhileWaiting(clock, turn);
  clock.pass(1_001);
  while (clock.waiting > 0) await round();

  assertEquals(flood(), false);
});
