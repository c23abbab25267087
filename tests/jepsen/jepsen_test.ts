/** The checker at work: short runs with fixed seeds, and what their seeds decide. */
import { assert, assertEquals } from "@std/assert";
import { needs } from "../tools/system/skips.ts";
import { check, explain } from "./check/check.ts";
import type { History } from "./check/history.ts";
import { FAULTS, planOf } from "./nemesis.ts";
import { findNats } from "./nats_node.ts";
import { run } from "./run.ts";

/** The same for each run of these tests. */
const SEED = 2026;

const SHORT = {
  seed: SEED,
  forMs: 10_000,
  servers: 1,
  clients: 24,
  faults: ["kill", "stop", "partition", "deaf", "mute", "reset"],
  nats: undefined,
  clockLibrary: undefined,
} as const;

Deno.test(needs("signals between programs", {
  name:
    "nothing is lost, doubled or out of order while a server is killed, stopped and cut off",
  async fn() {
    const history = await run(SHORT);
    const violations = check(history);

    assertEquals(violations, [], explain(violations, history));
    assert(history.faults.length > 0 && count(history, "done") > 0);
    // The same run would not have passed with a server that does wrong.
    for (const [what, spoil] of SPOILT) {
      const spoilt = structuredClone(history);
      spoil(spoilt);
      assert(check(spoilt).length > 0, `${what} is found`);
    }
  },
}));

const { program, why } = await findNats();
const THREE = "nothing is lost, doubled or out of order with three servers";

Deno.test({
  name: program === undefined ? `${THREE} (skipped: ${why})` : THREE,
  ignore: program === undefined,
  async fn() {
    const history = await run({
      ...SHORT,
      servers: 3,
      nats: program,
      faults: ["kill", "partition", "nats-kill", "nats-stop", "nats-link"],
    });
    const violations = check(history);

    assertEquals(violations, [], explain(violations, history));
    assertEquals(history.servers.length, 3);
    assert(history.faults.length > 0 && count(history, "done") > 0);
  },
});

function count({ sends }: History, kind: string): number {
  return sends.filter(({ outcome }) => outcome.kind === kind).length;
}

/** What a journal could do wrong, with one message of a real run. */
const SPOILT: readonly [what: string, spoil: (history: History) => void][] = [
  ["a lost message", ({ servers: [server], sends }) => {
    const { text } = sends.find(({ outcome }) => outcome.kind === "done")!;
    const index = server!.messages.findIndex((one) => one.text === text);
    remove(server!.messages, index);
  }],
  ["a doubled message", ({ servers: [server] }) => {
    const [first] = server!.messages;
    const id = server!.messages.at(-1)!.id + 1;
    (server!.messages as unknown[]).push({ ...first, id });
  }],
  ["two messages that changed places", ({ servers: [server] }) => {
    const { messages } = server!;
    const [one, two] = [messages[0]!, messages.at(-1)!];
    Object.assign(messages, { 0: { ...two, id: one.id } });
    Object.assign(messages, { [messages.length - 1]: { ...one, id: two.id } });
  }],
  ["a message that one client missed", ({ sessions }) => {
    const { receipts } = sessions.find(({ stayed }) => stayed)!;
    receipts.splice(Math.floor(receipts.length / 2), 1);
  }],
  ["a message that one client was shown twice", ({ sessions }) => {
    const { receipts } = sessions.find(({ stayed }) => stayed)!;
    receipts.push(receipts.at(-1)!);
  }],
];

function remove(list: readonly unknown[], index: number): void {
  (list as unknown[]).splice(index, 1);
}

Deno.test("a seed decides on the faults, and no fault outlasts the run", () => {
  const faults = Object.keys(FAULTS) as (keyof typeof FAULTS)[];
  const options = { seed: SEED, forMs: 60_000, faults, nodes: 3 };
  const plan = planOf(options);

  assertEquals(planOf(options), plan);
  assert(
    JSON.stringify(planOf({ ...options, seed: 1 })) !== JSON.stringify(plan),
  );
  assert(plan.length > 4, `${plan.length} faults`);
  for (const [i, { at, forMs, nodes, fault }] of plan.entries()) {
    const next = plan[i + 1]?.at ?? options.forMs;
    assert(at > 0 && forMs > 0 && at + forMs <= next, `${i}`);
    assert(nodes.length > 0 && new Set(nodes).size === nodes.length);
    assert(nodes.every((number) => number >= 0 && number < 3));
    assert(faults.includes(fault));
  }
  const many = Array.from(
    { length: 20 },
    (_, seed) => planOf({ ...options, seed }),
  ).flat();
  assertEquals(new Set(many.map(({ fault }) => fault)).size, faults.length);
  assertEquals(new Set(many.map(({ nodes }) => nodes.length)).size, 3);
  assertEquals(planOf({ ...options, faults: [] }), []);
});
