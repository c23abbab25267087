/** Where newcomers wait while somebody talks: turns, order, and the end. */
import { assert, assertEquals } from "@std/assert";
import { Admission, PAUSE_MS } from "../../../server/net/admission.ts";
import { round, TestClock } from "../../tools/test_clock.ts";
import { within } from "../../tools/net/within.ts";

/** An admission control whose clock and talk are the test's. */
function arrange() {
  const clock = new TestClock();
  const state = { lastId: 7 };
  const admission = new Admission(() => state.lastId, clock);
  return { clock, state, admission };
}

/**
 * Has `count` newcomers pass, each of which takes `ms`; returns in which order,
 * and after how many pauses each of them passed.
 */
function crowd(
  { clock, admission }: ReturnType<typeof arrange>,
  { count, ms }: { count: number; ms: number },
): Promise<{ order: number[]; pauses: number[] }> {
  const order: number[] = [];
  const pauses: number[] = [];
  let paused = 0;
  const passed = Array.from({ length: count }, async (_, index) => {
    await admission.pass();
    clock.pass(ms);
    order.push(index);
    pauses.push(paused);
  });
  const pausing = (async () => {
    for (; order.length < count; await round()) {
      if (clock.waiting === 0) continue;
      paused++;
      clock.pass(PAUSE_MS);
    }
  })();
  const all = Promise.all([...passed, pausing]);
  return within(all.then(() => ({ order, pauses })), () => `${order} to pass`);
}

Deno.test("while no message is sent, no newcomer waits", async () => {
  await using admission = arrange().admission;

  for (let newcomer = 0; newcomer < 1_000; newcomer++) {
    assertEquals(admission.pass(), undefined);
  }
});

Deno.test("while messages are sent, newcomers pass in the order in which they came", async () => {
  const arranged = arrange();
  await using _admission = arranged.admission;
  arranged.state.lastId++;

  const { order } = await crowd(arranged, { count: 50, ms: 0.2 });

  assertEquals(order, Array.from({ length: 50 }, (_, index) => index));
});

Deno.test("between two portions of newcomers there is a pause for others", async () => {
  const arranged = arrange();
  await using _admission = arranged.admission;
  arranged.state.lastId++;

  const { pauses } = await crowd(arranged, { count: 10, ms: 0.2 });

  assertEquals(pauses, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]); // 0.5 ms a portion
});

Deno.test("a newcomer who takes longer than a portion is one", async () => {
  const arranged = arrange();
  await using _admission = arranged.admission;
  arranged.state.lastId++;

  const { pauses } = await crowd(arranged, { count: 10, ms: 2 });

  assertEquals(pauses, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("a second after the last message, newcomers wait no more", async () => {
  const arranged = arrange();
  const { clock, state, admission } = arranged;
  await using _admission = admission;
  state.lastId++;
  await crowd(arranged, { count: 1, ms: 0 });

  clock.pass(999);
  const waiting = admission.pass();
  clock.pass(1);
  await waiting;

  assert(waiting, "it waits");
  assertEquals(admission.pass(), undefined);
});

Deno.test("a newcomer who comes when talk is over does not overtake one that waits", async () => {
  const { clock, state, admission } = arrange();
  await using _admission = admission;
  state.lastId++;
  const order: string[] = [];
  const waiting = ["first", "second", "third"].map(async (name) => {
    await admission.pass();
    order.push(name);
  });
  clock.pass(2_000);

  const late = admission.pass();
  await late;
  order.push("late");

  assert(late, "it waits");
  await Promise.all(waiting);
  assertEquals(order, ["first", "second", "third", "late"]);
});

Deno.test("an admission that is disposed lets all newcomers through, in a pause too", async () => {
  const { clock, state, admission } = arrange();
  state.lastId++;
  await admission.pass();
  while (clock.waiting === 0) await round();
  const waiting = Array.from({ length: 1_000 }, () => admission.pass());

  await admission[Symbol.asyncDispose]();

  await Promise.all(waiting);
  assertEquals(admission.pass(), undefined);
  assertEquals(clock.waiting, 0, "a timer is left");
});

/** Has newcomers of these addresses pass; returns the order. */
async function turns(comers: string): Promise<string> {
  const { clock, state, admission } = arrange();
  await using _admission = admission;
  state.lastId++;
  let order = "";
  for (const comer of comers) {
    admission.pass(comer)?.then(() => order += comer);
  }
  for (; order.length < comers.length; await round()) clock.pass(PAUSE_MS);
  return order;
}

Deno.test("an address that comes without a pause delays only its own", async () => {
  assertEquals(await turns("aaaaaaab"), "aabaaaaa"); // the first found none
  assertEquals(await turns("aaaabbbcc"), "aabcabcab");
});
