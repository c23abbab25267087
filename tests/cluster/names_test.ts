/** A name has one holder on all servers. */
import { assert, assertEquals } from "@std/assert";
import { equal, LogProcess } from "./log_processes.ts";
import { natsTest } from "./nats_servers.ts";

const NAMES = 1_000;

natsTest(
  "of 1,000 names that three servers want, each has one winner",
  async (nats) => {
    await using scope = new AsyncDisposableStack();
    const a = scope.use(new LogProcess(nats, "a", { first: 0 }));
    const b = scope.use(new LogProcess(nats, "b", { first: 1 }));
    const c = scope.use(new LogProcess(nats, "c", { first: 2 }));
    const all = [a, b, c];
    await Promise.all(all.map((one) => one.ready()));
    const names = Array.from({ length: NAMES }, (_, n) => `name${n}x`);
    const isDecided = (one: LogProcess, name?: string) =>
      one.until((r) =>
        "won" in r && r.won === name || "refused" in r && r.refused === name
      );
    const ask = (one: LogProcess, from: number) => {
      const order = [...names.slice(from + 1), ...names.slice(0, from)];
      for (const name of order) one.tell({ claim: name });
      return order.at(-1);
    };
    // Each begins with a name that no other asks for yet, so that none wins all.
    const starts = all.map((one, index) => [one, index * 333] as const);
    for (const [one, from] of starts) one.tell({ claim: names[from]! });
    await Promise.all(
      starts.map(([one, from]) => isDecided(one, names[from])),
    );

    const lastOf = new Map(
      starts.map(([one, from]) => [one, ask(one, from)]),
    );
    await c.until((r) => "won" in r || "refused" in r, {
      from: c.reports.length,
    });
    await c.kill();
    const again = scope.use(new LogProcess(nats, "c"));
    await again.ready();
    lastOf.set(again, ask(again, 666));

    for (const one of [a, b, again]) {
      await isDecided(one, lastOf.get(one));
    }
    const shown = await equal([a, b, again]);
    const holders = new Map(
      shown.names.map((line) => line.split(" ") as [string, string]),
    );
    // What the killed one won is free for the others when it is started again.
    const won = [a, b, again].flatMap(({ name, reports }) =>
      reports.flatMap((r) => "won" in r ? [[r.won, name] as const] : [])
    );
    const lookAlikes = new Set(won.map(([name]) => name));

    assertEquals(won.length, lookAlikes.size, "no name is won twice");
    for (const [name, server] of won) assertEquals(holders.get(name), server);
    assertEquals(holders.size, won.length);
    assert([a, b].every((one) => one.reports.some((r) => "won" in r)));
    const refused = [a, b, again].flatMap(({ reports }) =>
      reports.filter((r) => "refused" in r)
    );
    assert(refused.every((r) => "refused" in r && r.code === 104));
  },
);

natsTest(
  "a name is free when it is given up, and its owner takes it from others",
  async (nats) => {
    await using a = new LogProcess(nats, "a");
    await using b = new LogProcess(nats, "b");
    await Promise.all([a.ready(), b.ready()]);

    a.tell({ claim: "alice" });
    await a.until((r) => "won" in r && r.won === "alice");
    b.tell({ claim: "a1ice" }); // which looks the same
    await b.until((r) => "refused" in r && r.refused === "a1ice");
    a.tell({ release: "alice" });
    for (let won = false; !won;) {
      const from = b.reports.length;
      b.tell({ claim: "a1ice" });
      const report = await b.until((r) => "won" in r || "refused" in r, {
        from,
      });
      won = "won" in report;
    }

    a.tell({ claim: "alice", takesOver: true });
    await a.until((r) => "won" in r && r.won === "alice", {
      from: a.reports.length,
    });
    await b.until((r) => "lost" in r && r.lost === "a1ice");
    b.tell({ release: "a1ice" }); // which it does not hold any more
    await b.say("after that");
    assertEquals((await equal([a, b])).names, ["alice a"]);
  },
);
