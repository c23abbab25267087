/**
 * A checker in the manner of Jepsen's:
 *
 *     deno task jepsen --runs 10
 *
 * Sixty clients talk, join, sign up, sign in, race for names and move, and an
 * operator bans, while a nemesis kills servers, stops them, cuts them off, fills
 * their disks and sets their clocks wrong. In the end every message that was
 * answered SENT must be stored once, in one order, and shown to everyone it was
 * for, once and in order; no name may have had two holders; accounts and bans must
 * be as the answers say, and everywhere the same.
 *
 * A seed decides on operations, faults and their times. The scheduler of the
 * system has a part in it, too: a seed that failed may pass the next time.
 *
 * The exit code is 0 if all runs kept every promise, 1 if one did not.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { newSeed } from "../tools/net/fault_proxy.ts";
import { tempFolder } from "../tools/temp.ts";
import { check, explain } from "./check/check.ts";
import type { History, Outcome } from "./check/history.ts";
import { findNats } from "./nats_node.ts";
import { whyNoNetwork } from "./network.ts";
import { findClockLibrary, whyNoDisk } from "./programs.ts";
import { type FaultName, FAULTS, fits } from "./nemesis.ts";
import { run, type RunOptions } from "./run.ts";

const USAGE = `Usage: deno task jepsen [--runs NUMBER] [--seed NUMBER] [...]

  --runs NUMBER     How many runs, each with the next seed (default 1)
  --seed NUMBER     The first seed (default: by chance)
  --seconds NUMBER  How long clients act in a run (default 120)
  --servers NUMBER  How many Parley servers: 1, or 3 with NATS (default 1)
  --clients NUMBER  How many clients talk (default 60)
  --save FOLDER     Store the histories of runs that fail there, as JSON
  --only FAULT,...  Only these faults: ${Object.keys(FAULTS).join(", ")}`;

interface Options extends Omit<RunOptions, "clockLibrary" | "nats"> {
  readonly runs: number;
  /** Where histories are stored, if they are. */
  readonly save: string | undefined;
}

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    console.error(USAGE);
    return 2;
  }
  const { program, why } = await findNats();
  const nats = options.servers > 1 ? program : undefined;
  if (options.servers > 1 && !nats) {
    console.error(`Cannot start several servers: ${why}`);
    return 2;
  }
  const { faults, clockLibrary } = await possible(options);
  const failed: number[] = [];
  for (let number = 0; number < options.runs; number++) {
    const seed = options.seed + number;
    console.log(`seed ${seed}`);
    const started = performance.now();
    const history = await run({ ...options, seed, nats, faults, clockLibrary });
    const seconds = (performance.now() - started) / 1_000;
    console.log(`  ${seconds.toFixed(0)} s: ${counts(history)}`);
    const violations = check(history);
    if (violations.length === 0) continue;
    failed.push(seed);
    if (options.save !== undefined) {
      const file = `${options.save}/history-${seed}.json`;
      await Deno.writeTextFile(file, JSON.stringify({ violations, history }));
    }
    console.log(explain(violations, history));
  }
  const { runs } = options;
  console.log(
    failed.length === 0
      ? `Everything held in ${runs} of ${runs} runs`
      : `Failed: ${failed.length} of ${runs} runs, seeds ${failed.join(", ")}`,
  );
  return failed.length === 0 ? 0 : 1;
}

function readOptions(args: string[]): Options | undefined {
  const { _: others, only, save, ...given } = parseArgs(args, {
    string: ["only", "save"],
  });
  const values = { ...DEFAULTS, seed: newSeed(), ...given };
  const faults =
    (only === undefined
      ? Object.keys(FAULTS)
      : `${only}`.split(",")) as FaultName[];
  const isLegal = others.length === 0 && [1, 3].includes(values.servers) &&
    faults.every((fault) => fault in FAULTS) &&
    Object.entries(values).every(([name, value]) =>
      (name in DEFAULTS || name === "seed") && Number.isSafeInteger(value) &&
      Number(value) >= (name === "seed" ? 0 : 1)
    );
  const { seconds, ...rest } = values;
  if (!isLegal) return undefined;
  const folder = save === undefined ? undefined : `${save}`;
  return { ...rest, forMs: seconds * 1_000, faults, save: folder };
}

const DEFAULTS = { runs: 1, seconds: 120, servers: 1, clients: 60 };

/** Those faults that can be made here; says why others cannot. */
async function possible(
  { faults, servers }: Options,
): Promise<Pick<RunOptions, "faults" | "clockLibrary">> {
  const clockLibrary = await findClockLibrary();
  using folder = tempFolder();
  const reasons: Partial<Record<FaultName, string | undefined>> = {
    clock: clockLibrary ? undefined : "libfaketime is not installed",
    disk: await whyNoDisk(folder.path),
    "nats-disk": await whyNoDisk(folder.path),
    "nats-cut": await whyNoNetwork(),
  };
  for (const fault of faults) {
    if (!fits(fault, servers)) continue;
    if (reasons[fault]) console.log(`Without ${fault}: ${reasons[fault]}`);
  }
  const left = faults.filter((fault) =>
    reasons[fault] === undefined && fits(fault, servers)
  );
  return { faults: left, clockLibrary };
}

/** What happened in a run, in numbers. */
function counts(
  { sends, sessions, claims, signUps, measures, entries, faults }: History,
): string {
  const of = (kind: Outcome["kind"]) =>
    sends.filter(({ outcome }) => outcome.kind === kind).length;
  const receipts = sessions.reduce((sum, one) => sum + one.receipts.length, 0);
  const accounts = signUps.filter(({ outcome }) => outcome.kind === "done");
  return `${of("done")} messages sent, ${of("refused")} refused, ` +
    `${
      of("unknown")
    } unknown, ${receipts} shown; ${sessions.length} sessions, ` +
    `${claims.length} names won, ${accounts.length} accounts, ` +
    `${measures.length} bans and mutes, ` +
    `${entries.filter(({ isTold }) => isTold).length} moves as told; faults ` +
    faults.filter(({ what }) => !what.endsWith("over")).length;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
