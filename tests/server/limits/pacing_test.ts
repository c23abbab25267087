/** A rate that lets bursts through, with the time in the test's hand. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { TokenBucket } from "../../../server/limits/pacing.ts";

const RATE = { perSecond: 2, burst: 3 };

Deno.test("TokenBucket lets a burst through, then one as each is earned", () => {
  const bucket = new TokenBucket(RATE, 0);

  assert(bucket.take(1, 0) && bucket.take(1, 0) && bucket.take(1, 0));
  assertFalse(bucket.take(1, 0));
  assertEquals(bucket.waitMs(0), 500);
  assertEquals(bucket.waitMs(250), 250);
  assertEquals(bucket.waitMs(500), 0);
  assertFalse(bucket.take(1, 500));
  assert(bucket.take(1, 1_500));
});

Deno.test("TokenBucket gives what is larger than the burst, and is owed it", () => {
  const bucket = new TokenBucket(RATE, 0);

  assertFalse(bucket.take(23, 0));

  assertEquals(bucket.waitMs(0), 10_000);
});

Deno.test("TokenBucket never holds more than the burst", () => {
  const bucket = new TokenBucket(RATE, 0);

  const wasFull = bucket.isFull(1_000_000);
  bucket.take(4, 1_000_000);

  assert(wasFull);
  assertEquals(bucket.waitMs(1_000_000), 500);
  assertFalse(bucket.isFull(1_001_999));
  assert(bucket.isFull(1_002_000));
});

Deno.test("TokenBucket earns nothing when the time it is told goes back", () => {
  const bucket = new TokenBucket(RATE, 10_000);

  bucket.take(5, 10_000);

  assertEquals(bucket.waitMs(0), 1_000);
  assertEquals(bucket.waitMs(10_000), 1_000);
  assertEquals(bucket.waitMs(11_000), 0);
});

Deno.test("TokenBucket without a limit always has enough", () => {
  const bucket = new TokenBucket({ perSecond: Infinity, burst: Infinity }, 0);

  for (let now = 0; now < 100; now++) assert(bucket.take(1e12, now));

  assertEquals(bucket.waitMs(100), 0);
  assert(bucket.isFull(100));
});
