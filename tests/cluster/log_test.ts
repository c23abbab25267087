/** The log of a cluster: one order on all servers, whatever fails. */
import { assert, assertEquals } from "@std/assert";
import { equal, LogProcess } from "./log_processes.ts";
import { natsTest } from "./nats_servers.ts";

natsTest("three servers have one log, in one order", async (nats) => {
  await using a = new LogProcess(nats, "a", { first: 0 });
  await using b = new LogProcess(nats, "b", { first: 1 });
  await using c = new LogProcess(nats, "c", { first: 2 });
  const all = [a, b, c];
  await Promise.all(all.map((one) => one.ready()));

  for (let n = 0; n < 100; n++) {
    for (const one of all) one.tell({ say: `${one.name}${n}` });
  }
  for (const one of all) {
    await one.until((r) => "said" in r && r.said === `${one.name}99`);
  }
  const { texts } = await equal(all);

  assertEquals(texts.length, 300);
  for (const { name } of all) {
    assertEquals(
      texts.filter((text) => text.startsWith(name)),
      Array.from({ length: 100 }, (_, n) => `${name}${n}`),
    );
  }
  assert(texts.length === new Set(texts).size);
});
