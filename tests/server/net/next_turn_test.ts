/** Turns of the event loop: that in each of them what came is read. */
import { assert } from "@std/assert";
import { nextTurn, openTurns } from "../../../server/net/clock.ts";
import { listenHere } from "../../tools/net/test_server.ts";

/** Both ends of a connection. */
async function connection() {
  using opened = new DisposableStack();
  using listener = listenHere();
  const { hostname, port } = listener.addr;
  const mouth = opened.use(await Deno.connect({ hostname, port }));
  const ear = opened.use(await listener.accept());
  mouth.setNoDelay();
  const all = opened.move();
  return { mouth, ear, [Symbol.dispose]: () => all.dispose() };
}

/** In 20 tries, of which a busy machine may delay some: the median. */
async function usualTurns(
  ends: { mouth: Deno.Conn; ear: Deno.Conn },
): Promise<number> {
  const turns: number[] = [];
  for (let word = 0; word < 20; word++) turns.push(await turnsUntilHeard(ends));
  return turns.toSorted((a, b) => a - b)[10]!;
}

/** After how many turns somebody who waits for a word has heard it. */
async function turnsUntilHeard(
  { mouth, ear }: { mouth: Deno.Conn; ear: Deno.Conn },
): Promise<number> {
  let turns = 0;
  let heard = false;
  const hearing = ear.read(new Uint8Array(1)).then(() => heard = true);
  await mouth.write(new Uint8Array(1));
  while (!heard) {
    await nextTurn();
    turns++;
  }
  await hearing;
  return turns;
}

Deno.test("bytes that arrived are read within a few turns, though no turn is idle", async () => {
  using _turns = await openTurns();
  using ends = await connection();

  const turns = await usualTurns(ends);

  assert(turns <= 5, `${turns}`); // 61 is what Deno takes alone
});

Deno.test("all waiters for the next turn have the same one", async () => {
  using _turns = await openTurns();

  const first = nextTurn();
  const second = nextTurn();

  assert(first === second, "two turns");
  await first;
});

Deno.test("a turn that is waited for comes though turns are closed", async () => {
  const turns = await openTurns();
  const waiting = nextTurn();

  turns[Symbol.dispose]();

  await waiting;
  await nextTurn(); // and so does one that is asked for later
});

Deno.test("turns that were opened twice are there until both are closed", async () => {
  const first = await openTurns();
  using _second = await openTurns();
  using ends = await connection();
  first[Symbol.dispose]();

  const turns = await usualTurns(ends);

  assert(turns <= 5, `${turns}`);
});
