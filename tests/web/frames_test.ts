/** Frames of a WebSocket that carry no message are read no faster than allowed. */
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { assertEquals, assertLess } from "@std/assert";
import type { WebSocket } from "ws";
import { type FrameMeter, paceFrames } from "../../web/serve/frames.ts";
import type { Meter } from "../../web/serve/meter.ts";
import { startWeb } from "../../web/serve/serve.ts";
import type { SocketWire } from "../../web/serve/socket.ts";
import { UPGRADE } from "../tools/net/ask_http.ts";
import { within } from "../tools/net/within.ts";
import { round } from "../tools/test_clock.ts";

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
  const web = await startWeb({
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

/** Reads `bytes` of messages, or all. */
async function read({ messages }: SocketWire, bytes = Infinity): Promise<void> {
  for await (const message of messages) {
    bytes -= message.length;
    if (bytes <= 0) return;
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

Deno.test("messages count for their heads, and short ones for 38 bytes with these", async () => {
  using peer = await open(20_000);
  const sizes = [0, 1, 125, 126, 4_000, 65_535];
  for (const size of sizes) await peer.send(frame(BINARY | FIN, size), 50);
  const total = 50 * sizes.reduce((sum, size) => sum + size);

  await within(read(peer.wire, total), () => "all messages");

  // The rest of their heads waits, as it may be part of a message.
  assertEquals(peer.state.counted, 50 * (38 + 37 + 6 + 6 + 6 + 6));
});

/** Sends bytes one by one, as far as they are read so, until the other side ends. */
async function drip(
  { wire, send }: Awaited<ReturnType<typeof open>>,
  bytes: Uint8Array,
): Promise<"message" | "end" | "sent"> {
  let found: "message" | "end" | undefined;
  wire.messages.next().then(({ done }) => found = done ? "end" : "message");
  for (const byte of bytes) {
    await send(Uint8Array.of(byte), 1).catch(() => {}); // it has ended
    await new Promise((resolve) => setImmediate(resolve));
    if (found) return found;
  }
  return "sent";
}

Deno.test("a frame that comes byte by byte takes no more memory than 1,024 pieces", async () => {
  using peer = await open(Infinity);

  const found = await drip(peer, frame(BINARY | FIN, 65_000).slice(0, -1));

  assertEquals(found, "end");
});

for (
  const [what, length, pieceBytes] of [
    ["a short message, byte by byte", 900, 1],
    ["a long message, in 500 pieces", 65_000, 130],
  ] as const
) {
  Deno.test(`${what}, is read`, async () => {
    using peer = await open(Infinity);
    const bytes = frame(BINARY | FIN, length);
    const reading = read(peer.wire, length);

    for (let at = 0; at < bytes.length; at += pieceBytes) {
      await peer.send(bytes.subarray(at, at + pieceBytes), 1);
      await new Promise((resolve) => setImmediate(resolve));
    }

    await within(reading, () => "the message");
  });
}

for (
  const [what, bytes, counted] of [["a byte", 1, 3_700], [
    "a line",
    38,
    0,
  ]] as const
) {
  Deno.test(`reads of ${what} count for ${counted} bytes`, async () => {
    const socket = new PassThrough();
    const opened = Object.assign(new EventEmitter(), { isPaused: false });
    const state = { fed: 0, counted: 0 };
    const all = Promise.withResolvers<void>();
    socket.on("data", ({ length }) => {
      state.fed += length;
      if (state.fed === 100 * bytes) setImmediate(all.resolve);
    });
    const meter = {
      count(bytes: number) {
        state.counted += bytes;
        return 0;
      },
      begin: () => undefined,
      end: () => {},
      nextTurn: () => Promise.resolve(),
    };

    // The cast: no other part of it is used.
    paceFrames(opened as unknown as WebSocket, socket, {
      meter,
      maxMessageBytes: 65_536,
    });
    for (let i = 0; i < 100; i++) socket.write(new Uint8Array(bytes));
    await within(all.promise, () => `${state.fed} bytes`);

    assertEquals(state, { fed: 100 * bytes, counted });
  });
}
