/** Nothing is lost, said twice or out of order when connections break. */
import { assert, assertEquals } from "@std/assert";
import { checkNothingLost, historyOf } from "./class_room.ts";
import { ClientProcess, quietServer } from "./client_tools.ts";
import { FaultProxy, newSeed, seeded } from "./fault_proxy.ts";

Deno.test("30 clients in 5 rooms lose nothing while their connections are cut at random", async () => {
  const seed = newSeed();
  await using server = quietServer();
  await using proxy = new FaultProxy({
    target: server.port,
    random: seeded(seed),
  });
  const classroom = {
    port: proxy.port,
    clients: 30,
    rooms: 5,
    messages: 150,
  };

  try {
    await checkNothingLost(classroom, server.port, () => {
      proxy.bytesPerCut = 40_000;
      proxy.cutAll();
      return {
        [Symbol.asyncDispose]() {
          proxy.bytesPerCut = Infinity;
          proxy.cutAll(); // those that would still be cut
          return Promise.resolve();
        },
      };
    });
  } catch (cause) {
    throw new Error(`PARLEY_SEED=${seed}`, { cause });
  }

  assert(proxy.cuts > 100, `only ${proxy.cuts} cuts`);
});

Deno.test("client.ts < book arrives whole and in order, though its connection is cut again and again", async () => {
  const seed = newSeed();
  const lines = Array.from({ length: 4_000 }, (_, i) => `line ${i} of a book`);
  await using server = quietServer();
  await using proxy = new FaultProxy({
    target: server.port,
    random: seeded(seed),
  });
  await using client = new ClientProcess(["alice", `127.0.0.1:${proxy.port}`]);
  await client.until("you joined #default");

  proxy.bytesPerCut = 100_000;
  proxy.cutAll();
  await client.type(lines.map((line) => `${line}\n`).join(""));
  const { code, err } = await client.end();

  assertEquals([code, err], [0, ""], `PARLEY_SEED=${seed}`);
  const kept = await historyOf(server.port, "#default");
  assertEquals(kept, lines.map((line) => `alice: ${line}`), `seed ${seed}`);
  assert(proxy.cuts > 1, `only ${proxy.cuts} cuts`);
});
