/** Meetings: both listen and both dial, strangers come, connections break. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Channel } from "../../../client/direct/channel.ts";
import { Failure } from "../../../client/view/failure.ts";
import {
  MAX_PENDING,
  NoConnection,
  Rendezvous,
} from "../../../client/direct/rendezvous.ts";
import { candidatesToDial } from "../../../client/direct/candidates.ts";
import { type Endpoint, endpointText } from "../../../client/trust/address.ts";
import { agreements, receiveAll, record } from "../../tools/direct_tools.ts";
import { FaultProxy } from "../../tools/net/fault_proxy.ts";
import { lastingPort } from "../../tools/net/test_server.ts";
import { within } from "../../tools/net/within.ts";

const HERE = { hostname: "127.0.0.1" };
const NOBODY: Endpoint[] = [];

/** Two rendezvous of one session, who know where to find each other. */
async function rendezvous(
  ways: { toCaller?: Endpoint[]; toCalled?: Endpoint[]; timeoutMs?: number } =
    {},
): Promise<[Rendezvous, Rendezvous]> {
  const { timeoutMs = 15_000 } = ways;
  const [caller, called] = await agreements();
  const hers = new Rendezvous({ ...HERE, timeoutMs });
  const his = new Rendezvous({ ...HERE, timeoutMs });
  hers.agree(caller, ways.toCalled ?? [...his.candidates]);
  his.agree(called, ways.toCaller ?? [...hers.candidates]);
  return [hers, his];
}

/** Both have a channel, and it is the same one. */
async function assertSame(a: Channel, b: Channel): Promise<void> {
  const received = [receiveAll(a), receiveAll(b)];
  await a.send(record("to b"));
  await b.send(record("to a"));
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
  assertEquals(await Promise.all(received), [["to a"], ["to b"]]);
}

Deno.test("both sides dial, and both keep the same connection", async () => {
  for (let round = 0; round < 20; round++) {
    const [hers, his] = await rendezvous();
    await using _hers = hers;
    await using _his = his;

    const [a, b] = await Promise.all([hers.connect(), his.connect()]);

    await assertSame(a, b);
  }
});

for (const side of ["caller", "called"] as const) {
  Deno.test(`the ${side} side alone can be reached, and that is enough`, async () => {
    const [hers, his] = await rendezvous(
      side === "caller" ? { toCalled: NOBODY } : { toCaller: NOBODY },
    );
    await using _hers = hers;
    await using _his = his;

    await assertSame(
      ...await Promise.all([hers.connect(), his.connect()]),
    );
  });
}

Deno.test("a peer that cannot be reached is reported with every address, and why", async () => {
  const candidate = { ...HERE, port: lastingPort() };
  using other = Deno.listen({ ...HERE, port: 0 });
  const serving = (async () => {
    const conn = await other.accept();
    await conn.write(record("220 mail.example.org ready\r\n"));
    const read = conn.read(new Uint8Array(10));
    assertEquals(await read.catch(onlyReset), null); // says nothing
    conn.close();
  })();
  const [hers, his] = await rendezvous({
    toCalled: [candidate, { ...HERE, port: other.addr.port }],
    timeoutMs: 3_000, // in which a busy machine finds out what the other is
  });
  await using _hers = hers;
  await using _his = his;

  const error = await assertRejects(() => hers.connect(), NoConnection);

  assertEquals(error.attempts, [
    `${endpointText(candidate)}: connection refused`,
    `127.0.0.1:${other.addr.port}: wrong peer: not a parley client`,
    `no incoming connection on ${endpointText(hers.candidates[0]!)}`,
  ]);
  await serving;
});

/** On Windows, a connection that closes with unread bytes is reset. */
function onlyReset(error: unknown): null {
  if (error instanceof Deno.errors.ConnectionReset) return null;
  throw error;
}

/** A connection that is not made, until `signal` aborts. */
function silentUntil(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

for (
  const [what, system, code, again] of [
    ["macOS asks about the local network", "darwin", "EHOSTUNREACH", true],
    ["a security program of Windows asks", "windows", "EACCES", true],
    ["a firewall is silent for 21 seconds", "windows", "ETIMEDOUT", true],
    ["a firewall is silent", "linux", "silent", true],
    ["no computer answers", "linux", "EHOSTUNREACH", false],
    ["the connection is refused", "darwin", "ECONNREFUSED", false],
  ] as const
) {
  Deno.test(`while ${what}, a candidate is dialled ${again ? "again" : "once"}`, async () => {
    const [caller, called] = await agreements();
    let attempts = 0;
    const connect = ((to: Deno.ConnectOptions & { signal?: AbortSignal }) => {
      if (++attempts > 1) return Deno.connect({ ...HERE, port: to.port });
      if (code === "silent") return silentUntil(to.signal!);
      const error = Object.assign(new Error("Of the system"), { code });
      return Promise.reject(error);
    }) as typeof Deno.connect; // of TCP
    const timeoutMs = again ? 15_000 : 100;
    await using hers = new Rendezvous({
      ...{ ...HERE, timeoutMs, againMs: 50, connect, system },
    });
    await using his = new Rendezvous({ ...HERE, timeoutMs });
    hers.agree(caller, his.candidates);
    his.agree(called, NOBODY);

    const both = Promise.all([hers.connect(), his.connect()]);

    if (again) await assertSame(...await both);
    else await assertRejects(() => both, NoConnection);
    // A busy machine may dial once more than it must.
    if (again) assert(attempts >= 2);
    else assertEquals(attempts, 1);
  });
}

Deno.test("strangers on the port are dropped, and disturb nobody", async () => {
  const [hers, his] = await rendezvous({ toCalled: NOBODY });
  await using _hers = hers;
  await using _his = his;
  const connecting = hers.connect();
  const strangers = await Promise.all(
    Array.from({ length: 3 * MAX_PENDING }, async (_, number) => {
      const conn = await Deno.connect({ ...hers.candidates[0]! });
      if (number % 2) await conn.write(record("GET / HTTP/1.1\r\n\r\n"));
      return conn;
    }),
  );

  await assertSame(...await Promise.all([connecting, his.connect()]));
  for (const conn of strangers) {
    const rest = Array.fromAsync(conn.readable).catch(() => []);
    await within(rest, () => "the end of a stranger"); // which never says more
  }
});

Deno.test("a channel that breaks is made again, as often as it takes", async () => {
  const [caller, called] = await agreements();
  await using hers = new Rendezvous(HERE);
  await using his = new Rendezvous(HERE);
  await using proxy = await FaultProxy.open({
    target: his.candidates[0]!.port,
  });
  hers.agree(caller, [{ ...HERE, port: proxy.port }]);
  his.agree(called, NOBODY);
  const digits = new Set<string>();

  for (let breaks = 0; breaks < 5; breaks++) {
    const [a, b] = await Promise.all([hers.connect(), his.connect()]);
    const received = assertRejects(() => receiveAll(b), Failure);
    digits.add(caller.code).add(called.code);
    await a.send(record("as before"));
    proxy.cutAll();
    await received;
    await assertRejects(() => receiveAll(a), Failure);
  }

  assertEquals(digits.size, 1);
});

for (const first of ["caller", "called"] as const) {
  Deno.test(`when the ${first} side alone finds its channel broken, both get the next`, async () => {
    const [hers, his] = await rendezvous();
    await using _hers = hers;
    await using _his = his;
    const channels = await Promise.all([hers.connect(), his.connect()]);
    const [mine, other] = first === "caller" ? [0, 1] : [1, 0];
    const told = assertRejects(() => receiveAll(channels[other]!), Failure);

    const again = [hers, his][mine]!.connect(); // and says nothing of the last
    await told;
    const next = await Promise.all([again, [hers, his][other]!.connect()]);

    await assertSame(...next);
    await channels[mine]![Symbol.asyncDispose]();
  });
}

Deno.test("a rendezvous that ends leaves nobody waiting", async () => {
  const [hers, his] = await rendezvous({ toCaller: NOBODY, toCalled: NOBODY });
  const failing = assertRejects(() => hers.connect(), Failure, "is over");

  await hers[Symbol.asyncDispose]();
  await his[Symbol.asyncDispose]();

  await failing;
});

Deno.test("only addresses that make sense are dialled, and only a few", () => {
  const seen = "10.9.9.9:33333";
  const dialled = (offered: string[], from: string | undefined = seen) =>
    candidatesToDial(offered, from).map(endpointText);

  assertEquals(dialled(["10.0.0.1:5000", "[fd00::2]:5000"]), [
    "10.0.0.1:5000",
    "10.9.9.9:5000",
    "[fd00::2]:5000",
  ]);
  for (
    const nonsense of [
      ...["10.0.0.1:22", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:", "x"],
      ...["example.org:5000", "localhost:5000", "[example.org]:5000", ":5000"],
      ...["0.0.0.0:5000", "[::]:5000", "224.0.0.1:5000", "[ff02::1]:5000"],
      ...["255.255.255.255:5000", "[fe80::1]:5000", "[fe80::1%eth0]:5000"],
      ...["[::ffff:10.0.0.1]:5000", "[0:0:0:0:0:ffff:a00:1]:5000"],
      ...["127.0.0.1:5000", "127.9.9.9:5000", "[::1]:5000", "010.0.0.1:5000"],
    ]
  ) {
    assertEquals(
      dialled([nonsense]).filter((candidate) => candidate !== "10.9.9.9:5000"),
      [],
      nonsense,
    );
  }
  assertEquals(dialled(["127.0.0.1:5000"], "127.0.0.1:4"), ["127.0.0.1:5000"]);
  assertEquals(dialled(["10.0.0.1:5000"], "bad"), ["10.0.0.1:5000"]);
  assertEquals(dialled([]), []);
  const many = Array.from({ length: 50 }, (_, n) => `10.0.0.${n}:5000`);
  assert(dialled(many).length <= 9);
});
