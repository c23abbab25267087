/** Servers are killed, stopped, and started again: nothing is lost, nothing twice. */
import { assert, assertEquals } from "@std/assert";
import { equal, LogProcess, type Shown } from "./log_processes.ts";
import type { Report } from "./log_process.ts";
import { natsTest } from "./nats_servers.ts";
import { within } from "../tools/net/within.ts";

/** How many texts a process has that are not in the log yet. */
const WINDOW = 16;

/** Processes that say texts all the time. */
class Crowd {
  readonly said = new Set<string>();
  readonly #given: string[] = [];
  #isOver = false;
  #running: Promise<void>[] = [];

  /** Has it say texts, until {@linkcode Crowd.end} or it is killed. */
  start(one: LogProcess): void {
    this.#running.push(this.#run(one));
  }

  async #run(one: LogProcess): Promise<void> {
    const life = `${one.name}${this.#running.length}`;
    let from = one.reports.length;
    let open = 0;
    for (let n = 0; !(this.#isOver && open === 0);) {
      while (open < WINDOW && !this.#isOver) {
        const text = `${life} ${n++}`;
        this.#given.push(text);
        one.tell({ say: text });
        open++;
      }
      let report: Report;
      try {
        report = await one.until(
          (report) => "said" in report || "refused" in report,
          { from },
        );
      } catch (error) {
        if (one.isKilled) return;
        throw error;
      }
      from = one.reports.indexOf(report, from) + 1;
      open--;
      // One is refused if NATS has no leader for longer than an entry waits.
      if ("said" in report) this.said.add(report.said);
    }
  }

  /** Waits until all have had so many texts taken from now on. */
  async more(processes: readonly LogProcess[], count: number): Promise<void> {
    await Promise.all(processes.map(async (one) => {
      for (let n = 0, from = one.reports.length; n < count; n++) {
        const report = await one.until((report) => "said" in report, { from });
        from = one.reports.indexOf(report, from) + 1;
      }
    }));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /** What was acknowledged is in the log, and nothing is there twice. */
  check({ texts }: Shown): void {
    const stored = new Set(texts);
    assertEquals(texts.length, stored.size, "none is there twice");
    assertEquals([...this.said].filter((text) => !stored.has(text)), []);
    assert(texts.every((text) => this.#given.includes(text)));
  }
}

natsTest(
  "nothing is lost and nothing is twice when servers of NATS are killed",
  async (nats) => {
    await using a = new LogProcess(nats, "a", { first: 0 });
    await using b = new LogProcess(nats, "b", { first: 1 });
    await using c = new LogProcess(nats, "c", { first: 2 });
    const all = [a, b, c];
    await Promise.all(all.map((one) => one.ready()));
    const crowd = new Crowd();
    for (const one of all) crowd.start(one);
    await crowd.more(all, 20);

    const leader = await nats.leaderOf("PARLEY_test");
    await nats.kill(leader);
    await crowd.more(all, 20);
    nats.run(leader);

    const follower = (await nats.leaderOf("PARLEY_test") + 1) % 3;
    nats.signal(follower, "SIGSTOP");
    await crowd.more(all.filter((_, n) => n !== follower), 20);
    nats.signal(follower, "SIGCONT");
    await crowd.more(all, 20);

    await Promise.all([0, 1, 2].map((server) => nats.kill(server)));
    for (const server of [0, 1, 2]) nats.run(server);
    await crowd.more(all, 20);

    await crowd.end();
    crowd.check(await equal(all));
  },
);

natsTest(
  "nothing is lost and nothing is twice when servers of Parley are killed",
  async (nats) => {
    const folder = Deno.makeTempDirSync({ prefix: "parley-test-" });
    await using scope = new AsyncDisposableStack();
    scope.defer(() => Deno.removeSync(folder, { recursive: true }));
    const database = `${folder}/b.db`;
    const a = scope.use(new LogProcess(nats, "a"));
    const b = scope.use(new LogProcess(nats, "b", { database }));
    const c = scope.use(new LogProcess(nats, "c"));
    await Promise.all([a, b, c].map((one) => one.ready()));
    const crowd = new Crowd();
    for (const one of [a, b, c]) crowd.start(one);
    await crowd.more([a, b, c], 20);

    // With its file it goes on where it was; without one it reads all of the log.
    await b.kill();
    const again = scope.use(new LogProcess(nats, "b", { database }));
    await c.kill();
    const anew = scope.use(new LogProcess(nats, "c"));
    await Promise.all([again.ready(), anew.ready()]);
    for (const one of [again, anew]) crowd.start(one);
    await crowd.more([a, again, anew], 20);

    // The others take it for gone; then it begins an epoch, and sends all again.
    anew.signal("SIGSTOP");
    await a.until((report) => "gone" in report && report.gone === "c", {
      from: a.reports.length,
    });
    anew.signal("SIGCONT");
    await crowd.more([a, again, anew], 20);

    await crowd.end();
    crowd.check(await equal([a, again, anew]));
    // A slow machine may keep one of them from being heard for a while.
    let peers = "";
    const told = (async () => {
      while (peers !== "b,c") peers = (await a.show()).peers.join();
    })();
    await within(told, () => `b and c, and not ${peers}`);
  },
);
