/** Debts: connections that wait for the same one. */
import { assertEquals } from "@std/assert";
import { Limits } from "../../../server/limits/limits.ts";
import { ADDRESS_SHARE, DEFAULT_RATES } from "../../../server/limits/rates.ts";
import { round, TestClock } from "../../tools/test_clock.ts";

Deno.test("connections that wait for a debt of their address go on one after the other", async () => {
  const clock = new TestClock();
  const limits = new Limits();
  const { now, after } = clock;
  const timing = { now, after, nextTurn: () => Promise.resolve() };
  const outbox = { behind: false, belowLimit: () => Promise.resolve() };
  const perSecond = DEFAULT_RATES.joins * ADDRESS_SHARE;
  const { joins } = limits.addressOf("10.0.0.1", 0).buckets;
  joins.take(joins.rate.burst + perSecond, 0); // a second of debt
  const wentOn: number[] = [];

  const resting = Array.from({ length: 100 }, async () => {
    const { pace } = limits.connectionFrom("10.0.0.1", 0);
    await pace.rest({ idleSince: 0, outbox }, timing);
    wentOn.push(clock.now());
  });
  await round();
  for (let ms = 0; ms < 1_500; ms++) {
    clock.pass(1);
    await round();
  }

  assertEquals(wentOn.slice(0, 3), [1_000, 1_005, 1_010]);
  assertEquals(wentOn.at(-1), 1_495);
  assertEquals(clock.waiting, 0);
  await Promise.all(resting);
});
