/**
 * A registration may reach the server after its connection was given up and the next
 * one is registered: the server ends that one with 117, as for a user who signed in
 * elsewhere.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { EXIT } from "../../../client/view/failure.ts";
import { ConnectionError } from "../../../core/net/connection_error.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import { startTestServer } from "../../tools/net/test_server.ts";
import { exitCodeOf, FakeServer } from "../../tools/client_tools.ts";
import { FakeClock } from "../../tools/test_clock.ts";

const REMOVED = "ERROR 117 Removed\nReason: you signed in elsewhere\n\n";

/** A line to a server, and what its owner was told. */
function createLine(port: number) {
  const clock = new FakeClock();
  const told: string[] = [];
  let token = "";
  const line = new ReconnectingConnection({
    dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
    clock,
    random: () => 0,
  });
  const read = async () => {
    const batches = line.batches({
      async resume(connection) {
        const { headers } = await connection.request("REGISTER", ["alice"], {
          Token: token || undefined,
        });
        token = new Map(headers).get("token") ?? "";
      },
      resumed: () => void told.push("arrived"),
      lost: () => void told.push("lost"),
    });
    for await (const batch of batches) for (const _ of batch);
  };
  return { line, clock, told, ended: read() };
}

/** Registers the client of the next connection, which stays until it is hung up. */
async function accept(server: FakeServer) {
  const peer = await server.accept();
  await peer.request();
  await peer.say("REGISTERED alice\n\n");
  return peer;
}

/** Gives a connection up whose REGISTER has no answer; then registers on the next. */
async function giveUpOne(server: FakeServer) {
  (await accept(server)).hangUp();
  using late = await server.accept();
  await late.request();
  late.hangUp();
  return await accept(server);
}

Deno.test("a client comes back when its own late registration may have removed it, once", async () => {
  using server = new FakeServer();
  const { told, ended } = createLine(server.port);
  {
    using third = await giveUpOne(server);
    await third.say(REMOVED);
  }

  using fourth = await accept(server);
  await fourth.say(REMOVED);
  const failure = await assertRejects(() => ended, ConnectionError);

  assertEquals(exitCodeOf(failure), EXIT.removed);
  assertEquals(told, ["arrived", "lost", "arrived", "lost", "arrived"]);
});

Deno.test("a client that is removed two minutes after such a registration ends", async () => {
  using server = new FakeServer();
  const { line, clock, ended } = createLine(server.port);
  using third = await giveUpOne(server);
  line.post("PING");
  await third.request(); // it is registered

  clock.jump(120_000);
  await third.say(REMOVED);

  const failure = await assertRejects(() => ended, ConnectionError);
  assertEquals(exitCodeOf(failure), EXIT.removed);
});

Deno.test("a server takes a late registration for the newest; the client is back after that", async () => {
  await using server = startTestServer();
  using relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { line, told, ended } = createLine(relay.addr.port);
  const there = () =>
    Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const pass = (from: Deno.Conn, to: Deno.Conn) =>
    Promise.allSettled([
      from.readable.pipeTo(to.writable),
      to.readable.pipeTo(from.writable),
    ]);

  const first = await relay.accept();
  const server1 = await there();
  const passing = [pass(first, server1)];
  await line.request("JOIN", ["#r"]);
  server1.close(); // the network is gone
  const second = await relay.accept();
  const buffer = new Uint8Array(1_000);
  const late = buffer.subarray(0, await second.read(buffer) ?? 0);
  second.close();
  passing.push(pass(await relay.accept(), await there()));
  await line.request("WHO", ["#r"]); // on the third one
  using arriving = await there();
  await arriving.write(late);
  passing.push(pass(await relay.accept(), await there()));
  await line.request("WHO", ["#r"]);

  assertEquals(told, ["arrived", "lost", "arrived", "lost", "arrived"]);
  line.close();
  await ended;
  await Promise.all(passing);
});
