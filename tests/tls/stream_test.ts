/** TLS as a stream of bytes: what a client sends ahead, and what its records count for. */
import { once } from "node:events";
import { connect, createSecureContext } from "node:tls";
import { assert, assertEquals } from "@std/assert";
import { startWeb } from "../../web/serve/serve.ts";
import { PATIENCE } from "../../web/serve/requests.ts";
import type { RecordMeter } from "../../tls/records.ts";
import { TlsStream } from "../../tls/stream.ts";
import { listenHere } from "../tools/net/test_server.ts";
import { newCertificate } from "../tools/net/tls_tools.ts";
import { within } from "../tools/net/within.ts";
import { TestClock, timersOn } from "../tools/test_clock.ts";

const { cert, key } = await newCertificate();

/** Both ends of a connection over TLS; the server's records count for `meter`. */
async function connected(meter?: RecordMeter) {
  const context = createSecureContext({ cert, key });
  using listener = listenHere();
  const { port } = listener.addr;
  const client = connect({ host: "127.0.0.1", port, ca: cert });
  client.setNoDelay();
  client.on("error", () => {});
  const secure = new TlsStream(await listener.accept(), {
    ...{ context, first: new Uint8Array(), meter },
  });
  const opened = once(client, "secureConnect");
  await within(Promise.all([secure.open(), opened]), () => "a handshake");
  return {
    client,
    secure,
    [Symbol.dispose]() {
      client.destroy();
      secure.close();
    },
  };
}

/** Reads to the end, and tells how many bytes there were so far. */
function readAll(stream: TlsStream) {
  const state = { heard: 0 };
  const ended = (async () => {
    const buffer = new Uint8Array(65_536);
    for (let count; (count = await stream.read(buffer)) !== null;) {
      state.heard += count;
    }
  })();
  ended.catch(() => {}); // it is closed at the end
  return { state, ended };
}

/** Resolves after so many turns in which `progress` gives the same. */
async function untilStill(progress: () => number): Promise<void> {
  let before = progress();
  for (let still = 0; still < 1_000; still++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (progress() !== before) still = 0;
    before = progress();
  }
}

Deno.test("over TLS a client sends no more than its reader takes", async () => {
  using connection = await connected();
  const { client, secure } = connection;
  const piece = new Uint8Array(65_536).fill(7);
  const pieces = 1_000; // more than the buffers of a system hold
  let sent = 0;

  const sending = (async () => {
    for (let count = 0; count < pieces; count++) {
      await new Promise((resolve) => client.write(piece, resolve));
      sent++;
    }
    client.end();
  })();
  await untilStill(() => sent);
  assert(sent < pieces / 2, `${sent} pieces of ${pieces} were sent ahead`);
  const { state, ended } = readAll(secure);
  await ended;
  await sending;

  assertEquals(state.heard, pieces * piece.length);
});

Deno.test("over TLS a record of a byte counts, and waits", async () => {
  const over = Promise.withResolvers<void>();
  let counted = 0;
  using connection = await connected((bytes) => {
    counted += bytes;
    if (counted < 4_000) return undefined;
    over.resolve();
    return new Promise(() => {});
  });
  const { client, secure } = connection;
  const { state } = readAll(secure);

  let isOver = false;
  over.promise.then(() => isOver = true);
  for (let sent = 0; sent < 2_000 && !isOver; sent++) {
    await new Promise((resolve) => client.write("x", resolve));
  }
  await within(over.promise, () => `${counted} bytes are counted`);
  const before = state.heard;
  client.write("last words");
  await untilStill(() => state.heard);

  // What was read before it counted as much, and one read of 2,048 bytes.
  assert(before < 250, `${before} records of a byte were read`);
  assertEquals(state.heard, before);
});

Deno.test("over TLS last words arrive, and the end after them", async () => {
  using connection = await connected();
  const { client, secure } = connection;

  let heard = 0;
  client.on("data", ({ length }: Uint8Array) => heard += length);
  const ended = once(client, "end");
  await secure.write(new Uint8Array(100_000));
  await secure.closeWrite();
  await within(ended, () => `the end after ${heard} bytes`);

  assertEquals(heard, 100_000);
});

Deno.test("over HTTPS the wait for a handshake's turn does not count as the client's time", async () => {
  const clock = new TestClock();
  using _timers = timersOn(clock);
  const asked = Promise.withResolvers<void>();
  const turn = Promise.withResolvers<void>();
  using web = startWeb({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert, key },
    meter: {
      countConnection: () => true,
      uncountConnection: () => {},
      handshake() {
        asked.resolve();
        return turn.promise;
      },
      turn: () => undefined,
      countRequest: () => 0,
      nextTurn: () => Promise.resolve(),
      frames: () => ({
        count: () => 0,
        begin: () => undefined,
        end: () => {},
        nextTurn: () => Promise.resolve(),
      }),
    },
    welcome: () => {},
  });
  const client = connect({ host: "127.0.0.1", port: web.port, ca: cert });

  await asked.promise;
  clock.pass(3 * PATIENCE.firstMs);
  turn.resolve();
  await once(client, "secureConnect");
  const closed = once(client, "close");
  clock.pass(PATIENCE.firstMs); // from now on the client has its time

  await closed;
});
