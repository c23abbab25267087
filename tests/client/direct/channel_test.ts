/** The encrypted channel: order, ends, and whoever meddles with it. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  Channel,
  KEEPALIVE_MS,
  MAX_QUEUED,
  MAX_RECORD_BYTES,
  PEER_TIMEOUT_MS,
} from "../../../client/direct/channel.ts";
import { CLOCK, type Clock } from "../../../core/net/backoff.ts";
import { Failure } from "../../../client/view/failure.ts";
import type { Bytes } from "../../../core/scram.ts";
import {
  channelPair,
  keyPairs,
  receiveAll,
  record,
  replay,
  tcpPair,
  written,
} from "../../tools/direct_tools.ts";

const TEXTS = ["one", "", "three: \u{1f600}", "x".repeat(1_000)];

/** TEXTS as they were written, and where each record begins; then the end. */
async function recorded(): Promise<{ bytes: Bytes; starts: number[] }> {
  const [keys] = await keyPairs();
  const bytes = await written(keys, TEXTS.map(record));
  const starts = [0];
  for (const text of TEXTS) starts.push(starts.at(-1)! + sealedBytes(text));
  return { bytes, starts };
}

function sealedBytes(text: string): number {
  return 4 + record(text).length + 16;
}

/** What a channel makes of `bytes`: texts, and how it ended. */
async function received(
  bytes: Bytes,
  pieceBytes?: number,
): Promise<{ texts: string[]; error: Error | undefined }> {
  const [, keys] = await keyPairs();
  const channel = new Channel(replay(bytes, { pieceBytes }), keys);
  const texts: string[] = [];
  let error: Error | undefined;
  try {
    for await (const one of channel) texts.push(new TextDecoder().decode(one));
  } catch (thrown) {
    error = thrown as Error; // nothing throws anything else
  }
  await channel[Symbol.asyncDispose]();
  return { texts, error };
}

Deno.test("a channel gives the same records wherever the bytes are cut", async () => {
  const { bytes } = await recorded();

  for (const pieceBytes of [1, 2, 3, 5, 7, 16, 19, 20, 21, 100, 5_000]) {
    const { texts, error } = await received(bytes, pieceBytes);

    assertEquals([texts, error], [TEXTS, undefined], `${pieceBytes} bytes`);
  }
});

Deno.test("a channel that is cut off at any byte says so, after what was whole", async () => {
  const { bytes, starts } = await recorded();

  for (let cut = 0; cut < bytes.length; cut += cut > 200 ? 97 : 1) {
    const { texts, error } = await received(bytes.slice(0, cut));

    const whole = starts.slice(1).filter((start) => start <= cut).length;
    assertEquals(texts, TEXTS.slice(0, whole), `cut after ${cut} bytes`);
    assert(error instanceof Failure);
    assertStringIncludes(error.message, "without notice");
  }
});

Deno.test("a channel notices every byte that is changed", async () => {
  const { bytes, starts } = await recorded();

  for (let at = 0; at < bytes.length; at += at > 200 ? 97 : 1) {
    const changed = bytes.slice();
    changed[at]! ^= 0x01;
    const { texts, error } = await received(changed);

    const before = starts.slice(1).filter((start) => start <= at).length;
    assertEquals(texts, TEXTS.slice(0, before), `byte ${at}`);
    assert(error instanceof Failure, `byte ${at}`);
  }
});

Deno.test("a channel notices a record that is repeated, left out or moved", async () => {
  const { bytes, starts } = await recorded();
  const [a, b, c, d, e] = starts.map((start, index) =>
    bytes.slice(start, starts[index + 1])
  );

  for (
    const [how, pieces, told] of [
      ["repeated", [a, a, b, c, d, e], 1],
      ["left out", [a, c, d, e], 1],
      ["moved", [b, a, c, d, e], 0],
      ["the end first", [e, a, b, c, d], 0],
      ["left out before the end", [a, b, c, e], 3],
    ] as const
  ) {
    const parts = pieces.map((piece) => piece!);
    const meddled = new Uint8Array(await new Blob(parts).arrayBuffer());
    const { texts, error } = await received(meddled);

    assertEquals(texts, TEXTS.slice(0, told), how);
    assertStringIncludes(error?.message ?? "", "tampered", how);
  }
});

Deno.test("a channel takes no record of its own direction", async () => {
  const [, keys] = await keyPairs();
  const { texts, error } = await received(await written(keys, [record("hi")]));

  assertEquals(texts, []);
  assertStringIncludes(error?.message ?? "", "tampered");
});

Deno.test("a channel refuses lengths that make no sense, before it reads on", async () => {
  for (const length of [0, 15, MAX_RECORD_BYTES + 17, 0xffffff]) {
    const [high, low] = [length >> 16, length & 0xffff];
    const head = Uint8Array.of(1, high, low >> 8, low & 0xff, 0, 0, 0);
    const { error } = await received(head);

    assertStringIncludes(error?.message ?? "", `a record of ${length} bytes`);
  }
});

Deno.test("a channel goes on to new keys whenever the last is spent", async () => {
  const maxBytes = 100; // 17 bytes and more are sealed for each record
  const [keysA, keysB] = await keyPairs(maxBytes);
  const [a, b] = await tcpPair();
  await using sender = new Channel(a, keysA);
  await using receiver = new Channel(b, keysB);
  const texts = Array.from({ length: 200 }, (_, number) => `${number}`);

  const all = Promise.all(texts.map((text) => sender.send(record(text))));
  const receiving = receiveAll(receiver);
  await all;
  await sender[Symbol.asyncDispose]();

  assertEquals(await receiving, texts);
});

Deno.test("no two records are sealed with the same key and number", async () => {
  const [keys] = await keyPairs(100);
  const bytes = await written(keys, Array.from(TEXTS, () => record("same")));

  const sealed = TEXTS.map((_, index) => {
    const start = index * sealedBytes("same");
    return bytes.slice(start, start + sealedBytes("same")).toHex();
  });
  assertEquals(new Set(sealed).size, TEXTS.length);
});

Deno.test("records of all sizes pass both ways at once, in order and whole", async () => {
  const [a, b] = await channelPair();
  const sizes = [0, 1, 4_096, 65_536, 262_144, MAX_RECORD_BYTES, 3, 200_000];
  const records = sizes.map((size, index) =>
    new Uint8Array(size).fill(index + 1)
  );

  const both = [a, b].map(async (channel) => {
    const sending = Promise.all(records.map((one) => channel.send(one)));
    const found: Bytes[] = [];
    for await (const one of channel) {
      found.push(one);
      if (found.length === records.length) break; // the other still sends
    }
    await sending;
    return found;
  });

  for (const found of await Promise.all(both)) {
    assertEquals(found.map(({ length }) => length), sizes);
    assert(found.every((one, i) => one.every((byte) => byte === i + 1)));
  }
  await Promise.all([a, b].map((one) => one[Symbol.asyncDispose]()));
});

Deno.test("a channel refuses a record over the limit, and sends the next", async () => {
  const [a, b] = await channelPair();
  await using _b = b;

  await assertRejects(
    () => a.send(new Uint8Array(MAX_RECORD_BYTES + 1)),
    RangeError,
  );
  await a.send(record("next"));
  const receiving = receiveAll(b);
  await a[Symbol.asyncDispose]();

  assertEquals(await receiving, ["next"]);
});

Deno.test("a sender whose receiver does not read is held up, and freed by the end", async () => {
  const [a, b] = await channelPair();
  const big = new Uint8Array(MAX_RECORD_BYTES);
  let sent = 0;
  const sending = (async () => {
    for (;;) {
      await a.send(big);
      sent += big.length;
    }
  })();
  const failing = assertRejects(() => sending, Failure);
  const receiving = receiveAll(a);

  for await (const _ of b) break;
  const before = sent;
  await b[Symbol.asyncDispose]();
  await failing;

  assertEquals(await receiving, []);
  assert(before < 64 * 1024 * 1024, `${before} bytes were taken in advance`);
  await a[Symbol.asyncDispose]();
});

Deno.test("a peer that asks and reads no answer is given up, before answers fill the memory", async () => {
  const [a, b] = await channelPair();
  const receiving = assertRejects(
    () => receiveAll(a),
    Failure,
    "does not read",
  );
  const answer = new Uint8Array(MAX_RECORD_BYTES);
  const sending = Array.from(
    { length: 2 * MAX_QUEUED },
    () => a.send(answer).then(() => "sent", ({ message }) => message),
  );

  const outcomes = new Set(await Promise.all(sending));
  await receiving;

  assert(outcomes.has(
    "Direct connection ended: the peer does not read what we send",
  ));
  await Promise.all([a, b].map((one) => one[Symbol.asyncDispose]()));
});

Deno.test("both sides may end at once, with a receiver at work or without", async () => {
  for (const receives of [false, true]) {
    const [a, b] = await channelPair();
    const receiving = receives ? [receiveAll(a), receiveAll(b)] : [];
    await Promise.all([a.send(record("to b")), b.send(record("to a"))]);

    await Promise.all([a, b].map((one) => one[Symbol.asyncDispose]()));

    const found = await Promise.all(receiving);
    assertEquals(found, receives ? [["to a"], ["to b"]] : []);
  }
});

Deno.test("after its end a channel sends nothing more, and says why", async () => {
  const [a, b] = await channelPair();
  await Promise.all([a, b].map((one) => one[Symbol.asyncDispose]()));

  await assertRejects(() => a.send(record("late")), Failure, "has ended");
});

Deno.test("whose other side has ended sends nothing more, and is told", async () => {
  const [a, b] = await channelPair();
  const received = receiveAll(b);

  await a[Symbol.asyncDispose]();

  assertEquals(await received, []);
  await assertRejects(() => b.send(record("late")), Failure, "has ended");
  await b[Symbol.asyncDispose]();
});

/** A clock that stands still, and beats when it is told. */
class Beats implements Clock {
  time = 0;
  sleep = CLOCK.sleep;
  #task = () => {};

  now = () => this.time;

  every(_ms: number, task: () => void): Disposable {
    this.#task = task;
    return { [Symbol.dispose]() {} };
  }

  beat(): void {
    this.time += KEEPALIVE_MS;
    this.#task();
  }
}

Deno.test("a peer that has nothing to send stays, and one that is gone is given up", async () => {
  const [keysA, keysB] = await keyPairs();
  const [a, b] = await tcpPair();
  const [clockA, clockB] = [new Beats(), new Beats()];
  const alive = new Channel(a, keysA, clockA);
  await using listening = new Channel(b, keysB, clockB);
  const records = listening[Symbol.asyncIterator]();

  for (let beats = 0; beats < 3 * PEER_TIMEOUT_MS / KEEPALIVE_MS; beats++) {
    const next = records.next();
    clockA.beat();
    await alive.send(record(`${beats}`)); // after the sign of life
    assertEquals((await next).value, record(`${beats}`));
    clockB.beat();
  }
  const last = assertRejects(
    () => records.next(),
    Failure,
    "no data for",
  );
  for (let ms = 0; ms <= PEER_TIMEOUT_MS; ms += KEEPALIVE_MS) clockB.beat();
  await last;
  await alive[Symbol.asyncDispose]();
});
