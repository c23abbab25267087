/** The time that clients take from the share of their address. */
import { assert, assertEquals } from "@std/assert";
import { Limits, SHARED_TIME } from "../../../server/limits/limits.ts";
import { MAX_BUSY_MS, READ_MS } from "../../../server/limits/pacing.ts";
import { NO_RATES } from "../../../server/limits/rates.ts";

/** Two connections of one address and one of another, and turns that come at once. */
function arrange(limits = new Limits()) {
  const clock = { now: 0 };
  const entered: string[] = [];
  const turns = {
    servedAt: -Infinity,
    left: 0,
    tookMs: 0,
    enter: (network: string) => Promise.resolve(void entered.push(network)),
    leave(leastMs: number) {
      turns.left++;
      turns.tookMs += leastMs;
    },
  };
  const clientOf = (network: string) => {
    const { work } = limits.connectionFrom(network, clock.now).pace;
    const begin = () => work.begin({ now: () => clock.now, turns, network });
    const end = () => work.end(() => clock.now);
    /** The server works for so long. @returns Whether it had to wait for a turn. */
    const take = async (ms: number) => {
      const turn = begin();
      await turn;
      clock.now += ms;
      end();
      return turn !== undefined;
    };
    return { begin, end, take };
  };
  const [first, second] = [clientOf("10.0.0.1"), clientOf("10.0.0.1")];
  const other = clientOf("10.0.0.2");
  return { clock, entered, turns, first, second, other };
}

Deno.test("a client within the share of its address is served at once", async () => {
  const { clock, entered, turns, first, second } = arrange();

  for (let round = 0; round < 100; round++) {
    await first.take(0.2);
    await second.take(0.2);
    clock.now += 100;
  }

  assertEquals([entered, turns.left], [[], 0]);
  assert(clock.now - turns.servedAt < 101);
});

Deno.test("all clients of an address that took more wait for a turn, others do not", async () => {
  const { entered, turns, first, second, other } = arrange();

  await first.take(SHARED_TIME.burst + 1);
  const { servedAt } = turns;

  assertEquals(await first.take(0), true);
  assertEquals(await second.take(0), true);
  assertEquals(turns.servedAt, servedAt); // they are no others
  assertEquals(await other.take(1), false);
  assertEquals(entered, ["10.0.0.1", "10.0.0.1"]);
  assertEquals(turns.left, 2);
});

Deno.test("a turn is left once, when the work ends", async () => {
  const { turns, first } = arrange();
  await first.take(100);

  await first.begin();
  assertEquals(turns.left, 0);
  first.end();
  first.end();

  assertEquals(turns.left, 1);
});

Deno.test("a read takes time, though its frames take none", async () => {
  const { entered, turns, first, second } = arrange();

  const reads = Math.floor(SHARED_TIME.burst / READ_MS) + 1;
  for (let i = 0; i < reads; i++) {
    await first.take(0);
    first.end(); // nothing began
  }
  assertEquals(entered, []);
  await second.take(0);

  assertEquals(entered, ["10.0.0.1"]);
  assertEquals(turns.tookMs, READ_MS);
});

Deno.test("the time that a client waits for its turn is none that it takes", async () => {
  const { clock, first } = arrange();
  await first.take(SHARED_TIME.burst + 0.001);

  const turn = first.begin();
  clock.now += 100;
  await turn;
  first.end();

  assertEquals(await first.take(0), false);
});

Deno.test("however much it took, an address has its share again after a second of peace", async () => {
  for (const ms of [100, 100_000]) {
    const { clock, first } = arrange();
    for (let i = 0; i < 10; i++) await first.take(ms);

    clock.now += MAX_BUSY_MS / 2;
    assertEquals(await first.take(0), true); // which is a read
    clock.now += MAX_BUSY_MS / 2 + READ_MS / SHARED_TIME.perSecond * 1_000;
    assertEquals(await first.take(0), false);
  }
});

Deno.test("without limits nothing waits", async () => {
  const { entered, first } = arrange(new Limits({ rates: NO_RATES }));

  for (let i = 0; i < 100; i++) await first.take(1_000);

  assertEquals(entered, []);
});
