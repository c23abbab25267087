/** Connections to the page that are no WebSockets: how many there can be. */
import { assertEquals, assertMatch } from "@std/assert";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { certificateFor } from "../../server/certificate.ts";
import { Callers } from "../../web/serve/callers.ts";
import { startWeb, type Web } from "../../web/serve/serve.ts";
import {
  startTestServer,
  type TestServer,
  within,
} from "../tools/net/raw_client.ts";

/** What a request for nothing is answered, and nothing after it. */
const REQUEST = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";

const UPGRADE = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" +
  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** Connects to the page; with TLS, if there is a certificate. */
async function connect(
  { port }: Web,
  { cert }: { cert?: string } = {},
): Promise<Deno.Conn> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  if (cert === undefined) return tcp;
  return await Deno.startTls(tcp, { hostname: "127.0.0.1", caCerts: [cert] });
}

/** Says something, and gives the first line of the answer; "" at the end. */
async function ask(conn: Deno.Conn, request: string): Promise<string> {
  try {
    await conn.write(new TextEncoder().encode(request));
    const buffer = new Uint8Array(4_096);
    const count = await within(conn.read(buffer), () => "an answer");
    const text = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
    return text.split("\r\n")[0] ?? "";
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return "";
    if (error instanceof Deno.errors.BrokenPipe) return "";
    if (error instanceof Deno.errors.UnexpectedEof) return "";
    throw error;
  }
}

/** The page of a server, with three connections at most. */
async function openWeb(
  { welcome }: TestServer,
  { certified }: { certified: boolean },
) {
  const tls = certified ? await certificateFor({ db: ":memory:" }) : undefined;
  const web = await startWeb({
    hostname: "127.0.0.1",
    port: 0,
    maxCallers: 3,
    ...(tls ? { tls } : {}),
    welcome: (wire, { address }) => welcome(wire, address),
  });
  return {
    web,
    tls,
    [Symbol.dispose]: () => web[Symbol.dispose](),
  };
}

/** A connection from `address`, as far as it is counted. */
function fakeSocket(remoteAddress: string, remotePort: number) {
  const socket = new EventEmitter();
  const fake = {
    remoteAddress,
    remotePort,
    destroyed: false,
    destroy: () => {
      fake.destroyed = true;
      socket.emit("close");
    },
    once: (name: string, act: () => void) => socket.once(name, act),
    close: () => socket.emit("close"),
  };
  // The cast: nothing else of a socket is used.
  return fake as typeof fake & Socket;
}

Deno.test("the address with most connections loses the oldest, and no other loses any", () => {
  const callers = new Callers(4);
  const few = [fakeSocket("10.0.0.1", 1), fakeSocket("10.0.0.1", 2)];
  const many = [3, 4, 5, 6, 7].map((port) => fakeSocket("10.0.0.2", port));

  for (const one of [...few, ...many]) callers.add(one);

  assertEquals(few.map(({ destroyed }) => destroyed), [false, false]);
  assertEquals(
    many.map(({ destroyed }) => destroyed),
    [true, true, true, false, false],
  );
});

Deno.test("closed connections and WebSockets do not count, and a port may come again", () => {
  const callers = new Callers(2);
  const stays = fakeSocket("10.0.0.1", 1);
  callers.add(stays);
  for (let count = 0; count < 5; count++) {
    const closed = fakeSocket("10.0.0.1", 2);
    callers.add(closed);
    closed.close();
    const upgraded = fakeSocket("10.0.0.1", 3);
    callers.add(upgraded);
    callers.release(upgraded);
    const stale = fakeSocket("10.0.0.1", 4); // whose end comes too late
    callers.add(stale);
    callers.add(fakeSocket("10.0.0.1", 4));
    stale.close();
    callers.release(fakeSocket("10.0.0.1", 4));
    upgraded.close();
  }

  assertEquals(stays.destroyed, false);
  callers.add(fakeSocket("10.0.0.1", 5));
  assertEquals(stays.destroyed, false);
  callers.add(fakeSocket("10.0.0.1", 6));
  assertEquals(stays.destroyed, true);
});

for (const way of ["HTTP", "HTTPS"]) {
  const certified = way === "HTTPS";

  Deno.test(`over ${way}, who opens more connections than there may be loses the oldest`, async () => {
    await using server = startTestServer();
    using place = await openWeb(server, { certified });
    const { web, tls } = place;
    const conns = new DisposableStack();
    using _conns = conns;
    const open = async () => conns.use(await connect(web, tls));

    const silent = conns.use(
      await Deno.connect({ hostname: "127.0.0.1", port: web.port }),
    );
    const sockets = [await open(), await open(), await open()];
    const answers = [];
    for (const one of sockets) answers.push(await ask(one, UPGRADE));
    const ended = await ask(silent, "");
    const kept = [await open(), await open(), await open()];
    for (const one of kept) answers.push(await ask(one, REQUEST));
    const newest = await open();
    const after = await ask(newest, REQUEST);
    const [first, second] = [
      await ask(kept[0]!, REQUEST),
      await ask(kept[1]!, REQUEST),
    ];

    assertEquals(ended, "");
    assertEquals(
      answers.map((one) => one.slice(9, 12)),
      ["101", "101", "101", "404", "404", "404"],
    );
    assertMatch(after, / 404 /);
    assertEquals(first, "");
    assertMatch(second, / 404 /);
  });

  Deno.test(`over ${way}, connections that are closed make room`, async () => {
    await using server = startTestServer();
    using place = await openWeb(server, { certified });
    const { web, tls } = place;
    using oldest = await connect(web, tls);

    for (let count = 0; count < 5; count++) {
      using one = await connect(web, tls);
      await ask(one, REQUEST.replace("Host", "Connection: close\r\nHost"));
      await ask(one, ""); // the end
    }

    assertMatch(await ask(oldest, REQUEST), / 404 /);
  });
}
