/** Frames of a WebSocket that carry no message are read no faster than allowed. */
import { assertEquals, assertLess } from "@std/assert";
import { newFrame, OPCODE } from "../../../web/serve/frames.ts";
import type { FrameMeter, Meter } from "../../../web/serve/meter.ts";
import { startWeb } from "../../../web/serve/serve.ts";
import { MAX_MESSAGE_BYTES, SocketWire } from "../../../web/serve/socket.ts";
import { Visitor } from "../../../web/serve/visitor.ts";
import { UPGRADE } from "../../tools/net/ask_http.ts";
import { within } from "../../tools/net/within.ts";
import { round } from "../../tools/test_clock.ts";

const OPEN = ["GET /ws HTTP/1.1", "Host: 127.0.0.1", ...UPGRADE, "", ""]
  .join("\r\n");

const [CONTINUATION, TEXT, BINARY, PING, PONG, FIN] = [0, 1, 2, 9, 10, 0x80];

/** A frame of a client, of fewer than 65,536 bytes, masked with zeros. */
function frame(first: number, length: number): Uint8Array {
  const size = length < 126
    ? [length | 0x80]
    : [126 | 0x80, length >> 8, length & 255];
  const bytes = new Uint8Array(1 + size.length + 4 + length);
  bytes.set([first, ...size]);
  return bytes;
}

/**
 * Opens a WebSocket whose frames count for a meter that allows `allowed` bytes, and
 * wait for `turns`; by default they need not wait.
 */
async function open(
  allowed: number,
  turns: Pick<FrameMeter, "begin" | "end"> = {
    begin: () => undefined,
    end: () => {},
  },
) {
  const state = { counted: 0 };
  const opened = Promise.withResolvers<SocketWire>();
  const over = Promise.withResolvers<void>();
  const meter: Meter = {
    countConnection: () => true,
    uncountConnection: () => {},
    handshake: () => Promise.resolve(),
    turn: () => undefined,
    countRequest: () => 0,
    nextTurn: round,
    frames: () => ({
      count(bytes) {
        state.counted += bytes;
        if (state.counted <= allowed) return 0;
        over.resolve();
        return 3_600_000;
      },
      ...turns,
      nextTurn: round,
    }),
  };
  const web = startWeb({
    hostname: "127.0.0.1",
    port: 0,
    meter,
    welcome: (wire) => opened.resolve(wire),
  });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: web.port });
  await conn.write(new TextEncoder().encode(OPEN));
  await conn.read(new Uint8Array(4_096)); // 101
  const wire = await opened.promise;
  return {
    state,
    wire,
    async receive() {
      const buffer = new Uint8Array(65_536);
      return buffer.slice(0, await conn.read(buffer) ?? 0);
    },
    over: over.promise,
    async send(bytes: Uint8Array, times: number) {
      const all = new Uint8Array(bytes.length * times);
      for (let i = 0; i < times; i++) all.set(bytes, i * bytes.length);
      for (let sent = 0; sent < all.length;) {
        sent += await conn.write(all.subarray(sent));
      }
    },
    [Symbol.dispose]() {
      conn.close();
      wire.close();
      web[Symbol.dispose]();
    },
  };
}

/** Reads `bytes` of messages, or all; a session begins with so small a buffer. */
async function read(wire: SocketWire, bytes = Infinity): Promise<void> {
  const buffer = new Uint8Array(4_096);
  for (let count; bytes > 0 && (count = await wire.read(buffer)) !== null;) {
    bytes -= count;
  }
}

for (
  const [what, bytes] of [
    ["pongs", frame(PONG | FIN, 125)],
    ["pings", frame(PING | FIN, 0)],
    ["empty messages", frame(TEXT | FIN, 0)],
    ["messages of one byte", frame(BINARY | FIN, 1)],
  ] as const
) {
  Deno.test(`${what} that a client sends without end are not read without end`, async () => {
    using peer = await open(1_000);
    read(peer.wire);

    const sending = peer.send(bytes, 100_000)
      .catch(() => {}); // it is closed at the end
    await within(peer.over, () => "what is over the rate");
    for (let i = 0; i < 100; i++) await round();

    assertLess(peer.state.counted, 30_000); // one step, of 682 frames at most
    void sending;
  });
}

Deno.test("of many pings at once the last is answered, and few others: none fills a queue", async () => {
  using peer = await open(Infinity);
  read(peer.wire);
  const pings = Array.from({ length: 500 }, (_, index) => {
    const ping = frame(PING | FIN, 4);
    new DataView(ping.buffer).setUint32(ping.length - 4, index);
    return ping;
  });

  await peer.send(Uint8Array.from(pings.flatMap((ping) => [...ping])), 1);
  const pongs: number[] = [];
  while (pongs.at(-1) !== 499) {
    const view = new DataView((await peer.receive()).buffer);
    for (let at = 0; at < view.byteLength; at += 6) {
      assertEquals(view.getUint16(at), (PONG | FIN) << 8 | 4);
      pongs.push(view.getUint32(at + 2));
    }
  }

  assertLess(pongs.length, 100);
  assertEquals(pongs, pongs.toSorted((a, b) => a - b));
});

Deno.test("a WebSocket whose address took too much is read when its turn comes", async () => {
  const turn = Promise.withResolvers<void>();
  const state = { begun: 0, ended: 0 };
  using peer = await open(Infinity, {
    begin() {
      state.begun++;
      return turn.promise;
    },
    end: () => void state.ended++,
  });
  const reading = read(peer.wire, 1);
  let hasRead = false;
  reading.then(() => hasRead = true);

  await peer.send(frame(BINARY | FIN, 1), 1);
  while (state.begun === 0) await round();
  for (let i = 0; i < 10; i++) await round();
  assertEquals([hasRead, state], [false, { begun: 1, ended: 0 }]);
  turn.resolve();
  await within(reading, () => "the message");

  assertEquals(state, { begun: 1, ended: 1 });
});

Deno.test("a WebSocket that closes while it waits for its turn gives the turn back", async () => {
  const turn = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  {
    using peer = await open(Infinity, {
      begin() {
        begun.resolve();
        return turn.promise;
      },
      end: () => ended.resolve(),
    });
    read(peer.wire);
    await peer.send(frame(BINARY | FIN, 1), 1);
    await within(begun.promise, () => "the wait");
  }

  turn.resolve();

  await within(ended.promise, () => "the end of the turn");
});

Deno.test("fragments without content count when no message can be under way", async () => {
  using peer = await open(5_000);

  read(peer.wire);
  for (let sent = 0; sent < 130; sent++) {
    await peer.send(frame(BINARY, 1), 1);
    await peer.send(frame(CONTINUATION, 0), 100);
    await peer.send(frame(CONTINUATION | FIN, 0), 1);
  }

  await within(peer.over, () => "what is over the rate");
});

/** A WebSocket whose client has sent `pieces`; what they count for. */
async function countOf(pieces: readonly Uint8Array[]): Promise<number> {
  const left = [...pieces];
  let counted = 0;
  const visitor = new Visitor({
    read(buffer) {
      const piece = left.shift();
      if (piece) buffer.set(piece);
      return Promise.resolve(piece?.length ?? null);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  });
  const wire = new SocketWire(visitor, {
    maxMessageBytes: MAX_MESSAGE_BYTES,
    meter: {
      count(bytes) {
        counted += bytes;
        return 0;
      },
      begin: () => undefined,
      end: () => {},
      nextTurn: () => Promise.resolve(),
    },
  });
  const buffer = new Uint8Array(100_000);
  while (await wire.read(buffer) !== null);
  return counted;
}

Deno.test("messages count for their heads, and short ones for 38 bytes with these", async () => {
  const sizes = [0, 1, 32, 125, 126, 4_000, 65_535];

  const counts = await Promise.all(sizes.map((size) => {
    const all = Array(50).fill([...frame(BINARY | FIN, size)]).flat();
    const bytes = Uint8Array.from(all);
    const pieces = Array.from(
      { length: Math.ceil(bytes.length / 65_600) },
      (_, index) => bytes.subarray(index * 65_600, (index + 1) * 65_600),
    );
    return countOf(pieces);
  }));

  assertEquals(counts.map((count) => count / 50), [38, 37, 6, 6, 8, 8, 8]);
});

for (
  const [what, pieceBytes, contentBytes, counted] of [
    ["a byte", 1, 94, 100 * 37 + 6],
    ["a line", 38, 3_792, 8],
  ] as const
) {
  Deno.test(`100 reads of ${what} count for ${counted} bytes with the head`, async () => {
    const bytes = frame(BINARY | FIN, contentBytes);
    assertEquals(bytes.length, 100 * pieceBytes);
    const pieces = Array.from(
      { length: 100 },
      (_, index) =>
        bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes),
    );

    assertEquals(await countOf(pieces), counted);
  });
}

Deno.test("a message that comes byte by byte is read as it comes, and nothing of it is held", async () => {
  using peer = await open(Infinity);
  const bytes = frame(BINARY | FIN, 300);
  const buffer = new Uint8Array(512);

  await peer.send(bytes.subarray(0, 8), 1); // the head
  for (let at = 8; at < bytes.length; at++) {
    const reading = peer.wire.read(buffer);
    await peer.send(bytes.subarray(at, at + 1), 1);
    assertEquals(await within(reading, () => `byte ${at}`), 1);
  }
});

Deno.test("a pong goes between the pieces of an outbox, not into one", async () => {
  const taken = [3, Infinity, Infinity];
  const written: number[][] = [];
  let go = () => {};
  const sent = [frame(PING | FIN, 0), frame(BINARY | FIN, 1)];
  const visitor = new Visitor({
    async read(buffer) {
      const piece = sent.shift();
      if (!piece) await new Promise<void>((resolve) => go = resolve);
      if (piece) buffer.set(piece);
      return piece?.length ?? null;
    },
    write(bytes) {
      const count = Math.min(bytes.length, taken.shift()!);
      written.push([...bytes.subarray(0, count)]);
      return Promise.resolve(count);
    },
    closeWrite: () => Promise.resolve(),
    close: () => {},
  });
  const wire = new SocketWire(visitor, { maxMessageBytes: 9 });
  const piece = wire.frame(Uint8Array.of(1, 2, 3));

  assertEquals(await wire.write(piece), 3);
  assertEquals(await wire.read(new Uint8Array(9)), 1); // after the ping
  assertEquals(await wire.write(piece.subarray(3)), 2);
  await round();

  const pong = newFrame(OPCODE.pong, new Uint8Array());
  assertEquals(written, [[FIN | BINARY, 3, 1], [2, 3], [...pong]]);
  go();
});
