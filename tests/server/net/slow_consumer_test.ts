/** Slow consumers, with the time and the outbox in the hand of the test. */
import { assertEquals } from "@std/assert";
import { ChatError } from "../../../protocol.ts";
import {
  SlowConsumerDetector,
  STUCK_MS,
} from "../../../server/net/slow_consumer.ts";

const MAX = { maxBytes: 1_000_000 };

/** What a peer has taken, and has not, at one look a second. */
type Look = readonly [written: number, unreadBytes: number];

/** What comes of each look. */
function looks(...all: readonly Look[]): (boolean | number)[] {
  const progress = new SlowConsumerDetector(0);
  return all.map(([written, unreadBytes], i) => {
    const empty = unreadBytes === 0;
    const unread = { written, unreadBytes, empty };
    const found = progress.check(unread, { ...MAX, now: (i + 1) * 1_000 });
    return found instanceof ChatError ? found.code : found;
  });
}

Deno.test("a reader that takes nothing of much is given up at the second look", () => {
  assertEquals(looks([0, 1_000_001], [0, 1_000_001]), [false, 115]);
});

Deno.test("a reader with exactly the limit unread is not given up for it", () => {
  assertEquals(looks([0, 1_000_000], [0, 1_000_000]), [false, false]);
});

Deno.test("a reader that takes much of much stays, however long that lasts", () => {
  const busy = Array.from(
    { length: 60 },
    (_, i): Look => [(i + 1) * 100_000, 5_000_000],
  );

  assertEquals(looks(...busy), busy.map(() => true));
});

Deno.test("a reader that takes little of much is given up", () => {
  assertEquals(
    looks([65_535, 2_000_000], [65_536 * 2 - 2, 2_000_000]),
    [true, 115],
  );
});

Deno.test("a room that wakes up is no reason, if the next look finds it taken", () => {
  assertEquals(
    looks([0, 5_000_000], [5_000_000, 0], [5_000_000, 5_000_000]),
    [false, true, false],
  );
});

Deno.test("a reader that takes nothing of little is given up after 15 seconds", () => {
  const seconds = STUCK_MS / 1_000;
  const stuck = Array.from({ length: seconds + 1 }, (): Look => [7, 1]);

  assertEquals(looks(...stuck), [
    true, // the first seven bytes
    ...Array.from({ length: seconds - 1 }, () => false),
    115,
  ]);
});

Deno.test("a reader that is sent nothing is not stuck", () => {
  const idle = Array.from({ length: 60 }, (): Look => [0, 0]);

  assertEquals(looks(...idle), idle.map(() => false));
});
