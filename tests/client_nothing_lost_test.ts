/** Nothing is lost, said twice or out of order when connections break. */
import { assert } from "@std/assert";
import { checkNothingLost } from "./class_room.ts";
import { quietServer } from "./client_tools.ts";
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
