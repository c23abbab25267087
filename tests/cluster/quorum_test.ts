/** Most servers of NATS are gone: users can read, and what they send waits. */
import { assert, assertEquals } from "@std/assert";
import { STORED_WITHIN_MS } from "../../server/cluster/log/writer.ts";
import { equal, LogProcess } from "./log_processes.ts";
import { natsTest } from "./nats_servers.ts";

natsTest(
  "without most of NATS a server can be read, and entries are refused after 15 seconds",
  async (nats) => {
    await using a = new LogProcess(nats, "a", { first: 0 });
    await using b = new LogProcess(nats, "b", { first: 0 });
    await Promise.all([a.ready(), b.ready()]);
    await a.say("before");
    await nats.kill(1);
    await nats.kill(2);

    const began = performance.now();
    a.tell({ say: "first" }); // it may be on its way when NATS finds no leader
    a.tell({ say: "next" });
    assertEquals((await a.show()).texts, ["before"]);
    const told = await a.until((r) =>
      "log" in r && /takes no entries/.test(r.log)
    );
    const refused = await a.until((r) =>
      "refused" in r && r.refused === "next"
    );
    const waited = performance.now() - began;
    assert(waited > STORED_WITHIN_MS, `${waited}`);
    assert(a.reports.indexOf(told) < a.reports.indexOf(refused));
    const codes = a.reports.flatMap((r) => "refused" in r ? [r.code] : []);
    assert(codes.every((code) => code === 119 || code === "UndecidedError"));

    b.tell({ say: "held" });
    nats.run(1);
    nats.run(2);
    // If NATS needs longer than an entry waits for it, the next one is stored.
    let held = "held";
    for (let isStored = false; !isStored;) {
      const decided = await b.until((r) =>
        "said" in r && r.said === held || "refused" in r && r.refused === held
      );
      isStored = "said" in decided;
      if (!isStored) b.tell({ say: held += " on" });
    }
    await a.say("after");
    const { texts } = await equal([a, b]);
    assertEquals(texts.filter((text) => text === held).length, 1);
    assertEquals(texts.length, new Set(texts).size);
    // What surely was not stored is not; the log decides about the rest.
    for (const report of a.reports) {
      if ("refused" in report && report.code === 119) {
        assert(!texts.includes(report.refused), report.refused);
      }
    }
    await a.until((r) => "log" in r && /takes entries again/.test(r.log));
  },
);
