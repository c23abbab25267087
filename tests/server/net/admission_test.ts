/** Where newcomers wait while somebody talks: turns, order, and the end. */
import { assert, assertEquals } from "@std/assert";
import { PAUSE_MS, Turnstile } from "../../../server/net/admission.ts";
import { TestClock } from "../../tools/test_clock.ts";
import { within } from "../../tools/net/raw_client.ts";

/** A turnstile whose clock and talk are the test's. */
function arrange() {
  const clock = new TestClock();
  const state = { lastId: 7 };
  const turnstile = new Turnstile({ clock, lastId: () => state.lastId });
  return { clock, state, turnstile };
}

/**
 * Has `count` newcomers pass, each of which takes `ms`; returns in which order,
 * and after how many pauses each of them passed.
 */
function crowd(
  { clock, turnstile }: ReturnType<typeof arrange>,
  { count, ms }: { count: number; ms: number },
): Promise<{ order: number[]; pauses: number[] }> {
  const order: number[] = [];
  const pauses: number[] = [];
  let paused = 0;
  const passed = Array.from({ length: count }, async (_, index) => {
    await turnstile.pass();
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

/** Lets everything run that is due in this round of the event loop. */
function round(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("while nobody talks, nobody waits", async () => {
  await using turnstile = arrange().turnstile;

  for (let newcomer = 0; newcomer < 1_000; newcomer++) {
    assertEquals(turnstile.pass(), undefined);
  }
});

Deno.test("while somebody talks, newcomers pass in the order in which they came", async () => {
  const arranged = arrange();
  await using _turnstile = arranged.turnstile;
  arranged.state.lastId++;

  const { order } = await crowd(arranged, { count: 50, ms: 0.2 });

  assertEquals(order, Array.from({ length: 50 }, (_, index) => index));
});

Deno.test("between two portions of newcomers others have their time", async () => {
  const arranged = arrange();
  await using _turnstile = arranged.turnstile;
  arranged.state.lastId++;

  const { pauses } = await crowd(arranged, { count: 10, ms: 0.2 });

  assertEquals(pauses, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]); // 0.5 ms a portion
});

Deno.test("a newcomer who takes longer than a portion is one", async () => {
  const arranged = arrange();
  await using _turnstile = arranged.turnstile;
  arranged.state.lastId++;

  const { pauses } = await crowd(arranged, { count: 10, ms: 2 });

  assertEquals(pauses, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("a second after the last message, newcomers wait no more", async () => {
  const arranged = arrange();
  const { clock, state, turnstile } = arranged;
  await using _turnstile = turnstile;
  state.lastId++;
  await crowd(arranged, { count: 1, ms: 0 });

  clock.pass(999);
  const waiting = turnstile.pass();
  clock.pass(1);
  await waiting;

  assert(waiting, "it waits");
  assertEquals(turnstile.pass(), undefined);
});

Deno.test("who comes when talk is over does not overtake who waits", async () => {
  const { clock, state, turnstile } = arrange();
  await using _turnstile = turnstile;
  state.lastId++;
  const order: string[] = [];
  const waiting = ["first", "second", "third"].map(async (name) => {
    await turnstile.pass();
    order.push(name);
  });
  clock.pass(2_000);

  const late = turnstile.pass();
  await late;
  order.push("late");

  assert(late, "it waits");
  await Promise.all(waiting);
  assertEquals(order, ["first", "second", "third", "late"]);
});

Deno.test("a turnstile that is disposed lets everybody through, in a pause too", async () => {
  const { clock, state, turnstile } = arrange();
  state.lastId++;
  await turnstile.pass();
  while (clock.waiting === 0) await round();
  const waiting = Array.from({ length: 1_000 }, () => turnstile.pass());

  await turnstile[Symbol.asyncDispose]();

  await Promise.all(waiting);
  assertEquals(turnstile.pass(), undefined);
  assertEquals(clock.waiting, 0, "a timer is left");
});
