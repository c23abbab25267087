/** The page's port counts for its addresses, with all else that they do. */
import type { Socket } from "node:net";
import { assert, assertEquals } from "@std/assert";
import { callerLimits, pageMeter } from "../../server/page_meter.ts";
import { DEFAULT_RATES, NO_RATES } from "../../server/limits/rates.ts";
import { certificateFor } from "../../server/certificate.ts";
import { CALLER_LIMITS } from "../../web/serve/callers.ts";
import { startWeb } from "../../web/serve/serve.ts";
import { connectFrom } from "../tools/net/connect_from.ts";
import { startTestServer } from "../tools/net/test_server.ts";
import { TestClock } from "../tools/test_clock.ts";
import { within } from "../tools/net/within.ts";

/** A server whose time stands still, and its meter. */
function metered(options: Parameters<typeof startTestServer>[0] = {}) {
  const clock = new TestClock();
  const server = startTestServer({ clock, ...options });
  return { clock, server, meter: pageMeter(server.context) };
}

/** Asks for a page; gives the status, or "" if there is no answer. */
async function ask(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once("data", (bytes) => resolve(`${bytes}`.slice(9, 12)));
  socket.once("close", () => resolve(""));
  if (socket.destroyed) resolve("");
  socket.write("GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  return await within(promise, () => "an answer");
}

for (const way of ["HTTP", "HTTPS"]) {
  Deno.test(`over ${way}, connections above the rate of an address are closed at once, and no others`, async () => {
    const { server, meter } = metered({ rates: { ...NO_RATES, connects: 1 } });
    await using _server = server;
    const tls = way === "HTTPS"
      ? await certificateFor({ db: ":memory:" })
      : undefined;
    using web = startWeb({
      hostname: "127.0.0.1",
      port: 0,
      ...(tls ? { tls } : {}),
      meter,
      welcome: () => {},
    });
    const sockets = new DisposableStack();
    using _sockets = sockets;
    const visit = async (address: string) => {
      const socket = await connectFrom(address, web.port);
      sockets.defer(() => socket.destroy());
      return await ask(socket);
    };

    const answers = [];
    for (let count = 0; count < 83; count++) {
      answers.push(await visit("127.0.0.2"));
    }
    const other = await visit("127.0.0.3");

    const status = way === "HTTPS" ? "307" : "404"; // it is asked without TLS
    assertEquals(answers, [...Array(81).fill(status), "", ""]);
    assertEquals(other, status);
  });
}

Deno.test("thirty browsers behind one address load the page twice, and open WebSockets, without a limit", async () => {
  const { server, meter } = metered();
  await using _server = server;

  for (let browser = 0; browser < 30; browser++) {
    for (let connection = 0; connection < 7; connection++) {
      assert(meter.countConnection("10.0.0.1"));
    }
    for (let file = 0; file < 2 * 50 + 1; file++) {
      assertEquals(meter.countRequest("10.0.0.1"), 0);
    }
    meter.uncountConnection("10.0.0.1");
  }
});

Deno.test("requests above the rate of an address wait, for five seconds at most, and those of no other", async () => {
  const { clock, server, meter } = metered();
  await using _server = server;
  const burst = 10 * 20 * DEFAULT_RATES.requests / 5; // a request costs 5

  for (let count = 0; count < burst; count++) meter.countRequest("10.0.0.1");
  const over = meter.countRequest("10.0.0.1");
  for (let count = 0; count < burst; count++) meter.countRequest("10.0.0.1");
  const farOver = meter.countRequest("10.0.0.1");
  const other = meter.countRequest("10.0.0.2");
  clock.pass(60_000);

  assertEquals([over, farOver, other], [5, 5_000, 0]);
  assertEquals(meter.countRequest("10.0.0.1"), 0);
});

Deno.test("a WebSocket counts as one connection, however it began", async () => {
  const { server, meter } = metered({ rates: { ...NO_RATES, connects: 1 } });
  await using _server = server;

  const address = server.context.limits.addressOf("10.0.0.1", 0);
  for (let count = 0; count < 21; count++) {
    meter.countConnection("10.0.0.1");
    meter.uncountConnection("10.0.0.1");
    address.countConnect(0); // as the server does
  }

  assertEquals(meter.countConnection("10.0.0.1"), false);
  assertEquals(meter.countConnection("10.0.0.2"), true);
});

Deno.test("frames without a message count for their WebSocket, and for its address", async () => {
  const { clock, server, meter } = metered();
  await using _server = server;
  const [first, second, third, other] = [1, 1, 1, 2].map((last) =>
    meter.frames(`10.0.0.${last}`)
  );

  const own = [first!.count(256 * 1024), first!.count(64 * 1024)];
  const shared = [second!.count(64 * 1024), third!.count(48 * 1024)];
  const elsewhere = other!.count(1);
  clock.pass(1_000);

  assertEquals(own, [0, 1_000]);
  assertEquals(shared, [0, 500]);
  assertEquals(elsewhere, 0);
  assertEquals([first, third].map((frames) => frames!.count(0)), [0, 0]);
});

Deno.test("with --no-limits one address can have all connections to the page", () => {
  const total = CALLER_LIMITS.total;

  const lifted = callerLimits({ maxConnectionsPerAddress: Infinity });
  const normal = callerLimits({ maxConnectionsPerAddress: 500 });

  assertEquals(lifted, { total, perAddress: Infinity });
  assertEquals(normal, CALLER_LIMITS);
});

Deno.test("with --no-limits nothing waits", async () => {
  const { server, meter } = metered({ rates: NO_RATES });
  await using _server = server;

  const frames = meter.frames("10.0.0.1");
  for (let count = 0; count < 10_000; count++) {
    assert(meter.countConnection("10.0.0.1"));
    assertEquals(meter.countRequest("10.0.0.1"), 0);
    assertEquals(frames.count(1e9), 0);
  }
});
