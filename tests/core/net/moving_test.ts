/** The line moves: to other servers of the chat, when its own is gone or stops. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Place } from "../../../core/net/alternates.ts";
import type { Connection } from "../../../core/net/connection.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import type { Owner } from "../../../core/net/owner.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Frame } from "../../../protocol.ts";
import { EXIT, Failure } from "../../../client/view/failure.ts";
import {
  exitCodeOf,
  type FakePeer,
  FakeServer,
} from "../../tools/client_tools.ts";
import { turn } from "../../tools/net/fake_peers.ts";
import { FakeClock } from "../../tools/test_clock.ts";

// Which is loaded when a server tells of another: no loss here comes before that.
await import("../../../core/net/route.ts");

/** A line to the first server, and what its owner was told. */
function createLine(
  { port }: FakeServer,
  { dial = connect, random = () => 0 }: {
    dial?: (place: Place, signal: AbortSignal) => Promise<Deno.TcpConn>;
    random?: () => number;
  } = {},
) {
  const clock = new FakeClock();
  const told: string[] = [];
  const dialled: number[] = [];
  const text = `127.0.0.1:${port}`;
  const home = { hostname: "127.0.0.1", port, text };
  const line = new ReconnectingConnection({
    dial: async (signal, other) => {
      const place = other ?? home;
      dialled.push(place.port);
      return await dial(place, signal);
    },
    home: { place: home, way: "tcp" },
    clock,
    random,
  });
  const owner: Owner = {
    async resume(connection: Connection) {
      const answer = await connection.request("REGISTER", ["alice"]);
      void line.tell(answer);
    },
    resumed: (to) => void told.push(to === undefined ? "here" : `at ${to}`),
    lost: (why) => void told.push(`lost: ${why.message}`),
    refused: (why) => void told.push(`refused: ${why.message}`),
  };
  const ended = (async () => {
    for await (const batch of line.batches(owner)) Array.from(batch);
  })();
  return { line, clock, told, dialled, ended };
}

async function connect({ hostname, port }: Place): Promise<Deno.TcpConn> {
  try {
    return await Deno.connect({ hostname, port });
  } catch (cause) {
    throw new Failure(EXIT.unreachable, "nobody", { passing: true, cause });
  }
}

/** What a server says of others, at the ports. */
function alternates(...ports: number[]): string {
  return ports.map((port) => `Alternate: 127.0.0.1 tcp=${port}\n`).join("");
}

/** The same, as a frame that came. */
function telling({ port }: FakeServer): Frame {
  const headers = [["alternate", `127.0.0.1 tcp=${port}`]] as const;
  return { verb: "NOTICE", args: ["set"], headers, body: new Uint8Array() };
}

/** Alice comes in at a server, which tells her of others. */
async function accept(
  server: FakeServer,
  ...others: FakeServer[]
): Promise<FakePeer> {
  const peer = await server.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  const told = alternates(...others.map(({ port }) => port));
  await peer.say(`REGISTERED alice\n${told}\n`);
  return peer;
}

/** The line does not come back to closed servers. */
async function end(
  line: ReconnectingConnection,
  ended: Promise<unknown>,
): Promise<void> {
  line.close();
  await ended;
}

/** Alice has answers of a server, so that it counts as one that lets her stay. */
async function stay(line: ReconnectingConnection, peer: FakePeer) {
  line.post("PING");
  await peer.request();
  await peer.say("PONG\n\n");
  await line.settled(0);
}

Deno.test("a line whose server is gone tries it once, and goes on at another with the same Key", async () => {
  const first = new FakeServer();
  using second = new FakeServer();
  const { line, told, dialled, clock, ended } = createLine(first);
  using before = await accept(first, second);
  await stay(line, before);

  line.post("SEND", ["#x"], {}, "one");
  assertEquals(await before.request(), "SEND #x\none");
  const { key } = before.headers;
  first[Symbol.dispose]();
  before.hangUp();
  using after = await accept(second, first);
  line.post("SEND", ["#x"], {}, "two");

  assertEquals(await after.request(), "SEND #x\none");
  assertEquals(after.headers["key"], key);
  assertEquals(await after.request(), "SEND #x\ntwo");
  await after.say("SENT #x\nId: 1\n\nSENT #x\nId: 2\n\n");
  await line.settled(0);
  assertEquals(dialled, [first.port, first.port, second.port]);
  assertEquals(clock.slept, [250, 0]);
  assertEquals(told, [
    "here",
    "lost: Connection lost: the server closed it",
    `at 127.0.0.1:${second.port}`,
  ]);
  await end(line, ended);
});

Deno.test("a line follows the list of the server where it is, and comes home", async () => {
  using first = new FakeServer();
  const second = new FakeServer();
  const third = new FakeServer();
  const { line, told, dialled, ended } = createLine(first);
  const one = await accept(first, second);
  await stay(line, one);
  await line.tell(telling(third)); // as the session does
  const { port } = first;
  first[Symbol.dispose]();
  one.hangUp();
  const three = await accept(third); // which tells of none
  await stay(line, three);
  third[Symbol.dispose]();
  second[Symbol.dispose]();
  three.hangUp();
  using again = new FakeServer(port);
  using _peer = await accept(again);
  line.post("PING");
  await _peer.request();

  assertEquals(dialled.slice(0, 5), [
    port,
    port,
    third.port,
    third.port,
    port,
  ]);
  assertEquals(dialled.includes(second.port), false);
  assertEquals(told.filter((one) => one.startsWith("at ")), [
    `at 127.0.0.1:${third.port}`,
    `at 127.0.0.1:${port}`,
  ]);
  await end(line, ended);
});

Deno.test("two servers that register a line and drop it are tried less and less often", async () => {
  using first = new FakeServer();
  using second = new FakeServer();
  const { line, clock, ended } = createLine(first);
  (await accept(first, second)).hangUp();

  const dropping = [first, second].map(async (server) => {
    for (;;) {
      const peer = await server.accept().catch(() => undefined);
      if (!peer) return;
      await peer.request();
      const others = alternates(first.port, second.port);
      await peer.say(`REGISTERED alice\n${others}\n`);
      peer.hangUp();
    }
  });
  while (clock.slept.length < 12) await turn();
  line.close();
  await ended;
  for (const server of [first, second]) server[Symbol.dispose]();
  await Promise.all(dropping);

  const rounds = clock.slept.filter((ms) => ms > 0);
  assertEquals(rounds.slice(0, 5), [250, 500, 1_000, 2_000, 4_000]);
  assert(clock.slept.length < 2 * rounds.length + 2, `${clock.slept}`);
});

Deno.test("a line leaves a server that takes it and says nothing", async () => {
  const first = new FakeServer();
  using silent = new FakeServer();
  using third = new FakeServer();
  const { line, clock, told, ended } = createLine(first);
  const peer = await accept(first, silent, third);
  await stay(line, peer);
  first[Symbol.dispose]();
  peer.hangUp();

  using stuck = await silent.accept();
  assertEquals(await stuck.request(), "REGISTER alice");
  clock.pass(20);
  assertEquals(await stuck.request(), "PING");
  clock.pass(10);
  using _there = await accept(third);
  line.post("PING");
  await _there.request();

  assertEquals(told.at(-1), `at 127.0.0.1:${third.port}`);
  await end(line, ended);
});

/** Deadlines of this process are over at once, until the result is disposed. */
function hurriedDeadlines(): Disposable {
  const { timeout } = AbortSignal;
  AbortSignal.timeout = () => {
    const over = new AbortController();
    setTimeout(() => over.abort(), 0);
    return over.signal;
  };
  return { [Symbol.dispose]: () => void (AbortSignal.timeout = timeout) };
}

Deno.test("a line that cannot reach a server in time goes to the next", async () => {
  const first = new FakeServer();
  using second = new FakeServer();
  const lonely = 1; // nothing answers there
  const { line, dialled, ended } = createLine(first, {
    dial: (place, signal) =>
      place.port !== lonely ? connect(place) : new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  });
  const peer = await first.accept();
  await peer.request();
  await peer.say(`REGISTERED alice\n${alternates(lonely, second.port)}\n`);
  await stay(line, peer);
  using _hurried = hurriedDeadlines();
  first[Symbol.dispose]();
  peer.hangUp();
  using _there = await accept(second);
  line.post("PING");
  await _there.request();

  assertEquals(dialled, [first.port, first.port, lonely, second.port]);
  await end(line, ended);
});

for (
  const [what, says] of [
    ["speaks another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["does not know our name", "ERROR 110 Login required\n\n"],
    ["answers what was not asked", "JOINED #x\n\n"],
    ["sends a head without end", "X".repeat(65_536)],
    ["sends control characters", "REGISTERED alice\nToken: \x07\n\n"],
  ] as const
) {
  Deno.test(`a line does not end at another server that ${what}, and tries it no more`, async () => {
    const first = new FakeServer();
    using strange = new FakeServer();
    const { line, dialled, clock, ended } = createLine(first);
    const peer = await accept(first, strange);
    await stay(line, peer);
    const { port } = first;
    first[Symbol.dispose]();
    peer.hangUp();
    {
      using there = await strange.accept();
      await there.request();
      await there.say(says).catch(() => {}); // it may have hung up
    }
    while (clock.slept.length < 6) await turn();
    using again = new FakeServer(port);
    using _peer = await accept(again);
    line.post("PING");
    await _peer.request();

    assertEquals(dialled.slice(0, 3), [port, port, strange.port]);
    assertEquals(new Set(dialled.slice(3)), new Set([port]));
    await end(line, ended);
  });
}

Deno.test("a line ends at another server that removes it: a ban holds on all", async () => {
  const first = new FakeServer();
  using second = new FakeServer();
  const { line, ended } = createLine(first);
  const peer = await accept(first, second);
  await stay(line, peer);
  first[Symbol.dispose]();
  peer.hangUp();

  using there = await second.accept();
  await there.request();
  await there.say("ERROR 117 Removed\nReason: banned\n\n");
  const failure = await assertRejects(() => ended, ConnectionError);

  assertEquals(exitCodeOf(failure), EXIT.removed);
});

Deno.test("a line goes from a server that stops to another, and not back before its time", async () => {
  using first = new FakeServer();
  using second = new FakeServer();
  const { line, clock, dialled, ended } = createLine(first, {
    random: () => 0.5,
  });
  const peer = await accept(first, second);
  await stay(line, peer);

  line.leave(5_000); // as the session does on NOTICE closing
  assertEquals(await peer.request(), "(end)"); // it need not close by itself
  using there = await accept(second, first);
  await stay(line, there);

  assertEquals(dialled, [first.port, second.port]);
  assertEquals(clock.slept, [1_500, 0]); // it slept before it left
  await end(line, ended);
});

Deno.test("a line waits as a server that stops has asked, if there is no other", async () => {
  using first = new FakeServer();
  const { line, clock, ended } = createLine(first);
  const peer = await accept(first);
  await stay(line, peer);

  line.leave(5_000);
  peer.hangUp();
  using _again = await accept(first);
  line.post("PING");
  await _again.request();

  assertEquals(clock.slept, [5_250]);
  await end(line, ended);
});

Deno.test("a line that was never registered tries no other server", async () => {
  const first = new FakeServer();
  const { line, dialled, ended } = createLine(first);
  using second = new FakeServer();
  await line.tell(telling(second));

  (await first.accept()).hangUp();
  await assertRejects(() => ended, ConnectionError);

  assertEquals(dialled, [first.port]);
  first[Symbol.dispose]();
});
