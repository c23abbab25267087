import { assert, assertEquals } from "@std/assert";
import {
  FIRST_PAUSE_MS,
  LONGEST_PAUSE_MS,
  LONGEST_RETRY_AFTER_MS,
  pauseBefore,
} from "../../../core/net/backoff.ts";
import { CHECK_EVERY_MS, Keepalive } from "../../../core/net/keepalive.ts";

/** A watch whose time the test makes pass, a check at a time. */
function createWatch() {
  let now = 1_000_000;
  const watch = new Keepalive(() => now);
  watch.reading();
  const pass = (seconds: number): string[] => {
    const found: string[] = [];
    for (let i = 0; i < seconds; i++) {
      now += CHECK_EVERY_MS;
      found.push(watch.check());
    }
    return found.filter((word) => word !== "nothing");
  };
  const jump = (ms: number) => {
    now += ms;
    return watch.check();
  };
  return { watch, pass, jump };
}

Deno.test("Keepalive asks after 20 seconds of silence, and gives up after 10 more", () => {
  const { pass } = createWatch();

  assertEquals(pass(19), []);
  assertEquals(pass(1), ["ask"]);
  assertEquals(pass(9), []);
  assertEquals(pass(1), ["give up"]);
});

Deno.test("Keepalive begins anew with every byte", () => {
  const { watch, pass } = createWatch();

  for (let i = 0; i < 3; i++) {
    assertEquals(pass(25), ["ask"]);
    watch.received();
    watch.reading();
  }
});

Deno.test("Keepalive does not count the time in which we do not read", () => {
  const { watch, pass } = createWatch();

  watch.received();
  assertEquals(pass(60), []);
  watch.reading();

  assertEquals(pass(19), []);
  assertEquals(pass(1), ["ask"]);
});

Deno.test("Keepalive asks at once after a sleep, and waits 3 seconds", () => {
  const { watch, pass, jump } = createWatch();

  assertEquals(jump(3_600_000), "ask");
  assertEquals(pass(2), []);
  assertEquals(pass(1), ["give up"]);

  watch.received();
  watch.reading();
  assertEquals(pass(25), ["ask"]); // asked, and then asleep
  assertEquals(jump(60_000), "ask");
});

Deno.test("Keepalive takes no harm from a clock that is set back", () => {
  const { pass, jump } = createWatch();

  assertEquals(jump(-3_600_000), "nothing");
  assertEquals(pass(19), []);
  assertEquals(pass(1), ["ask"]);
});

Deno.test("Keepalive asks again after a clock that is set back while it waits", () => {
  const { pass, jump } = createWatch();
  assertEquals(pass(25), ["ask"]);

  assertEquals(jump(-3_600_000), "nothing");
  assertEquals(pass(19), []);
  assertEquals(pass(1), ["ask"]);
});

Deno.test("Keepalive takes a check that is more than 5 seconds late for a sleep", () => {
  assertEquals(createWatch().jump(CHECK_EVERY_MS + 5_000), "nothing");
  assertEquals(createWatch().jump(CHECK_EVERY_MS + 5_001), "ask");
});

Deno.test("Keepalive times the reads of a stream", async () => {
  let now = 0;
  const watch = new Keepalive(() => now);
  const first = Promise.withResolvers<number>();
  const second = Promise.withResolvers<number>();
  const reads = [first.promise, second.promise];
  const stream = watch.over({
    read: () => reads.shift()!,
    write: ({ length }) => Promise.resolve(length),
    close: () => {},
  });
  const pass = () => {
    const found: string[] = [];
    for (let second = 0; second < 21; second++) {
      now += CHECK_EVERY_MS;
      found.push(watch.check());
    }
    return found.includes("ask");
  };

  const before = pass();
  const reading = stream.read(new Uint8Array(1));
  const during = pass();
  first.resolve(1);
  await reading;
  const after = pass();
  const readingAgain = stream.read(new Uint8Array(1));
  const again = pass();
  second.resolve(1);
  await readingAgain;

  assertEquals([before, during, after, again], [false, true, false, true]);
});

Deno.test("pauses double up to 30 seconds", () => {
  const pauses = Array.from(
    { length: 10 },
    (_, attempt) => pauseBefore(attempt, 0, () => 1),
  );

  assertEquals(pauses[0], FIRST_PAUSE_MS);
  for (const [i, pause] of pauses.slice(1).entries()) {
    assertEquals(pause, Math.min(pauses[i]! * 2, LONGEST_PAUSE_MS));
  }
  assertEquals(pauseBefore(10_000, 0, () => 1), LONGEST_PAUSE_MS);
});

Deno.test("half of a pause is chance", () => {
  for (const attempt of [0, 3, 40]) {
    const whole = pauseBefore(attempt, 0, () => 1);

    assertEquals(pauseBefore(attempt, 0, () => 0), whole / 2);
    const pause = pauseBefore(attempt);
    assert(pause >= whole / 2 && pause <= whole, `${pause} of ${whole}`);
  }
});

Deno.test("a pause is never shorter than the server asked, within reason", () => {
  const random = () => 0;

  assertEquals(pauseBefore(0, 5_000, random), 5_250);
  assertEquals(
    pauseBefore(0, 1e15, random),
    LONGEST_RETRY_AFTER_MS + 250,
  );
});
