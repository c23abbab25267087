/** Accepting: who is gone before we look keeps nobody else waiting. */
import { assertEquals } from "@std/assert";
import { type AcceptedConn, Acceptor } from "../../../server/net/acceptor.ts";
import { RawClient } from "../../tools/net/raw_client.ts";
import { round, TestClock } from "../../tools/test_clock.ts";
import { listenHere, startTestServer } from "../../tools/net/test_server.ts";

Deno.test("a client that resets its connection before it is accepted delays no other", async () => {
  const listener = listenHere();
  let gone = 3;
  await using _server = startTestServer({
    tls: {
      port: listener.addr.port,
      accept: () =>
        gone-- > 0
          ? Promise.reject(new Deno.errors.NotConnected("gone"))
          : listener.accept(),
      close: () => listener.close(),
      limit: () => {},
    },
  });
  using alice = await RawClient.enter(listener.addr.port, "alice");

  assertEquals(await alice.ask("PING\n\n"), "PONG\n\n");
  assertEquals(gone, -2); // and no line of the log, and no pause
});

/** What an acceptor does with connections of these addresses, one after the other. */
async function accept(
  addresses: readonly string[],
  admit: (network: string) => Promise<void> | undefined,
) {
  const served: string[] = [];
  const closed: string[] = [];
  const last = Promise.withResolvers<AcceptedConn>();
  last.promise.catch(() => {}); // perhaps it is not waited for
  const acceptor = new Acceptor({
    serve: ({ remote }) => Promise.resolve(void served.push(remote)),
    admit,
    clock: new TestClock(),
    maxWaitingPerAddress: 2,
    maxWaiting: 4,
  });
  const coming = addresses.map((hostname, port): AcceptedConn => ({
    remoteAddr: { transport: "tcp", hostname, port },
    setNoDelay: () => {},
    read: () => Promise.resolve(null),
    write: ({ length }) => Promise.resolve(length),
    closeWrite: () => Promise.resolve(),
    close: () => void closed.push(`${hostname}:${port}`),
  }));
  acceptor.open({
    accept: () =>
      Promise.resolve(coming.shift()!).then((c) => c ?? last.promise),
    close: () => last.reject(new Error("closed")),
  });
  for (let i = 0; i < 50; i++) await round();
  return { acceptor, served, closed };
}

Deno.test("while users chat, connections of all addresses are accepted, and wait for their turn", async () => {
  const turns = new Map<string, (() => void)[]>();
  const admit = (network: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    turns.set(network, [...turns.get(network) ?? [], resolve]);
    return promise;
  };
  const foe = "10.0.0.66";
  const { acceptor, served, closed } = await accept(
    [foe, foe, foe, foe, "10.0.0.1", "10.0.0.2", "10.0.0.3", foe],
    admit,
  );

  assertEquals(served, []);
  assertEquals(closed, [
    ...[`${foe}:2`, `${foe}:3`], // over its share
    ...["10.0.0.3:6", `${foe}:7`], // over the total
  ]);
  turns.get("10.0.0.2")!.shift()!();
  turns.get(foe)!.shift()!();
  await round();
  assertEquals(served, ["10.0.0.2:5", `${foe}:0`]);
  for (const resolve of [...turns.values()].flat()) resolve();
  await round();
  await acceptor[Symbol.asyncDispose]();
  assertEquals(served.length, 4);
});

Deno.test("connections are accepted though none is admitted: the rest is closed, and others come in", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const admit = (network: string) =>
    network === "10.0.0.1" ? promise : undefined;
  const flood = Array.from({ length: 1_000 }, () => "10.0.0.1");

  const { acceptor, served, closed } = await accept(
    [...flood, "10.0.0.2"],
    admit,
  );

  assertEquals(closed.length, 998); // two wait
  assertEquals(served, ["10.0.0.2:1000"]);
  resolve();
  await acceptor[Symbol.asyncDispose]();
});
