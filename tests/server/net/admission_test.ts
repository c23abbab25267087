/** Where newcomers wait while somebody talks: turns, order, and the end. */
import { assert, assertEquals } from "@std/assert";
import { Admission } from "../../../server/net/admission.ts";
import { within } from "../../tools/net/raw_client.ts";

/** An admission control whose clock and talk are the test's. */
function arrange() {
  const state = { now: 0, lastId: 7 };
  const admission = new Admission({
    now: () => state.now,
    lastId: () => state.lastId,
  });
  return { state, admission };
}

/** Has `count` newcomers pass, each of which takes `ms`; when each did. */
function crowd(
  { state, admission }: ReturnType<typeof arrange>,
  { count, ms }: { count: number; ms: number },
): Promise<{ order: number[]; turns: number[] }> {
  let turn = 0;
  const counting = setInterval(() => turn++, 0);
  const order: number[] = [];
  const turns: number[] = [];
  const passed = Array.from({ length: count }, async (_, index) => {
    await admission.pass();
    state.now += ms;
    order.push(index);
    turns.push(turn);
  });
  const all = Promise.all(passed).finally(() => clearInterval(counting));
  return within(all.then(() => ({ order, turns })), () => `${order} to pass`);
}

Deno.test("while nobody talks, nobody waits", async () => {
  await using admission = arrange().admission;

  for (let newcomer = 0; newcomer < 1_000; newcomer++) {
    assertEquals(admission.pass(), undefined);
  }
});

Deno.test("while somebody talks, newcomers pass in the order in which they came", async () => {
  const arranged = arrange();
  await using _turnstile = arranged.admission;
  arranged.state.lastId++;

  const { order } = await crowd(arranged, { count: 50, ms: 0.2 });

  assertEquals(order, Array.from({ length: 50 }, (_, index) => index));
});

Deno.test("between two portions of newcomers others have their time", async () => {
  const arranged = arrange();
  await using _turnstile = arranged.admission;
  arranged.state.lastId++;

  const { turns } = await crowd(arranged, { count: 10, ms: 2 });

  assertEquals(new Set(turns).size, 10, `${turns}`);
});

Deno.test("a second after the last message, newcomers wait no more", async () => {
  const { state, admission } = arrange();
  await using _turnstile = admission;
  state.lastId++;

  await admission.pass();
  await admission.pass();
  state.now += 999;
  assert(admission.pass());
  await admission.pass();
  state.now += 1;

  assertEquals(admission.pass(), undefined);
});

Deno.test("who comes when talk is over does not overtake who waits", async () => {
  const { state, admission } = arrange();
  await using _turnstile = admission;
  state.lastId++;
  const order: string[] = [];
  const waiting = ["first", "second", "third"].map(async (name) => {
    await admission.pass();
    order.push(name);
  });
  state.now += 2_000;

  const late = admission.pass();
  await late;
  order.push("late");

  assert(late, "it waits");
  await Promise.all(waiting);
  assertEquals(order, ["first", "second", "third", "late"]);
});

Deno.test("an admission that is disposed lets everybody through", async () => {
  const { state, admission } = arrange();
  state.lastId++;
  const waiting = Array.from({ length: 1_000 }, () => admission.pass());

  await admission[Symbol.asyncDispose]();

  await Promise.all(waiting);
  assertEquals(admission.pass(), undefined);
});
