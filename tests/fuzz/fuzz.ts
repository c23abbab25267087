/**
 * Hostile frames and noise against a running server and against the client:
 *
 *     deno task fuzz --frames 1000000 --bytes 1000000
 *
 * Both are generated from a seed, which is printed: `--seed` repeats a run, and
 * a failure names the seed of the visit that failed. The server is a process,
 * so that a crash or an unhandled rejection is seen. The client's reader runs in
 * this process, and then some clients as processes.
 *
 * Memory is what JavaScript uses after a collection; where it was before is
 * measured when a twentieth is over, since what is loaded and compiled once
 * stays. The exit code says whether everything held.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { stormClient } from "./client.ts";
import { meetHostileServer } from "./process.ts";
import { type Outcome, type Storm, stormServer } from "./server.ts";
import { newSeed } from "../tools/net/fault_proxy.ts";
import { tempFolder } from "../tools/temp.ts";
import { WatchedServer } from "../tools/watched_server.ts";

const USAGE = `Usage: deno task fuzz [OPTIONS]

  --frames NUMBER   Hostile frames to each of server and client (default 100000)
  --bytes NUMBER    Bytes of noise to each (default: as many)
  --clients NUMBER  Clients to be met as processes (default 20)
  --seconds NUMBER  Be over after that (default 300)
  --seed NUMBER     Repeat a run`;

/** How much more memory may be in use after a storm than before it, in bytes. */
const MAX_GROWTH_BYTES = 8 * 1024 * 1024;

/** The part of a storm before memory is measured for the first time. */
const WARM_UP = 0.05;

interface Options {
  readonly frames: number;
  readonly bytes: number;
  readonly clients: number;
  readonly seconds: number;
  readonly seed: number;
}

/** A storm without its server. */
type Plan = Omit<Storm, "port">;

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    console.error(USAGE);
    return 2;
  }
  console.log(`seed ${options.seed}`);
  try {
    await fuzzServer(options);
    await fuzzClient(options);
    await fuzzProcesses(options);
  } catch (error) {
    console.error(error, `\nseed ${options.seed}`);
    return 1;
  }
  console.log("Everything held");
  return 0;
}

function readOptions(args: string[]): Options | undefined {
  const { _: others, ...given } = parseArgs(args);
  const values = { ...DEFAULTS, seed: newSeed(), ...given };
  const all = { bytes: values.frames, ...values };
  const legal = others.length === 0 &&
    Object.entries(all).every(([name, value]) =>
      (name in DEFAULTS || name === "seed" || name === "bytes") &&
      Number.isSafeInteger(value) && Number(value) >= 0
    );
  // The cast: every value is a number, and there is no other.
  return legal ? all as Options : undefined;
}

const DEFAULTS = { frames: 100_000, clients: 20, seconds: 300 };

/** Both storms, as `options` want them. */
function plansOf({ frames, bytes, seed, seconds }: Options): Plan[] {
  const deadline = performance.now() + seconds * 1_000;
  return [
    { kind: "frames", count: frames, seed, deadline },
    { kind: "noise", count: bytes, seed, deadline },
  ];
}

async function fuzzServer(options: Options): Promise<void> {
  using folder = tempFolder();
  await using server = await WatchedServer.start([
    "--no-limits",
    ...["--db", `${folder.path}/fuzz.db`],
  ]);
  for (const plan of plansOf(options)) {
    await measured(
      plan,
      "server",
      (plan) => stormServer({ ...plan, port: server.port }),
      async () => {
        await server.untilNobodyIsHere();
        return await server.usedBytes();
      },
    );
  }
  const code = await server.stop();
  assertEquals([code, server.errors], [0, ""], "the server ended well");
  assertEquals(server.foul, undefined, "its log is harmless");
}

async function fuzzClient(options: Options): Promise<void> {
  for (const plan of plansOf(options)) {
    await measured(plan, "client", stormClient, () => Promise.resolve(used()));
  }
}

/** Runs a storm; prints its outcome, and its effect on memory. */
async function measured(
  plan: Plan,
  who: string,
  storm: (plan: Plan) => Promise<Outcome>,
  usedBytes: () => Promise<number>,
): Promise<void> {
  const started = performance.now();
  const first = Math.ceil(plan.count * WARM_UP);
  const { visits } = await storm({ ...plan, count: first });
  const before = await usedBytes();
  const rest = { ...plan, count: plan.count - first, seed: plan.seed + visits };
  const outcome = await storm(rest);
  const after = await usedBytes();
  const seconds = (performance.now() - started) / 1_000;
  console.log(
    `${who}: ${first + outcome.count} ${
      plan.kind === "noise" ? "bytes of noise" : "hostile frames"
    } in ${visits + outcome.visits} visits, ${seconds.toFixed(0)} s; ` +
      `memory ${megabytes(before)}, then ${megabytes(after)}`,
  );
  for (const [what, count] of [...outcome.answers].sort()) {
    console.log(`  ${what.padEnd(14)} ${count}`);
  }
  assert(after - before < MAX_GROWTH_BYTES, `${who}: memory has grown`);
}

async function fuzzProcesses({ clients, seed }: Options): Promise<void> {
  const ends = new Map<number, number>();
  for (let i = 0; i < clients; i++) {
    const way = i % 2 === 0 ? [] : ["--plain"];
    const code = await meetHostileServer(seed + i, way);
    ends.set(code, (ends.get(code) ?? 0) + 1);
  }
  const told = Array.from(ends, ([code, count]) => `${code} (${count} times)`);
  console.log(
    `clients as processes: ${clients}; exit codes ${told.join(", ")}`,
  );
}

/** What this process uses, after a collection. */
function used(): number {
  // The cast: it is there with the flag that the task gives.
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
