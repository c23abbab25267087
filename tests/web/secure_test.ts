/** TLS of the page's port: what a client sends ahead, and what its records count for. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { connect, createSecureContext, type TLSSocket } from "node:tls";
import { assert, assertEquals } from "@std/assert";
import type { FrameMeter } from "../../web/serve/frames.ts";
import { PATIENCE } from "../../web/serve/requests.ts";
import { secured } from "../../web/serve/secure.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { newCertificate } from "../tools/net/tls_tools.ts";
import { within } from "../tools/net/within.ts";
import { TestClock, timersOn } from "../tools/test_clock.ts";

const { cert, key } = await newCertificate();

/** Both ends of a connection over TLS; the server's records count for `meter`. */
async function connected(meter?: FrameMeter) {
  const accepted = Promise.withResolvers<TLSSocket>();
  const context = createSecureContext({ cert, key });
  const server = createServer(
    { allowHalfOpen: true },
    (socket) => accepted.resolve(secured(socket, context, meter)),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // the cast: it has a port
  const client = connect({ host: "127.0.0.1", port, ca: cert });
  client.setNoDelay();
  client.on("error", () => {});
  await within(once(client, "secureConnect"), () => "a handshake");
  return {
    client,
    secure: await accepted.promise,
    [Symbol.dispose]() {
      client.destroy();
      server.close();
    },
  };
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

Deno.test("over HTTPS a client sends no more than its reader takes", async () => {
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
  const held = secure.readableLength;
  assert(held < 200_000, `${held} bytes are held`);
  let taken = 0;
  for await (const bytes of secure) taken += bytes.length;
  await sending;

  assertEquals(taken, pieces * piece.length);
});

Deno.test("over HTTPS a record of a byte counts, and waits", async () => {
  const over = Promise.withResolvers<void>();
  let counted = 0;
  using connection = await connected({
    count(bytes) {
      counted += bytes;
      if (counted < 4_000) return 0;
      over.resolve();
      return 3_600_000;
    },
    begin: () => undefined,
    end: () => {},
    nextTurn: () => Promise.resolve(),
  });
  const { client, secure } = connection;
  let heard = 0;
  secure.on("data", ({ length }: Uint8Array) => heard += length);

  let isOver = false;
  over.promise.then(() => isOver = true);
  for (let sent = 0; sent < 2_000 && !isOver; sent++) {
    await new Promise((resolve) => client.write("x", resolve));
  }
  await within(over.promise, () => `${counted} bytes are counted`);
  const before = heard;
  client.write("last words");
  await untilStill(() => heard);

  assert(before < 150, `${before} records of a byte were read`);
  assertEquals(heard, before);
});

Deno.test("over HTTPS last words arrive, and the end after them", async () => {
  using connection = await connected();
  const { client, secure } = connection;

  secure.end("x".repeat(100_000));
  let heard = 0;
  client.on("data", ({ length }: Uint8Array) => heard += length);
  await within(once(client, "end"), () => `the end after ${heard} bytes`);

  assertEquals(heard, 100_000);
});

Deno.test("over HTTPS the wait for a handshake's turn does not count as the client's time", async () => {
  const clock = new TestClock();
  using _timers = timersOn(clock);
  const asked = Promise.withResolvers<void>();
  const turn = Promise.withResolvers<void>();
  using web = await startWeb({
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
