/** Turns: who goes on when, what waits for others, and the end. */
import { assert, assertEquals } from "@std/assert";
import {
  BUSY_MS,
  PAUSE_FACTOR,
  SLICE_MS,
  Turns,
} from "../../../server/net/turns.ts";
import { TestClock } from "../../tools/test_clock.ts";

/** Turns, a clock that stands until it is moved, and what the next turn begins. */
function arrange() {
  const clock = new TestClock();
  const begins: (() => void)[] = [];
  const turns = new Turns(
    clock,
    () => new Promise<void>((resolve) => void begins.push(resolve)),
  );
  const began: string[] = [];
  const enter = (name: string, network = "10.0.0.1") =>
    turns.enter(network).then(() => void began.push(name));
  /** What goes on takes `ms`. */
  const work = (ms: number) => {
    clock.pass(ms);
    turns.leave();
    return settle();
  };
  return { clock, begins, turns, began, enter, work };
}

/** Lets all that is ready run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("what takes little follows each other in one turn, one at a time", async () => {
  const { begins, began, enter, work } = arrange();

  for (const name of ["a", "b", "c"]) enter(name);
  await settle();
  assertEquals(began, ["a"]);
  await work(0.2);
  assertEquals(began, ["a", "b"]);
  await work(0.2);

  assertEquals(began, ["a", "b", "c"]);
  assertEquals(begins.length, 0);
});

Deno.test("when the time of all together is over, the next waits for a turn, also a new one", async () => {
  const { begins, turns, began, enter, work } = arrange();
  for (const name of ["a", "b"]) enter(name);

  await work(0.3);
  assert(!turns.isOver);
  await work(0.3);
  enter("c");
  await settle();
  assertEquals(began, ["a", "b"]);
  begins.shift()!();
  await settle();

  assertEquals(began, ["a", "b", "c"]);
  assert(!turns.isOver);
});

Deno.test("an address with 400 that wait delays another's by one", async () => {
  const { turns, began, enter, work } = arrange();

  for (let i = 0; i < 400; i++) enter(`a${i}`, "10.0.0.1");
  enter("b", "10.0.0.2");
  enter("c", "10.0.0.3");
  for (let i = 0; i < 402; i++) await work(0);

  assertEquals(began.slice(0, 5), ["a0", "a1", "b", "c", "a2"]);
  assertEquals(began.length, 402);
  await turns.enter("10.0.0.1"); // nothing waits any more
});

Deno.test("of two addresses the one that took less goes on", async () => {
  const { began, enter, work } = arrange();
  for (let i = 0; i < 3; i++) enter(`a${i}`, "10.0.0.1");
  for (let i = 0; i < 3; i++) enter(`b${i}`, "10.0.0.2");

  await work(0.1); // a0
  await work(0.01); // b0, b1 and b2
  await work(0.01);
  await work(0.01);

  assertEquals(began, ["a0", "b0", "b1", "b2", "a1"]);
});

Deno.test("an address that comes late has no more time than those that wait", async () => {
  const { began, enter, work } = arrange();
  for (let i = 0; i < 9; i++) enter(`a${i}`, "10.0.0.1");
  enter("b", "10.0.0.2");
  for (let i = 0; i < 8; i++) await work(0.02);

  for (let i = 0; i < 2; i++) enter(`c${i}`, "10.0.0.3");
  for (let i = 0; i < 3; i++) await work(0.02);

  assertEquals(began.slice(0, 3), ["a0", "b", "a1"]);
  assertEquals(began.slice(-4), ["a7", "c0", "a8", "c1"]);
});

Deno.test("what an address took is forgotten when no address waited for it", async () => {
  const { turns, began, enter, work } = arrange();
  enter("a");
  await work(0.4);
  await turns.enter("10.0.0.3");
  enter("a again");
  enter("b", "10.0.0.2");

  turns.leave();
  await settle();

  assertEquals(began, ["a", "a again"]);
});

Deno.test("what waits for a client that is gone takes no time", async () => {
  const { begins, clock, turns, began, enter, work } = arrange();
  enter("a");
  let gone = 0;
  for (let i = 0; i < 100; i++) {
    void turns.pass("10.0.0.1", 3, () => true).then(() => void gone++);
  }
  enter("b");

  await work(0.1);

  assertEquals([began, gone], [["a", "b"], 100]);
  assertEquals([begins.length, clock.waiting], [0, 0]);
});

Deno.test("what gives its time up goes on after those that wait", async () => {
  const { begins, began, enter, work } = arrange();
  enter("a");
  enter("b");

  await work(2);
  enter("a again");
  begins.shift()!();
  await settle();
  assertEquals(began, ["a", "b"]);
  await work(0);

  assertEquals(began, ["a", "b", "a again"]);
});

Deno.test("while others are served there is a pause, longer than what was taken", async () => {
  for (const ms of [SLICE_MS, 3]) {
    const { clock, begins, turns, began, enter, work } = arrange();
    enter("a");
    enter("b");
    turns.servedAt = clock.now() + ms;

    await work(ms);
    assertEquals([clock.waiting, begins.length], [0, 1]); // first it is answered
    begins.shift()!();
    await settle();
    clock.pass(ms * PAUSE_FACTOR - 0.001);
    await settle();
    assertEquals(began, ["a"]);
    clock.pass(0.002);
    await settle();

    assertEquals(began, ["a", "b"]);
  }
});

Deno.test("a moment after others were served, there is no pause any more", async () => {
  const { clock, begins, turns, began, enter, work } = arrange();
  turns.servedAt = clock.now();
  clock.pass(BUSY_MS);
  enter("a");
  enter("b");

  await work(1);
  begins.shift()!();
  await settle();

  assertEquals([clock.waiting, began], [0, ["a", "b"]]);
});

Deno.test("what passes and works later takes its time from all that follow", async () => {
  const { clock, begins, turns, began, enter } = arrange();
  turns.servedAt = clock.now();

  await turns.pass("10.0.0.1", 3, () => false);
  enter("a");
  begins.shift()!();
  await settle();
  clock.pass(3 * PAUSE_FACTOR - 0.001);
  await settle();
  assertEquals(began, []);
  clock.pass(0.002);
  await settle();

  assertEquals(began, ["a"]);
});

Deno.test("time that nothing took is not kept: after a while all of it is there", async () => {
  const { clock, turns, enter, work } = arrange();
  enter("a");
  await work(0.4);

  clock.pass(SLICE_MS + 0.001);
  await turns.enter("10.0.0.1");

  clock.pass(0.4);
  assert(!turns.isOver);
});

Deno.test("disposed, all go on at once, and nothing is left of it", async () => {
  const { begins, clock, turns, began, enter, work } = arrange();
  for (const name of ["a", "b", "c"]) enter(name);
  turns.servedAt = clock.now();
  await work(1);
  begins.shift()!();
  await settle();
  assertEquals([began, clock.waiting], [["a"], 1]);

  turns[Symbol.dispose]();
  await settle();
  turns.leave();
  turns.leave();
  await turns.pass("10.0.0.1", 3, () => false);
  for (const begin of begins.splice(0)) begin();
  await settle();

  assertEquals([began, clock.waiting], [["a", "b", "c"], 0]);
});
