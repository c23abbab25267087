/** Where newcomers wait while somebody talks: turns, order, and the end. */
import { assert, assertEquals } from "@std/assert";
import { Turnstile } from "../../../server/net/admission.ts";
import { within } from "../../tools/net/raw_client.ts";

/** A turnstile whose clock and talk are the test's. */
function arrange() {
  const state = { now: 0, lastId: 7 };
  const turnstile = new Turnstile({
    now: () => state.now,
    lastId: () => state.lastId,
  });
  return { state, turnstile };
}

/** Has `count` newcomers pass, each of which takes `ms`; when each did. */
function crowd(
  { state, turnstile }: ReturnType<typeof arrange>,
  { count, ms }: { count: number; ms: number },
): Promise<{ order: number[]; turns: number[] }> {
  let turn = 0;
  const counting = setInterval(() => turn++, 0);
  const order: number[] = [];
  const turns: number[] = [];
  const passed = Array.from({ length: count }, async (_, index) => {
    await turnstile.pass();
    state.now += ms;
    order.push(index);
    turns.push(turn);
  });
  const all = Promise.all(passed).finally(() => clearInterval(counting));
  return within(all.then(() => ({ order, turns })), () => `${order} to pass`);
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

  const { turns } = await crowd(arranged, { count: 10, ms: 2 });

  assertEquals(new Set(turns).size, 10, `${turns}`);
});

Deno.test("a second after the last message, newcomers wait no more", async () => {
  const { state, turnstile } = arrange();
  await using _turnstile = turnstile;
  state.lastId++;

  await turnstile.pass();
  await turnstile.pass();
  state.now += 999;
  assert(turnstile.pass());
  await turnstile.pass();
  state.now += 1;

  assertEquals(turnstile.pass(), undefined);
});

Deno.test("who comes when talk is over does not overtake who waits", async () => {
  const { state, turnstile } = arrange();
  await using _turnstile = turnstile;
  state.lastId++;
  const order: string[] = [];
  const waiting = ["first", "second", "third"].map(async (name) => {
    await turnstile.pass();
    order.push(name);
  });
  state.now += 2_000;

  const late = turnstile.pass();
  await late;
  order.push("late");

  assert(late, "it waits");
  await Promise.all(waiting);
  assertEquals(order, ["first", "second", "third", "late"]);
});

Deno.test("a turnstile that is disposed lets everybody through", async () => {
  const { state, turnstile } = arrange();
  state.lastId++;
  const waiting = Array.from({ length: 1_000 }, () => turnstile.pass());

  await turnstile[Symbol.asyncDispose]();

  await Promise.all(waiting);
  assertEquals(turnstile.pass(), undefined);
});
