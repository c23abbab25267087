/** The line: what comes back, what does not, and what is done on the way. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Connection } from "../../../core/net/connection.ts";
import { EXIT, Failure } from "../../../client/view/failure.ts";
import {
  ReconnectingConnection,
  type ReconnectingOptions,
} from "../../../core/net/reconnecting.ts";
import type { Owner } from "../../../core/net/owner.ts";
import type { Clock } from "../../../core/net/backoff.ts";
import { ChatError } from "../../../protocol.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import {
  exitCodeOf,
  type FakePeer,
  FakeServer,
} from "../../tools/client_tools.ts";
import { FakeClock } from "../../tools/test_clock.ts";

/** A line to a fake server, and what its owner was told. */
function createLine(
  server: FakeServer,
  options: Partial<ReconnectingOptions> = {},
) {
  const clock = new FakeClock();
  const told: string[] = [];
  const line = new ReconnectingConnection({
    dial: () => dial(server.port),
    clock,
    random: () => 0,
    ...options,
  });
  const owner: Owner = {
    async resume(connection: Connection) {
      await connection.request("REGISTER", ["alice"]);
    },
    resumed: () => void told.push("arrived"),
    lost: (why) => void told.push(`lost: ${why.message}`),
    refused: (why) => void told.push(`refused: ${why.message}`),
  };
  const ended = readAll(line, owner);
  return { line, clock, told, ended };
}

async function readAll(
  line: ReconnectingConnection,
  owner: Owner,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const batch of line.batches(owner)) {
    for (const { frame } of batch) {
      seen.push([frame.verb, ...frame.args].join(" "));
    }
  }
  return seen;
}

async function dial(port: number): Promise<Deno.TcpConn> {
  try {
    return await Deno.connect({ hostname: "127.0.0.1", port });
  } catch (cause) {
    throw new Failure(EXIT.unreachable, "nobody", { passing: true, cause });
  }
}

/** The server's end of the next connection, on which alice has come in. */
async function accept(server: FakeServer): Promise<FakePeer> {
  const peer = await server.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say("REGISTERED alice\n\n");
  return peer;
}

/** A line whose server is closed does not come back. */
async function end(
  line: ReconnectingConnection,
  ended: Promise<unknown>,
): Promise<void> {
  line.close();
  await ended;
}

Deno.test("ReconnectingConnection repeats what was not answered, in order and with the same Key", async () => {
  using server = new FakeServer();
  const { line, told, ended } = createLine(server);
  using first = await accept(server);

  line.post("SEND", ["#x"], {}, "one");
  line.post("SEND", ["#x"], {}, "two");
  const people = line.request("WHO", ["#x"]);
  assertEquals(await first.request(), "SEND #x\none");
  await first.say("SENT #x\nId: 1\n\n");
  assertEquals(await first.request(), "SEND #x\ntwo");
  const { key } = first.headers;
  await line.settled(2);
  first.hangUp();
  using second = await accept(server);

  assertEquals(await second.request(), "SEND #x\ntwo");
  assertEquals(second.headers["key"], key);
  assert(/^[\x20-\x7e]{1,64}$/.test(key!), key);
  assertEquals(await second.request(), "WHO #x");
  await second.say("SENT #x\nId: 2\n\nWHO #x\n\n");
  await people;
  await line.settled(0);
  assertEquals(told, [
    "arrived",
    "lost: Connection lost: the server closed it",
    "arrived",
  ]);
  await end(line, ended);
});

Deno.test("ReconnectingConnection keeps what is asked while it is away, behind what was asked before", async () => {
  using server = new FakeServer();
  const { line, told, ended } = createLine(server);
  using first = await accept(server);

  line.post("SEND", ["#x"], {}, "before");
  assertEquals(await first.request(), "SEND #x\nbefore");
  first.hangUp();
  using second = await server.accept();
  line.post("SEND", ["#x"], {}, "meanwhile");
  assertEquals(line.away, true);
  assertEquals(line.unanswered.length, 2);
  assertEquals(await second.request(), "REGISTER alice");
  await second.say("REGISTERED alice\n\n");

  assertEquals(await second.request(), "SEND #x\nbefore");
  assertEquals(await second.request(), "SEND #x\nmeanwhile");
  assertEquals(told.length, 3);
  await end(line, ended);
});

Deno.test("ReconnectingConnection asks again what was too fast, after the time it is told, and before what came later", async () => {
  using server = new FakeServer();
  const { line, clock, told, ended } = createLine(server);
  using peer = await accept(server);

  for (const text of ["one", "two", "three"]) {
    line.post("SEND", ["#x"], {}, text);
  }
  for (const text of ["one", "two", "three"]) {
    assertEquals(await peer.request(), `SEND #x\n${text}`);
  }
  const keyBefore = peer.headers["key"];
  await peer.say("SENT #x\nId: 1\n\nERROR 108 Slow down\nRetry-after: 7\n\n");
  await line.settled(2);
  line.post("SEND", ["#x"], {}, "four");
  await peer.say("ERROR 108 Slow down\nRetry-after: 6\n\n");

  assertEquals(await peer.request(), "SEND #x\ntwo");
  assertEquals(await peer.request(), "SEND #x\nthree");
  assertEquals(peer.headers["key"], keyBefore);
  assertEquals(await peer.request(), "SEND #x\nfour");
  assertEquals(clock.slept[0], 7_000);
  await peer.say("SENT #x\n\n".repeat(3));
  await line.settled(0);
  assertEquals([line.asked, line.answered], [6, 6]);
  assertEquals(told, ["arrived"]);
  line.close();
  const answers = ["SENT #x", "SENT #x", "SENT #x", "SENT #x"];
  assertEquals(await ended, ["REGISTERED alice", ...answers]);
});

Deno.test("ReconnectingConnection asks on the next connection what was too fast on this one", async () => {
  using server = new FakeServer();
  const never: Clock = {
    now: () => 0,
    sleep: (ms) => ms === 60_000 ? new Promise(() => {}) : Promise.resolve(),
    every: () => ({ [Symbol.dispose]: () => {} }),
  };
  const { line, ended } = createLine(server, { clock: never });
  using first = await accept(server);
  line.post("SEND", ["#x"], {}, "one");
  line.post("SEND", ["#x"], {}, "two");
  await first.request();
  await first.request();

  await first.say("ERROR 108 Slow down\nRetry-after: 60\n\n");
  first.hangUp();
  using second = await accept(server);

  assertEquals(await second.request(), "SEND #x\none");
  assertEquals(await second.request(), "SEND #x\ntwo");
  await second.say("SENT #x\n\nSENT #x\n\n");
  await line.settled(0);
  assertEquals([line.asked, line.answered], [3, 3]);
  await end(line, ended);
});

Deno.test("ReconnectingConnection keeps a request that waits for an answer while it is too fast", async () => {
  using server = new FakeServer();
  const { line, ended } = createLine(server);
  using peer = await accept(server);

  const people = line.request("WHO", ["#x"]);
  assertEquals(await peer.request(), "WHO #x");
  await peer.say("ERROR 108 Slow down\n\n");
  assertEquals(await peer.request(), "WHO #x");
  await peer.say("WHO #x\n\n");

  assertEquals((await people).verb, "WHO");
  await end(line, ended);
});

Deno.test("ReconnectingConnection pauses longer after each try in vain, and says once that it is lost", async () => {
  using server = new FakeServer();
  const { line, clock, told, ended } = createLine(server);
  (await accept(server)).hangUp();

  for (let i = 0; i < 9; i++) (await server.accept()).hangUp();
  using _peer = await accept(server);
  line.post("PING");
  await _peer.request();

  assertEquals(
    clock.slept,
    [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000],
  );
  assertEquals(told.length, 3);
  await end(line, ended);
});

Deno.test("ReconnectingConnection pauses longer for a server that lets it in and drops it, until it stays", async () => {
  using server = new FakeServer();
  const { line, clock, ended } = createLine(server);

  line.post("PING");
  for (const staysMs of [0, 0, 29_000, 30_000, 0]) {
    using peer = await accept(server);
    await peer.request();
    clock.jump(staysMs);
  }
  {
    using peer = await accept(server);
    await peer.request();
    await peer.say("PONG\n\n"); // whoever answers is no such server
    await line.settled(0);
  }
  using last = await accept(server);
  line.post("PING");
  await last.request();

  assertEquals(clock.slept, [250, 500, 1_000, 250, 500, 250]);
  await end(line, ended);
});

const WAITS: readonly [why: string, says: string, ms: number][] = [
  ["ERROR 108 to nothing", "ERROR 108 Slow down\nRetry-after: 4\n\n", 4_000],
  ["ERROR 114 to nothing", "ERROR 114 Server full\nRetry-after: 9\n\n", 9_000],
  ["ERROR 116", "ERROR 116 Idle\n\n", 0],
  ["ERROR 115", "ERROR 115 Too slow\nRetry-after: 2\n\n", 2_000],
];

for (const [why, says, ms] of WAITS) {
  Deno.test(`ReconnectingConnection comes back after ${why}, no sooner than it is asked to`, async () => {
    using server = new FakeServer();
    const { line, clock, ended } = createLine(server);
    using first = await accept(server);

    await first.say(says);
    using second = await accept(server);
    line.post("PING");
    await second.request();

    assertEquals(clock.slept, [250 + ms]);
    await end(line, ended);
  });
}

const PASSES = [
  "108 Slow down",
  "114 Server full",
  "104 Name in use",
  "119 Not stored",
  "112 Locked out",
];

for (const code of PASSES) {
  Deno.test(`ReconnectingConnection tries again when coming back is answered ${code}`, async () => {
    using server = new FakeServer();
    const { line, clock, ended } = createLine(server);
    (await accept(server)).hangUp();

    using second = await server.accept();
    await second.request();
    await second.say(`ERROR ${code}\nRetry-after: 3\n\n`);
    using third = await accept(server);
    line.post("PING");
    await third.request();

    assertEquals(clock.slept, [250, 3_500]);
    await end(line, ended);
  });
}

Deno.test("ReconnectingConnection waits as long as the server has asked before its end", async () => {
  using server = new FakeServer();
  const { line, clock, ended } = createLine(server);
  using first = await accept(server);

  line.post("PING");
  await first.request();
  line.retryAfterMs = 5_000;
  first.hangUp();
  using second = await accept(server);
  assertEquals(await second.request(), "PING");

  assertEquals(clock.slept, [5_250]);
  await end(line, ended);
});

const ENDS: readonly [why: string, says: string, code: number][] = [
  ["removed", "ERROR 117 Removed\nReason: out\n\n", EXIT.removed],
  ["answered what it had not asked", "JOINED #x\n\n", EXIT.protocol],
  ["sent a head without end", "X".repeat(5_000), EXIT.protocol],
];

for (const [why, says, code] of ENDS) {
  Deno.test(`ReconnectingConnection does not come back after it was ${why}`, async () => {
    using server = new FakeServer();
    const { line, clock, told, ended } = createLine(server);
    const waiting = assertRejects(
      () => line.request("WHO", ["#x"]),
      ConnectionError,
    );
    using peer = await accept(server);

    await peer.request(); // or the end is a reset, which on Windows outruns it
    await peer.say(says);
    peer.hangUp();
    const failure = await assertRejects(() => ended, ConnectionError);

    assertEquals(exitCodeOf(failure), code);
    assertEquals((await waiting).message, failure.message);
    assertEquals(clock.slept, []);
    assertEquals(told, ["arrived"]);
  });
}

for (const code of ["100 Malformed username", "110 Login required"]) {
  Deno.test(`ReconnectingConnection ends when coming back is answered ${code}`, async () => {
    using server = new FakeServer();
    const { clock, ended } = createLine(server);
    (await accept(server)).hangUp();

    using second = await server.accept();
    await second.request();
    await second.say(`ERROR ${code}\n\n`);
    const error = await assertRejects(() => ended, ChatError);

    assertEquals(error.code, Number(code.slice(0, 3)));
    assertEquals(clock.slept, [250]);
  });
}

Deno.test("ReconnectingConnection gives a name up that somebody else has for 100 seconds", async () => {
  const server = new FakeServer();
  const { clock, told, ended } = createLine(server);
  (await accept(server)).hangUp();

  const refusing = (async () => {
    for (;;) {
      using peer = await server.accept().catch(() => undefined);
      if (!peer) return;
      await peer.request();
      await peer.say("ERROR 104 Name in use\n\n");
    }
  })();
  const error = await assertRejects(() => ended, ChatError);
  server[Symbol.dispose]();
  await refusing;

  assertEquals([error.code, ...told.slice(2)], [104, "refused: Name in use"]);
  const waited = clock.slept.reduce((a, b) => a + b);
  assert(waited >= 100_000 && waited < 120_000, `${waited}`);
});

Deno.test("ReconnectingConnection does not try again when it does not get in the first time", async () => {
  using server = new FakeServer();
  const { clock, told, ended } = createLine(server);
  (await server.accept()).hangUp();

  const error = await assertRejects(() => ended, ConnectionError);
  assertEquals(exitCodeOf(error), 6);
  assertEquals(clock.slept, []);
  assertEquals(told, []);
});

Deno.test("ReconnectingConnection waits once for a name that is about to be free", async () => {
  using server = new FakeServer();
  const { clock, told, ended } = createLine(server);
  for (const _ of [1, 2]) {
    using peer = await server.accept();
    await peer.request();
    await peer.say("ERROR 104 Name in use\nRetry-after: 14\n\n");
  }

  await assertRejects(() => ended, ChatError);
  assertEquals(clock.slept, [14_250]);
  assertEquals(told, ["refused: Name in use"]);
});

Deno.test("ReconnectingConnection gives up after the time it was given, with what was not answered", async () => {
  const server = new FakeServer();
  const { line, clock, ended } = createLine(server, { giveUpAfterMs: 60_000 });
  using first = await accept(server);
  line.post("SEND", ["#x"], {}, "lost");
  await first.request();
  first.hangUp();
  server[Symbol.dispose]();

  const failure = await assertRejects(() => ended, ConnectionError);

  assertEquals(exitCodeOf(failure), EXIT.failed);
  assertEquals(line.unanswered.map(({ verb }) => verb), ["SEND"]);
  const waited = clock.slept.reduce((a, b) => a + b);
  assert(waited > 40_000 && waited <= 60_000, `${waited}`);
});

Deno.test("ReconnectingConnection gives up a connection on which nothing is heard, and comes back", async () => {
  using server = new FakeServer();
  const { line, clock, told, ended } = createLine(server);
  using first = await accept(server);
  line.post("SEND", ["#x"], {}, "hello");
  assertEquals(await first.request(), "SEND #x\nhello");

  clock.pass(20);
  assertEquals(await first.request(), "PING");
  clock.pass(10);
  using second = await accept(server);

  assertEquals(await second.request(), "SEND #x\nhello");
  assertEquals(
    told[1],
    "lost: Connection lost: the server sent nothing for 30 seconds",
  );
  await end(line, ended);
});

Deno.test("ReconnectingConnection asks at once after a sleep, and stays if it is answered", async () => {
  using server = new FakeServer();
  const { line, clock, told, ended } = createLine(server);
  using first = await accept(server);
  line.post("PING");
  await first.request();

  clock.jump(3_600_000);
  assertEquals(await first.request(), "PING");
  await first.say("PONG\n\nPONG\n\n");
  await line.settled(0);
  clock.pass(19);

  assertEquals(told, ["arrived"]);
  await end(line, ended);
});

Deno.test("ReconnectingConnection.close() ends a try to come back at once", async () => {
  using server = new FakeServer();
  const asleep = Promise.withResolvers<void>();
  const clock: Clock = {
    now: Date.now,
    every: () => ({ [Symbol.dispose]() {} }),
    async sleep(_ms, signal) {
      asleep.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => resolve());
      await promise;
    },
  };
  const { line, ended } = createLine(server, { clock });
  const waiting = assertRejects(
    () => line.request("WHO", ["#x"]),
    ConnectionError,
  );
  (await accept(server)).hangUp();
  await asleep.promise;

  line.close();

  assertEquals(await ended, ["REGISTERED alice"]);
  await waiting;
});
