/** What the server limits, waits; what overtakes it, and what does not. */
import { assertEquals } from "@std/assert";
import type { Clock } from "../../../core/net/backoff.ts";
import { ReconnectingConnection } from "../../../core/net/reconnecting.ts";
import type { Owner } from "../../../core/net/owner.ts";
import { FakeServer } from "../../tools/client_tools.ts";
import { round } from "../../tools/test_clock.ts";

async function readAll(
  line: ReconnectingConnection,
  owner: Owner,
): Promise<void> {
  for await (const batch of line.batches(owner)) for (const _ of batch);
}

Deno.test("ReconnectingConnection lets lists overtake messages that are too fast, but nothing that leaves", async () => {
  using server = new FakeServer();
  const wait = Promise.withResolvers<void>();
  const clock: Clock = {
    now: () => 0,
    sleep: () => wait.promise,
    every: () => ({ [Symbol.dispose]: () => {} }),
  };
  const { port } = server;
  const line = new ReconnectingConnection({
    dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
    clock,
  });
  const told: string[] = [];
  const ended = readAll(line, {
    async resume(connection) {
      await connection.request("REGISTER", ["alice"]);
    },
    resumed: () => {},
    lost: () => {},
    slowed: (why) => void told.push(why.message),
  });
  using peer = await server.accept();
  assertEquals(await peer.request(), "REGISTER alice");
  await peer.say("REGISTERED alice\n\n");
  line.post("SEND", ["#x"], {}, "one");
  await peer.request();
  await peer.say("ERROR 108 Slow down\nRetry-after: 60\n\n");
  while (!line.slowed) await round();

  line.post("SEND", ["#x"], {}, "two");
  line.post("WHO", ["#x"]);
  line.post("LEAVE", ["#x"]);
  line.post("JOIN", ["#x"]); // behind LEAVE, or it would undo nothing
  assertEquals(await peer.request(), "WHO #x");
  assertEquals([line.asked, line.answered], [2, 1]);
  await peer.say("WHO #x\n\n");
  wait.resolve();

  const rest = ["SEND #x\none", "SEND #x\ntwo", "LEAVE #x", "JOIN #x"];
  for (const request of rest) assertEquals(await peer.request(), request);
  await peer.say("SENT #x\n\nSENT #x\n\nLEFT #x\n\nJOINED #x\n\n");
  await line.settled(0);
  assertEquals([line.asked, line.answered], [6, 6]);
  assertEquals(told, ["Slow down"]);
  line.close();
  await ended;
});

Deno.test("ReconnectingConnection refuses a message that would wait for long, unless it is for a pipe", async () => {
  for (
    const [patient, expected] of [[false, "108"], [true, "waits"]] as const
  ) {
    using server = new FakeServer();
    const clock: Clock = {
      now: () => 0,
      sleep: (_, signal) =>
        new Promise((resolve) =>
          signal.addEventListener("abort", () => resolve(), { once: true })
        ),
      every: () => ({ [Symbol.dispose]: () => {} }),
    };
    const { port } = server;
    const line = new ReconnectingConnection({
      dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
      clock,
      patient,
    });
    const answer = Promise.withResolvers<string>();
    const ended = readAll(line, {
      async resume(connection) {
        await connection.request("REGISTER", ["alice"]);
      },
      resumed: () => {},
      lost: () => {},
      slowed: () => answer.resolve("waits"),
    });
    using peer = await server.accept();
    assertEquals(await peer.request(), "REGISTER alice");
    await peer.say("REGISTERED alice\n\n");

    line.request("SEND", ["#x"], {}, "one").catch(({ code }) =>
      answer.resolve(`${code}`)
    );
    assertEquals(await peer.request(), "SEND #x\none");
    await peer.say("ERROR 108 Slow down\nRetry-after: 3600\n\n");

    assertEquals(await answer.promise, expected);
    line.close();
    await ended;
  }
});
