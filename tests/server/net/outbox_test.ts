/** One peer's outgoing bytes, against a socket that the test holds in hand. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { spend } from "../../../core/net/memory.ts";
import {
  HIGH_WATER_BYTES,
  Outbox,
  type Sink,
  STALL,
} from "../../../server/net/outbox.ts";
import { WriteScheduler } from "../../../server/net/outbox.ts";
import { round, TestClock } from "../../tools/test_clock.ts";
import { bytes } from "../../tools/net/raw_client.ts";
import { within } from "../../tools/net/within.ts";

const decoder = new TextDecoder();

/** A socket that takes bytes when it is told to. */
class HeldSink implements Sink {
  /** What it took, one entry a write. */
  readonly taken: string[] = [];
  /** Called at every write: it may take time on the test's clock. */
  onWrite: () => void = () => {};
  #pending: { bytes: Uint8Array; take: (count: number) => void }[] = [];
  #fail: ((error: Error) => void) | undefined;

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.onWrite();
    this.#pending.push({ bytes, take: resolve });
    this.#fail = reject;
    return promise;
  }

  /** How many writes are under way. */
  get writes(): number {
    return this.#pending.length;
  }

  /** Lets a write take up to `most` bytes, and waits for what follows. */
  async take(most = Infinity): Promise<void> {
    await turn();
    const write = this.#pending.shift();
    if (!write) throw new Error("Cannot take: nothing is written");
    const part = write.bytes.subarray(0, most);
    this.taken.push(decoder.decode(part));
    write.take(part.length);
    await turn();
  }

  async takeAll(): Promise<void> {
    await turn();
    while (this.#pending.length > 0) await this.take();
  }

  async fail(): Promise<void> {
    await turn();
    this.#pending = [];
    this.#fail?.(new Deno.errors.BrokenPipe("gone"));
    await turn();
  }
}

/** Lets everything run that can run now: writes that are due, and what follows. */
async function turn(): Promise<void> {
  await round();
  await round();
}

function arrange(
  maxBytes = 100,
  clock = new TestClock(),
  scheduler = new WriteScheduler(clock),
) {
  const sink = new HeldSink();
  const events: string[] = [];
  const owner = {
    overflowed: () => {
      events.push("overflow");
      outbox.close(bytes("LAST"));
    },
    lost: () => void events.push("lost"),
  };
  const outbox = new Outbox(sink, owner, { maxBytes, clock, scheduler });
  return { sink, outbox, events, clock };
}

Deno.test("Outbox begins with a large piece before the turn ends", () => {
  const { sink, outbox } = arrange(64 * 1024);

  outbox.push(new Uint8Array(1_024));
  assertEquals(sink.writes, 0);
  outbox.push(new Uint8Array(16 * 1024));

  assertEquals(sink.writes, 1);
});

Deno.test("Outbox gives memory back that was spent, when it is written", async () => {
  const { sink, outbox } = arrange(1_000_000);
  const alone = new Uint8Array(60_000); // is written as it is
  const joined = [new Uint8Array(30_000), new Uint8Array(30_000)]; // in one write
  const shared = new Uint8Array(60_000);
  for (const piece of [alone, ...joined]) spend(piece);
  const all = [alone, ...joined, shared];
  const held = () => all.map(({ buffer }) => buffer.byteLength);

  for (const piece of all) outbox.push(piece);
  await sink.take(20_000); // a part of the first
  assertEquals(held(), [60_000, 30_000, 30_000, 60_000]);
  await sink.take();
  assertEquals(held(), [0, 0, 0, 60_000]); // the second write has copies
  await sink.takeAll();

  assertEquals(held(), [0, 0, 0, 60_000]);
  assertEquals(sink.taken.map(({ length }) => length), [
    ...[20_000, 40_000, 60_000, 60_000],
  ]);
});

/** What a crowd is told: for all of them the same bytes. */
const HI = bytes("hi");

/** A hundred outboxes: to write to all of their readers takes 5 ms. */
function arrangeCrowd() {
  const clock = new TestClock();
  const scheduler = new WriteScheduler(clock);
  const crowd = Array.from({ length: 100 }, () => {
    return arrange(8_192, clock, scheduler);
  });
  for (const { sink } of crowd) sink.onWrite = () => clock.pass(0.05);
  return { crowd, arrangeOther: () => arrange(100, clock, scheduler) };
}

Deno.test("Outbox begins few of many writes at once, and others in turns", async () => {
  const { crowd } = arrangeCrowd();
  const begun = () => crowd.filter(({ sink }) => sink.writes > 0).length;

  for (const { outbox } of crowd) outbox.push(HI);
  const counts: number[] = [];
  while (counts.at(-1) !== 100) {
    await round();
    counts.push(begun());
  }

  const steps = counts.map((count, i) => count - (counts[i - 1] ?? 0));
  // In 0.3 ms there is time for six or seven writes of 0.05 ms.
  assert(Math.max(...steps) <= 7, `${steps}`);
  for (const { sink } of crowd) await sink.takeAll();
});

Deno.test("Outbox begins at once what is due while a crowd's writes are under way", async () => {
  const { crowd, arrangeOther } = arrangeCrowd();
  for (const { outbox } of crowd) outbox.push(HI);
  await round();

  const { outbox, sink } = arrangeOther();
  outbox.push(bytes("hello"));
  await round();

  assertEquals(sink.writes, 1);
  assertEquals(crowd.at(-1)!.sink.writes, 0);
  for (const one of [...crowd, { sink }]) await one.sink.takeAll();
});

Deno.test("Outbox writes to few before many, whatever was said first", async () => {
  const { crowd: many, arrangeOther } = arrangeCrowd();
  const few = Array.from({ length: 10 }, arrangeOther);
  const writtenAt: number[] = [];
  for (const { sink, clock } of few) {
    sink.onWrite = () => writtenAt.push(clock.now());
  }

  for (const { outbox } of many) outbox.push(HI);
  const hello = bytes("hello");
  for (const { outbox } of few) outbox.push(hello);
  await round();

  assertEquals(writtenAt, few.map(() => 0)); // no write to many took its time
  assertEquals(many.at(-1)!.sink.writes, 0);
  for (const { sink } of [...many, ...few]) await sink.takeAll();
});

Deno.test("Outbox does not put a flood off", async () => {
  const { crowd } = arrangeCrowd();
  const flood = new Uint8Array(1_025);
  for (const { outbox } of crowd) outbox.push(flood);

  await round();

  assert(crowd.every(({ sink }) => sink.writes === 1));
  for (const { sink } of crowd) await sink.takeAll();
});

Deno.test("Outbox that has to wait for its turn is flushed, or closed, at once", async () => {
  const { crowd } = arrangeCrowd();
  for (const { outbox } of crowd) outbox.push(HI);
  await round();
  const [flushed, closed] = crowd.splice(-2);

  const flushing = flushed!.outbox.flushed();
  closed!.outbox.close();
  await flushed!.sink.takeAll();
  await flushing;
  for (const { sink } of crowd) await sink.takeAll();

  assertEquals(flushed!.sink.taken, ["hi"]);
  assertEquals(closed!.sink.taken, []);
});

Deno.test("Outbox writes at once, and joins what comes during a write", async () => {
  const { sink, outbox } = arrange();

  outbox.push(bytes("a"));
  await turn();
  outbox.push(bytes("b"));
  outbox.push(bytes("c"));
  outbox.answer(bytes("d"));
  await sink.takeAll();

  assertEquals(sink.taken, ["a", "bcd"]);
  assertEquals(outbox.written, 4);
});

Deno.test("Outbox never has two writes under way", async () => {
  const { sink, outbox } = arrange();

  for (let i = 0; i < 10; i++) {
    outbox.push(bytes("x"));
    await turn();
    assertEquals(sink.writes, 1);
    if (i % 3 === 0) await sink.take();
  }

  await sink.takeAll();
});

Deno.test("Outbox goes on where a write took only a part", async () => {
  const { sink, outbox } = arrange();

  outbox.push(bytes("hello"));
  await sink.take(2);
  outbox.push(bytes("!"));
  await sink.takeAll();

  assertEquals(sink.taken, ["he", "llo", "!"]);
});

Deno.test("Outbox takes exactly its limit, and ends the peer at one byte more", async () => {
  const { sink, outbox, events } = arrange(100);

  outbox.push(bytes("x".repeat(60)));
  await turn();
  outbox.push(bytes("y".repeat(40)));
  const atTheLimit = [...events];
  outbox.push(bytes("z"));
  outbox.push(bytes("more"));
  await sink.takeAll();

  assertEquals(atTheLimit, []);
  assertEquals(events, ["overflow"]);
  assertEquals(sink.taken, ["x".repeat(60), "LAST"]);
});

Deno.test("Outbox counts what was taken in parts as taken", async () => {
  const { sink, outbox, events } = arrange(100);

  outbox.push(bytes("x".repeat(100)));
  await sink.take(30);
  outbox.push(bytes("y".repeat(30)));

  assertEquals(events, []);
  await sink.takeAll();
});

Deno.test("Outbox takes one thing larger than its limit if all before it is read", async () => {
  const { sink, outbox, events } = arrange(100);

  outbox.push(bytes("x".repeat(101)));
  await sink.takeAll();

  assertEquals(events, []);
});

Deno.test("Outbox never counts answers against the limit", async () => {
  const { sink, outbox, events } = arrange(100);

  for (let i = 0; i < 10; i++) outbox.answer(bytes("a".repeat(90)));
  outbox.push(bytes("b".repeat(100)));

  assertEquals(events, []);
  await sink.takeAll();
});

Deno.test("Outbox allows no more because of answers that were taken", async () => {
  const { sink, outbox, events } = arrange(100);

  for (let round = 0; round < 10; round++) {
    outbox.answer(bytes("a".repeat(1_000)));
    outbox.push(bytes("b")); // so that the queue is never empty
    await sink.take();
  }
  for (let i = 0; i < 5; i++) outbox.push(bytes("c".repeat(99)));

  assertEquals(events, ["overflow"]);
  await sink.takeAll();
});

Deno.test("Outbox says once that the connection is lost, and takes no more", async () => {
  const { sink, outbox, events } = arrange();

  outbox.push(bytes("a"));
  await sink.fail();
  outbox.push(bytes("b"));
  outbox.answer(bytes("c"));
  await outbox.flushed();

  assertEquals(events, ["lost"]);
  assertEquals(sink.writes, 0);
});

Deno.test("Outbox drops what is queued when it is closed", async () => {
  const { sink, outbox } = arrange();

  outbox.push(bytes("a"));
  await turn();
  outbox.push(bytes("b"));
  outbox.close();
  outbox.close(bytes("too late?"));
  await sink.take();
  await outbox.flushed();

  assertEquals(sink.taken[0], "a");
  assert(!sink.taken.includes("b"));
});

Deno.test("Outbox is flushed when everything is taken", async () => {
  const { sink, outbox } = arrange();
  let flushed = false;

  outbox.push(bytes("a"));
  await turn();
  outbox.push(bytes("b"));
  const done = outbox.flushed().then(() => flushed = true);
  await sink.take();
  const between = flushed;
  await sink.take();
  await done;

  assertEquals(between, false);
  assertEquals(sink.taken, ["a", "b"]);
});

const FLOOD = new Uint8Array(300_000);

Deno.test("Outbox is congested above the high-water mark, and relieved below it", async () => {
  const { sink, outbox } = arrange(10_000_000);

  outbox.push(FLOOD);
  const full = outbox.congested;
  const relief = outbox.relief();
  await sink.takeAll();
  await within(relief, () => "relief");

  assertEquals([full, outbox.congested], [true, false]);
});

Deno.test("Outbox gives up waiting for a reader that takes nothing", async () => {
  const { sink, outbox, clock } = arrange(10_000_000);
  outbox.push(FLOOD);

  const relief = settling(outbox.relief());
  const at = await momentsOf(relief, clock);

  assertEquals(at, STALL.ms);
  assertEquals(outbox.congested, false, "nobody waits for it again");
  await sink.takeAll();
});

/** A promise that can be asked whether it is settled. */
function settling(promise: Promise<void>): { readonly isSettled: boolean } {
  const state = { isSettled: false };
  promise.then(() => state.isSettled = true);
  return state;
}

/** Lets a minute pass at most; returns after how many ms it was settled. */
async function momentsOf(
  waiting: { readonly isSettled: boolean },
  clock: TestClock,
  eachMs: () => Promise<void> = round,
): Promise<number> {
  for (let ms = 0; ms < 60_000; ms++) {
    if (waiting.isSettled) return ms;
    clock.pass(1);
    await eachMs();
  }
  return Infinity;
}

for (const how of ["close", "hurry"] as const) {
  Deno.test(`Outbox ends all waiting at ${how}()`, async () => {
    const { sink, outbox } = arrange(10_000_000);

    outbox.push(FLOOD);
    const waiting = Promise.all([outbox.relief(), outbox.belowLimit()]);
    outbox[how]();
    await within(waiting, () => "the end of waiting");

    await sink.takeAll();
  });
}

Deno.test("Outbox makes a sender wait for a trickling reader only so long", async () => {
  const { sink, outbox, clock } = arrange(10_000_000);
  outbox.push(FLOOD);

  const relief = settling(outbox.relief());
  const at = await momentsOf(relief, clock, () => sink.take(10));

  assertEquals(at, STALL.ms);
  assertEquals(outbox.congested, false, "the reader holds its senders back");
  await sink.takeAll();
});

Deno.test("Outbox makes a sender wait for a reader that is slow but goes on", async () => {
  const { sink, outbox, clock } = arrange(10_000_000);
  outbox.push(FLOOD);
  outbox.push(FLOOD);
  const rate = STALL.bytes / STALL.ms; // bytes in a millisecond

  const relief = settling(outbox.relief());
  const at = await momentsOf(relief, clock, () => sink.take(Math.ceil(rate)));

  const unread = 2 * FLOOD.length - HIGH_WATER_BYTES;
  assertEquals(at, Math.ceil(unread / Math.ceil(rate)));
  await sink.takeAll();
});

Deno.test("Outbox keeps nothing of what was written to a reader who never catches up", async () => {
  const piece = 128 * 1024;
  const pieces = 4_096; // half a gigabyte
  const done = Promise.withResolvers<void>();
  let writes = 0;
  const sink: Sink = {
    write({ length }) {
      if (++writes < pieces) outbox.push(new Uint8Array(piece));
      else done.resolve();
      return new Promise((resolve) => setImmediate(resolve, length));
    },
  };
  const owner = { overflowed: done.reject, lost: done.reject };
  const outbox = new Outbox(sink, owner);
  const before = Deno.memoryUsage().external;
  for (let i = 0; i < 3; i++) outbox.push(new Uint8Array(piece));

  await done.promise;

  const kept = Deno.memoryUsage().external - before;
  assertLess(kept, pieces * piece / 2);
});
